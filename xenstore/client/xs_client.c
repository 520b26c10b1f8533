// SPDX-License-Identifier: BSD-2-Clause
// Client library: one connection, blocking requests, queued watch events.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <xen/io/xs_wire.h>

#include "xs_client.h"

#define MAX_PARTS 8

struct queued {
	struct queued *next;
	struct xsc_event *event;
};

/*
 * poll descriptor: an epoll set of the connection and of an eventfd that is readable while events wait
 * in the queue, so that one descriptor tells both.
 */
struct xsc {
	int fd, epoll, flag;
	bool socket; /* not a device */
	uint32_t req_id;
	struct queued *first, **last;
	/* A message being received. */
	struct xsd_sockmsg hdr;
	size_t have; /* bytes of header and body so far */
	char *body;
};

/* ---- connecting ---- */

static int connect_socket(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

static int connect_path(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return -1;
	return S_ISSOCK(st.st_mode) ? connect_socket(path) : open(path, O_RDWR | O_CLOEXEC);
}

static int connect_default(void)
{
	static const char *const places[] = {
		"/run/xenstored/socket",
		"/var/run/xenstored/socket",
		"/dev/xen/xenbus",
		"/proc/xen/xenbus",
	};
	const size_t devices = 2; /* index of the first that is no socket */
	const char *path = getenv("XENSTORED_PATH"), *dir = getenv("XENSTORED_RUNDIR");
	char in_dir[4096];
	int fd = -1;
	size_t i;

	if (path)
		return connect_path(path);
	if (dir) {
		snprintf(in_dir, sizeof(in_dir), "%s/socket", dir);
		fd = connect_path(in_dir);
	}
	/* A named directory replaces the usual ones, not the kernel's devices. */
	for (i = dir ? devices : 0; fd < 0 && i < sizeof(places) / sizeof(places[0]); i++)
		fd = connect_path(places[i]);
	return fd;
}

static int make_poll_fd(struct xsc *x)
{
	struct epoll_event ev = { .events = EPOLLIN };

	x->epoll = epoll_create1(EPOLL_CLOEXEC);
	x->flag = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (x->epoll < 0 || x->flag < 0)
		return -1;
	if (epoll_ctl(x->epoll, EPOLL_CTL_ADD, x->fd, &ev))
		return -1;
	return epoll_ctl(x->epoll, EPOLL_CTL_ADD, x->flag, &ev);
}

struct xsc *xsc_open(const char *where)
{
	struct xsc *x = calloc(1, sizeof(*x));
	struct stat st;
	int err;

	if (!x)
		return NULL;
	x->last = &x->first;
	x->epoll = x->flag = -1;
	x->fd = where ? connect_path(where) : connect_default();
	if (x->fd >= 0 && !fstat(x->fd, &st) && !make_poll_fd(x)) {
		x->socket = S_ISSOCK(st.st_mode);
		return x;
	}
	err = errno;
	xsc_close(x);
	errno = err;
	return NULL;
}

void xsc_close(struct xsc *x)
{
	if (!x)
		return;
	while (x->first) {
		struct queued *q = x->first;

		x->first = q->next;
		free(q->event);
		free(q);
	}
	free(x->body);
	if (x->fd >= 0)
		close(x->fd);
	if (x->epoll >= 0)
		close(x->epoll);
	if (x->flag >= 0)
		close(x->flag);
	free(x);
}

int xsc_fd(struct xsc *x)
{
	return x->epoll;
}

/* ---- messages ---- */

static int send_all(struct xsc *x, struct iovec *v, int n)
{
	struct msghdr msg = { 0 };
	ssize_t done;

	while (n) {
		msg.msg_iov = v;
		msg.msg_iovlen = (size_t)n;
		done = x->socket ? sendmsg(x->fd, &msg, MSG_NOSIGNAL) : writev(x->fd, v, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0) {
			errno = errno == EPIPE || errno == ECONNRESET ? ENOTCONN : errno;
			return -1;
		}
		while (n && (size_t)done >= v->iov_len) {
			done -= (ssize_t)v->iov_len;
			v++;
			n--;
		}
		if (n) {
			v->iov_base = (char *)v->iov_base + done;
			v->iov_len -= (size_t)done;
		}
	}
	return 0;
}

/* Receive towards one message. 1: x->hdr and x->body hold one; 0: none yet (only if !block); -1: errno. */
static int receive(struct xsc *x, bool block)
{
	for (;;) {
		struct pollfd pfd = { .fd = x->fd, .events = POLLIN };
		size_t want = sizeof(x->hdr);
		ssize_t n;

		if (x->have >= sizeof(x->hdr)) {
			want += x->hdr.len;
			if (x->have == want)
				return 1;
		}
		if (!block && poll(&pfd, 1, 0) <= 0)
			return 0;
		if (x->have < sizeof(x->hdr))
			n = read(x->fd, (char *)&x->hdr + x->have, want - x->have);
		else
			n = read(x->fd, x->body + x->have - sizeof(x->hdr), want - x->have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = !n || errno == ECONNRESET ? ENOTCONN : errno;
			return -1;
		}
		x->have += (size_t)n;
		if (x->have != sizeof(x->hdr) || x->body)
			continue;
		if (x->hdr.len > XENSTORE_PAYLOAD_MAX) {
			errno = EPROTO;
			return -1;
		}
		x->body = malloc(x->hdr.len + 1);
		if (!x->body)
			return -1;
		x->body[x->hdr.len] = '\0';
	}
}

/* Take the received body; the caller owns it. */
static char *take_body(struct xsc *x)
{
	char *body = x->body;

	x->body = NULL;
	x->have = 0;
	return body;
}

/* Put the received message, a watch event, into the queue. */
static int queue_event(struct xsc *x)
{
	struct queued *q = calloc(1, sizeof(*q));
	struct xsc_event *e = malloc(sizeof(*e) + x->hdr.len + 1);
	uint64_t one = 1;
	char *text, *nul;

	if (!q || !e) {
		free(q);
		free(e);
		return -1;
	}
	text = (char *)(e + 1);
	memcpy(text, x->body, x->hdr.len + 1);
	nul = memchr(text, '\0', x->hdr.len);
	e->path = text;
	e->token = nul ? nul + 1 : text + x->hdr.len;
	free(take_body(x));
	q->event = e;
	if (!x->first && write(x->flag, &one, sizeof(one)) < 0) {
		/* The flag is set already, which is what was wanted. */
	}
	*x->last = q;
	x->last = &q->next;
	return 0;
}

static struct xsc_event *dequeue(struct xsc *x)
{
	struct queued *q = x->first;
	struct xsc_event *e = q->event;
	uint64_t count;

	x->first = q->next;
	if (!x->first) {
		x->last = &x->first;
		if (read(x->flag, &count, sizeof(count)) < 0) {
			/* The flag was not set, which is what was wanted. */
		}
	}
	free(q);
	return e;
}

struct xsc_event *xsc_next_event(struct xsc *x, bool block)
{
	int got;

	while (!x->first) {
		got = receive(x, block);
		if (got < 0)
			return NULL;
		if (!got) {
			errno = EAGAIN;
			return NULL;
		}
		if (x->hdr.type != XS_WATCH_EVENT)
			free(take_body(x)); /* the late answer of an abandoned request */
		else if (queue_event(x))
			return NULL;
	}
	return dequeue(x);
}

struct xsc_event *xsc_wait_event(struct xsc *x, int timeout_ms)
{
	struct pollfd pfd = { .fd = x->epoll, .events = POLLIN };
	int n;

	if (timeout_ms < 0)
		return xsc_next_event(x, true);
	n = poll(&pfd, 1, timeout_ms);
	if (n < 0)
		return NULL;
	if (!n) {
		errno = ETIMEDOUT;
		return NULL;
	}
	return xsc_next_event(x, true);
}

/* errno for the text of an XS_ERROR. */
static int error_number(const char *text)
{
	size_t i;

	for (i = 0; i < sizeof(xsd_errors) / sizeof(xsd_errors[0]); i++)
		if (!strcmp(text, xsd_errors[i].errstring))
			return xsd_errors[i].errnum;
	return EIO;
}

char *xsc_request(struct xsc *x, uint32_t type, xsc_txn t, const struct iovec *parts,
		  unsigned int n, size_t *len)
{
	struct xsd_sockmsg h = { .type = type, .req_id = ++x->req_id, .tx_id = t };
	struct iovec v[MAX_PARTS + 1];
	uint32_t id = h.req_id;
	unsigned int i;
	char *body;

	if (n > MAX_PARTS) {
		errno = E2BIG;
		return NULL;
	}
	v[0] = (struct iovec){ &h, sizeof(h) };
	for (i = 0; i < n; i++) {
		v[i + 1] = parts[i];
		h.len += (uint32_t)parts[i].iov_len;
		if (parts[i].iov_len > XENSTORE_PAYLOAD_MAX || h.len > XENSTORE_PAYLOAD_MAX) {
			errno = E2BIG;
			return NULL;
		}
	}
	if (send_all(x, v, (int)n + 1))
		return NULL;
	for (;;) {
		if (receive(x, true) < 0)
			return NULL;
		if (x->hdr.type == XS_WATCH_EVENT) {
			if (queue_event(x))
				return NULL;
			continue;
		}
		if (x->hdr.req_id == id)
			break;
		free(take_body(x));
	}
	body = take_body(x);
	if (x->hdr.type == XS_ERROR || x->hdr.type != type) {
		errno = x->hdr.type == XS_ERROR ? error_number(body) : EPROTO;
		free(body);
		return NULL;
	}
	if (len)
		*len = x->hdr.len;
	return body;
}

/* A request of up to three texts, each sent with its NUL. */
static char *ask(struct xsc *x, uint32_t type, xsc_txn t, const char *a, const char *b,
		 const char *c, size_t *len)
{
	const char *text[3] = { a, b, c };
	struct iovec v[3];
	unsigned int n;

	for (n = 0; n < 3 && text[n]; n++)
		v[n] = (struct iovec){ (void *)text[n], strlen(text[n]) + 1 };
	return xsc_request(x, type, t, v, n, len);
}

static int told(char *answer)
{
	free(answer);
	return answer ? 0 : -1;
}

/* ---- nodes ---- */

char *xsc_read(struct xsc *x, xsc_txn t, const char *path, size_t *len)
{
	return ask(x, XS_READ, t, path, NULL, NULL, len);
}

int xsc_read_u64(struct xsc *x, xsc_txn t, const char *path, uint64_t *value)
{
	char *text = xsc_read(x, t, path, NULL), *stop;

	if (!text)
		return -1;
	errno = 0;
	*value = strtoull(text, &stop, 0);
	if (!errno && (stop == text || *stop || *text == '-'))
		errno = EINVAL;
	free(text);
	return errno ? -1 : 0;
}

int xsc_write(struct xsc *x, xsc_txn t, const char *path, const void *data, size_t len)
{
	struct iovec v[2] = {
		{ (void *)path, strlen(path) + 1 },
		{ (void *)data, len },
	};

	return told(xsc_request(x, XS_WRITE, t, v, 2, NULL));
}

int xsc_printf(struct xsc *x, xsc_txn t, const char *path, const char *fmt, ...)
{
	char text[XENSTORE_PAYLOAD_MAX];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || n >= (int)sizeof(text)) {
		errno = E2BIG;
		return -1;
	}
	return xsc_write(x, t, path, text, (size_t)n);
}

