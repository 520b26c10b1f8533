// SPDX-License-Identifier: BSD-2-Clause
// paravane-consoled: a pseudo terminal and a log for the console of every PV domain.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "toolstack/consoled/consoled.h"

#define MAX_CONSOLES 1024

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	stop = 1;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void watch_console(struct consoled *d, uint32_t domid, bool on)
{
	char path[64];

	snprintf(path, sizeof(path), "/local/domain/%u/console", domid);
	if (on)
		xsc_watch(d->ts->xs, path, "console");
	else
		xsc_unwatch(d->ts->xs, path, "console");
}

static struct cons *find(struct consoled *d, uint32_t domid)
{
	for (struct cons *c = d->list; c; c = c->next)
		if (c->domid == domid && c->state != CONS_CLOSING)
			return c;
	return NULL;
}

static bool alive(struct consoled *d, uint32_t domid)
{
	xen_domctl_getdomaininfo_t info;

	return ts_domain_info(d->ts, domid, &info) == 0 && !(info.flags & XEN_DOMINF_dying);
}

/* A console whose daemon side is somebody else's (a driver domain, a device model) is left alone. */
static bool is_ours(struct consoled *d, uint32_t domid)
{
	char path[64], *type;
	bool ours;

	snprintf(path, sizeof(path), "/local/domain/%u/console/type", domid);
	type = xsc_read(d->ts->xs, XSC_NONE, path, NULL);
	ours = !type || strcmp(type, "xenconsoled") == 0;
	free(type);
	return ours;
}

static void try_attach(struct consoled *d, uint32_t domid)
{
	struct cons *c = find(d, domid);

	if (c && c->state != CONS_WAITING)
		return;
	if (!is_ours(d, domid))
		return;
	if (!c) {
		c = cons_new(d, domid);
		if (!c)
			return;
		watch_console(d, domid, true);
	}
	if (cons_attach(c) == 0)
		watch_console(d, domid, false);
}

/* Compare what we serve with what there is. */
static void rescan(struct consoled *d)
{
	unsigned int n = 0;
	char **names = xsc_directory(d->ts->xs, XSC_NONE, "/local/domain", &n);

	for (struct cons *c = d->list; c; c = c->next) {
		if (c->state == CONS_CLOSING || alive(d, c->domid))
			continue;
		if (c->state == CONS_WAITING)
			watch_console(d, c->domid, false);
		cons_detach(c, now_ms());
	}
	for (unsigned int i = 0; names && i < n; i++) {
		uint32_t domid = (uint32_t)strtoul(names[i], NULL, 10);

		if (domid && alive(d, domid))
			try_attach(d, domid);
	}
	free(names);
}

static void reap(struct consoled *d)
{
	struct cons **p = &d->list, *c;

	while ((c = *p)) {
		if (!cons_drained(c, now_ms())) {
			p = &c->next;
			continue;
		}
		*p = c->next;
		cons_free(c);
	}
}

static int store_events(struct consoled *d)
{
	struct xsc_event *ev;
	bool any = false;

	while ((ev = xsc_next_event(d->ts->xs, false))) {
		any = true;
		free(ev);
	}
	if (errno != EAGAIN)
		return -1;
	if (any)
		rescan(d);
	return 0;
}

static void port_event(struct consoled *d)
{
	xenevtchn_port_or_error_t port = xenevtchn_pending(d->evtchn);

	for (struct cons *c = d->list; port >= 0 && c; c = c->next) {
		if (c->ring && c->port == (evtchn_port_t)port) {
			cons_event(c);
			return;
		}
	}
}

/* Descriptors 0 and 1 are the store and the event channels, then one for each console. */
static nfds_t gather(struct consoled *d, struct pollfd *fds, struct cons **who, int *timeout)
{
	nfds_t n = 2;

	fds[0] = (struct pollfd){ .fd = xsc_fd(d->ts->xs), .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = xenevtchn_fd(d->evtchn), .events = POLLIN };
	*timeout = -1;
	for (struct cons *c = d->list; c && n < MAX_CONSOLES; c = c->next) {
		if (c->events || c->masked || c->state == CONS_CLOSING)
			*timeout = CONS_TICK_MS;
		if (c->master < 0)
			continue;
		fds[n] = (struct pollfd){ .fd = c->master };
		fds[n].events = (short)((cons_room(c) ? POLLIN : 0) | (c->len ? POLLOUT : 0));
		who[n++] = c;
	}
	return n;
}

static int serve(struct consoled *d)
{
	static struct pollfd fds[MAX_CONSOLES];
	static struct cons *who[MAX_CONSOLES];
	int64_t tick = now_ms();
	int timeout;

	while (!stop) {
		nfds_t n = gather(d, fds, who, &timeout);

		if (poll(fds, n, timeout) < 0 && errno != EINTR)
			return -1;
		for (nfds_t i = 2; i < n; i++) {
			if (fds[i].revents & POLLIN)
				cons_terminal_in(who[i]);
			if (fds[i].revents & POLLOUT)
				cons_terminal_out(who[i]);
		}
		if (fds[1].revents)
			port_event(d);
		if (fds[0].revents && store_events(d))
			return -1;
		if (now_ms() - tick >= CONS_TICK_MS) {
			tick = now_ms();
			for (struct cons *c = d->list; c; c = c->next)
				cons_tick(c);
		}
		reap(d);
	}
	return 0;
}

