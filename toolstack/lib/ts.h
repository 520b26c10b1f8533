/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The toolstack library: hypercalls, domain builder, devices, life cycle.
 *
 * One struct ts holds the open handles and the last error. int functions return 0 or -1 with a whole sentence in
 * ts->err, unless said otherwise. Not thread safe.
 */
#ifndef TS_H
#define TS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <xencall.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xen/xen.h>
#include <xen/domctl.h>
#include <xen/sysctl.h>
#include "toolstack/lib/xlcfg.h"
#include "xenstore/client/xs_client.h"

struct ts {
	xencall_handle *call;
	xenforeignmemory_handle *fmem;
	struct xsc *xs; /* NULL until ts_store() */
	bool verbose;
	char err[1024];
};

/* Open the hypervisor interface of dom0 (/dev/xen/privcmd). NULL with a message on stderr-worthy text in *err. */
struct ts *ts_open(char *err, size_t errlen);
void ts_close(struct ts *ts);

/* The xenstore connection, opened at first use; NULL with ts->err. */
struct xsc *ts_store(struct ts *ts);
/* Forget a connection that must not be shared, in a child process. */
void ts_store_drop(struct ts *ts);

/* The daemon went away: connect again, trying for some time. Watches are gone with the old connection. */
int ts_store_again(struct ts *ts, int seconds);

