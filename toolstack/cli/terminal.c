// SPDX-License-Identifier: BSD-2-Clause
// paravane console: this terminal and the domain's pty.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include "toolstack/cli/cli.h"

#define ESCAPE 0x1d /* Ctrl-] */

/* The path of the pty; the console daemon writes it soon after the domain's introduction. */
static char *wait_for_tty(struct ts *ts, uint32_t domid)
{
	struct xsc *xs = ts_store(ts);
	char path[64], *tty = NULL;

	snprintf(path, sizeof(path), "/local/domain/%u/console/tty", domid);
	if (!xs || xsc_watch(xs, path, "tty")) {
		ts_fail_errno(ts, "domain %u: cannot watch its console", domid);
		return NULL;
	}
	for (int i = 0; i < 10; i++) {
		tty = xsc_read(xs, XSC_NONE, path, NULL);
		if (tty && *tty)
			break;
		free(tty);
		tty = NULL;
		free(xsc_wait_event(xs, 1000));
	}
	xsc_unwatch(xs, path, "tty");
	if (!tty)
		ts_fail(ts,
			"domain %u: it has no console (is paravane-consoled or xenconsoled "
			"running?)",
			domid);
	return tty;
}

static int write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno != EINTR && errno != EAGAIN)
			return -1;
		if (done > 0) {
			p += done;
			n -= (size_t)done;
		}
	}
	return 0;
}

/* Until Ctrl-], end of input on a terminal, or the pty's end. */
static void copy(int tty)
{
	struct pollfd fds[2] = { { .fd = tty, .events = POLLIN },
				 { .fd = STDIN_FILENO, .events = POLLIN } };
	char buf[1024];
	ssize_t n;

	while (poll(fds, 2, -1) >= 0 || errno == EINTR) {
		if (fds[0].revents) {
			n = read(tty, buf, sizeof(buf));
			if (n <= 0 || write_all(STDOUT_FILENO, buf, (size_t)n))
				return;
		}
		if (fds[1].revents) {
			char *esc;

			n = read(STDIN_FILENO, buf, sizeof(buf));
			if (n <= 0) {
				fds[1].fd = -1; /* go on showing output */
				continue;
			}
			esc = memchr(buf, ESCAPE, (size_t)n);
			if (write_all(tty, buf, esc ? (size_t)(esc - buf) : (size_t)n) || esc)
				return;
		}
	}
}

static void make_raw(int fd, struct termios *old)
{
	struct termios t;

	if (tcgetattr(fd, old))
		return;
	t = *old;
	cfmakeraw(&t);
	tcsetattr(fd, TCSANOW, &t);
}

int console_attach(struct ts *ts, uint32_t domid)
{
	struct termios old, slave;
	char *path = wait_for_tty(ts, domid);
	bool terminal = isatty(STDIN_FILENO);
	int fd;

	if (!path)
		return report(ts);
	fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0) {
		ts_fail_errno(ts, "domain %u: cannot open its console %s", domid, path);
		free(path);
		return report(ts);
	}
	free(path);
	make_raw(fd, &slave);
	if (terminal)
		make_raw(STDIN_FILENO, &old);
	copy(fd);
	if (terminal) {
		tcsetattr(STDIN_FILENO, TCSANOW, &old);
		putchar('\n');
	}
	close(fd);
	return EXIT_OK;
}

int cmd_console(struct ts *ts, const struct command *self, int argc, char **argv)
{
	uint32_t domid;

	if (argc < 2)
		return usage(self, "no domain given");
	if (ts_domain_find(ts, argv[argc - 1], &domid))
		return report(ts);
	if (!domid) {
		ts_fail(ts, "domain 0's console is the machine's own");
		return report(ts);
	}
	return console_attach(ts, domid);
}
