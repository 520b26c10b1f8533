// SPDX-License-Identifier: BSD-2-Clause
// The life of a domain: creation with everything undone on failure, shutdown, destruction, the watcher.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "toolstack/lib/ts.h"
#include <xen/sched.h>

#define SLACK_KB \
	1024 /* above the guest's memory, as xl leaves it, for ballooning a little over the target */
#define EVENT_PORTS 1023 /* highest event channel port of a guest, xl's default */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void close_loops(struct ts_domain *d)
{
	for (unsigned int i = 0; i < XLCFG_MAX_LIST; i++) {
		if (d->loop_fd[i] >= 0)
			close(d->loop_fd[i]);
		d->loop_fd[i] = -1;
	}
}

void ts_domain_close(struct ts_domain *d)
{
	close_loops(d);
	ts_guard_end(d);
}

static int new_domain(struct ts *ts, const struct ts_config *c, struct ts_domain *d)
{
	struct xen_domctl_createdomain cd = {
		.max_vcpus = c->maxvcpus,
		.max_evtchn_port = EVENT_PORTS,
		.max_grant_frames = c->max_grant_frames ? (int32_t)c->max_grant_frames : -1,
		.max_maptrack_frames = -1,
		.grant_opts = XEN_DOMCTL_GRANT_version(2),
	};
	int rc;

	memcpy(cd.handle, d->uuid, sizeof(cd.handle));
	rc = ts_createdomain(ts, &cd, &d->domid);
	if (rc && errno == EINVAL) {
		cd.grant_opts = XEN_DOMCTL_GRANT_version(1);
		rc = ts_createdomain(ts, &cd, &d->domid);
	}
	return rc ? ts_fail_errno(ts, "domain %s: the hypervisor does not create it", c->name) : 0;
}

static int set_limits(struct ts *ts, const struct ts_config *c, struct ts_domain *d)
{
	if (ts_max_vcpus(ts, d->domid, c->maxvcpus))
		return ts_fail_errno(ts, "domain %s: %u vcpus are not to be had", c->name,
				     c->maxvcpus);
	if (ts_max_mem(ts, d->domid, c->maxmem_kb + SLACK_KB))
		return ts_fail_errno(ts, "domain %s: cannot limit its memory", c->name);
	if (c->tsc_mode && ts_set_tsc_mode(ts, d->domid, c->tsc_mode))
		return ts_fail_errno(ts, "domain %s: cannot set tsc_mode", c->name);
	if ((c->weight || c->cap) &&
	    ts_set_weight(ts, d->domid, (uint16_t)c->weight, (uint16_t)c->cap))
		return ts_fail_errno(ts, "domain %s: cannot set cpu_weight and cap", c->name);
	if (ts_evtchn_alloc(ts, d->domid, 0, &d->build.store_port) ||
	    ts_evtchn_alloc(ts, d->domid, 0, &d->build.console_port))
		return ts_fail_errno(
			ts, "domain %s: cannot get event channels for store and console", c->name);
	return 0;
}

static int check_name(struct ts *ts, const char *name)
{
	uint32_t other;

	if (ts_domain_find(ts, name, &other) == 0)
		return ts_fail(ts,
			       "domain %s: there is one of that name already (id %u); destroy it "
			       "or choose "
			       "another name",
			       name, other);
	return ts_store(ts) ? 0 : -1;
}

static int check_file(struct ts *ts, const char *what, const char *path)
{
	return access(path, R_OK) ? ts_fail_errno(ts, "%s %s: cannot open", what, path) : 0;
}

/* A rough look: the builder finds out exactly, but only after it has unpacked a kernel. */
static int check_memory(struct ts *ts, const struct ts_config *c)
{
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_physinfo };
	uint64_t free_kb;

	if (ts_sysctl(ts, &op))
		return 0;
	free_kb = (op.u.physinfo.free_pages + op.u.physinfo.scrub_pages) << 2;
	if (c->memory_kb <= free_kb)
		return 0;
	return ts_fail(ts, "memory = %llu: the hypervisor has %llu MiB free",
		       (unsigned long long)c->memory_kb >> 10, (unsigned long long)free_kb >> 10);
}

/* What can be known to fail is refused before anything is made. */
static int check(struct ts *ts, const struct ts_config *c)
{
	char why[sizeof(ts->err)];
	int rc = check_file(ts, "kernel", c->kernel);

	if (!rc && c->ramdisk)
		rc = check_file(ts, "ramdisk", c->ramdisk);
	if (!rc)
		rc = check_memory(ts, c);
	for (unsigned int i = 0; !rc && i < c->nr_disks; i++)
		rc = ts_disk_check(ts, &c->disk[i]);
	for (unsigned int i = 0; !rc && i < c->nr_vifs; i++)
		rc = ts_vif_check(ts, &c->vif[i]);
	if (rc) {
		memcpy(why, ts->err, sizeof(why));
		ts_fail(ts, "domain %s: %.900s", c->name, why);
	}
	return rc;
}

