// SPDX-License-Identifier: BSD-2-Clause
/* hc_sysctl: the machine's state and the hypervisor's own, for dom0's tools. */
#include <hv/console.h>
#include <hv/ctl.h>
#include <hv/heap.h>
#include <hv/hypercall.h>
#include <hv/mm.h>
#include <hv/sched.h>
#include <hv/smp.h>

#define CHUNK	       512
#define MAX_KEYS       64
#define MAX_TOPO_DEVS  64
#define LOCAL_DISTANCE 10 /* of a NUMA node to itself, as ACPI counts */
#define RATELIMIT_US   1000
#define HW_CAP_WORDS   8

static long readconsole(struct xen_sysctl *op)
{
	struct xen_sysctl_readconsole *r = &op->u.readconsole;
	uint32_t idx = r->incremental ? r->index : 0, done = 0;
	char buf[CHUNK];

	/* A number that is not in the ring reads from its oldest byte on. */
	while (done < r->count) {
		uint32_t n =
			console_ring_read(buf, MIN(r->count - done, (uint32_t)CHUNK), &idx, false);

		if (!n)
			break;
		if (copy_array_to_guest(guest_handle(r->buffer), done, buf, n))
			return -XEN_EFAULT;
		done += n;
	}
	if (r->clear)
		(void)console_ring_read(buf, 0, &idx, true);
	r->count = done;
	r->index = idx;
	return 0;
}

static long physinfo(struct xen_sysctl *op)
{
	struct xen_sysctl_physinfo *p = &op->u.physinfo;

	memset(p, 0, sizeof(*p));
	p->threads_per_core = 1;
	p->cores_per_socket = nr_cpus;
	p->nr_cpus = nr_cpus;
	p->max_cpu_id = nr_cpus - 1;
	p->nr_nodes = 1;
	p->cpu_khz = (uint32_t)tsc_khz;
	p->capabilities = XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_gnttab_v1;
	p->total_pages = heap_total_pages();
	p->free_pages = heap_free_pages();
	p->outstanding_pages = heap_claimed_pages();
	p->max_mfn = max_frame - 1;
	cpu_feature_words(p->hw_cap, HW_CAP_WORDS);
	return 0;
}

static long sched_id(struct xen_sysctl *op)
{
	op->u.sched_id.sched_id = XEN_SCHEDULER_CREDIT2;
	return 0;
}

static long getdomaininfolist(struct xen_sysctl *op)
{
	struct xen_sysctl_getdomaininfolist *l = &op->u.getdomaininfolist;
	domid_t id = l->first_domain;
	long rc = 0;

	l->num_domains = 0;
	while (l->num_domains < l->max_domains && id < DOMID_FIRST_RESERVED) {
		struct domain *d = domain_from(id);
		xen_domctl_getdomaininfo_t info;

		if (!d)
			break;
		memset(&info, 0, sizeof(info));
		domain_getinfo(d, &info);
		id = d->id + 1;
		put_domain(d);
		rc = copy_array_to_guest(guest_handle(l->buffer), l->num_domains, &info, 1);
		if (rc)
			break;
		l->num_domains++;
	}
	return rc;
}

static long debug_keys(struct xen_sysctl *op)
{
	char keys[MAX_KEYS];
	uint32_t n = op->u.debug_keys.nr_keys;

	if (n > MAX_KEYS)
		return -XEN_E2BIG;
	if (copy_from_guest(keys, guest_handle(op->u.debug_keys.keys), n))
		return -XEN_EFAULT;
	for (uint32_t i = 0; i < n; i++)
		keyhandler_run(keys[i]);
	return 0;
}

static long getcpuinfo(struct xen_sysctl *op)
{
	struct xen_sysctl_getcpuinfo *g = &op->u.getcpuinfo;
	uint32_t n = MIN(g->max_cpus, nr_cpus);

	for (uint32_t i = 0; i < n; i++) {
		xen_sysctl_cpuinfo_t info = { .idletime = vcpu_run_time(idle_vcpu[i]) };

		if (copy_array_to_guest(guest_handle(g->info), i, &info, 1))
			return -XEN_EFAULT;
	}
	g->nr_cpus = n;
	return 0;
}

static long availheap(struct xen_sysctl *op)
{
	struct xen_sysctl_availheap *a = &op->u.availheap;
	uint64_t pages = heap_free_pages();

	if (a->node > 0 || a->node < -1)
		return -XEN_EINVAL;
	if (a->max_bitwidth && a->max_bitwidth <= 32)
		pages = heap_free_low_pages();
	else if (a->min_bitwidth > 32)
		pages -= heap_free_low_pages();
	a->avail_bytes = pages << PAGE_SHIFT;
	return 0;
}

static long cputopoinfo(struct xen_sysctl *op)
{
	struct xen_sysctl_cputopoinfo *c = &op->u.cputopoinfo;
	uint32_t n = MIN(c->num_cpus, nr_cpus);
	bool sizing = !c->cputopo.p;

	for (uint32_t i = 0; i < n && !sizing; i++) {
		xen_sysctl_cputopo_t t = { .core = i, .socket = 0, .node = 0 };

		if (copy_array_to_guest(guest_handle(c->cputopo), i, &t, 1))
			return -XEN_EFAULT;
	}
	c->num_cpus = sizing ? nr_cpus : n;
	return 0;
}

static long numainfo(struct xen_sysctl *op)
{
	struct xen_sysctl_numainfo *n = &op->u.numainfo;
	xen_sysctl_meminfo_t mem = {
		.memsize = max_frame << PAGE_SHIFT,
		.memfree = heap_free_pages() << PAGE_SHIFT,
	};
	uint32_t distance = LOCAL_DISTANCE;

	if (n->num_nodes >= 1 || !n->meminfo.p) {
		if (n->meminfo.p && copy_array_to_guest(guest_handle(n->meminfo), 0, &mem, 1))
			return -XEN_EFAULT;
		if (n->distance.p &&
		    copy_array_to_guest(guest_handle(n->distance), 0, &distance, 1))
			return -XEN_EFAULT;
		n->num_nodes = 1;
	}
	return 0;
}

