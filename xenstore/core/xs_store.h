/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store: tree, connections, watches, transactions, domains, quotas; and the wire protocol as a function
 * from (connection, request) to bytes in the output queues of connections. No I/O: what the outside world has
 * to do is asked for through struct xs_host.
 *
 * Error codes are positive errno values, as <xen/io/xs_wire.h> names them.
 */
#ifndef XS_STORE_H
#define XS_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xs_buf.h"
#include "xs_perm.h"
#include "xs_tree.h"

struct xsd_sockmsg;
struct xs_store;
struct xs_conn;

/* Limits of an unprivileged domain; XS_Q_NUM of them, named in xs_quota_name[]. */
enum xs_quota {
	XS_Q_NODES, /* nodes owned */
	XS_Q_NODE_SIZE, /* bytes of value and permissions of a node */
	XS_Q_WATCHES, /* watches of the connection */
	XS_Q_TRANSACTIONS, /* open transactions */
	XS_Q_TXN_NODES, /* paths touched, and changes kept, by one transaction */
	XS_Q_MEMORY, /* bytes of nodes owned */
	XS_Q_PERMS, /* entries of a permission list */
	XS_Q_PATH, /* bytes of a path below /local/domain/<domid>/, or of any other path */
	XS_Q_OUTPUT, /* bytes of answers and events not yet taken */
	XS_Q_OUTSTANDING, /* answers not yet taken; no request is handled beyond that */
	XS_Q_NUM
};

extern const char *const xs_quota_name[XS_Q_NUM];

/* Server features: reconnection, error field, depth of watches (bit 2, newer than some headers). */
#define XS_FEATURES (XENSTORE_SERVER_FEATURE_RECONNECTION | XENSTORE_SERVER_FEATURE_ERROR | 4u)

#define XS_LATER (-1)

/* What the core asks of its surroundings. ctx is the one given to xs_store_new(). */
struct xs_host {
	/*
	 * Map the ring of a domain and bind its port. 0 with *ring set, or an errno. For a domain that is
	 * introduced already *ring is the old one: only the port is bound again.
	 */
	int (*introduce)(void *ctx, uint16_t domid, uint64_t mfn, uint32_t port, void **ring);
	/* The connection of a newly introduced ring. */
	void (*attached)(void *ctx, void *ring, struct xs_conn *c);
	/* The connection of this ring was destroyed: unmap, unbind. */
	void (*release)(void *ctx, uint16_t domid, void *ring);
	/*
	 * A request was refused for a quota, or (soft) it was done and the domain should be looked at; called each
	 * time, the callee limits its rate.
	 */
	void (*refused)(void *ctx, uint16_t domid, enum xs_quota q, uint64_t limit,
			const char *path, bool soft);
	/* A line for the log. */
	void (*log)(void *ctx, const char *text);
	/*
	 * XS_CONTROL sub-commands that the core does not know. Append the answer with its NUL to out. 0 or errno;
	 * EINVAL for an unknown one; XS_LATER when the callee will send the answer to request req_id of c itself.
	 */
	int (*control)(void *ctx, struct xs_conn *c, uint32_t req_id, unsigned int argc,
		       const char *const *argv, struct xs_buf *out);
};

/* ---- watches ---- */

struct xs_wnode; /* a component of a watched path, see xs_watch.c */

struct xs_watch {
	struct xs_conn *conn;
	struct xs_wnode *at;
	struct xs_watch *next_at, *prev_at; /* other watches at the same path */
	struct xs_watch *next_own, *prev_own; /* other watches of the connection */
	size_t rel; /* leading bytes of paths that the client does not see */
	int depth; /* levels below the path that count; -1: all */
	bool lost; /* an event did not fit the output queue */
	const char *token;
	char path[]; /* path as stored, NUL, token, NUL */
};

/* ---- transactions ---- */

/* What a transaction has seen of a path. */
#define XS_SAW_NODE  1u /* whether it exists */
#define XS_SAW_VALUE 2u
#define XS_SAW_KIDS  4u
#define XS_SAW_PERMS 8u
#define XS_TXN_SET   16u /* it set the value itself: later reads see nothing of others */
#define XS_TXN_CUT   32u /* it removed the path: all from here on down is its own */

struct xs_touch {
	struct xs_touch *next;
	uint32_t hash;
	uint32_t flags;
	uint32_t op; /* last write operation of this path + 1, or 0 */
	char path[];
};

enum xs_op_kind { XS_OP_WRITE, XS_OP_MKDIR, XS_OP_RM, XS_OP_PERMS };

struct xs_op {
	enum xs_op_kind kind;
	const char *path; /* that of its xs_touch */
	struct xs_blob *value;
	struct xs_perms *perms;
	/* For the events: what the operation did to the transaction's view, or to the store when it is done there again. */
	bool changed;
	struct xs_node *old;
	struct xs_perms *old_perms;
};

