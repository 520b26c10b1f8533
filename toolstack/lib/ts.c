// SPDX-License-Identifier: BSD-2-Clause
// Handles and errors of the toolstack library.
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "toolstack/lib/ts.h"

volatile int ts_interrupted;

struct ts *ts_open(char *err, size_t errlen)
{
	struct ts *ts = calloc(1, sizeof(*ts));

	if (!ts) {
		snprintf(err, errlen, "out of memory");
		return NULL;
	}
	ts->call = xencall_open(NULL, 0);
	if (ts->call)
		ts->fmem = xenforeignmemory_open(NULL, 0);
	if (ts->fmem)
		return ts;
	snprintf(err, errlen,
		 "cannot open the hypervisor interface (/dev/xen/privcmd): %s; run this as root "
		 "in domain 0, with the xen-privcmd module loaded",
		 strerror(errno));
	ts_close(ts);
	return NULL;
}

void ts_close(struct ts *ts)
{
	if (!ts)
		return;
	xsc_close(ts->xs);
	if (ts->fmem)
		xenforeignmemory_close(ts->fmem);
	if (ts->call)
		xencall_close(ts->call);
	free(ts);
}

/*
 * Without a daemon's socket the store is asked for through the kernel, which waits for ever when there is none: a child
 * tries it first.
 */
static bool store_answers(void)
{
	static const char *const sockets[] = { "/run/xenstored/socket",
					       "/var/run/xenstored/socket" };
	pid_t pid;
	int status;

	if (getenv("XENSTORED_PATH") || getenv("XENSTORED_RUNDIR") || !access(sockets[0], F_OK) ||
	    !access(sockets[1], F_OK))
		return true;
	pid = fork();
	if (pid == 0) {
		struct xsc *xs = xsc_open(NULL);

		_exit(xs && xsc_exists(xs, XSC_NONE, "/local") ? 0 : 1);
	}
	for (int i = 0; pid > 0 && i < 60; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid) {
			errno = ENOENT;
			return status == 0;
		}
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	}
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	errno = ETIMEDOUT;
	return false;
}

struct xsc *ts_store(struct ts *ts)
{
	if (!ts->xs && store_answers())
		ts->xs = xsc_open(NULL);
	if (!ts->xs)
		ts_fail_errno(ts, "cannot reach xenstored; is it running?");
	return ts->xs;
}

void ts_store_drop(struct ts *ts)
{
	xsc_close(ts->xs);
	ts->xs = NULL;
}

int ts_store_again(struct ts *ts, int seconds)
{
	ts_store_drop(ts);
	for (int i = 0; i < seconds * 4; i++) {
		if (ts_store(ts))
			return 0;
		nanosleep(&(struct timespec){ .tv_nsec = 250000000 }, NULL);
	}
	return -1;
}

static void put(struct ts *ts, const char *fmt, va_list ap, int with_errno)
{
	int n = vsnprintf(ts->err, sizeof(ts->err), fmt, ap);

	if (with_errno && n >= 0 && (size_t)n < sizeof(ts->err))
		snprintf(ts->err + n, sizeof(ts->err) - (size_t)n, ": %s", strerror(with_errno));
}

int ts_fail(struct ts *ts, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(ts, fmt, ap, 0);
	va_end(ap);
	return -1;
}

int ts_fail_errno(struct ts *ts, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	put(ts, fmt, ap, saved ? saved : EIO);
	va_end(ap);
	return -1;
}
