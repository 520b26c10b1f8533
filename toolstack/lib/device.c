// SPDX-License-Identifier: BSD-2-Clause
// Split devices: the two sides' nodes, waiting for back ends, taking them away.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "toolstack/lib/ts.h"
#include <xen/io/xenbus.h>

static void back_path(char *p, size_t room, const char *kind, uint32_t domid, unsigned int devid)
{
	snprintf(p, room, "/local/domain/0/backend/%s/%u/%u", kind, domid, devid);
}

static void front_path(char *p, size_t room, const char *kind, uint32_t domid, unsigned int devid)
{
	snprintf(p, room, "/local/domain/%u/device/%s/%u", domid, kind, devid);
}

static int put_side(struct xsc *xs, xsc_txn t, const char *dir, const struct xsc_perm *perms,
		    const struct ts_pair *pairs)
{
	char path[192];

	if (xsc_mkdir(xs, t, dir) || xsc_set_perms(xs, t, dir, perms, 2))
		return -1;
	for (; pairs->key; pairs++) {
		snprintf(path, sizeof(path), "%s/%s", dir, pairs->key);
		if (xsc_write(xs, t, path, pairs->value, strlen(pairs->value)) ||
		    xsc_set_perms(xs, t, path, perms, 2))
			return -1;
	}
	return 0;
}

