// SPDX-License-Identifier: BSD-2-Clause
// Live update: become another program without closing a connection.
//
// The state is written as a stream (core/xs_state.h) to a file in memory. Then the process executes the new program: it
// keeps the file, the sockets, the event-channel device and the lock, and finds their numbers in the stream and in
// --handover. Ring pages are mapped again. The journal is written anew, so that there is no instant without a
// valid one.
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xen/io/xs_wire.h>

#include "xenstore/core/xs_state.h"
#include "xsd.h"

#define MAX_ARGS 64

static int set_binary(struct xsd *d, const char *path)
{
	char *copy;

	if (access(path, X_OK)) {
		xsd_log(XSD_ERR, "live update: cannot execute %s: %s", path, strerror(errno));
		return errno == ENOENT ? ENOENT : EINVAL;
	}
	copy = strdup(path);
	if (!copy)
		return ENOMEM;
	free(d->new_binary);
	d->new_binary = copy;
	return 0;
}

int xsd_update_control(struct xsd *d, struct xs_conn *c, uint32_t req_id, unsigned int argc,
		       const char *const *argv, struct xs_buf *out)
{
	unsigned int i;
	int err = 0;

	if (argc < 2)
		return EINVAL;
	for (i = 1; i < argc && !err; i++) {
		bool more = i + 1 < argc;

		if (!strcmp(argv[i], "-f") && more)
			err = set_binary(d, argv[++i]);
		else if (!strcmp(argv[i], "-s"))
			d->update = true;
		else if (!strcmp(argv[i], "-a"))
			d->update = false;
		else if (!strcmp(argv[i], "-t") && more)
			i++; /* nothing is waited for: open transactions come along */
		else if (strcmp(argv[i], "-F"))
			err = EINVAL;
	}
	if (err)
		d->update = false;
	d->update_by = c;
	d->update_req = req_id;
	if (d->update)
		return XS_LATER;
	if (!err && !xs_buf_add(out, "OK", 3))
		err = ENOMEM;
	return err;
}

/* ---- the old side ---- */

static uint32_t channel_of(void *ctx, const struct xs_conn *c)
{
	const struct peer *p = c->host;

	(void)ctx;
	return p->ring ? p->ring->port : (uint32_t)p->src.fd;
}

static void keep(int fd, bool over_exec)
{
	if (fd >= 0)
		fcntl(fd, F_SETFD, over_exec ? 0 : FD_CLOEXEC);
}

/* Let everything that is handed over live through exec, or no longer. */
static void keep_all(struct xsd *d, int evtchn, bool over_exec)
{
	const struct xs_conn *c;

	keep(d->listener.fd, over_exec);
	keep(evtchn, over_exec);
	keep(d->lock_fd, over_exec);
	for (c = d->store->conns; c; c = c->next)
		if (!c->ring)
			keep(((struct peer *)c->host)->src.fd, over_exec);
}

/* The state in a file in memory; -1 with errno. */
static int write_state(struct xsd *d, int evtchn)
{
	struct xs_state_io io = {
		.global = { .socket_fd = d->listener.fd, .evtchn_fd = evtchn },
		.channel = channel_of,
		.ctx = d,
	};
	struct xs_buf b = { 0 };
	size_t done = 0;
	ssize_t n;
	int fd = memfd_create("xenstore-state", 0);

	if (fd < 0)
		return -1;
	if (!xs_state_write(d->store, &io, &b)) {
		errno = ENOMEM;
		goto fail;
	}
	for (; done < b.len; done += (size_t)n) {
		n = write(fd, b.d + b.head + done, b.len - done);
		if (n < 0)
			goto fail;
	}
	xs_buf_free(&b);
	return fd;

fail:
	xs_buf_free(&b);
	close(fd);
	return -1;
}

/* The command line again, with what is handed over. */
static void execute(struct xsd *d, int state, uint32_t virq)
{
	char handover[64], *argv[MAX_ARGS + 2], self[] = "/proc/self/exe";
	int i, n = 0;

	for (i = 0; i < d->argc && n < MAX_ARGS; i++)
		if (strncmp(d->argv[i], "--handover=", 11))
			argv[n++] = d->argv[i];
	snprintf(handover, sizeof(handover), "--handover=%d,%d,%u", state, d->lock_fd, virq);
	argv[n++] = handover;
	argv[n] = NULL;
	execv(d->new_binary ? d->new_binary : self, argv);
}