int xsc_mkdir(struct xsc *x, xsc_txn t, const char *path)
{
	return told(ask(x, XS_MKDIR, t, path, NULL, NULL, NULL));
}

int xsc_rm(struct xsc *x, xsc_txn t, const char *path)
{
	return told(ask(x, XS_RM, t, path, NULL, NULL, NULL));
}

bool xsc_exists(struct xsc *x, xsc_txn t, const char *path)
{
	return !told(xsc_read(x, t, path, NULL));
}

/* A list larger than one message: parts, again from the start when the generation changes. */
static char *directory_parts(struct xsc *x, xsc_txn t, const char *path, size_t *total)
{
	char off[24], gen[24] = "", *all = NULL, *part, *bigger;
	size_t len, skip, have = 0;

	for (;;) {
		snprintf(off, sizeof(off), "%zu", have);
		part = ask(x, XS_DIRECTORY_PART, t, path, off, NULL, &len);
		if (!part)
			break;
		skip = strlen(part) + 1;
		if (skip > len || skip > sizeof(gen)) {
			errno = EPROTO;
			break;
		}
		if (have && strcmp(gen, part)) {
			have = 0;
			free(part);
			continue;
		}
		memcpy(gen, part, skip);
		bigger = realloc(all, have + len - skip + 1);
		if (!bigger)
			break;
		all = bigger;
		memcpy(all + have, part + skip, len - skip);
		have += len - skip;
		free(part);
		part = NULL;
		/* The end is an empty name. */
		if (have && !all[have - 1] && (have == 1 || !all[have - 2])) {
			*total = have - 1;
			return all;
		}
	}
	free(part);
	free(all);
	return NULL;
}

