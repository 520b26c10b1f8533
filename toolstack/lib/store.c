// SPDX-License-Identifier: BSD-2-Clause
// A domain's nodes in xenstore, names, and the nodes of domain 0.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "toolstack/lib/ts.h"

#define MAX_DOMAINS 1024

int ts_random(void *p, size_t n)
{
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, p, n);

	if (fd >= 0)
		close(fd);
	return got == (ssize_t)n ? 0 : -1;
}

void ts_uuid_text(const uint8_t *u, char *t)
{
	snprintf(t, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12],
		 u[13], u[14], u[15]);
}

/* A run of writes in one transaction: after the first failure the rest does nothing. */
struct writer {
	struct xsc *xs;
	xsc_txn t;
	uint32_t domid;
	int failed; /* errno */
	char base[64];
};

enum access { RO, RW }; /* of the guest itself; RW nodes are its own */

static void set_perms(struct writer *w, const char *path, enum access a)
{
	struct xsc_perm ro[2] = { { 0, 'n' }, { w->domid, 'r' } };
	struct xsc_perm rw[1] = { { w->domid, 'n' } };

	if (!w->failed && xsc_set_perms(w->xs, w->t, path, a == RO ? ro : rw, a == RO ? 2 : 1))
		w->failed = errno;
}

static void put_at(struct writer *w, const char *path, const char *value, enum access a)
{
	if (!w->failed && xsc_write(w->xs, w->t, path, value, strlen(value)))
		w->failed = errno;
	set_perms(w, path, a);
}

static void put(struct writer *w, const char *key, const char *value, enum access a)
{
	char path[256];

	snprintf(path, sizeof(path), "%s%s%s", w->base, *key ? "/" : "", key);
	put_at(w, path, value, a);
}

static void put_num(struct writer *w, const char *key, unsigned long long v)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", v);
	put(w, key, text, RO);
}

static void put_domain(struct writer *w, const struct ts_config *c, const struct ts_domain *d)
{
	static const char *const own[] = { "control/shutdown",
					   "control/feature-poweroff",
					   "control/feature-reboot",
					   "control/feature-suspend",
					   "control/sysrq",
					   "data",
					   "drivers",
					   "feature",
					   "attr",
					   "error" };
	static const char *const dirs[] = { "",	       "cpu",	  "memory", "device",
					    "control", "console", "store" };
	char uuid[37], path[128];

	ts_uuid_text(d->uuid, uuid);
	snprintf(w->base, sizeof(w->base), "/local/domain/%u", d->domid);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		put(w, dirs[i], "", RO);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		put(w, own[i], "", RW);
	snprintf(path, sizeof(path), "/vm/%s", uuid);
	put(w, "vm", path, RO);
	put(w, "name", c->name, RO);
	put_num(w, "domid", d->domid);
	for (unsigned int i = 0; i < c->maxvcpus; i++) {
		char key[48];

		snprintf(key, sizeof(key), "cpu/%u", i);
		put(w, key, "", RO);
		snprintf(key, sizeof(key), "cpu/%u/availability", i);
		put(w, key, i < c->vcpus ? "online" : "offline", RO);
	}
	put_num(w, "memory/static-max", c->maxmem_kb);
	put_num(w, "memory/target", c->memory_kb);
	put(w, "memory/videoram", "0", RO);
	put(w, "control/platform-feature-multiprocessor-suspend", "1", RO);
	put(w, "control/platform-feature-xs_reset_watches", "1", RO);
	put_num(w, "store/ring-ref", d->build.store_mfn);
	put_num(w, "store/port", d->build.store_port);
	put(w, "console/backend-id", "0", RO);
	put_num(w, "console/ring-ref", d->build.console_mfn);
	put_num(w, "console/port", d->build.console_port);
	put(w, "console/type", "xenconsoled", RO);
	put(w, "console/output", "pty", RO);
	put(w, "console/limit", "1048576", RO);
	put(w, "console/tty", "", RO);

	put_at(w, path, "", RO);
	snprintf(w->base, sizeof(w->base), "/vm/%s", uuid);
	put(w, "uuid", uuid, RO);
	put(w, "name", c->name, RO);
	put(w, "image/ostype", "linux", RO);
	put(w, "image/kernel", c->kernel, RO);
}

int ts_store_domain(struct ts *ts, const struct ts_config *c, struct ts_domain *d)
{
	struct writer w = { .xs = ts_store(ts), .domid = d->domid };

	if (!w.xs)
		return -1;
	do {
		w.failed = 0;
		if (xsc_begin(w.xs, &w.t))
			return ts_fail_errno(ts, "domain %s: xenstore transaction", c->name);
		put_domain(&w, c, d);
		if (xsc_end(w.xs, w.t, !w.failed) && !w.failed)
			w.failed = errno;
	} while (w.failed == EAGAIN);
	if (w.failed) {
		errno = w.failed;
		return ts_fail_errno(ts, "domain %s: cannot write its nodes to xenstore", c->name);
	}
	if (xsc_introduce(w.xs, d->domid, d->build.store_mfn, d->build.store_port))
		return ts_fail_errno(ts, "domain %s (id %u): xenstored does not take it", c->name,
				     d->domid);
	return 0;
}

