/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state of a running daemon as a stream, for a live update: the format of Xen's docs/designs/xenstore-migration.md, version 1.
 * What that format has no place for is in one record of our own, whose body is a group of journal operations
 * (xs_journal.h).
 *
 * Open transactions come through in name only: they end with EAGAIN.
 */
#ifndef XS_STATE_H
#define XS_STATE_H

#include "xs_store.h"

/* Written and read by the owner of the descriptors. */
struct xs_state_global {
	int32_t socket_fd; /* listening socket, -1: none */
	int32_t evtchn_fd; /* open event-channel device, -1: none */
};

/* How the owner is asked, and told, about connections. */
struct xs_state_io {
	struct xs_state_global global;
	/* Writing: the descriptor of a socket, or the local port of a ring. */
	uint32_t (*channel)(void *ctx, const struct xs_conn *c);
	/* Reading: a socket's connection was restored. 0, or an errno to give up. */
	int (*socket)(void *ctx, struct xs_conn *c, int fd);
	/* Reading: the ring of a domain was restored, with this local port. */
	int (*ring)(void *ctx, struct xs_domain *d, uint32_t port);
	void *ctx;
};

/* Append the whole state to out; false when out of memory. */
bool xs_state_write(struct xs_store *s, struct xs_state_io *io, struct xs_buf *out);

/* Fill a new store. NULL, or what is wrong with the stream; the store is of no use then. */
const char *xs_state_read(struct xs_store *s, struct xs_state_io *io, const void *data, size_t len);

#endif
