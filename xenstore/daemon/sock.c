// SPDX-License-Identifier: BSD-2-Clause
// Clients on the Unix socket.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "xsd.h"

/* One receive; so much can one client do before the next one has its turn. */
#define RECV_MAX   16384
/* All receives of a turn. */
#define RECV_ALL   131072
/* New connections taken in one turn. */
#define ACCEPT_MAX 16

static void close_peer(struct peer *p)
{
	if (p->dead)
		return;
	xsd_undirty(p);
	p->dead = true;
	close(p->src.fd);
	xs_conn_free(p->conn);
	p->d->nsock--;
	p->next_dead = p->d->dead;
	p->d->dead = p;
}

/* The epoll batch of this turn may still name a closed peer: memory is freed when the turn is over. */
void xsd_reap(struct xsd *d)
{
	while (d->dead) {
		struct peer *p = d->dead;

		d->dead = p->next_dead;
		free(p);
	}
}

/* Ask epoll for what the state of p needs. */
static void update_poll(struct peer *p, bool paused, bool polls_out)
{
	if (p->paused == paused && p->polls_out == polls_out)
		return;
	p->paused = paused;
	p->polls_out = polls_out;
	xsd_poll(p->d, &p->src, (paused ? 0 : EPOLLIN) | (polls_out ? EPOLLOUT : 0), false);
}

static void handle_kept(struct peer *p)
{
	ssize_t used = xsd_requests(p, xs_buf_at(&p->conn->in), p->conn->in.len);

	if (used < 0) {
		close_peer(p);
		return;
	}
	xs_buf_take(&p->conn->in, (size_t)used);
}

static bool try_again(ssize_t result)
{
	return result == -EAGAIN || result == -EINTR;
}

/* The socket took n bytes. */
static void sent(struct peer *p, ssize_t n)
{
	if (n >= 0)
		xs_conn_sent(p->conn, (size_t)n);
	else if (!try_again(n))
		close_peer(p);
}

static void after_send(struct peer *p)
{
	if (p->dead)
		return;
	if (p->conn->broken) {
		close_peer(p);
		return;
	}
	/* Answers were taken: go on with requests that were received and had to wait. */
	if (p->conn->in.len && xs_conn_ready(p->conn)) {
		handle_kept(p);
		if (p->dead)
			return;
	}
	update_poll(p, !xs_conn_ready(p->conn), p->conn->out.len != 0);
}

/* Output is accounted for all before any request is handled, which may add to the output of others. */
void xsd_sock_flush(struct xsd *d, struct peer *const *p, uint32_t n)
{
	struct xsd_io io[XSD_BATCH];
	uint32_t i, k = 0;

	xsd_journal_commit(d);
	for (i = 0; i < n; i++) {
		struct xs_buf *out = &p[i]->conn->out;

		if (out->len && !p[i]->conn->broken)
			io[k++] = (struct xsd_io){ .peer = p[i],
						   .fd = p[i]->src.fd,
						   .send = true,
						   .buf = out->d + out->head,
						   .len = out->len };
	}
	xsd_batch(io, k);
	for (i = 0; i < k; i++)
		sent(io[i].peer, io[i].result);
	for (i = 0; i < n; i++)
		after_send(p[i]);
}

static void received(struct peer *p, const char *buf, ssize_t n)
{
	ssize_t used;

	if (p->dead || try_again(n))
		return;
	if (n <= 0) {
		close_peer(p);
		return;
	}
	if (p->conn->in.len) {
		if (!xs_buf_add(&p->conn->in, buf, (size_t)n)) {
			close_peer(p);
			return;
		}
		handle_kept(p);
	} else {
		used = xsd_requests(p, buf, (size_t)n);
		if (used < 0 || !xs_buf_add(&p->conn->in, buf + used, (size_t)(n - used))) {
			close_peer(p);
			return;
		}
	}
	if (!p->dead && !xs_conn_ready(p->conn))
		xsd_dirty(p);
}

