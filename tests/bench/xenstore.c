// SPDX-License-Identifier: BSD-2-Clause
// xenstore-bench [-i] [-r ROUNDS] [-t SECONDS] [-n NODES] NAME=SOCKET...: xenstore daemons side by side.
//
// The daemons take turns, so that what disturbs the machine disturbs all. One line for each workload and daemon:
//
//   XS daemon workload clients depth | operations per second, median of the rounds | latency percentiles 50, 99 and
//      99.9 in microseconds | the daemon's processor time per operation in microseconds
//   XI daemon workload | instructions that the daemon itself executes per operation, system calls among them: the median of some
//      operations, and the least and most of them
//   XM daemon nodes | bytes of resident memory that so many nodes add
//
// Depth is the number of requests that a client has under way. Instructions are counted by single-stepping the daemon. The client
// waits until the daemon sleeps before each operation, so what a daemon does after its answer belongs to the operation too.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <xen/io/xs_wire.h>

#define MAX_CLIENTS 64
#define MAX_DEPTH   16
#define MAX_SAMPLES 400000
#define MAX_ROUNDS  32
#define MAX_TARGETS 4

struct client {
	int fd;
	uint32_t sent, done, tx;
	uint64_t when[MAX_DEPTH];
	char in[65536];
	size_t have;
};

/* A daemon, and what was measured of it. */
struct target {
	const char *name, *path;
	pid_t pid;
	uint32_t *sample;
	size_t nsample;
	double rate[MAX_ROUNDS], cpu, ops;
};

/* Makes the n-th request of a client; returns its length. */
typedef size_t (*maker)(struct client *c, int who, uint32_t n, char *buf);

struct workload {
	const char *name;
	int clients;
	uint32_t depth;
	uint32_t per; /* requests that make one operation */
	maker make;
	bool count; /* instructions too */
};

static struct client client[MAX_CLIENTS];
static struct target target[MAX_TARGETS], *now; /* now: whose turn it is */
static unsigned int ntarget, rounds = 5;
static double seconds = 0.5;

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void die(const char *what)
{
	fprintf(stderr, "xenstore-bench: %s: %s: %s\n", now ? now->name : "", what,
		strerror(errno));
	exit(1);
}

/* Seconds of processor time that the daemon has used. */
static double daemon_cpu(void)
{
	unsigned long user = 0, sys = 0;
	char file[64], text[1024], *p;
	FILE *f;

	snprintf(file, sizeof(file), "/proc/%d/stat", now->pid);
	f = fopen(file, "r");
	if (!f)
		return 0;
	if (fgets(text, sizeof(text), f) && (p = strrchr(text, ')')))
		sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys);
	fclose(f);
	return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}

