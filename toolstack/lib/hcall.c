// SPDX-License-Identifier: BSD-2-Clause
// Hypercalls of the control tools, through libxencall's buffers.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "toolstack/lib/ts.h"
#include <xen/event_channel.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/version.h>

/* Copy in, call with the copy, copy out. */
static int call1(struct ts *ts, unsigned int nr, void *arg, size_t len)
{
	void *buf = xencall_alloc_buffer(ts->call, len);
	int rc, saved;

	if (!buf)
		return -1;
	memcpy(buf, arg, len);
	rc = xencall1(ts->call, nr, (uintptr_t)buf);
	saved = errno;
	memcpy(arg, buf, len);
	xencall_free_buffer(ts->call, buf);
	errno = saved;
	return rc;
}

static int call2(struct ts *ts, unsigned int nr, unsigned int cmd, void *arg, size_t len)
{
	void *buf = xencall_alloc_buffer(ts->call, len);
	int rc, saved;

	if (!buf)
		return -1;
	memcpy(buf, arg, len);
	rc = xencall2(ts->call, nr, cmd, (uintptr_t)buf);
	saved = errno;
	memcpy(arg, buf, len);
	xencall_free_buffer(ts->call, buf);
	errno = saved;
	return rc;
}

int ts_domctl(struct ts *ts, struct xen_domctl *op)
{
	op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	return call1(ts, __HYPERVISOR_domctl, op, sizeof(*op));
}

int ts_sysctl(struct ts *ts, struct xen_sysctl *op)
{
	op->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	return call1(ts, __HYPERVISOR_sysctl, op, sizeof(*op));
}

int ts_createdomain(struct ts *ts, const struct xen_domctl_createdomain *cd, uint32_t *domid)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_createdomain, .domain = 0 };
	int rc;

	op.u.createdomain = *cd;
	rc = ts_domctl(ts, &op);
	if (rc == 0)
		*domid = op.domain;
	return rc;
}

int ts_domctl_simple(struct ts *ts, uint32_t domid, uint32_t cmd)
{
	struct xen_domctl op = { .cmd = cmd, .domain = (domid_t)domid };

	return ts_domctl(ts, &op);
}

int ts_max_mem(struct ts *ts, uint32_t domid, uint64_t kb)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_max_mem, .domain = (domid_t)domid };

	op.u.max_mem.max_memkb = kb;
	return ts_domctl(ts, &op);
}

int ts_max_vcpus(struct ts *ts, uint32_t domid, uint32_t vcpus)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_max_vcpus, .domain = (domid_t)domid };

	op.u.max_vcpus.max = vcpus;
	return ts_domctl(ts, &op);
}

int ts_set_vcpu_context(struct ts *ts, uint32_t domid, uint32_t vcpu, const vcpu_guest_context_t *c)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_setvcpucontext, .domain = (domid_t)domid };
	vcpu_guest_context_t *buf = xencall_alloc_buffer(ts->call, sizeof(*buf));
	int rc, saved;

	if (!buf)
		return -1;
	*buf = *c;
	op.u.vcpucontext.vcpu = vcpu;
	set_xen_guest_handle(op.u.vcpucontext.ctxt, buf);
	rc = ts_domctl(ts, &op);
	saved = errno;
	xencall_free_buffer(ts->call, buf);
	errno = saved;
	return rc;
}

int ts_hypercall_page(struct ts *ts, uint32_t domid, uint64_t mfn)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_hypercall_init, .domain = (domid_t)domid };

	op.u.hypercall_init.gmfn = mfn;
	return ts_domctl(ts, &op);
}

int ts_set_tsc_mode(struct ts *ts, uint32_t domid, uint32_t mode)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_settscinfo, .domain = (domid_t)domid };

	op.u.tsc_info.tsc_mode = mode;
	return ts_domctl(ts, &op);
}

int ts_set_weight(struct ts *ts, uint32_t domid, uint16_t weight, uint16_t cap)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_scheduler_op, .domain = (domid_t)domid };
	struct xen_sysctl id = { .cmd = XEN_SYSCTL_sched_id };

	if (ts_sysctl(ts, &id))
		return -1;
	op.u.scheduler_op.sched_id = id.u.sched_id.sched_id;
	op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
	if (ts_domctl(ts, &op))
		return -1;
	op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_putinfo;
	if (id.u.sched_id.sched_id == XEN_SCHEDULER_CREDIT) {
		op.u.scheduler_op.u.credit.weight = weight ? weight
							   : op.u.scheduler_op.u.credit.weight;
		op.u.scheduler_op.u.credit.cap = cap;
	} else if (id.u.sched_id.sched_id == XEN_SCHEDULER_CREDIT2) {
		op.u.scheduler_op.u.credit2.weight = weight ? weight
							    : op.u.scheduler_op.u.credit2.weight;
		op.u.scheduler_op.u.credit2.cap = cap;
	} else {
		errno = ENOSYS;
		return -1;
	}
	return ts_domctl(ts, &op);
}