char **xsc_directory(struct xsc *x, xsc_txn t, const char *path, unsigned int *num)
{
	size_t len, at;
	char *names = ask(x, XS_DIRECTORY, t, path, NULL, NULL, &len);
	unsigned int n = 0, i;
	char **list;

	if (!names && errno == E2BIG)
		names = directory_parts(x, t, path, &len);
	if (!names)
		return NULL;
	for (at = 0; at < len; at++)
		n += !names[at];
	list = malloc((n + 1) * sizeof(*list) + len);
	if (list) {
		char *copy = (char *)(list + n + 1);

		memcpy(copy, names, len);
		for (i = 0, at = 0; i < n; i++, at += strlen(copy + at) + 1)
			list[i] = copy + at;
		list[n] = NULL;
		*num = n;
	}
	free(names);
	return list;
}

/* ---- permissions ---- */

struct xsc_perm *xsc_get_perms(struct xsc *x, xsc_txn t, const char *path, unsigned int *num)
{
	size_t len, at;
	char *text = ask(x, XS_GET_PERMS, t, path, NULL, NULL, &len);
	struct xsc_perm *list;
	unsigned int n = 0;

	if (!text)
		return NULL;
	list = calloc(len / 2 + 1, sizeof(*list));
	for (at = 0; list && at < len; at += strlen(text + at) + 1) {
		list[n].mode = text[at];
		list[n++].domid = (unsigned int)strtoul(text + at + 1, NULL, 10);
	}
	free(text);
	*num = n;
	return list;
}