void ts_store_forget(struct ts *ts, uint32_t domid)
{
	struct xsc *xs = ts_store(ts);
	static const char *const kinds[] = { "vbd", "vif" };
	char path[128], *vm;

	if (!xs)
		return;
	snprintf(path, sizeof(path), "/local/domain/%u/vm", domid);
	vm = xsc_read(xs, XSC_NONE, path, NULL);
	if (vm && strncmp(vm, "/vm/", 4) == 0)
		xsc_rm(xs, XSC_NONE, vm);
	free(vm);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		snprintf(path, sizeof(path), "/local/domain/0/backend/%s/%u", kinds[i], domid);
		xsc_rm(xs, XSC_NONE, path);
		snprintf(path, sizeof(path), "/local/domain/0/error/backend/%s/%u", kinds[i],
			 domid);
		xsc_rm(xs, XSC_NONE, path);
	}
	snprintf(path, sizeof(path), "/libxl/%u", domid);
	xsc_rm(xs, XSC_NONE, path);
	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	xsc_rm(xs, XSC_NONE, path);
}

char *ts_domain_name(struct ts *ts, uint32_t domid)
{
	char path[64], *name = NULL;
	struct xsc *xs = ts_store(ts);

	snprintf(path, sizeof(path), "/local/domain/%u/name", domid);
	if (xs)
		name = xsc_read(xs, XSC_NONE, path, NULL);
	if (!name)
		name = strdup(domid ? "(null)" : "Domain-0");
	return name;
}

static int find_number(struct ts *ts, const char *word, uint32_t *domid)
{
	xen_domctl_getdomaininfo_t info;
	char *end;
	unsigned long n = strtoul(word, &end, 10);

	if (*end || end == word || n >= DOMID_FIRST_RESERVED)
		return ts_fail(ts, "\"%s\" is no domain number", word);
	if (ts_domain_info(ts, (uint32_t)n, &info))
		return errno == ESRCH
			       ? ts_fail(ts, "there is no domain %lu; see 'paravane list'", n)
			       : ts_fail_errno(ts, "domain %lu: the hypervisor does not say", n);
	*domid = (uint32_t)n;
	return 0;
}

int ts_domain_find(struct ts *ts, const char *word, uint32_t *domid)
{
	xen_domctl_getdomaininfo_t *info;
	int n, found = 0;

	if (strspn(word, "0123456789") == strlen(word))
		return find_number(ts, word, domid);
	if (!ts_store(ts))
		return -1;
	info = calloc(MAX_DOMAINS, sizeof(*info));
	n = info ? ts_domain_list(ts, 0, info, MAX_DOMAINS) : -1;
	for (int i = 0; i < n && !found; i++) {
		char *name = ts_domain_name(ts, info[i].domain);

		if (name && strcmp(name, word) == 0) {
			*domid = info[i].domain;
			found = 1;
		}
		free(name);
	}
	free(info);
	if (n < 0)
		return ts_fail_errno(ts, "the hypervisor does not list its domains");
	return found ? 0
		     : ts_fail(ts, "there is no domain named \"%s\"; see 'paravane list'", word);
}

int ts_init_dom0(struct ts *ts)
{
	struct xsc *xs = ts_store(ts);
	static const char *const pairs[][2] = {
		{ "/local/domain/0/name", "Domain-0" },
		{ "/local/domain/0/domid", "0" },
		{ "/local/domain/0/vm", "/vm/00000000-0000-0000-0000-000000000000" },
		{ "/vm/00000000-0000-0000-0000-000000000000/name", "Domain-0" },
		{ "/vm/00000000-0000-0000-0000-000000000000/uuid",
		  "00000000-0000-0000-0000-000000000000" },
		{ "/local/domain/0/control/shutdown", "" },
		{ "/local/pool/0/name", "Pool-0" }, /* libxl makes no domain without it */
	};
	xen_domctl_getdomaininfo_t info;

	if (!xs)
		return -1;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (xsc_write(xs, XSC_NONE, pairs[i][0], pairs[i][1], strlen(pairs[i][1])))
			return ts_fail_errno(ts, "cannot write %s to xenstore", pairs[i][0]);
	if (ts_domain_info(ts, 0, &info))
		return ts_fail_errno(ts, "the hypervisor says nothing about domain 0");
	if (xsc_printf(xs, XSC_NONE, "/local/domain/0/memory/target", "%llu",
		       (unsigned long long)info.tot_pages << 2) ||
	    xsc_printf(xs, XSC_NONE, "/local/domain/0/memory/static-max", "%llu",
		       (unsigned long long)info.tot_pages << 2))
		return ts_fail_errno(ts, "cannot write domain 0's memory to xenstore");
	return 0;
}
