/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xenstored: event loop, sockets and domain rings around xenstore/core.
 *
 * One thread. Each turn of the loop gives every ready connection a bounded share: one receive from a socket, one
 * ring's worth from a domain. What the requests produced is sent at the end of the turn, one send per connection. All
 * receives of a turn are one system call, and so are all sends.
 */
#ifndef XSD_H
#define XSD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "xenstore/core/xs_budget.h"
#include "xenstore/core/xs_buf.h"
#include "xenstore/core/xs_store.h"

struct xsd;
struct xsd_sockmsg;

/* Something in the epoll set. */
struct src {
	int fd;
	void (*ready)(struct xsd *d, struct src *s, uint32_t events);
};

struct ring; /* ring.c */

/* One connection: a socket client or the ring of a domain. */
struct peer {
	struct src src; /* fd is -1 for rings */
	struct xsd *d;
	struct xs_conn *conn;
	struct ring *ring; /* NULL for sockets */
	struct peer *next_dirty; /* output waits, or more input can be handled without an event */
	struct peer *next_dead;
	bool dirty, dead, paused, polls_out;
	uint32_t window; /* of events in which it last asked, see crowd.c */
};

struct xsd_opts {
	const char *rundir, *pidfile, *logfile, *journal, *access_log;
	bool foreground, no_domains, verbose, repair;
	const char *
		handover; /* "STATE,LOCK,VIRQ": descriptors and port from the process image before us */
};

/* Sockets that are looked at in one turn, and operations that are one system call. */
#define XSD_BATCH 64

struct xsd {
	struct xsd_opts opt;
	struct xs_store *store;
	int epoll;
	volatile bool stop;
	struct src listener;
	struct src evtchn;
	struct peer *dirty, **dirty_tail, *dead;
	uint32_t ndirty;
	struct peer *readable[XSD_BATCH]; /* sockets to receive from in this turn */
	uint32_t nreadable;
	struct ring *held; /* rings that wait for their budget, linked by next_held */
	struct xen *xen; /* NULL with --no-domains */
	struct journal *journal; /* NULL: none */
	uint32_t nsock;
	int lock_fd;
	int argc; /* the command line, for a live update */
	char **argv;
	char *new_binary; /* what a live update will run; NULL: this program again */
	bool update; /* a live update was asked for in this turn */
	struct xs_conn *update_by; /* by whom, and with which request */
	uint32_t update_req;
};