int ts_device_add(struct ts *ts, const char *kind, unsigned int devid, uint32_t domid,
		  const struct ts_pair *back, const struct ts_pair *front)
{
	struct xsc *xs = ts_store(ts);
	struct xsc_perm back_perms[2] = { { 0, 'n' }, { domid, 'r' } };
	struct xsc_perm front_perms[2] = { { domid, 'n' }, { 0, 'r' } };
	char bp[96], fp[96], domid_text[16];
	const struct ts_pair back_common[] = {
		{ "frontend", fp },
		{ "frontend-id", domid_text },
		{ "online", "1" },
		{ NULL, NULL },
	};
	const struct ts_pair front_common[] = {
		{ "backend", bp },
		{ "backend-id", "0" },
		{ NULL, NULL },
	};
	xsc_txn t;

	if (!xs)
		return -1;
	back_path(bp, sizeof(bp), kind, domid, devid);
	front_path(fp, sizeof(fp), kind, domid, devid);
	snprintf(domid_text, sizeof(domid_text), "%u", domid);
	do {
		int rc;

		if (xsc_begin(xs, &t))
			return ts_fail_errno(ts, "%s %u: xenstore transaction", kind, devid);
		rc = put_side(xs, t, fp, front_perms, front_common) ||
		     put_side(xs, t, fp, front_perms, front) ||
		     put_side(xs, t, bp, back_perms, back_common) ||
		     put_side(xs, t, bp, back_perms, back);
		if (rc) {
			int saved = errno;

			xsc_end(xs, t, false);
			errno = saved;
			return ts_fail_errno(ts, "%s %u: cannot write its nodes to xenstore", kind,
					     devid);
		}
		if (xsc_end(xs, t, true) == 0)
			return 0;
	} while (errno == EAGAIN);
	return ts_fail_errno(ts, "%s %u: cannot write its nodes to xenstore", kind, devid);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* The state of a node, XenbusStateUnknown when there is none. */
static unsigned int read_state(struct xsc *xs, const char *dir)
{
	char path[128];
	uint64_t v;

	snprintf(path, sizeof(path), "%s/state", dir);
	return xsc_read_u64(xs, XSC_NONE, path, &v) || v > 31 ? XenbusStateUnknown
							      : (unsigned int)v;
}

/* 1 when the state is in the mask, 0 on timeout, -1 when the store is gone. */
static int wait_state(struct ts *ts, const char *dir, unsigned int mask, int timeout_ms)
{
	struct xsc *xs = ts_store(ts);
	int64_t end = now_ms() + timeout_ms;
	struct xsc_event *ev;
	char path[128];
	int rc = 0;

	snprintf(path, sizeof(path), "%s/state", dir);
	if (!xs || xsc_watch(xs, path, "device"))
		return -1;
	for (;;) {
		int64_t left = end - now_ms();

		if (mask & 1U << read_state(xs, dir)) {
			rc = 1;
			break;
		}
		if (left <= 0 || ts_interrupted)
			break;
		ev = xsc_wait_event(xs, (int)left);
		if (!ev && errno != ETIMEDOUT) {
			rc = -1;
			break;
		}
		free(ev);
	}
	xsc_unwatch(xs, path, "device");
	while ((ev = xsc_next_event(xs, false)))
		free(ev);
	return rc;
}

int ts_device_wait(struct ts *ts, const char *kind, unsigned int devid, uint32_t domid,
		   unsigned int mask, int timeout_ms)
{
	const unsigned int ended = 1U << XenbusStateClosing | 1U << XenbusStateClosed;
	char dir[96], path[128], *why;
	int rc;

	back_path(dir, sizeof(dir), kind, domid, devid);
	rc = wait_state(ts, dir, mask | ended, timeout_ms);
	if (rc == 1 && (mask & 1U << read_state(ts->xs, dir)))
		return 0;
	if (rc < 0)
		return ts_fail_errno(ts, "%s %u of domain %u: xenstore", kind, devid, domid);
	snprintf(path, sizeof(path), "/local/domain/0/error/%s/error",
		 dir + strlen("/local/domain/0/"));
	why = xsc_read(ts->xs, XSC_NONE, path, NULL);
	if (rc == 1)
		ts_fail(ts, "%s %u of domain %u: the back end in domain 0 gave up: %s", kind, devid,
			domid, why ? why : "see its kernel log");
	else
		ts_fail(ts, "%s %u of domain %u: no back end in domain 0 answers: %s", kind, devid,
			domid,
			why ? why : "is the driver loaded (modprobe xen-blkback, xen-netback)?");
	free(why);
	return -1;
}

int ts_need_driver(struct ts *ts, const char *kind, const char *module)
{
	char path[64];
	pid_t pid;
	int status;

	snprintf(path, sizeof(path), "/sys/bus/xen-backend/drivers/%s", kind);
	if (access(path, F_OK) == 0)
		return 0;
	pid = fork();
	if (pid == 0) {
		execlp("modprobe", "modprobe", module, (char *)NULL);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	if (access(path, F_OK) == 0)
		return 0;
	return ts_fail(ts, "domain 0 has no %s back end: 'modprobe %s' did not bring it", kind,
		       module);
}

/* The front end goes first: a back end that is told to go off line closes when its peer vanishes. */
static void remove_one(struct ts *ts, const char *kind, uint32_t domid, unsigned int devid)
{
	const unsigned int ended = 1U << XenbusStateClosed | 1U << XenbusStateUnknown;
	struct xsc *xs = ts_store(ts);
	char bp[96], fp[96], path[128];

	back_path(bp, sizeof(bp), kind, domid, devid);
	front_path(fp, sizeof(fp), kind, domid, devid);
	snprintf(path, sizeof(path), "%s/online", bp);
	xsc_write(xs, XSC_NONE, path, "0", 1);
	if (!(ended & 1U << read_state(xs, bp))) {
		snprintf(path, sizeof(path), "%s/state", bp);
		xsc_write(xs, XSC_NONE, path, "5", 1);
	}
	xsc_rm(xs, XSC_NONE, fp);
	if (wait_state(ts, bp, ended, 5000) == 0)
		ts_fail(ts, "%s %u of domain %u: its back end does not close; going on without",
			kind, devid, domid);
	xsc_rm(xs, XSC_NONE, bp);
}

void ts_devices_remove(struct ts *ts, uint32_t domid)
{
	static const char *const kinds[] = { "vbd", "vif" };
	struct xsc *xs = ts_store(ts);

	for (size_t k = 0; xs && k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		char dir[96], **names;
		unsigned int n = 0;

		snprintf(dir, sizeof(dir), "/local/domain/0/backend/%s/%u", kinds[k], domid);
		names = xsc_directory(xs, XSC_NONE, dir, &n);
		for (unsigned int i = 0; names && i < n; i++)
			remove_one(ts, kinds[k], domid, (unsigned int)strtoul(names[i], NULL, 10));
		free(names);
	}
}
