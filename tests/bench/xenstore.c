// SPDX-License-Identifier: BSD-2-Clause
// xenstore-bench SOCKET [SECONDS]: rates and latencies of a xenstore daemon, the same for every daemon.
//
// One line per workload: name, clients, depth (requests under way per client), requests per second, latency
// percentiles in microseconds, and the processor time that the daemon spent per request.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <xen/io/xs_wire.h>

#define MAX_CLIENTS 64
#define MAX_DEPTH   16
#define MAX_SAMPLES 400000

struct client {
	int fd;
	uint32_t sent, done, tx;
	uint64_t when[MAX_DEPTH];
	char in[65536];
	size_t have;
};

/* Makes the n-th request of a client; returns its length. */
typedef size_t (*maker)(struct client *c, int who, uint32_t n, char *buf);

static struct client client[MAX_CLIENTS];
static uint32_t sample[MAX_SAMPLES];
static size_t nsample;
static const char *path;
static pid_t daemon_pid;
static double seconds = 2;

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void die(const char *what)
{
	fprintf(stderr, "xenstore-bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Ticks of processor time that the daemon has used. */
static double daemon_cpu(void)
{
	unsigned long user = 0, sys = 0;
	char file[64], text[1024], *p;
	FILE *f;

	snprintf(file, sizeof(file), "/proc/%d/stat", daemon_pid);
	f = fopen(file, "r");
	if (!f)
		return 0;
	if (fgets(text, sizeof(text), f) && (p = strrchr(text, ')')))
		sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys);
	fclose(f);
	return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}

static int open_client(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		die(path);
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) && !daemon_pid)
		daemon_pid = cred.pid;
	return fd;
}

static size_t message(char *buf, uint32_t type, uint32_t id, uint32_t tx, const char *body,
		      size_t len)
{
	struct xsd_sockmsg h = { .type = type, .req_id = id, .tx_id = tx, .len = (uint32_t)len };

	memcpy(buf, &h, sizeof(h));
	memcpy(buf + sizeof(h), body, len);
	return sizeof(h) + len;
}

static size_t text(char *buf, uint32_t type, uint32_t id, uint32_t tx, const char *body)
{
	return message(buf, type, id, tx, body, strlen(body) + 1);
}

static void put_all(int fd, const char *buf, size_t len)
{
	ssize_t n;

	for (; len; buf += n, len -= (size_t)n) {
		n = send(fd, buf, len, MSG_NOSIGNAL);
		if (n <= 0)
			die("send");
	}
}

static void fill(struct client *c, int who, uint32_t depth, maker make)
{
	char buf[MAX_DEPTH * 512];
	size_t len = 0;

	while (c->sent - c->done < depth) {
		len += make(c, who, c->sent, buf + len);
		c->when[c->sent++ % MAX_DEPTH] = now_us();
	}
	if (len)
		put_all(c->fd, buf, len);
}