/* ---- log.c ---- */
enum xsd_level { XSD_ERR, XSD_WARN, XSD_INFO, XSD_DEBUG };
/* Open the log: a file, or standard error for NULL. 0 or -1 with errno. */
int xsd_log_open(const char *file, bool verbose);
void xsd_log(enum xsd_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The core's quota refusals, at most one line a minute for each domain and quota. */
void xsd_log_refused(uint16_t domid, enum xs_quota q, uint64_t limit, const char *path, bool soft);

/* Log each request from now on, or no longer: to file, or to the log for NULL. 0 or -1 with errno. */
int xsd_access_log(const char *file, bool on);
void xsd_access(const struct xs_conn *c, const struct xsd_sockmsg *h, const char *body);

/* ---- peer.c ---- */
/* Handle the complete requests at the start of data, as long as answers are taken. Returns the bytes used, or
 * -1 when the peer broke the protocol. */
ssize_t xsd_requests(struct peer *p, const char *data, size_t len);
/* Have p looked at when this turn of the loop ends. */
void xsd_dirty(struct peer *p);
void xsd_undirty(struct peer *p);
/* Serve all that are dirty now, once. */
void xsd_flush(struct xsd *d);
/* The core's wake callback of all peers. */
void xsd_wake(struct xs_conn *c);

/* ---- batch.c ---- */
/* A receive or a send. */
struct xsd_io {
	struct peer *peer; /* the caller's */
	int fd;
	bool send;
	void *buf; /* len bytes, the caller's; not touched after xsd_batch() has returned */
	size_t len;
	ssize_t result; /* bytes; 0: the other side has closed; or -errno: EAGAIN when it would have to wait */
};
/* Do n <= XSD_BATCH operations on different sockets, none of which waits; in one system call if the kernel can. */
void xsd_batch(struct xsd_io *io, unsigned int n);

/* ---- crowd.c ---- */
/* Account for a turn with so many events and d->readable; choose the scheduling policy for what comes. */
void xsd_crowd(struct xsd *d, uint32_t events);

/* ---- sock.c ---- */
/* Listen on RUNDIR/socket, or take the socket that a service manager passed. 0 or -1 (logged). */
int xsd_listen(struct xsd *d);
/* Listen on a socket that was handed over. 0 or -1. */
int xsd_listen_on(struct xsd *d, int fd);
/* A client: with a new connection, or one that was handed over. 0 or -1, and fd is closed. */
int xsd_add_client(struct xsd *d, int fd, struct xs_conn *c);
/* Receive from all that are readable, and handle it. */
void xsd_sock_receive(struct xsd *d);
/* Send what waits for these n <= XSD_BATCH different peers; resume those that are paused. */
void xsd_sock_flush(struct xsd *d, struct peer *const *p, uint32_t n);
void xsd_reap(struct xsd *d);

/* ---- ring.c ---- */
struct xenstore_domain_interface;

/* The ring of a domain. */
struct ring {
	struct peer peer;
	struct ring *next;
	volatile struct xenstore_domain_interface *page;
	uint16_t domid;
	uint32_t remote_port;
	uint32_t port; /* local */
	bool bad; /* broke the ring protocol; ignored until it reconnects */
	bool granted; /* mapped by grant, not by frame number */
	int64_t told,
		told_held; /* second of the last log line about a bad ring, about a budget; or 0 */
	/* Looks at the ring that found nothing, and long commits. Without budget the domain is not served for a while. */
	struct xs_budget looks, heavy;
	struct ring *next_held;
	bool held; /* in the list of those that wait */
	bool masked; /* its event was taken and not acknowledged: no other comes */
};
/* Take requests from the ring and put answers to it; notifies the domain if anything moved. */
void xsd_ring_run(struct ring *r);
/* A domain connects for the first time: clear what a previous life left in the page. */
void xsd_ring_start(struct ring *r);

/* An event of the domain was taken: run its ring and acknowledge, or leave it masked until there is budget. */
void xsd_ring_event(struct ring *r);
/* Run rings whose budget is there again. */
void xsd_ring_unhold(struct xsd *d);
/* Milliseconds until xsd_ring_unhold() is to be called; -1: never. */
int xsd_ring_timeout(struct xsd *d);
/* The ring ends: nobody waits for it any more. */
void xsd_ring_forget(struct ring *r);

/* A domain that was known before a restart: go on where the journal says. */
void xsd_ring_resume(struct ring *r);

/* ---- journal.c ---- */
/*
 * Take up what a daemon before us left in file, and keep the journal there from now on. 0 or -1 (logged): the
 * file is damaged, or cannot be written.
 */
int xsd_journal_open(struct xsd *d, const char *file, bool take_up_old);
/* Make all changes so far survive the death of the process. To be called before anybody can see their effect. */
void xsd_journal_commit(struct xsd *d);

/* ---- update.c ---- */
/* The sub-commands of XS_CONTROL live-update. 0, an errno or XS_LATER: the answer comes from the new program. */
int xsd_update_control(struct xsd *d, struct xs_conn *c, uint32_t req_id, unsigned int argc,
		       const char *const *argv, struct xs_buf *out);
/* Become the new program, which goes on with everything. Returns only when that failed (logged). */
void xsd_update_run(struct xsd *d);
/* The other side: take over from the process image before us. 0 or -1 (logged). */
int xsd_update_take_over(struct xsd *d);

/* ---- xen.c ---- */
/* A ring whose local port was handed over. 0 or an errno. */
int xsd_xen_adopt(struct xsd *d, struct xs_domain *dom, uint32_t port);
/* For handing over: the event-channel device (-1: none) and the port of VIRQ_DOM_EXC. */
int xsd_xen_handover(struct xsd *d, uint32_t *virq);
/*
 * Open event channels, bind VIRQ_DOM_EXC, attach all rings. evtchn_fd (-1: none) and virq were handed over. 0 or -1
 * (logged).
 */
int xsd_xen_open(struct xsd *d, int evtchn_fd, uint32_t virq);
void xsd_xen_notify(struct xsd *d, struct ring *r);
/* Let the next event of the ring come. */
void xsd_xen_unmask(struct xsd *d, struct ring *r);
extern const struct xs_host xsd_host;

/* ---- main.c ---- */
int xsd_poll(struct xsd *d, struct src *s, uint32_t events, bool add);

#endif