static int make_devices(struct ts *ts, const struct ts_config *c, struct ts_domain *d)
{
	char why[sizeof(ts->err)];
	int rc = 0;

	for (unsigned int i = 0; !rc && i < c->nr_disks; i++)
		rc = ts_disk_attach(ts, &c->disk[i], d->domid, &d->loop_fd[i]);
	for (unsigned int i = 0; !rc && i < c->nr_vifs; i++)
		rc = ts_vif_attach(ts, &c->vif[i], d->domid, i);
	if (rc) {
		memcpy(why, ts->err, sizeof(why));
		ts_fail(ts, "domain %s (id %u): %.900s", c->name, d->domid, why);
	}
	return rc;
}

int ts_create(struct ts *ts, const struct ts_config *c, struct ts_domain *d)
{
	char why[sizeof(ts->err)];

	memset(d, 0, sizeof(*d));
	for (unsigned int i = 0; i < XLCFG_MAX_LIST; i++)
		d->loop_fd[i] = -1;
	d->guard_fd = -1;
	memcpy(d->uuid, c->uuid, sizeof(d->uuid));
	if (!c->uuid_given) {
		if (ts_random(d->uuid, sizeof(d->uuid)))
			return ts_fail(ts, "domain %s: no random numbers for its uuid; give uuid=",
				       c->name);
		d->uuid[6] = (uint8_t)((d->uuid[6] & 0x0f) | 0x40);
		d->uuid[8] = (uint8_t)((d->uuid[8] & 0x3f) | 0x80);
	}
	d->build.kernel = c->kernel;
	d->build.ramdisk = c->ramdisk;
	d->build.cmdline = c->cmdline;
	d->build.memory_kb = c->memory_kb;
	if (check_name(ts, c->name) || check(ts, c) || ts_guard_start(ts, c->name, d))
		return -1;
	if (new_domain(ts, c, d)) {
		ts_guard_end(d);
		return -1;
	}
	if (ts_interrupted) {
		ts_fail(ts, "interrupted");
		goto undo_domain;
	}
	if (set_limits(ts, c, d) || ts_build_pv(ts, d->domid, &d->build) ||
	    ts_store_domain(ts, c, d) || make_devices(ts, c, d))
		goto undo_domain;
	return 0;

undo_domain:
	ts_interrupted = 0; /* it has been heard; what follows must run to its end */
	memcpy(why, ts->err, sizeof(why));
	ts_destroy(ts, d->domid);
	ts_domain_close(d);
	memcpy(ts->err, why, sizeof(why));
	return -1;
}

int ts_destroy(struct ts *ts, uint32_t domid)
{
	int64_t end = now_ms() + 30000;
	int rc;

	if (!domid)
		return ts_fail(ts, "domain 0 cannot be destroyed; shut the machine down instead");
	ts_domctl_simple(ts, domid, XEN_DOMCTL_pausedomain);
	ts_devices_remove(ts, domid);
	do {
		rc = ts_domctl_simple(ts, domid, XEN_DOMCTL_destroydomain);
	} while (rc && errno == EAGAIN && now_ms() < end);
	if (rc && errno != ESRCH)
		ts_fail_errno(ts, "domain %u: the hypervisor does not destroy it", domid);
	else
		rc = 0;
	ts_store_forget(ts, domid);
	return rc;
}

int ts_shutdown_request(struct ts *ts, uint32_t domid, const char *how)
{
	char path[96];
	struct xsc *xs = ts_store(ts);

	if (!xs)
		return -1;
	if (!domid)
		return ts_fail(ts, "domain 0 shuts down by its own commands (poweroff, reboot)");
	/* Whether the kernel listens is not known: Linux says so in control/feature-*, others do not and obey. */
	snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown", domid);
	if (xsc_write(xs, XSC_NONE, path, how, strlen(how)))
		return ts_fail_errno(ts, "domain %u: cannot write its %s request", domid, how);
	return 0;
}

/* Shut down or gone. */
static bool ended(struct ts *ts, uint32_t domid, xen_domctl_getdomaininfo_t *info)
{
	if (ts_domain_info(ts, domid, info)) {
		info->flags = XEN_DOMINF_dying;
		return true;
	}
	return info->flags & (XEN_DOMINF_dying | XEN_DOMINF_shutdown);
}