/* Read what is there; returns the number of answers, events not counted. */
static uint32_t take(struct client *c)
{
	struct xsd_sockmsg h;
	size_t at = 0;
	uint32_t n = 0;
	ssize_t got = recv(c->fd, c->in + c->have, sizeof(c->in) - c->have, 0);

	if (got <= 0)
		die("receive");
	c->have += (size_t)got;
	while (c->have - at >= sizeof(h)) {
		memcpy(&h, c->in + at, sizeof(h));
		if (c->have - at < sizeof(h) + h.len)
			break;
		if (h.type == XS_TRANSACTION_START)
			c->tx = (uint32_t)strtoul(c->in + at + sizeof(h), NULL, 10);
		if (h.type != XS_WATCH_EVENT) {
			if (nsample < MAX_SAMPLES)
				sample[nsample++] =
					(uint32_t)(now_us() - c->when[c->done % MAX_DEPTH]);
			c->done++;
			n++;
		}
		at += sizeof(h) + h.len;
	}
	memmove(c->in, c->in + at, c->have - at);
	c->have -= at;
	return n;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* per: requests that make one operation. */
static void run(const char *name, int clients, uint32_t depth, uint32_t per, maker make)
{
	struct pollfd p[MAX_CLIENTS];
	uint64_t start, end, total = 0;
	double cpu;
	int i;

	for (i = 0; i < clients; i++) {
		memset(&client[i], 0, sizeof(client[i]));
		client[i].fd = open_client();
		p[i] = (struct pollfd){ .fd = client[i].fd, .events = POLLIN };
	}
	nsample = 0;
	cpu = daemon_cpu();
	start = now_us();
	end = start + (uint64_t)(seconds * 1e6);
	for (i = 0; i < clients; i++)
		fill(&client[i], i, depth, make);
	while (now_us() < end) {
		/* One client waits in recv() itself, as a blocking library does. */
		if (clients > 1 && poll(p, (nfds_t)clients, -1) < 0)
			die("poll");
		for (i = 0; i < clients; i++) {
			if (clients > 1 && !p[i].revents)
				continue;
			total += take(&client[i]);
			fill(&client[i], i, depth, make);
		}
	}
	end = now_us();
	cpu = daemon_cpu() - cpu;
	qsort(sample, nsample, sizeof(sample[0]), by_value);
	printf("%-20s clients %2d depth %2u  %9.0f/s  p50 %6u p90 %6u p99 %6u us  daemon %7.1f "
	       "us/op\n",
	       name, clients, depth, (double)total / per / ((double)(end - start) / 1e6),
	       sample[nsample / 2], sample[nsample * 9 / 10], sample[nsample * 99 / 100],
	       cpu * 1e6 * per / (double)total);
	fflush(stdout);
	for (i = 0; i < clients; i++)
		close(client[i].fd);
}

static size_t make_read(struct client *c, int who, uint32_t n, char *buf)
{
	return text(buf, XS_READ, n, 0, "/bench/value");
}

static size_t make_write(struct client *c, int who, uint32_t n, char *buf)
{
	char body[64];
	int len = snprintf(body, sizeof(body), "/bench/w%d%c%u", who, 0, n);

	return message(buf, XS_WRITE, n, 0, body, (size_t)len);
}

static size_t make_mkdir_rm(struct client *c, int who, uint32_t n, char *buf)
{
	char body[64];

	snprintf(body, sizeof(body), "/bench/d%d", who);
	return text(buf, n % 2 ? XS_RM : XS_MKDIR, n, 0, body);
}

static size_t make_directory(struct client *c, int who, uint32_t n, char *buf)
{
	return message(buf, XS_DIRECTORY_PART, n, 0,
		       "/bench/dir\0"
		       "0",
		       13);
}

/* Start, five reads, five writes, end. */
static size_t make_txn(struct client *c, int who, uint32_t n, char *buf)
{
	char body[64];
	int len;

	switch (n % 12) {
	case 0:
		return text(buf, XS_TRANSACTION_START, n, 0, "");
	case 11:
		return text(buf, XS_TRANSACTION_END, n, c->tx, "T");
	}
	if (n % 2)
		return text(buf, XS_READ, n, c->tx, "/bench/value");
	len = snprintf(body, sizeof(body), "/bench/t%d-%u%c%u", who, n % 12, 0, n);
	return message(buf, XS_WRITE, n, c->tx, body, (size_t)len);
}

static void prepare(void)
{
	struct client *c = &client[0];
	char buf[512], body[64];
	int i;

	memset(c, 0, sizeof(*c));
	c->fd = open_client();
	for (i = 0; i < 1001; i++) {
		snprintf(body, sizeof(body), i < 1000 ? "/bench/dir/n%03d" : "/bench/value", i);
		put_all(c->fd, buf, text(buf, XS_WRITE, 0, 0, body));
		while (!take(c))
			;
	}
	close(c->fd);
}

/* All watches of one client fire for one write: the time until the last event is there. */
static void watches(int count)
{
	struct client *w = &client[0];
	char buf[512], body[64], sink[65536];
	int i, fd, len = 0;
	uint64_t start;
	size_t want = 0, have = 0;

	memset(w, 0, sizeof(*w));
	w->fd = open_client();
	for (i = 0; i < count; i++) {
		len = snprintf(body, sizeof(body), "/bench/watched%ctoken%04d", 0, i);
		put_all(w->fd, buf, message(buf, XS_WATCH, 0, 0, body, (size_t)len + 1));
		want += sizeof(struct xsd_sockmsg) * 2 + 3 + (size_t)len + 1;
	}
	while (have < want) {
		ssize_t n = recv(w->fd, sink, sizeof(sink), 0);

		if (n <= 0)
			die("watch");
		have += (size_t)n;
	}
	fd = open_client();
	start = now_us();
	for (i = 0; i < 10; i++) {
		put_all(fd, buf, message(buf, XS_WRITE, 0, 0, "/bench/watched\0x", 16));
		want = (size_t)count * (sizeof(struct xsd_sockmsg) + (size_t)len + 1);
		for (have = 0; have < want;) {
			ssize_t n = recv(w->fd, sink, sizeof(sink), 0);

			if (n <= 0)
				die("event");
			have += (size_t)n;
		}
		if (recv(fd, sink, sizeof(sink), 0) <= 0)
			die("write");
	}
	printf("%-20s %d watches: %.0f us for all events of a write\n", "watches", count,
	       (double)(now_us() - start) / 10);
	close(fd);
	close(w->fd);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: xenstore-bench SOCKET [SECONDS]\n");
		return 2;
	}
	path = argv[1];
	if (argc > 2)
		seconds = strtod(argv[2], NULL);
	prepare();
	run("read", 1, 1, 1, make_read);
	run("write", 1, 1, 1, make_write);
	run("mkdir+rm", 1, 1, 2, make_mkdir_rm);
	run("directory of 1000", 1, 1, 1, make_directory);
	run("transaction of 10", 1, 1, 12, make_txn);
	run("read", 1, 16, 1, make_read);
	run("write", 1, 16, 1, make_write);
	run("read", 64, 1, 1, make_read);
	run("write", 64, 1, 1, make_write);
	run("transaction of 10", 64, 1, 12, make_txn);
	run("read", 64, 16, 1, make_read);
	watches(1000);
	return 0;
}
