/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The journal: everything of the store that must outlive its daemon, as a stream of operations.
 *
 * While the store has a journal, each change appends operations to store->jlog. The owner makes what is there durable as
 * one atomic group before it lets anybody outside see an effect: before answers are sent, before ring
 * indices move. A snapshot is the same stream, written from nothing; so reading a file is always the same: apply
 * group after group to an empty store.
 *
 * Kept: nodes, permissions, quotas, domains, and of the domains' connections the watches, the bytes under way in
 * both directions with their ring positions, and which transactions were open. Of socket connections nothing: they end with
 * the daemon.
 */
#ifndef XS_JOURNAL_H
#define XS_JOURNAL_H

#include "xs_store.h"

enum xs_j {
	XS_J_NODE = 1, /* path, permissions, value: a node of a snapshot */
	XS_J_WRITE, /* owner, path, value */
	XS_J_RM, /* path */
	XS_J_PERMS, /* path, permissions */
	XS_J_SPECIAL, /* 0 introduce, 1 release; permissions */
	XS_J_QUOTA, /* quota, limit */
	XS_J_SOFT, /* quota, soft limit */
	XS_J_OWN, /* domid, quota, limit */
	XS_J_DOMAIN, /* domid, mfn, port */
	XS_J_PORT, /* domid, mfn, port */
	XS_J_STATE, /* domid, shutdown, target */
	XS_J_GONE, /* domid */
	XS_J_WATCH, /* domid, rel, depth, path, token */
	XS_J_UNWATCH, /* domid, rel, path, token */
	XS_J_LOST, /* domid, rel, lost, path, token */
	XS_J_TXN, /* domid, id, open */
	XS_J_IN, /* domid, bytes taken from the ring */
	XS_J_USED, /* domid, bytes of requests done */
	XS_J_OUT, /* domid, bytes of answers and events */
	XS_J_POS, /* domid, ring positions: next byte to take, first byte of out */
	XS_J_RESET, /* domid: the ring starts afresh */
	XS_J_START, /* generation counter: a snapshot begins, the tree is empty */
	XS_J_GEN, /* generation counter */
	XS_J_FEATURES, /* domid, features offered */
};

/* The writers do nothing when the store has no journal; out of memory sets store->jbroken. */
void xs_j_write(struct xs_store *s, uint16_t owner, const char *path, const void *data, size_t len);
void xs_j_rm(struct xs_store *s, const char *path);
void xs_j_perms(struct xs_store *s, const char *path, const struct xs_perms *perms);
void xs_j_special(struct xs_store *s, bool release);
void xs_j_quota(struct xs_store *s, enum xs_quota q);
void xs_j_soft(struct xs_store *s, enum xs_quota q);
void xs_j_own_quota(struct xs_store *s, const struct xs_domain *d, enum xs_quota q);
void xs_j_features(struct xs_store *s, uint16_t domid, uint32_t bits);
void xs_j_domain(struct xs_store *s, const struct xs_domain *d);
void xs_j_port(struct xs_store *s, const struct xs_domain *d);
void xs_j_state(struct xs_store *s, const struct xs_domain *d);
void xs_j_gone(struct xs_store *s, uint16_t domid);
void xs_j_watch(const struct xs_watch *w, enum xs_j kind);
void xs_j_txn(const struct xs_conn *c, uint32_t id, bool open);
void xs_j_bytes(const struct xs_conn *c, enum xs_j kind, const void *data, size_t len);
void xs_j_used(const struct xs_conn *c, size_t n);
void xs_j_reset(const struct xs_conn *c);
/* The ring positions of a connection that was attached. */
void xs_j_pos(const struct xs_conn *c);

/*
 * Write the whole state as groups: emit is called with one group after another, each at most about 64 KiB. Returns false as
 * soon as emit does, or when out of memory.
 */
bool xs_j_snapshot(struct xs_store *s, bool (*emit)(void *arg, const void *group, size_t len),
		   void *arg);

/*
 * Put into s->jlog, as one group, what a stream for live update (xs_state.h) cannot say otherwise. False when out of
 * memory. What was in jlog must be durable.
 */
bool xs_j_extra(struct xs_store *s);

/*
 * Apply one group to a store. NULL, or what is wrong with it; then the store is in no usable state. Domains get
 * connections without a ring; the owner attaches those afterwards.
 */
const char *xs_j_apply(struct xs_store *s, const void *group, size_t len);

#endif
