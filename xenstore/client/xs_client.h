/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xs_client: Paravane's own xenstore client library.
 *
 * One struct xsc is one connection. It is not thread safe: use one per thread, or lock around it.
 * A call sends one request and waits for its answer; watch events that arrive meanwhile are kept
 * in order and handed out by xsc_next_event(). Unless said otherwise int functions return 0 or -1
 * with errno set, pointer functions a value or NULL with errno set. Every returned pointer is one
 * malloc() block that the caller frees with free(). errno is the daemon's own answer (ENOENT,
 * EACCES, EAGAIN, EEXIST, EINVAL, ENOSPC, E2BIG, ...; ENOTCONN when the daemon went away, EPROTO when
 * its answer made no sense).
 */
#ifndef XS_CLIENT_H
#define XS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct xsc;

/* Transaction handle; XSC_NONE means "outside any transaction". */
typedef uint32_t xsc_txn;
#define XSC_NONE ((xsc_txn)0)

/* One entry of a permission list. The first entry of a list is the owner; its mode holds for everybody
 * who is not listed. mode is 'n' (none), 'r', 'w' or 'b' (both). */
struct xsc_perm {
	unsigned int domid;
	char mode;
};

/* One watch event. path and token point into the same block: free() the event itself only. */
struct xsc_event {
	const char *path;
	const char *token;
};

/*
 * Connect. where is a socket or device path, or NULL for the default: $XENSTORED_PATH alone if it is set, else
 * $XENSTORED_RUNDIR/socket (without the variable /run/xenstored/socket, /var/run/xenstored/socket),
 * /dev/xen/xenbus, /proc/xen/xenbus, the first that answers. errno is that of the last one tried.
 */
struct xsc *xsc_open(const char *where);

/* Close the connection; its watches and open transactions end with it. NULL is allowed. */
void xsc_close(struct xsc *x);

/* Read a value. A NUL that is not counted in *len is put after it; len may be NULL. */
char *xsc_read(struct xsc *x, xsc_txn t, const char *path, size_t *len);

/* Read a value as a number (decimal, or hex with 0x). EINVAL if it is none. */
int xsc_read_u64(struct xsc *x, xsc_txn t, const char *path, uint64_t *value);

/* Write len bytes (at most 4096 with path and NUL), creating the node and missing parents. */
int xsc_write(struct xsc *x, xsc_txn t, const char *path, const void *data, size_t len);

/* Write formatted text. */
int xsc_printf(struct xsc *x, xsc_txn t, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Create a node with an empty value if it does not exist yet. */
int xsc_mkdir(struct xsc *x, xsc_txn t, const char *path);

/* Remove a node and all below it. Removing what does not exist succeeds if its parent exists. */
int xsc_rm(struct xsc *x, xsc_txn t, const char *path);

/*
 * Names of the children, *num of them. One block: free() the returned pointer only. Directories that do
 * not fit one message are read in parts (consistently: restarted when they change meanwhile).
 */
char **xsc_directory(struct xsc *x, xsc_txn t, const char *path, unsigned int *num);

/* True if the path can be read. */
bool xsc_exists(struct xsc *x, xsc_txn t, const char *path);

/* Permissions of a node, *num entries, owner first. */
struct xsc_perm *xsc_get_perms(struct xsc *x, xsc_txn t, const char *path, unsigned int *num);
int xsc_set_perms(struct xsc *x, xsc_txn t, const char *path, const struct xsc_perm *perms,
		  unsigned int num);

/*
 * Transactions. Commit fails with EAGAIN when something that the transaction has read was changed by
 * somebody else: start again from xsc_begin(). After xsc_end() the handle is gone in every case.
 */
int xsc_begin(struct xsc *x, xsc_txn *t);
int xsc_end(struct xsc *x, xsc_txn t, bool commit);

/* Watch path and everything below it. One event comes at once. Also "@introduceDomain", "@releaseDomain". */
int xsc_watch(struct xsc *x, const char *path, const char *token);
int xsc_unwatch(struct xsc *x, const char *path, const char *token);

/*
 * A descriptor for poll/epoll: readable when xsc_next_event(x, false) may have something to give,
 * events that were received during another call included. Do not read or close it.
 */
int xsc_fd(struct xsc *x);

/*
 * The next watch event, in order. block: wait for it. NULL with errno EAGAIN when there is none now, ENOTCONN
 * when the daemon is gone. In an event loop call it until it returns NULL. free() the event.
 */
struct xsc_event *xsc_next_event(struct xsc *x, bool block);

/* Wait for an event at most timeout_ms (negative: for ever). ETIMEDOUT when none came. */
struct xsc_event *xsc_wait_event(struct xsc *x, int timeout_ms);

/* Domain life cycle; only for dom0. mfn is the frame of the xenstore ring, port the domain's unbound port. */
int xsc_introduce(struct xsc *x, unsigned int domid, uint64_t mfn, unsigned int port);
int xsc_release(struct xsc *x, unsigned int domid);
int xsc_resume(struct xsc *x, unsigned int domid);
int xsc_set_target(struct xsc *x, unsigned int domid, unsigned int target);

/* 1 introduced, 0 not, -1 error. */
int xsc_is_introduced(struct xsc *x, unsigned int domid);

/* "/local/domain/<domid>" as the daemon gives it. */
char *xsc_domain_path(struct xsc *x, unsigned int domid);

/* XS_CONTROL: argv of the sub-command; the daemon's text answer. */
char *xsc_control(struct xsc *x, unsigned int argc, char *const argv[]);

/*
 * Any request: send parts[0..n) as the payload of a message of this type, return the payload of the answer
 * (NUL added, *len without it). For requests that have no function of their own.
 */
struct iovec;
char *xsc_request(struct xsc *x, uint32_t type, xsc_txn t, const struct iovec *parts,
		  unsigned int n, size_t *len);

#endif