struct xs_txn {
	struct xs_txn *next;
	struct xs_conn *conn;
	uint32_t id;
	struct xs_node *base; /* the store when the transaction began */
	struct xs_tree work; /* its own view; accounting holds differences */
	struct xs_touch **bucket;
	uint32_t nbucket, ntouch;
	struct xs_op *op;
	uint32_t nop, cap_op;
	size_t held; /* bytes of paths and values that it keeps */
	bool doomed; /* goes on only in name, since a restart or for its age: ends with EAGAIN */
	bool exact; /* it did something that leaves no trace in its view: must be done again if the store has changed */
	uint32_t rules; /* the store's when it began */
	uint64_t since; /* replaced bytes of the store when it began */
	uint32_t barrier; /* operations before this one may no longer be merged with later ones */
};

/* ---- connections, domains ---- */

struct xs_conn {
	struct xs_conn *next, *prev;
	struct xs_store *store;
	uint16_t domid; /* 0 for sockets */
	uint16_t target; /* acts for this domain too, or XS_NO_DOMID */
	bool broken; /* an answer could not be queued: the owner must close it */
	bool ring; /* a domain's: kept in the journal */
	struct xs_domain *domain; /* that of a ring */
	uint32_t nwatch, ntxn, nlost;
	uint32_t unread; /* answers queued since out was last empty */
	uint32_t next_txn;
	uint32_t answers; /* queued, ever */
	uint32_t work; /* operations done beyond one for each request, ever: commits are long */
	struct xs_watch *watch, *watch_tail;
	struct xs_txn *txn;
	struct xs_buf in; /* received, not yet handled; kept by the owner */
	struct xs_buf out; /* whole messages; the owner takes from the front */
	/* Positions in a ring's two streams: the next byte to receive, the first byte of out. */
	uint32_t in_at, out_at;
	/* Called when out was empty and is no longer; may be NULL. */
	void (*wake)(struct xs_conn *c);
	void *host; /* the owner's */
};

struct xs_domain {
	struct xs_domain *next;
	uint16_t domid;
	bool shutdown;
	uint64_t mfn;
	uint32_t port;
	struct xs_conn *conn;
	uint32_t own_quota; /* bit q: quota[q] holds instead of the store's */
	uint64_t quota[XS_Q_NUM];
};

/* What a domain is offered of XS_FEATURES. */
struct xs_features {
	struct xs_features *next;
	uint16_t domid;
	uint32_t bits;
};

struct xs_store {
	struct xs_tree tree;
	uint64_t gen;
	struct xs_wnode *wroot, *wspecial;
	struct xs_conn *conns;
	struct xs_domain *domains;
	struct xs_features *features; /* of domains that are not offered all */
	struct xs_perms *introduce_perms, *release_perms;
	uint64_t quota[XS_Q_NUM];
	uint64_t soft[XS_Q_NUM]; /* beyond this a line is logged; 0: never */
	const struct xs_host *host;
	void *ctx;
	uint32_t nwatch, nconn;
	uint32_t
		rules; /* counts changes of what decides about requests, besides the tree: quotas, targets */
	uint64_t next_doom; /* tree.replaced from which snapshots are looked at again */
	bool journal; /* changes go to jlog, see xs_journal.h */
	bool jbroken; /* jlog lacks something: only a snapshot helps */
	bool replay; /* changes come from a journal: no answers, no events */
	struct xs_buf jlog; /* changes that are not durable yet */
};

/* An empty store with "/", "/local", "/local/domain" and "/tool/xenstored"; NULL when out of memory. */
struct xs_store *xs_store_new(const struct xs_host *host, void *ctx);
/* Remove all nodes but the root. 0 or ENOMEM. */
int xs_store_clear(struct xs_store *s);
/* Close all connections (release() is called for rings) and free everything. */
void xs_store_free(struct xs_store *s);

/* A connection of a socket (domid 0). NULL when out of memory. */
struct xs_conn *xs_conn_new(struct xs_store *s, uint16_t domid, void *host);
/* Its watches and transactions end. Not for connections of rings: xs_domain_gone() does those. */
void xs_conn_free(struct xs_conn *c);

/* End all its watches and transactions. */
void xs_conn_quiet(struct xs_conn *c);
/* Forget all that is under way: watches, transactions, bytes in both directions, ring positions. */
void xs_conn_restart(struct xs_conn *c);

/* May the next request be handled, or is too much output waiting? */
bool xs_conn_ready(const struct xs_conn *c);
/* n bytes of c->out were sent. */
void xs_conn_sent(struct xs_conn *c, size_t n);

/* Handle one request; hdr->len bytes of body, hdr->len <= XENSTORE_PAYLOAD_MAX. Always answers. */
void xs_handle(struct xs_conn *c, const struct xsd_sockmsg *hdr, const char *body);

/* Give the store its local domain's ring (dom0's kernel). 0 or errno. No watch fires. */
int xs_domain_add(struct xs_store *s, uint16_t domid, uint64_t mfn, uint32_t port, void *ring,
		  struct xs_conn **conn);
