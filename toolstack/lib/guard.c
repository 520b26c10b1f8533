// SPDX-License-Identifier: BSD-2-Clause
// The guard of a creation: a process that undoes it when the one that makes the domain is killed.
/*
 *   creator ---- pipe ---> guard    a byte: the domain is whole, or undone already; the guard ends
 *                                   end of file before that: the creator is dead; its domain is destroyed
 *
 * The domain is found by its uuid, which is chosen before the hypervisor is asked, so there is no moment at which
 * nobody knows of it. Domains that were there before are left alone: one that was renamed may have the same uuid.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "toolstack/lib/ts.h"

#define MAX_DOMAINS 1024

/* Handles cannot be shared over fork(): a new set. */
static void undo(const uint8_t *uuid, const xen_domctl_getdomaininfo_t *before, int nr_before)
{
	xen_domctl_getdomaininfo_t *now = calloc(MAX_DOMAINS, sizeof(*now));
	char err[512];
	struct ts *ts = now ? ts_open(err, sizeof(err)) : NULL;
	int n = ts ? ts_domain_list(ts, 1, now, MAX_DOMAINS) : 0;

	for (int i = 0; i < n; i++) {
		int known = 0;

		for (int j = 0; j < nr_before; j++)
			known |= before[j].domain == now[i].domain;
		if (!known && memcmp(now[i].handle, uuid, sizeof(now[i].handle)) == 0)
			ts_destroy(ts, now[i].domain);
	}
	ts_close(ts);
	free(now);
}

int ts_guard_start(struct ts *ts, const char *name, struct ts_domain *d)
{
	xen_domctl_getdomaininfo_t *before = calloc(MAX_DOMAINS, sizeof(*before));
	int n = before ? ts_domain_list(ts, 1, before, MAX_DOMAINS) : -1;
	ssize_t got;
	int fd[2];
	char c;

	if (n < 0 || pipe(fd)) {
		free(before);
		return ts_fail_errno(ts, "domain %s: cannot guard its creation", name);
	}
	d->guard = fork();
	if (d->guard == 0) {
		/* Not of the creator's group: what ends that one must not end the guard. */
		setsid();
		close(fd[1]);
		do
			got = read(fd[0], &c, 1);
		while (got < 0 && errno == EINTR);
		if (got == 0)
			undo(d->uuid, before, n);
		_exit(0);
	}
	free(before);
	close(fd[0]);
	d->guard_fd = fd[1];
	if (d->guard > 0)
		return 0;
	ts_guard_drop(d);
	return ts_fail_errno(ts, "domain %s: no process to guard its creation", name);
}

void ts_guard_end(struct ts_domain *d)
{
	if (d->guard_fd < 0)
		return;
	if (write(d->guard_fd, "", 1) == 1)
		waitpid(d->guard, NULL, 0);
	ts_guard_drop(d);
}

void ts_guard_drop(struct ts_domain *d)
{
	if (d->guard_fd >= 0)
		close(d->guard_fd);
	d->guard_fd = -1;
}