/* Bytes of the daemon that are resident. */
static size_t daemon_memory(void)
{
	unsigned long pages = 0;
	char file[64];
	FILE *f;

	snprintf(file, sizeof(file), "/proc/%d/statm", now->pid);
	f = fopen(file, "r");
	if (!f || fscanf(f, "%*u %lu", &pages) != 1)
		die(file);
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static int open_client(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", now->path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		die(now->path);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		die("process of the daemon");
	now->pid = cred.pid;
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
			if (now->nsample < MAX_SAMPLES)
				now->sample[now->nsample++] =
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
	return text(buf, XS_DIRECTORY, n, 0, "/bench/dir");
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

static void open_clients(int clients)
{
	int i;

	for (i = 0; i < clients; i++) {
		memset(&client[i], 0, sizeof(client[i]));
		client[i].fd = open_client();
	}
}

static void close_clients(int clients)
{
	int i;

	for (i = 0; i < clients; i++)
		close(client[i].fd);
}

static uint32_t turn(const struct workload *w, int who)
{
	uint32_t n = take(&client[who]);

	fill(&client[who], who, w->depth, w->make);
	return n;
}

/* Until the time is over; one client waits in recv() itself, as a blocking library does. Returns requests done. */
static uint64_t drive(const struct workload *w, uint64_t end)
{
	struct epoll_event ev[MAX_CLIENTS];
	int i, n, ep = epoll_create1(EPOLL_CLOEXEC);
	uint64_t total = 0;

	for (i = 0; i < w->clients; i++) {
		ev[0] = (struct epoll_event){ .events = EPOLLIN, .data.u32 = (uint32_t)i };
		if (epoll_ctl(ep, EPOLL_CTL_ADD, client[i].fd, ev))
			die("epoll");
		fill(&client[i], i, w->depth, w->make);
	}
	while (now_us() < end) {
		if (w->clients == 1) {
			total += turn(w, 0);
			continue;
		}
		n = epoll_wait(ep, ev, MAX_CLIENTS, -1);
		for (i = 0; i < n; i++)
			total += turn(w, (int)ev[i].data.u32);
	}
	close(ep);
	return total;
}

static void measure(const struct workload *w, unsigned int round)
{
	uint64_t start, total;
	double cpu = daemon_cpu();

	open_clients(w->clients);
	start = now_us();
	total = drive(w, start + (uint64_t)(seconds * 1e6));
	now->rate[round] = (double)total / w->per / ((double)(now_us() - start) / 1e6);
	now->cpu += daemon_cpu() - cpu;
	now->ops += (double)total / w->per;
	close_clients(w->clients);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int by_rate(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void report(const char *name, int clients, uint32_t depth)
{
	struct target *t = now;

	qsort(t->sample, t->nsample, sizeof(t->sample[0]), by_value);
	qsort(t->rate, rounds, sizeof(t->rate[0]), by_rate);
	printf("XS %s %s %d %u %.0f %u %u %u %.1f\n", t->name, name, clients, depth,
	       t->rate[rounds / 2], t->sample[t->nsample / 2], t->sample[t->nsample * 99 / 100],
	       t->sample[t->nsample * 999 / 1000], t->cpu * 1e6 / t->ops);
	fflush(stdout);
	t->nsample = 0;
	t->cpu = t->ops = 0;
}

static void run(const struct workload *w)
{
	unsigned int i;

	for (i = 0; i < rounds; i++)
		for (now = target; now < target + ntarget; now++)
			measure(w, i);
	for (now = target; now < target + ntarget; now++)
		report(w->name, w->clients, w->depth);
}

/* ---- 1,000 watches of one client that fire for one write: the time until the last event is there ---- */

static void receive(int fd, size_t want)
{
	static char sink[65536];
	ssize_t n;

	for (; want; want -= (size_t)n) {
		n = recv(fd, sink, want < sizeof(sink) ? want : sizeof(sink), 0);
		if (n <= 0)
			die("receive");
	}
}

#define WATCHES 1000

static void measure_watches(unsigned int round)
{
	const size_t head = sizeof(struct xsd_sockmsg),
		     event = head + sizeof("/bench/watched") + 10;
	char buf[512], body[64];
	int i, len, watcher = open_client(), writer = open_client();
	double cpu;
	uint64_t start, total = 0;

	for (i = 0; i < WATCHES; i++) {
		len = snprintf(body, sizeof(body), "/bench/watched%ctoken%04d", 0, i);
		put_all(watcher, buf, message(buf, XS_WATCH, 0, 0, body, (size_t)len + 1));
		receive(watcher, head + 3 + event);
	}
	cpu = daemon_cpu();
	for (i = 0; i < 10; i++) {
		start = now_us();
		put_all(writer, buf, message(buf, XS_WRITE, 0, 0, "/bench/watched\0x", 16));
		receive(writer, head + 3);
		receive(watcher, WATCHES * event);
		now->sample[now->nsample++] = (uint32_t)(now_us() - start);
		total += now_us() - start;
	}
	now->rate[round] = 10e6 / (double)total;
	now->cpu += daemon_cpu() - cpu;
	now->ops += 10;
	close(writer);
	close(watcher);
}

static void run_watches(void)
{
	unsigned int i;

	for (i = 0; i < rounds; i++)
		for (now = target; now < target + ntarget; now++)
			measure_watches(i);
	for (now = target; now < target + ntarget; now++)
		report("1000-watches", 1, 1);
}

/* ---- instructions ---- */

#define COUNTED 7

struct steps {
	long instructions, calls;
};

/* Which operation is under way; shared with the client process. */
static volatile int *stage;

/* Step the daemon until the client process has ended. A repeated string instruction counts once. */
static void step_until(pid_t user, struct steps n[])
{
	struct user_regs_struct r;
	unsigned long long last = 0;
	int status;
	pid_t who;

	while ((who = waitpid(-1, &status, __WALL)) != user) {
		if (who != now->pid || !WIFSTOPPED(status) || ptrace(PTRACE_GETREGS, who, NULL, &r))
			die("stepping");
		if (status >> 16 || WSTOPSIG(status) == SIGTRAP)
			status = 0; /* ours, not a signal for the daemon */
		n[*stage].instructions += r.rip != last;
		/* What comes next is "syscall". */
		if (r.rip != last &&
		    (ptrace(PTRACE_PEEKTEXT, who, (void *)r.rip, NULL) & 0xffff) == 0x050f)
			n[*stage].calls++;
		last = r.rip;
		if (ptrace(PTRACE_SINGLESTEP, who, NULL, status ? (long)WSTOPSIG(status) : 0L))
			die("step");
	}
	if (status)
		die("client under the stepped daemon");
}

/* End the stepping: a trap that is still under way would kill the daemon once nobody traces it. */
static void let_go(void)
{
	int i, status;

	ptrace(PTRACE_INTERRUPT, now->pid, NULL, NULL);
	for (i = 0; i < 50; i++) {
		if (waitpid(now->pid, &status, __WALL | WNOHANG) == now->pid)
			ptrace(PTRACE_CONT, now->pid, NULL, NULL);
		usleep(1000);
	}
	if (ptrace(PTRACE_INTERRUPT, now->pid, NULL, NULL) ||
	    waitpid(now->pid, NULL, __WALL) != now->pid ||
	    ptrace(PTRACE_DETACH, now->pid, NULL, NULL))
		die("letting go");
}

/* Wait until the daemon sleeps for its next request: what it does after an answer belongs to the request. */
static void wait_idle(void)
{
	char file[64], state;
	int still = 0;
	FILE *f;

	snprintf(file, sizeof(file), "/proc/%d/stat", now->pid);
	while (still < 5) {
		usleep(2000);
		f = fopen(file, "r");
		if (!f || fscanf(f, "%*d %*s %c", &state) != 1)
			die(file);
		fclose(f);
		still = state == 'S' ? still + 1 : 0;
	}
}

static void operation(const struct workload *w)
{
	uint32_t i;

	for (i = 0; i < w->per; i++) {
		fill(&client[0], 0, 1, w->make);
		while (!take(&client[0])) /* an answer may come in pieces */
			;
	}
}

/* Stage 0 is what comes before the first operation that counts. */
static void steps_of(const struct workload *w, struct steps n[COUNTED + 1])
{
	pid_t user;

	open_clients(1);
	/* Whole operations first, so that what comes once is not counted. */
	operation(w);
	operation(w);
	wait_idle();
	*stage = 0;
	if (ptrace(PTRACE_SEIZE, now->pid, NULL, NULL) ||
	    ptrace(PTRACE_INTERRUPT, now->pid, NULL, NULL))
		die("tracing");
	user = fork();
	if (!user) {
		wait_idle();
		while (*stage < COUNTED) {
			++*stage;
			operation(w);
			wait_idle();
		}
		_exit(0);
	}
	step_until(user, n);
	let_go();
	close_clients(1);
	now->nsample = 0;
}

static int by_instructions(const void *a, const void *b)
{
	const struct steps *x = a, *y = b;

	return x->instructions < y->instructions ? -1 : x->instructions > y->instructions;
}

static void count(const struct workload *w)
{
	for (now = target; now < target + ntarget; now++) {
		struct steps n[COUNTED + 1] = { 0 };

		steps_of(w, n);
		qsort(n + 1, COUNTED, sizeof(n[0]), by_instructions);
		printf("XI %s %s %ld %ld %ld %ld\n", now->name, w->name,
		       n[(COUNTED + 1) / 2].instructions, n[(COUNTED + 1) / 2].calls,
		       n[1].instructions, n[COUNTED].instructions);
		fflush(stdout);
	}
}

/* ---- memory ---- */

static size_t make_node(struct client *c, int who, uint32_t n, char *buf)
{
	char body[64];
	int len = snprintf(body, sizeof(body), "/bench/nodes/%u/%u%c%u", n / 100, n % 100, 0, n);

	return message(buf, XS_WRITE, n, 0, body, (size_t)len);
}

static void memory(uint32_t nodes)
{
	for (now = target; now < target + ntarget; now++) {
		size_t before = daemon_memory();

		open_clients(1);
		while (client[0].done < nodes) {
			if (client[0].sent < nodes)
				fill(&client[0], 0, MAX_DEPTH, make_node);
			take(&client[0]);
		}
		printf("XM %s %u %zu\n", now->name, client[0].done, daemon_memory() - before);
		fflush(stdout);
		close_clients(1);
		now->nsample = 0;
	}
}

/* ---- */

static void prepare(void)
{
	struct client *c = &client[0];
	char buf[512], body[64];
	int i;

	now->sample = malloc(MAX_SAMPLES * sizeof(now->sample[0]));
	if (!now->sample)
		die("memory");
	open_clients(1);
	for (i = 0; i < 1001; i++) {
		snprintf(body, sizeof(body), i < 1000 ? "/bench/dir/%03d" : "/bench/value", i);
		put_all(c->fd, buf, text(buf, XS_WRITE, 0, 0, body));
		while (!take(c))
			;
	}
	close_clients(1);
	now->nsample = 0;
}

static const struct workload workloads[] = {
	{ "read", 1, 1, 1, make_read, true },
	{ "write", 1, 1, 1, make_write, true },
	{ "mkdir+rm", 1, 1, 2, make_mkdir_rm, true },
	{ "directory-of-1000", 1, 1, 1, make_directory, true },
	{ "transaction-of-10", 1, 1, 12, make_txn, true },
	{ "read", 1, 16, 1, make_read, false },
	{ "write", 1, 16, 1, make_write, false },
	{ "read", 64, 1, 1, make_read, false },
	{ "write", 64, 1, 1, make_write, false },
	{ "mkdir+rm", 64, 1, 2, make_mkdir_rm, false },
	{ "directory-of-1000", 64, 1, 1, make_directory, false },
	{ "transaction-of-10", 64, 1, 12, make_txn, false },
	{ "read", 64, 16, 1, make_read, false },
	{ "write", 64, 16, 1, make_write, false },
};

int main(int argc, char **argv)
{
	const size_t num = sizeof(workloads) / sizeof(workloads[0]);
	bool instructions = false;
	uint32_t nodes = 0;
	size_t i;
	int opt;

	while ((opt = getopt(argc, argv, "ir:t:n:")) != -1) {
		if (opt == 'r')
			rounds = (unsigned int)strtoul(optarg, NULL, 10);
		else if (opt == 't')
			seconds = strtod(optarg, NULL);
		else if (opt == 'i')
			instructions = true; /* and nothing else */
		else if (opt == 'n')
			nodes = (uint32_t)strtoul(optarg, NULL, 10);
		else
			return 2;
	}
	for (; optind < argc && ntarget < MAX_TARGETS; optind++) {
		target[ntarget].name = strtok(argv[optind], "=");
		target[ntarget++].path = strtok(NULL, "");
	}
	if (!ntarget || !target[ntarget - 1].path || !rounds || rounds > MAX_ROUNDS) {
		fprintf(stderr, "usage: xenstore-bench [-i] [-r ROUNDS] [-t SECONDS] [-n NODES] "
				"NAME=SOCKET...\n");
		return 2;
	}
	stage = mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (stage == MAP_FAILED)
		die("memory");
	for (now = target; now < target + ntarget; now++)
		prepare();
	for (i = 0; i < num; i++) {
		if (!instructions)
			run(&workloads[i]);
		else if (workloads[i].count)
			count(&workloads[i]);
	}
	if (!instructions)
		run_watches();
	if (nodes)
		memory(nodes);
	return 0;
}