/* Who asked for the update, unless it has left. */
static struct xs_conn *asker(struct xsd *d)
{
	struct xs_conn *c = d->store->conns;

	while (c && c != d->update_by)
		c = c->next;
	return c;
}

static void answer(struct xsd *d, struct xs_conn *c, uint32_t type, const char *text)
{
	if (c)
		xs_conn_send(c, type, d->update_req, 0, text, strlen(text) + 1, NULL, 0);
}

/* The answer is among what is handed over: it is sent when the new program serves. */
void xsd_update_run(struct xsd *d)
{
	struct xs_conn *c = asker(d);
	size_t mark = c ? c->out.len : 0;
	uint32_t virq;
	int evtchn = xsd_xen_handover(d, &virq), state;

	d->update = false;
	answer(d, c, XS_CONTROL, "OK");
	xsd_journal_commit(d);
	state = write_state(d, evtchn);
	if (state >= 0) {
		keep_all(d, evtchn, true);
		execute(d, state, virq);
		keep_all(d, evtchn, false);
	}
	xsd_log(XSD_ERR, "live update to %s failed: %s; this program goes on",
		d->new_binary ? d->new_binary : "itself", strerror(errno));
	if (state >= 0)
		close(state);
	if (c) {
		c->out.len = mark;
		c->unread--;
	}
	answer(d, c, XS_ERROR, "EIO");
	free(d->new_binary);
	d->new_binary = NULL;
	d->store->jbroken = true; /* the journal knows the other answer: write it anew */
}

/* ---- the new side ---- */

static int take_socket(void *ctx, struct xs_conn *c, int fd)
{
	struct stat st;

	if (fstat(fd, &st) || !S_ISSOCK(st.st_mode))
		return EINVAL;
	keep(fd, false);
	return xsd_add_client(ctx, fd, c) ? EINVAL : 0;
}

static int take_ring(void *ctx, struct xs_domain *dom, uint32_t port)
{
	struct xsd *d = ctx;

	return d->opt.no_domains ? 0 : xsd_xen_adopt(d, dom, port);
}

static const char *read_state(struct xsd *d, int fd, struct xs_state_io *io)
{
	struct stat st;
	const char *bad;
	void *data;

	if (fstat(fd, &st) || !st.st_size)
		return "it is empty";
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (data == MAP_FAILED)
		return "it cannot be mapped";
	bad = xs_state_read(d->store, io, data, (size_t)st.st_size);
	munmap(data, (size_t)st.st_size);
	return bad;
}

int xsd_update_take_over(struct xsd *d)
{
	struct xs_state_io io = { .socket = take_socket, .ring = take_ring, .ctx = d };
	struct xs_conn *c;
	const char *bad;
	uint32_t virq;
	int state;

	if (sscanf(d->opt.handover, "%d,%d,%u", &state, &d->lock_fd, &virq) != 3) {
		xsd_log(XSD_ERR, "--handover is for the daemon's own use");
		return -1;
	}
	bad = read_state(d, state, &io);
	if (bad) {
		xsd_log(XSD_ERR,
			"live update: the state that was handed over is bad: %s; start the daemon "
			"again, it will go on from the journal",
			bad);
		return -1;
	}
	keep(d->lock_fd, false);
	keep(io.global.socket_fd, false);
	keep(io.global.evtchn_fd, false);
	if (d->opt.journal[0] && xsd_journal_open(d, d->opt.journal, false))
		return -1;
	if (!d->opt.no_domains && xsd_xen_open(d, io.global.evtchn_fd, virq))
		return -1;
	for (c = d->store->conns; c; c = c->next)
		if (!c->ring)
			xsd_dirty(c->host);
	xsd_log(XSD_INFO, "live update: %u clients and all domains taken over", d->nsock);
	return xsd_listen_on(d, io.global.socket_fd);
}