int xsc_set_perms(struct xsc *x, xsc_txn t, const char *path, const struct xsc_perm *perms,
		  unsigned int num)
{
	char text[XENSTORE_PAYLOAD_MAX];
	struct iovec v[2] = { { (void *)path, strlen(path) + 1 }, { text, 0 } };
	unsigned int i;

	for (i = 0; i < num; i++) {
		if (v[1].iov_len + 16 > sizeof(text)) {
			errno = E2BIG;
			return -1;
		}
		v[1].iov_len += (size_t)snprintf(text + v[1].iov_len, 16, "%c%u", perms[i].mode,
						 perms[i].domid) +
				1;
	}
	return told(xsc_request(x, XS_SET_PERMS, t, v, 2, NULL));
}

/* ---- transactions, watches ---- */

int xsc_begin(struct xsc *x, xsc_txn *t)
{
	char *text = ask(x, XS_TRANSACTION_START, XSC_NONE, "", NULL, NULL, NULL);

	if (!text)
		return -1;
	*t = (xsc_txn)strtoul(text, NULL, 10);
	free(text);
	return 0;
}

int xsc_end(struct xsc *x, xsc_txn t, bool commit)
{
	return told(ask(x, XS_TRANSACTION_END, t, commit ? "T" : "F", NULL, NULL, NULL));
}

int xsc_watch(struct xsc *x, const char *path, const char *token)
{
	return told(ask(x, XS_WATCH, XSC_NONE, path, token, NULL, NULL));
}

int xsc_unwatch(struct xsc *x, const char *path, const char *token)
{
	return told(ask(x, XS_UNWATCH, XSC_NONE, path, token, NULL, NULL));
}

/* ---- domains ---- */

/* A request about a domain, with up to two more numbers. */
static char *ask_domain(struct xsc *x, uint32_t type, unsigned int domid, const char *a,
			const char *b)
{
	char id[16];

	snprintf(id, sizeof(id), "%u", domid);
	return ask(x, type, XSC_NONE, id, a, b, NULL);
}

int xsc_introduce(struct xsc *x, unsigned int domid, uint64_t mfn, unsigned int port)
{
	char frame[24], chan[16];

	snprintf(frame, sizeof(frame), "%llu", (unsigned long long)mfn);
	snprintf(chan, sizeof(chan), "%u", port);
	return told(ask_domain(x, XS_INTRODUCE, domid, frame, chan));
}

int xsc_release(struct xsc *x, unsigned int domid)
{
	return told(ask_domain(x, XS_RELEASE, domid, NULL, NULL));
}

int xsc_resume(struct xsc *x, unsigned int domid)
{
	return told(ask_domain(x, XS_RESUME, domid, NULL, NULL));
}

int xsc_set_target(struct xsc *x, unsigned int domid, unsigned int target)
{
	char id[16];

	snprintf(id, sizeof(id), "%u", target);
	return told(ask_domain(x, XS_SET_TARGET, domid, id, NULL));
}

int xsc_is_introduced(struct xsc *x, unsigned int domid)
{
	char *text = ask_domain(x, XS_IS_DOMAIN_INTRODUCED, domid, NULL, NULL);
	int yes = text ? text[0] == 'T' : -1;

	free(text);
	return yes;
}

char *xsc_domain_path(struct xsc *x, unsigned int domid)
{
	return ask_domain(x, XS_GET_DOMAIN_PATH, domid, NULL, NULL);
}

char *xsc_control(struct xsc *x, unsigned int argc, char *const argv[])
{
	struct iovec v[MAX_PARTS];
	unsigned int i;

	if (argc > MAX_PARTS) {
		errno = E2BIG;
		return NULL;
	}
	for (i = 0; i < argc; i++)
		v[i] = (struct iovec){ argv[i], strlen(argv[i]) + 1 };
	return xsc_request(x, XS_CONTROL, XSC_NONE, v, argc, NULL);
}