/* One wait on one connection: 1 ended, 0 timeout, -1 with errno. */
static int wait_end(struct ts *ts, uint32_t domid, int64_t end)
{
	xen_domctl_getdomaininfo_t info;
	struct xsc *xs = ts_store(ts);
	struct xsc_event *ev;
	int rc = 1;

	if (!xs || xsc_watch(xs, "@releaseDomain", "end"))
		return -1;
	while (!ended(ts, domid, &info)) {
		/* The event is what we wait for; the second of patience is for a store that lost one. */
		int64_t left = end < 0 ? 1000 : end - now_ms();

		if (left <= 0) {
			rc = 0;
			break;
		}
		ev = xsc_wait_event(xs, left < 1000 ? (int)left : 1000);
		if (!ev && errno != ETIMEDOUT)
			return -1;
		free(ev);
	}
	xsc_unwatch(xs, "@releaseDomain", "end");
	return rc;
}

int ts_wait_end(struct ts *ts, uint32_t domid, int timeout_ms)
{
	int64_t end = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
	int rc;

	do {
		rc = wait_end(ts, domid, end);
	} while (rc < 0 && ts_store_again(ts, 30) == 0);
	return rc < 0 ? ts_fail(ts, "lost xenstore while waiting for the end of domain %u", domid)
		      : rc;
}

static void say(const char *name, uint32_t domid, const char *what)
{
	char stamp[32];
	time_t now = time(NULL);

	strftime(stamp, sizeof(stamp), "%F %T", localtime(&now));
	fprintf(stderr, "%s domain %s (id %u): %s\n", stamp, name, domid, what);
}

static enum ts_action action_for(const struct ts_config *c, unsigned int reason, const char **word)
{
	switch (reason) {
	case SHUTDOWN_poweroff:
		*word = "powered off";
		return c->on_poweroff;
	case SHUTDOWN_reboot:
		*word = "asked to reboot";
		return c->on_reboot;
	case SHUTDOWN_crash:
		*word = "crashed";
		return c->on_crash;
	case SHUTDOWN_watchdog:
		*word = "was ended by its watchdog";
		return c->on_watchdog;
	default:
		*word = "shut down for another reason";
		return TS_ACT_PRESERVE;
	}
}

/* The old one stays for inspection under another name. */
static void rename_old(struct ts *ts, const struct ts_config *c, uint32_t domid)
{
	char path[64];

	snprintf(path, sizeof(path), "/local/domain/%u/name", domid);
	if (xsc_printf(ts_store(ts), XSC_NONE, path, "%s-%u", c->name, domid))
		say(c->name, domid, "cannot be renamed");
	ts_devices_remove(ts, domid);
}

/* The old domain's memory may take a moment to come free: back ends let go of it one by one. */
static int restart(struct ts *ts, const struct ts_config *c, struct ts_domain *d)
{
	int tries = 0, rc;

	close_loops(d);
	while ((rc = ts_create(ts, c, d)) && ++tries < 5) {
		say(c->name, d->domid, ts->err);
		nanosleep(&(struct timespec){ .tv_sec = tries }, NULL);
	}
	if (!rc && ts_domctl_simple(ts, d->domid, XEN_DOMCTL_unpausedomain)) {
		rc = ts_fail_errno(ts, "cannot be started");
		ts_destroy(ts, d->domid);
	}
	ts_guard_end(d);
	if (rc) {
		say(c->name, d->domid, ts->err);
		return -1;
	}
	say(c->name, d->domid, "restarted");
	return 0;
}

void ts_watch_domain(struct ts *ts, const struct ts_config *c, struct ts_domain *d)
{
	xen_domctl_getdomaininfo_t info;
	const char *word;
	enum ts_action act;
	int64_t born = now_ms();

	for (;;) {
		if (ts_wait_end(ts, d->domid, -1) < 0) {
			say(c->name, d->domid, ts->err);
			return;
		}
		ended(ts, d->domid, &info);
		if (info.flags & XEN_DOMINF_dying) {
			say(c->name, d->domid, "was destroyed");
			return;
		}
		act = action_for(
			c, info.flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask, &word);
		say(c->name, d->domid, word);
		if (act == TS_ACT_RESTART && now_ms() - born < 1000) {
			say(c->name, d->domid, "ended within a second of its start: not restarted");
			act = TS_ACT_DESTROY;
		}
		if (act == TS_ACT_PRESERVE)
			return;
		if (act == TS_ACT_RENAME_RESTART)
			rename_old(ts, c, d->domid);
		else if (ts_destroy(ts, d->domid))
			say(c->name, d->domid, ts->err);
		born = now_ms();
		if (act == TS_ACT_DESTROY || restart(ts, c, d))
			return;
	}
}