int ts_domain_info(struct ts *ts, uint32_t domid, xen_domctl_getdomaininfo_t *info)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_getdomaininfo, .domain = (domid_t)domid };

	if (ts_domctl(ts, &op))
		return -1;
	/* Asked for a number that is not in use the hypervisor answers with the next one in use. */
	if (op.u.getdomaininfo.domain != domid) {
		errno = ESRCH;
		return -1;
	}
	*info = op.u.getdomaininfo;
	return 0;
}

int ts_domain_list(struct ts *ts, uint32_t first, xen_domctl_getdomaininfo_t *info, uint32_t max)
{
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_getdomaininfolist };
	xen_domctl_getdomaininfo_t *buf = xencall_alloc_buffer(ts->call, max * sizeof(*buf));
	int rc, saved;

	if (!buf)
		return -1;
	memset(buf, 0, max * sizeof(*buf));
	op.u.getdomaininfolist.first_domain = (domid_t)first;
	op.u.getdomaininfolist.max_domains = max;
	set_xen_guest_handle(op.u.getdomaininfolist.buffer, buf);
	rc = ts_sysctl(ts, &op);
	saved = errno;
	if (rc == 0) {
		rc = (int)op.u.getdomaininfolist.num_domains;
		memcpy(info, buf, (size_t)rc * sizeof(*buf));
	}
	xencall_free_buffer(ts->call, buf);
	errno = saved;
	return rc;
}

long ts_populate(struct ts *ts, uint32_t domid, uint64_t n, unsigned int order, xen_pfn_t *frames)
{
	struct xen_memory_reservation *r = xencall_alloc_buffer(ts->call, sizeof(*r));
	xen_pfn_t *buf = xencall_alloc_buffer(ts->call, n * sizeof(*buf));
	long rc = -1;
	int saved = ENOMEM;

	if (r && buf) {
		memcpy(buf, frames, n * sizeof(*buf));
		memset(r, 0, sizeof(*r));
		set_xen_guest_handle(r->extent_start, buf);
		r->nr_extents = n;
		r->extent_order = order;
		r->domid = (domid_t)domid;
		rc = xencall2L(ts->call, __HYPERVISOR_memory_op, XENMEM_populate_physmap,
			       (uintptr_t)r);
		saved = errno;
		memcpy(frames, buf, n * sizeof(*buf));
	}
	xencall_free_buffer(ts->call, buf);
	xencall_free_buffer(ts->call, r);
	errno = saved;
	return rc;
}

int ts_pin_l4(struct ts *ts, uint32_t domid, uint64_t mfn)
{
	struct mmuext_op *op = xencall_alloc_buffer(ts->call, sizeof(*op));
	int rc, saved;

	if (!op)
		return -1;
	memset(op, 0, sizeof(*op));
	op->cmd = MMUEXT_PIN_L4_TABLE;
	op->arg1.mfn = mfn;
	rc = xencall4(ts->call, __HYPERVISOR_mmuext_op, (uintptr_t)op, 1, 0, domid);
	saved = errno;
	xencall_free_buffer(ts->call, op);
	errno = saved;
	return rc;
}

int ts_evtchn_alloc(struct ts *ts, uint32_t domid, uint32_t remote, uint32_t *port)
{
	struct evtchn_alloc_unbound op = { .dom = (domid_t)domid, .remote_dom = (domid_t)remote };
	int rc = call2(ts, __HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, &op, sizeof(op));

	*port = op.port;
	return rc;
}

int ts_remote_shutdown(struct ts *ts, uint32_t domid, unsigned int reason)
{
	sched_remote_shutdown_t op = { .domain_id = (domid_t)domid, .reason = reason };

	return call2(ts, __HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, &op, sizeof(op));
}

int ts_xen_version(struct ts *ts, int cmd, void *buf, size_t len)
{
	if (!len)
		return xencall2(ts->call, __HYPERVISOR_xen_version, (unsigned int)cmd, 0);
	return call2(ts, __HYPERVISOR_xen_version, (unsigned int)cmd, buf, len);
}

int ts_debug_keys(struct ts *ts, const char *keys, uint32_t n)
{
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_debug_keys };
	char *buf = xencall_alloc_buffer(ts->call, n);
	int rc, saved;

	if (!buf)
		return -1;
	memcpy(buf, keys, n);
	set_xen_guest_handle(op.u.debug_keys.keys, buf);
	op.u.debug_keys.nr_keys = n;
	rc = ts_sysctl(ts, &op);
	saved = errno;
	xencall_free_buffer(ts->call, buf);
	errno = saved;
	return rc;
}

int ts_read_console(struct ts *ts, char *to, uint32_t room, bool clear, bool incremental,
		    uint32_t *index)
{
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_readconsole };
	char *buf = xencall_alloc_buffer(ts->call, room);
	int rc, saved;

	if (!buf)
		return -1;
	op.u.readconsole.clear = clear;
	op.u.readconsole.incremental = incremental;
	op.u.readconsole.index = *index;
	op.u.readconsole.count = room;
	set_xen_guest_handle(op.u.readconsole.buffer, buf);
	rc = ts_sysctl(ts, &op);
	saved = errno;
	if (rc == 0) {
		rc = (int)op.u.readconsole.count;
		*index = op.u.readconsole.index;
		memcpy(to, buf, (size_t)rc);
	}
	xencall_free_buffer(ts->call, buf);
	errno = saved;
	return rc;
}