/* All devices are near the one node. num_devs tells how many were answered; callers come again for the rest. */
static long pcitopoinfo(struct xen_sysctl *op)
{
	struct xen_sysctl_pcitopoinfo *p = &op->u.pcitopoinfo;
	uint32_t n = MIN(p->num_devs, (uint32_t)MAX_TOPO_DEVS);

	if (!p->devs.p || !p->nodes.p)
		return -XEN_EINVAL;
	for (uint32_t i = 0; i < n; i++) {
		physdev_pci_device_t dev;
		uint32_t node = 0;

		if (copy_array_from_guest(&dev, guest_handle(p->devs), i, 1) ||
		    copy_array_to_guest(guest_handle(p->nodes), i, &node, 1))
			return -XEN_EFAULT;
	}
	p->num_devs = n;
	return 0;
}

static uint32_t count_domains(void)
{
	uint64_t flags = spin_lock_irqsave(&domain_list_lock);
	uint32_t n = 0;

	for (const struct domain *d = domain_list; d; d = d->next)
		n++;
	spin_unlock_irqrestore(&domain_list_lock, flags);
	return n;
}

/* There is one pool with all CPUs, and it stays so. */
static long cpupool_op(struct xen_sysctl *op)
{
	struct xen_sysctl_cpupool_op *c = &op->u.cpupool_op;

	switch (c->op) {
	case XEN_SYSCTL_CPUPOOL_OP_INFO:
		if (c->cpupool_id > 0)
			return -XEN_ENOENT;
		c->sched_id = XEN_SCHEDULER_CREDIT2;
		c->n_dom = count_domains();
		return cpumask_to_guest(&c->cpumap, cpu_online);
	case XEN_SYSCTL_CPUPOOL_OP_FREEINFO:
		return cpumask_to_guest(&c->cpumap, (cpumask_t){ 0 });
	case XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN:
		return c->cpupool_id ? -XEN_ENOENT : 0;
	default:
		return -XEN_EOPNOTSUPP;
	}
}

static long scheduler_op(struct xen_sysctl *op)
{
	struct xen_sysctl_scheduler_op *s = &op->u.scheduler_op;

	if (s->cpupool_id)
		return -XEN_ESRCH;
	if (s->sched_id != XEN_SCHEDULER_CREDIT2)
		return -XEN_EINVAL;
	if (s->cmd != XEN_SYSCTL_SCHEDOP_getinfo)
		return -XEN_EOPNOTSUPP;
	s->u.sched_credit2.ratelimit_us = RATELIMIT_US;
	return 0;
}

static long levelling_caps(struct xen_sysctl *op)
{
	op->u.cpu_levelling_caps.caps = 0;
	return 0;
}

static long no_device(struct xen_sysctl *op)
{
	return -XEN_ENODEV;
}

static long unsupported(struct xen_sysctl *op)
{
	return -XEN_EOPNOTSUPP;
}

static long (*const sysctls[])(struct xen_sysctl *op) = {
	[XEN_SYSCTL_readconsole] = readconsole,
	[XEN_SYSCTL_physinfo] = physinfo,
	[XEN_SYSCTL_sched_id] = sched_id,
	[XEN_SYSCTL_getdomaininfolist] = getdomaininfolist,
	[XEN_SYSCTL_debug_keys] = debug_keys,
	[XEN_SYSCTL_getcpuinfo] = getcpuinfo,
	[XEN_SYSCTL_availheap] = availheap,
	[XEN_SYSCTL_get_pmstat] = no_device,
	[XEN_SYSCTL_pm_op] = no_device,
	[XEN_SYSCTL_cpu_hotplug] = unsupported,
	[XEN_SYSCTL_page_offline_op] = unsupported,
	[XEN_SYSCTL_cputopoinfo] = cputopoinfo,
	[XEN_SYSCTL_numainfo] = numainfo,
	[XEN_SYSCTL_cpupool_op] = cpupool_op,
	[XEN_SYSCTL_scheduler_op] = scheduler_op,
	[XEN_SYSCTL_coverage_op] = unsupported,
	[XEN_SYSCTL_psr_cmt_op] = no_device,
	[XEN_SYSCTL_psr_alloc] = unsupported,
	[XEN_SYSCTL_pcitopoinfo] = pcitopoinfo,
	[XEN_SYSCTL_get_cpu_levelling_caps] = levelling_caps,
	[XEN_SYSCTL_get_cpu_featureset] = sysctl_get_cpu_featureset,
	[XEN_SYSCTL_get_cpu_policy] = sysctl_get_cpu_policy,
};

long hc_sysctl(unsigned long arg_va)
{
	guest_ptr_t arg = guest_ptr(arg_va);
	struct xen_sysctl op;
	long rc;

	if (!current_is_privileged())
		return -XEN_EPERM;
	if (copy_from_guest(&op, arg, sizeof(op)))
		return -XEN_EFAULT;
	if (op.interface_version != XEN_SYSCTL_INTERFACE_VERSION)
		return -XEN_EACCES;
	if (op.cmd >= ARRAY_SIZE(sysctls) || !sysctls[op.cmd])
		return -XEN_ENOSYS;
	rc = sysctls[op.cmd](&op);
	/* Also on errors: sizes that would have been needed are in op. */
	if (copy_to_guest(arg, &op, sizeof(op)))
		return -XEN_EFAULT;
	return rc;
}