static int watch_domains(struct consoled *d)
{
	return xsc_watch(d->ts->xs, "@introduceDomain", "domains") ||
	       xsc_watch(d->ts->xs, "@releaseDomain", "domains");
}

/* The store may be restarted under us: its tree is still there, our watches are not. */
static int reconnect(struct consoled *d)
{
	if (ts_store_again(d->ts, 30) || watch_domains(d))
		return -1;
	for (struct cons *c = d->list; c; c = c->next) {
		if (c->state == CONS_WAITING)
			watch_console(d, c->domid, true);
		cons_publish(c);
	}
	rescan(d);
	return 0;
}

/* ---- start */

static int usage(FILE *to)
{
	fprintf(to, "usage: paravane-consoled [--foreground] [--log-dir DIR | --no-log] "
		    "[--pid-file FILE]\n\n"
		    "Serve the consoles of PV domains: a pseudo terminal each, named in the store, "
		    "and a log.\n\n"
		    "  -f, --foreground    do not go to the background\n"
		    "  -l, --log-dir DIR   where NAME.log go (default /var/log/paravane)\n"
		    "      --no-log        no log files\n"
		    "  -p, --pid-file FILE write the process number there\n");
	return to == stdout ? 0 : 2;
}

static int write_pid(const char *path)
{
	FILE *f = fopen(path, "w");

	if (!f || fprintf(f, "%d\n", (int)getpid()) < 0 || fclose(f)) {
		fprintf(stderr, "paravane-consoled: cannot write %s: %s\n", path, strerror(errno));
		return -1;
	}
	return 0;
}

static int open_handles(struct consoled *d)
{
	char err[512];

	d->ts = ts_open(err, sizeof(err));
	if (!d->ts) {
		fprintf(stderr, "paravane-consoled: %s\n", err);
		return -1;
	}
	if (!ts_store(d->ts)) {
		fprintf(stderr, "paravane-consoled: %s\n", d->ts->err);
		return -1;
	}
	d->evtchn = xenevtchn_open(NULL, 0);
	if (!d->evtchn) {
		fprintf(stderr,
			"paravane-consoled: cannot open /dev/xen/evtchn: %s; load xen-evtchn\n",
			strerror(errno));
		return -1;
	}
	d->gnttab = xengnttab_open(NULL, 0);
	if (watch_domains(d)) {
		fprintf(stderr, "paravane-consoled: cannot watch for domains: %s\n",
			strerror(errno));
		return -1;
	}
	return 0;
}

/*
 * The parent leaves when the child serves, with the truth about it in its exit status. Handles are opened in the child: they
 * do not survive fork().
 */
static int go_background(int ready[2])
{
	char ok = 0;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC))
		return -1;
	pid = fork();
	if (pid < 0)
		return -1;
	if (pid == 0) {
		close(ready[0]);
		return setsid() < 0 ? -1 : 0;
	}
	close(ready[1]);
	_exit(read(ready[0], &ok, 1) == 1 ? 0 : 1);
}

static void tell_parent(int fd)
{
	int null;

	if (fd < 0)
		return;
	if (write(fd, "", 1) != 1)
		fprintf(stderr, "paravane-consoled: nobody waits for the start\n");
	close(fd);
	null = open("/dev/null", O_RDWR);
	dup2(null, STDIN_FILENO);
	if (null > STDERR_FILENO)
		close(null);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "foreground", 0, NULL, 'f' }, { "log-dir", 1, NULL, 'l' },
		{ "no-log", 0, NULL, 'n' },	{ "pid-file", 1, NULL, 'p' },
		{ "help", 0, NULL, 'h' },	{ NULL, 0, NULL, 0 }
	};
	struct consoled d = { .log_dir = "/var/log/paravane" };
	const char *pid_file = NULL;
	int ready[2] = { -1, -1 }, ch, rc;
	bool foreground = false;

	while ((ch = getopt_long(argc, argv, "fl:p:h", longs, NULL)) != -1) {
		if (ch == 'h')
			return usage(stdout);
		if (ch == '?')
			return usage(stderr);
		foreground |= ch == 'f';
		if (ch == 'l' || ch == 'n')
			d.log_dir = ch == 'l' ? optarg : NULL;
		if (ch == 'p')
			pid_file = optarg;
	}
	if (optind < argc)
		return usage(stderr);
	if (!foreground && go_background(ready)) {
		perror("paravane-consoled: cannot go to the background");
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	if (d.log_dir)
		mkdir(d.log_dir, 0755);
	if (open_handles(&d) || (pid_file && write_pid(pid_file)))
		return 1;
	tell_parent(ready[1]);
	do {
		rc = serve(&d);
	} while (rc && reconnect(&d) == 0);
	if (rc)
		fprintf(stderr, "paravane-consoled: lost xenstore: %s\n", strerror(errno));
	for (struct cons *c = d.list, *next; c; c = next) {
		next = c->next;
		cons_free(c);
	}
	if (pid_file)
		unlink(pid_file);
	return rc ? 1 : 0;
}