struct xs_domain *xs_domain_find(struct xs_store *s, uint16_t domid);
/* The features that domid is offered, or will be. */
uint32_t xs_features(const struct xs_store *s, uint16_t domid);
/* Offer it only these; XS_FEATURES is what holds without a word. 0 or ENOMEM. */
int xs_features_set(struct xs_store *s, uint16_t domid, uint32_t bits);
/* The domain has shut down or crashed: @releaseDomain fires once. */
void xs_domain_shutdown(struct xs_store *s, uint16_t domid);
/* The domain is gone: close its connection, remove what it owned, fire @releaseDomain. */
void xs_domain_gone(struct xs_store *s, uint16_t domid);

/* NULL, or what is inconsistent in the store. */
const char *xs_store_check(const struct xs_store *s);

/* ---- between the files of the core ---- */

static inline bool xs_conn_priv(const struct xs_conn *c)
{
	return c->domid == 0;
}

/* Queue one message; sets c->broken when out of memory. */
void xs_conn_send(struct xs_conn *c, uint32_t type, uint32_t req_id, uint32_t tx_id, const void *a,
		  size_t alen, const void *b, size_t blen);

/* The limit that holds for c. */
uint64_t xs_limit(const struct xs_conn *c, enum xs_quota q);
/* Is value beyond the soft limit? Then tell the host. */
void xs_soft(struct xs_conn *c, enum xs_quota q, uint64_t value, const char *path);
/* XS_Q_NUM if there is none of that name. */
enum xs_quota xs_quota_find(const char *name);
/* Refuse for a quota: tell the host and return err. */
int xs_refuse(struct xs_conn *c, enum xs_quota q, const char *path, int err);

/* Add a watch; text is what the client called the path. 0, EEXIST or ENOMEM. */
int xs_watch_add(struct xs_conn *c, const char *path, size_t rel, const char *token, int depth,
		 struct xs_watch **watch);
struct xs_watch *xs_watch_find(struct xs_conn *c, const char *path, size_t rel, const char *token);
void xs_watch_del(struct xs_watch *w);
/* Send one event; path NULL means the watch's own. */
void xs_watch_event(struct xs_watch *w, const char *path);
/* The node at path changed; old (may be NULL) is its list before. */
void xs_watch_fire(struct xs_store *s, const char *path, const struct xs_perms *old);
/* The tree old was removed at path. */
void xs_watch_fire_rm(struct xs_store *s, const char *path, const struct xs_node *old);
/* @introduceDomain and @releaseDomain, for domid. */
void xs_watch_fire_special(struct xs_store *s, const char *name, uint16_t domid);
void xs_wnode_free_all(struct xs_wnode *n);
struct xs_wnode *xs_wnode_new_root(void);

struct xs_txn *xs_txn_find(struct xs_conn *c, uint32_t id);
int xs_txn_begin(struct xs_conn *c, uint32_t *id);
/* End and free t. *done is the list of operations for xs_txn_fire(), or NULL. */
int xs_txn_end(struct xs_txn *t, bool commit, struct xs_txn **done);
/* Fire the events of a committed transaction, and free it. */
void xs_txn_fire(struct xs_txn *t);
/* A doomed transaction goes on with the store as it is now. */
void xs_txn_rebase(struct xs_txn *t);
/* A snapshot keeps what was replaced since it was made: doom those of domains that keep too much. */
void xs_txn_doom_old(struct xs_store *s);
/* Note that the transaction has seen something of path. 0, ENOMEM or ENOSPC. */
int xs_txn_saw(struct xs_txn *t, const char *path, unsigned int what);
/* Make room for one change of path, so that xs_txn_log() cannot fail. 0, ENOMEM or ENOSPC. */
int xs_txn_reserve(struct xs_txn *t, const char *path);
/*
 * Note a change that was made to t->work; a value is taken from there. The caller fills in the rest of what is returned:
 * changed, old, perms, old_perms.
 */
struct xs_op *xs_txn_log(struct xs_txn *t, enum xs_op_kind kind, const char *path);

/* Permission-checked operations on the store (t NULL) or in a transaction. */
int xs_node_access(struct xs_conn *c, struct xs_txn *t, const char *path, unsigned int want,
		   unsigned int sees, struct xs_node **node);
int xs_op_write(struct xs_conn *c, struct xs_txn *t, const char *path, const void *data,
		size_t len);
int xs_op_mkdir(struct xs_conn *c, struct xs_txn *t, const char *path, bool *created);
int xs_op_rm(struct xs_conn *c, struct xs_txn *t, const char *path, struct xs_node **old);
int xs_op_set_perms(struct xs_conn *c, struct xs_txn *t, const char *path, struct xs_perms *perms,
		    struct xs_perms **old);

/* XS_CONTROL; argv[0] is the sub-command. 0, an errno or XS_LATER. */
int xs_control(struct xs_conn *c, uint32_t req_id, unsigned int argc, const char *const *argv,
	       struct xs_buf *out);

#endif