/* Put a message together; returns -1. The _errno form adds ": " and the text of errno. */
int ts_fail(struct ts *ts, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int ts_fail_errno(struct ts *ts, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Set by a signal handler of the program: a creation under way fails at its next step, and is undone. */
extern volatile int ts_interrupted;

/* ---- hcall.c: hypercalls. These set errno and leave ts->err alone. */

int ts_domctl(struct ts *ts, struct xen_domctl *op);
int ts_sysctl(struct ts *ts, struct xen_sysctl *op);
int ts_createdomain(struct ts *ts, const struct xen_domctl_createdomain *cd, uint32_t *domid);
int ts_domctl_simple(struct ts *ts, uint32_t domid, uint32_t cmd);
int ts_max_mem(struct ts *ts, uint32_t domid, uint64_t kb);
int ts_max_vcpus(struct ts *ts, uint32_t domid, uint32_t vcpus);
int ts_set_vcpu_context(struct ts *ts, uint32_t domid, uint32_t vcpu,
			const vcpu_guest_context_t *c);
int ts_hypercall_page(struct ts *ts, uint32_t domid, uint64_t mfn);
int ts_set_tsc_mode(struct ts *ts, uint32_t domid, uint32_t mode);
int ts_set_weight(struct ts *ts, uint32_t domid, uint16_t weight, uint16_t cap);
/* ESRCH when there is no such domain. */
int ts_domain_info(struct ts *ts, uint32_t domid, xen_domctl_getdomaininfo_t *info);
/* All domains with a number >= first; returns how many, -1 on error. */
int ts_domain_list(struct ts *ts, uint32_t first, xen_domctl_getdomaininfo_t *info, uint32_t max);
/* n extents of 2^order frames: gpfn in, mfn out. Returns how many were done, -1 on error. */
long ts_populate(struct ts *ts, uint32_t domid, uint64_t n, unsigned int order, xen_pfn_t *frames);
int ts_pin_l4(struct ts *ts, uint32_t domid, uint64_t mfn);
int ts_evtchn_alloc(struct ts *ts, uint32_t domid, uint32_t remote, uint32_t *port);
int ts_remote_shutdown(struct ts *ts, uint32_t domid, unsigned int reason);
/* HYPERVISOR_xen_version(cmd): buf of len bytes is written back; returns the call's own value. */
int ts_xen_version(struct ts *ts, int cmd, void *buf, size_t len);
/* Run the handlers of debug keys (n characters); 0 or -1 with errno. */
int ts_debug_keys(struct ts *ts, const char *keys, uint32_t n);
/* Console ring of the hypervisor from *index on; returns bytes, -1 on error. */
int ts_read_console(struct ts *ts, char *buf, uint32_t room, bool clear, bool incremental,
		    uint32_t *index);

/* ---- kernel.c: files */

/* Read a whole file, at most max bytes; malloc()ed. */
int ts_read_file(struct ts *ts, const char *what, const char *path, size_t max, void **data,
		 size_t *size);
/* A kernel file of any known format as an ELF image; malloc()ed, *data was consumed. */
int ts_unpack_kernel(struct ts *ts, const char *path, void **data, size_t *size);

/* ---- build.c: the PV domain builder */

struct ts_build {
	const char *kernel, *ramdisk, *cmdline; /* paths; ramdisk may be NULL */
	uint64_t memory_kb;
	uint32_t store_port, console_port; /* the domain's unbound ports to dom0 */
	/* Filled in: */
	uint64_t store_mfn, console_mfn;
};

/*
 * Populate and fill a fresh, paused domain and set vcpu 0 to its entry point. On failure the domain is left to the
 * caller to destroy.
 */
int ts_build_pv(struct ts *ts, uint32_t domid, struct ts_build *b);

/* ---- store.c: the domain's nodes */

struct ts_domain {
	uint32_t domid;
	uint8_t uuid[16];
	struct ts_build build;
	int loop_fd[XLCFG_MAX_LIST]; /* loop devices live as long as these; -1 none */
	pid_t guard; /* see guard.c */
	int guard_fd; /* -1 none */
};

int ts_store_domain(struct ts *ts, const struct ts_config *c, struct ts_domain *d);
/* Remove every node of the domain. Cannot fail: what is not there needs no removing. */
void ts_store_forget(struct ts *ts, uint32_t domid);
/* Name of a domain, malloc()ed; never NULL but when out of memory. */
char *ts_domain_name(struct ts *ts, uint32_t domid);
/* Find by name or number. */
int ts_domain_find(struct ts *ts, const char *word, uint32_t *domid);
/* What xen-init-dom0 does: nodes of domain 0. */
int ts_init_dom0(struct ts *ts);
void ts_uuid_text(const uint8_t *uuid, char *text37);
int ts_random(void *p, size_t n);

/* ---- devices. kind is "vbd" or "vif". */

/* Refuse before anything is built what could not be attached later. */
int ts_disk_check(struct ts *ts, const struct ts_disk *k);
int ts_vif_check(struct ts *ts, const struct ts_vif *v);
int ts_disk_attach(struct ts *ts, const struct ts_disk *k, uint32_t domid, int *loop_fd);
int ts_vif_attach(struct ts *ts, const struct ts_vif *v, uint32_t domid, unsigned int handle);
/* Nodes of both sides in one transaction; the lists end with a NULL key. */
struct ts_pair {
	const char *key, *value;
};
int ts_device_add(struct ts *ts, const char *kind, unsigned int devid, uint32_t domid,
		  const struct ts_pair *back, const struct ts_pair *front);
/* Wait until the backend's state is one of the bits of mask (1 << XenbusStateX). */
int ts_device_wait(struct ts *ts, const char *kind, unsigned int devid, uint32_t domid,
		   unsigned int mask, int timeout_ms);
/* Close and remove every device of the domain; goes on where something fails. */
void ts_devices_remove(struct ts *ts, uint32_t domid);
/* Load a backend driver when the kernel has none yet. */
int ts_need_driver(struct ts *ts, const char *kind, const char *module);

/* ---- domain.c: life cycle */

/*
 * Build a domain, its nodes and devices; left paused. On failure nothing of it stays, nor when the caller is killed
 * before it has called ts_guard_end().
 */
int ts_create(struct ts *ts, const struct ts_config *c, struct ts_domain *d);
/* End a domain now and clean up after it. */
int ts_destroy(struct ts *ts, uint32_t domid);
/* Ask the guest to "poweroff" or "reboot". */
int ts_shutdown_request(struct ts *ts, uint32_t domid, const char *how);
/* Wait until the domain is shut down or gone: 1 it is, 0 timeout (negative: none), -1 error. */
int ts_wait_end(struct ts *ts, uint32_t domid, int timeout_ms);

/*
 * The watcher of a domain (runs in a process of its own): waits for its end, does what the configuration
 * says, and returns when there is nothing more to watch. Log lines go to stderr.
 */
void ts_watch_domain(struct ts *ts, const struct ts_config *c, struct ts_domain *d);
void ts_domain_close(struct ts_domain *d);

/* ---- guard.c: what happens to a domain whose creator is killed */

/* Start the guard of the domain that is about to be made with d->uuid. */
int ts_guard_start(struct ts *ts, const char *name, struct ts_domain *d);
/* The domain is whole, or is gone: no guard any more. Nothing happens where there is none. */
void ts_guard_end(struct ts_domain *d);
/* In a child process: the guard watches over the parent, not over us. */
void ts_guard_drop(struct ts_domain *d);

#endif