void xsd_sock_receive(struct xsd *d)
{
	static char buf[RECV_ALL];
	struct xsd_io io[XSD_BATCH];
	uint32_t i, n = d->nreadable;
	size_t len = n > RECV_ALL / RECV_MAX ? RECV_ALL / n : RECV_MAX;

	for (i = 0; i < n; i++)
		io[i] = (struct xsd_io){ .peer = d->readable[i],
					 .fd = d->readable[i]->src.fd,
					 .buf = buf + i * len,
					 .len = len };
	d->nreadable = 0;
	xsd_batch(io, n);
	for (i = 0; i < n; i++)
		received(io[i].peer, io[i].buf, io[i].result);
}

static void sock_ready(struct xsd *d, struct src *s, uint32_t events)
{
	struct peer *p = (struct peer *)s;

	if (p->dead)
		return;
	if (events & EPOLLOUT)
		xsd_dirty(p);
	/* There is room: epoll names each socket once, and no more than that. */
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !p->paused)
		d->readable[d->nreadable++] = p;
	else if (events & (EPOLLHUP | EPOLLERR))
		close_peer(p);
}

int xsd_add_client(struct xsd *d, int fd, struct xs_conn *c)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (!p)
		goto close_fd;
	p->src.fd = fd;
	p->src.ready = sock_ready;
	p->d = d;
	p->conn = c ? c : xs_conn_new(d->store, 0, p);
	if (!p->conn)
		goto free_peer;
	/* Requests that were handed over unhandled wait, as those of a paused peer do. */
	p->paused = p->conn->in.len != 0;
	p->conn->host = p;
	p->conn->wake = xsd_wake;
	if (xsd_poll(d, &p->src, EPOLLIN, true)) {
		xs_conn_free(p->conn);
		goto free_peer;
	}
	d->nsock++;
	return 0;

free_peer:
	free(p);
close_fd:
	xsd_log(XSD_ERR, "cannot take a new client: %s", strerror(errno));
	close(fd);
	return -1;
}

/*
 * No descriptor is left: take the connection with the one that is kept for this, and close it, so that the client
 * knows, and so that the listening socket does not wake us for ever.
 */
static int spare = -1;

static void turn_away(struct src *s)
{
	static bool told;
	int fd;

	if (!told)
		xsd_log(XSD_ERR,
			"no file descriptor is left for new clients; they are turned away: raise "
			"the limit of open files and restart the daemon");
	told = true;
	if (spare >= 0)
		close(spare);
	fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void accept_ready(struct xsd *d, struct src *s, uint32_t events)
{
	int i, fd;

	(void)events;
	for (i = 0; i < ACCEPT_MAX; i++) {
		fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0 && (errno == EMFILE || errno == ENFILE))
			turn_away(s);
		if (fd < 0)
			return;
		xsd_add_client(d, fd, NULL); /* a failure is logged, the others go on */
	}
}

/* The protocol of sd_listen_fds(3): LISTEN_PID is us, the first descriptor is number 3. */
static int inherited_socket(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");

	if (!pid || !fds || strtol(pid, NULL, 10) != (long)getpid() || strtol(fds, NULL, 10) < 1)
		return -1;
	return 3;
}

static int own_socket(const char *rundir)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	mode_t mask;
	int fd, err;

	if (snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/socket", rundir) >=
	    (int)sizeof(addr.sun_path)) {
		xsd_log(XSD_ERR, "%s is too long a name for a socket; choose a shorter --rundir",
			rundir);
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		goto fail;
	unlink(addr.sun_path);
	mask = umask(0177);
	err = bind(fd, (struct sockaddr *)&addr, sizeof(addr));
	umask(mask);
	if (!err && !listen(fd, 128))
		return fd;
fail:
	xsd_log(XSD_ERR, "cannot listen on %s: %s", addr.sun_path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

int xsd_listen_on(struct xsd *d, int fd)
{
	/* One that was handed to us may be in blocking mode; accept must not wait. */
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	d->listener.fd = fd;
	d->listener.ready = accept_ready;
	return xsd_poll(d, &d->listener, EPOLLIN, true);
}

int xsd_listen(struct xsd *d)
{
	int fd = inherited_socket();

	if (fd < 0)
		fd = own_socket(d->opt.rundir);
	return fd < 0 ? -1 : xsd_listen_on(d, fd);
}
