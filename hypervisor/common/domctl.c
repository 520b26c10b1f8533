// SPDX-License-Identifier: BSD-2-Clause
/* hc_domctl: create, change, question and destroy domains; operations on single vcpus are in domctl_vcpu.c. */
#include <hv/ctl.h>
#include <hv/evtchn.h>
#include <hv/gnttab.h>
#include <hv/heap.h>
#include <hv/hypercall.h>
#include <hv/mm.h>
#include <hv/sched.h>
#include <hv/time.h>

#define MAX_PAUSE_COUNT 255
#define DOMAIN_FLAGS \
	(XEN_DOMCTL_CDF_xs_domain | XEN_DOMCTL_CDF_s3_integrity | XEN_DOMCTL_CDF_oos_off)
#define MAX_PAGEFRAMES	   1024
#define MAX_MAPPING_FRAMES 64
#define NR_PORTS	   65536u

static spinlock_t domctl_lock; /* one domctl at a time */

/* ---- life cycle */

static bool domid_free(domid_t id)
{
	struct domain *d = get_domain_by_id(id);

	if (d)
		put_domain(d);
	return !d;
}

/* Ids are given out in a circle, so that a dead domain's id is not reused soon. domctl_lock. */
static domid_t domid_choose(void)
{
	static domid_t last;
	domid_t id = last;

	do {
		id = id >= DOMID_FIRST_RESERVED - 1 ? 1 : id + 1;
		if (domid_free(id)) {
			last = id;
			return id;
		}
	} while (id != last);
	return DOMID_INVALID;
}

static long createdomain(struct xen_domctl *op, struct domain *unused)
{
	domid_t id = op->domain;
	struct domain *d;
	int rc;

	if (op->u.createdomain.flags & XEN_DOMCTL_CDF_hvm)
		return -XEN_EOPNOTSUPP;
	if (op->u.createdomain.flags & ~DOMAIN_FLAGS) {
		log_warn("createdomain: flags %#x ask for more than a PV guest without IOMMU can "
			 "have\n",
			 op->u.createdomain.flags);
		return -XEN_EINVAL;
	}
	if (id > 0 && id < DOMID_FIRST_RESERVED) {
		if (!domid_free(id))
			return -XEN_EEXIST;
	} else {
		id = domid_choose();
		if (id == DOMID_INVALID)
			return -XEN_ENOMEM;
	}
	rc = domain_create(id, &op->u.createdomain, false, &d);
	if (rc)
		return rc;
	op->domain = d->id;
	put_domain(d);
	return 0;
}

static long destroydomain(struct xen_domctl *op, struct domain *d)
{
	return d == current->domain ? -XEN_EINVAL : domain_kill(d);
}

static long pausedomain(struct xen_domctl *op, struct domain *d)
{
	if (d == current->domain)
		return -XEN_EINVAL;
	if (d->controller_pause_count >= MAX_PAUSE_COUNT)
		return -XEN_EOVERFLOW;
	d->controller_pause_count++;
	domain_pause(d);
	return 0;
}

static long unpausedomain(struct xen_domctl *op, struct domain *d)
{
	if (d->controller_pause_count <= 0)
		return -XEN_EINVAL;
	d->controller_pause_count--;
	domain_unpause(d);
	return 0;
}

static long resumedomain(struct xen_domctl *op, struct domain *d)
{
	if (d == current->domain)
		return -XEN_EINVAL;
	domain_resume(d);
	return 0;
}

/* Id of the first domain in the list from `id` on; DOMID_INVALID: none. */
static domid_t next_domid(domid_t id)
{
	uint64_t flags = spin_lock_irqsave(&domain_list_lock);
	const struct domain *d = domain_list;

	while (d && d->id < id)
		d = d->next;
	id = d ? d->id : DOMID_INVALID;
	spin_unlock_irqrestore(&domain_list_lock, flags);
	return id;
}

struct domain *domain_from(domid_t id)
{
	struct domain *d = NULL;

	/* One in the list may have lost its last reference just now: then the next. */
	for (id = next_domid(id); id < DOMID_FIRST_RESERVED && !d; id = next_domid(id + 1))
		d = get_domain_by_id(id);
	return d;
}

static long getdomaininfo(struct xen_domctl *op, struct domain *unused)
{
	struct domain *d = op->domain < DOMID_FIRST_RESERVED ? domain_from(op->domain) : NULL;

	if (!d)
		return -XEN_ESRCH;
	domain_getinfo(d, &op->u.getdomaininfo);
	op->domain = op->u.getdomaininfo.domain;
	put_domain(d);
	return 0;
}

static long max_vcpus(struct xen_domctl *op, struct domain *d)
{
	unsigned int n = op->u.max_vcpus.max;
	long rc = 0;

	if (d == current->domain || n != d->max_vcpus)
		return -XEN_EINVAL;
	domain_pause(d);
	for (unsigned int i = 0; i < n && !rc; i++)
		if (!d->vcpu[i] && !vcpu_create(d, i))
			rc = -XEN_ENOMEM;
	domain_unpause(d);
	return rc;
}

static long max_mem(struct xen_domctl *op, struct domain *d)
{
	uint64_t pages = op->u.max_mem.max_memkb >> (PAGE_SHIFT - 10);

	spin_lock(&d->page_lock);
	d->max_pages = (uint32_t)MIN(pages, (uint64_t)UINT32_MAX);
	spin_unlock(&d->page_lock);
	return 0;
}

static long setdomainhandle(struct xen_domctl *op, struct domain *d)
{
	memcpy(d->handle, op->u.setdomainhandle.handle, sizeof(d->handle));
	return 0;
}

static long setdebugging(struct xen_domctl *op, struct domain *d)
{
	return d == current->domain ? -XEN_EINVAL : 0;
}

static long settimeoffset(struct xen_domctl *op, struct domain *d)
{
	d->time_offset_seconds = op->u.settimeoffset.time_offset_seconds;
	wallclock_update(d);
	return 0;
}

static long set_target(struct xen_domctl *op, struct domain *d)
{
	struct domain *target = get_domain_by_id(op->u.set_target.target);
	long rc = -XEN_EINVAL;

	if (!target)
		return -XEN_ESRCH;
	if (d != target && !d->target) {
		/* The reference taken here is d's; domain destruction drops it. */
		d->target = target;
		return 0;
	}
	put_domain(target);
	return rc;
}

static long subscribe(struct xen_domctl *op, struct domain *d)
{
	d->suspend_port = op->u.subscribe.port;
	return 0;
}

/* ---- frames */

/* The frame's use in the words of getpageframeinfo3. */
static xen_pfn_t pageframe_type(const struct domain *d, uint64_t nr)
{
	static const xen_pfn_t words[] = {
		[FT_L1] = XEN_DOMCTL_PFINFO_L1TAB,
		[FT_L2] = XEN_DOMCTL_PFINFO_L2TAB,
		[FT_L3] = XEN_DOMCTL_PFINFO_L3TAB,
		[FT_L4] = XEN_DOMCTL_PFINFO_L4TAB,
	};
	struct frame *f;
	enum frame_type t;
	xen_pfn_t word = XEN_DOMCTL_PFINFO_NOTAB;

	if (!mfn_valid(mfn(nr)) || !frame_get(frame_of(mfn(nr)), d))
		return XEN_DOMCTL_PFINFO_XTAB;
	f = frame_of(mfn(nr));
	t = frame_type(f);
	if (f->count & FC_HVPAGE) {
		word = XEN_DOMCTL_PFINFO_XTAB;
	} else if (t >= FT_L1 && t <= FT_L4 && (READ_ONCE(f->type) & FT_COUNT)) {
		word = words[t];
		if (READ_ONCE(f->type) & FT_PINNED)
			word |= XEN_DOMCTL_PFINFO_LPINTAB;
	}
	frame_put(f);
	return word;
}

static long getpageframeinfo3(struct xen_domctl *op, struct domain *d)
{
	guest_ptr_t array = guest_handle(op->u.getpageframeinfo3.array);
	uint64_t num = op->u.getpageframeinfo3.num;

	if (num > MAX_PAGEFRAMES)
		return -XEN_E2BIG;
	for (uint64_t i = 0; i < num; i++) {
		xen_pfn_t v;

		if (copy_array_from_guest(&v, array, i, 1))
			return -XEN_EFAULT;
		v = pageframe_type(d, v);
		if (copy_array_to_guest(array, i, &v, 1))
			return -XEN_EFAULT;
	}
	return 0;
}

static long hypercall_init(struct xen_domctl *op, struct domain *d)
{
	mfn_t m = mfn(op->u.hypercall_init.gmfn);
	struct frame *f;

	long rc;

	if (!mfn_valid(m) || !frame_get(frame_of(m), d))
		return -XEN_EINVAL;
	f = frame_of(m);
	rc = frame_get_type(f, FT_WRITABLE) ? -XEN_EPERM : 0;
	if (!rc) {
		hypercall_page_fill(mfn_to_virt(m));
		frame_put_type(f);
	}
	frame_put(f);
	return rc;
}

/* ---- rights to hardware */

/* The domain is stopped meanwhile: it looks at its rights without the lock. */
static long change_rights(struct domain *d, struct rangeset *set, uint64_t s, uint64_t e,
			  bool allow)
{
	long rc;

	if (!set)
		return -XEN_EINVAL;
	if (d != current->domain)
		domain_pause(d);
	spin_lock(&d->lock);
	rc = allow ? rangeset_add(set, s, e) : rangeset_remove(set, s, e);
	spin_unlock(&d->lock);
	if (d != current->domain)
		domain_unpause(d);
	return rc;
}

static long iomem_permission(struct xen_domctl *op, struct domain *d)
{
	uint64_t s = op->u.iomem_permission.first_mfn;
	uint64_t e = s + op->u.iomem_permission.nr_mfns - 1;

	if (e < s)
		return -XEN_EINVAL;
	if (!rangeset_contains(current->domain->iomem_caps, s, e))
		return -XEN_EPERM;
	return change_rights(d, d->iomem_caps, s, e, op->u.iomem_permission.allow_access);
}

static long ioport_permission(struct xen_domctl *op, struct domain *d)
{
	uint64_t s = op->u.ioport_permission.first_port, n = op->u.ioport_permission.nr_ports;

	if (n == 0)
		return 0;
	if (s >= NR_PORTS || s + n > NR_PORTS)
		return -XEN_EINVAL;
	if (!rangeset_contains(current->domain->ioport_caps, s, s + n - 1))
		return -XEN_EPERM;
	return change_rights(d, d->ioport_caps, s, s + n - 1, op->u.ioport_permission.allow_access);
}

static long irq_permission(struct xen_domctl *op, struct domain *d)
{
	uint32_t pirq = op->u.irq_permission.pirq;

	if (pirq >= current->domain->nr_pirqs)
		return -XEN_EINVAL;
	if (!rangeset_contains(current->domain->irq_caps, pirq, pirq))
		return -XEN_EPERM;
	return change_rights(d, d->irq_caps, pirq, pirq, op->u.irq_permission.allow_access);
}

/* For translated guests only; for others the rights are all there is to do, and are checked. */
static long memory_mapping(struct xen_domctl *op, struct domain *d)
{
	uint64_t s = op->u.memory_mapping.first_mfn, n = op->u.memory_mapping.nr_mfns;

	if (s + n - 1 < s ||
	    op->u.memory_mapping.first_gfn + n - 1 < op->u.memory_mapping.first_gfn)
		return -XEN_EINVAL;
	if (n > MAX_MAPPING_FRAMES)
		return -XEN_E2BIG;
	if (!rangeset_contains(current->domain->iomem_caps, s, s + n - 1) ||
	    !rangeset_contains(d->iomem_caps, s, s + n - 1))
		return -XEN_EPERM;
	return 0;
}

/* ---- answers that depend on little or nothing */

static long set_address_size(struct xen_domctl *op, struct domain *d)
{
	return op->u.address_size.size == 64 ? 0 : -XEN_EINVAL;
}

static long get_address_size(struct xen_domctl *op, struct domain *d)
{
	op->u.address_size.size = 64;
	return 0;
}

static long gettscinfo(struct xen_domctl *op, struct domain *d)
{
	op->u.tsc_info.tsc_mode = d->tsc_mode;
	op->u.tsc_info.gtsc_khz = (uint32_t)tsc_khz;
	op->u.tsc_info.incarnation = d->tsc_incarnation;
	op->u.tsc_info.elapsed_nsec = (uint64_t)now();
	return 0;
}

static long settscinfo(struct xen_domctl *op, struct domain *d)
{
	d->tsc_mode = op->u.tsc_info.tsc_mode;
	d->tsc_incarnation = op->u.tsc_info.incarnation;
	return 0;
}

static long shadow_op(struct xen_domctl *op, struct domain *d)
{
	if (d == current->domain)
		return -XEN_EINVAL;
	switch (op->u.shadow_op.op) {
	case XEN_DOMCTL_SHADOW_OP_OFF:
		return 0;
	case XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION:
		op->u.shadow_op.mb = 0;
		return 0;
	case XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION:
		return op->u.shadow_op.mb ? -XEN_EINVAL : 0;
	default:
		return -XEN_ENOSYS;
	}
}

/* One NUMA node: any set with it is right, and means nothing. */
static long setnodeaffinity(struct xen_domctl *op, struct domain *d)
{
	cpumask_t nodes;

	if (cpumask_from_guest(&op->u.nodeaffinity.nodemap, &nodes))
		return -XEN_EFAULT;
	return nodes.bits & 1 ? 0 : -XEN_EINVAL;
}

static long getnodeaffinity(struct xen_domctl *op, struct domain *d)
{
	return cpumask_to_guest(&op->u.nodeaffinity.nodemap, (cpumask_t){ 1 });
}

static long set_virq_handler(struct xen_domctl *op, struct domain *d)
{
	if (op->u.set_virq_handler.virq >= NR_VIRQS)
		return -XEN_EINVAL;
	/* Global VIRQs always go to domain 0. */
	return d == dom0 ? 0 : -XEN_EOPNOTSUPP;
}

static long none(struct xen_domctl *op, struct domain *d)
{
	return 0;
}

static long invalid(struct xen_domctl *op, struct domain *d)
{
	return -XEN_EINVAL;
}

static long no_device(struct xen_domctl *op, struct domain *d)
{
	return -XEN_ENODEV;
}

static long unsupported(struct xen_domctl *op, struct domain *d)
{
	return -XEN_EOPNOTSUPP;
}

/* ---- dispatch */

#define D_OUT	BIT(0) /* op goes back to the caller */
#define D_NODOM BIT(1) /* op->domain need not name a domain: d is NULL */

struct domctl {
	domctl_fn fn;
	unsigned int flags;
};

static const struct domctl domctls[] = {
	[XEN_DOMCTL_createdomain] = { createdomain, D_OUT | D_NODOM },
	[XEN_DOMCTL_destroydomain] = { destroydomain, 0 },
	[XEN_DOMCTL_pausedomain] = { pausedomain, 0 },
	[XEN_DOMCTL_unpausedomain] = { unpausedomain, 0 },
	[XEN_DOMCTL_getdomaininfo] = { getdomaininfo, D_OUT | D_NODOM },
	[XEN_DOMCTL_setvcpuaffinity] = { domctl_setvcpuaffinity, 0 },
	[XEN_DOMCTL_shadow_op] = { shadow_op, D_OUT },
	[XEN_DOMCTL_max_mem] = { max_mem, 0 },
	[XEN_DOMCTL_setvcpucontext] = { domctl_setvcpucontext, 0 },
	[XEN_DOMCTL_getvcpucontext] = { domctl_getvcpucontext, D_OUT },
	[XEN_DOMCTL_getvcpuinfo] = { domctl_getvcpuinfo, D_OUT },
	[XEN_DOMCTL_max_vcpus] = { max_vcpus, 0 },
	[XEN_DOMCTL_scheduler_op] = { domctl_scheduler_op, D_OUT },
	[XEN_DOMCTL_setdomainhandle] = { setdomainhandle, 0 },
	[XEN_DOMCTL_setdebugging] = { setdebugging, 0 },
	[XEN_DOMCTL_irq_permission] = { irq_permission, 0 },
	[XEN_DOMCTL_iomem_permission] = { iomem_permission, 0 },
	[XEN_DOMCTL_ioport_permission] = { ioport_permission, 0 },
	[XEN_DOMCTL_hypercall_init] = { hypercall_init, 0 },
	[XEN_DOMCTL_settimeoffset] = { settimeoffset, 0 },
	[XEN_DOMCTL_getvcpuaffinity] = { domctl_getvcpuaffinity, D_OUT },
	[XEN_DOMCTL_resumedomain] = { resumedomain, 0 },
	[XEN_DOMCTL_subscribe] = { subscribe, 0 },
	[XEN_DOMCTL_gethvmcontext] = { invalid, 0 },
	[XEN_DOMCTL_sethvmcontext] = { invalid, 0 },
	[XEN_DOMCTL_gethvmcontext_partial] = { invalid, 0 },
	[XEN_DOMCTL_set_address_size] = { set_address_size, 0 },
	[XEN_DOMCTL_get_address_size] = { get_address_size, D_OUT },
	[XEN_DOMCTL_assign_device] = { no_device, D_NODOM },
	[XEN_DOMCTL_deassign_device] = { no_device, D_NODOM },
	[XEN_DOMCTL_test_assign_device] = { no_device, D_NODOM },
	[XEN_DOMCTL_get_device_group] = { no_device, D_NODOM },
	[XEN_DOMCTL_bind_pt_irq] = { invalid, 0 },
	[XEN_DOMCTL_unbind_pt_irq] = { invalid, 0 },
	[XEN_DOMCTL_memory_mapping] = { memory_mapping, 0 },
	[XEN_DOMCTL_set_ext_vcpucontext] = { domctl_set_ext_vcpucontext, 0 },
	[XEN_DOMCTL_get_ext_vcpucontext] = { domctl_get_ext_vcpucontext, D_OUT },
	[XEN_DOMCTL_set_target] = { set_target, 0 },
	[XEN_DOMCTL_gettscinfo] = { gettscinfo, D_OUT },
	[XEN_DOMCTL_settscinfo] = { settscinfo, 0 },
	[XEN_DOMCTL_getpageframeinfo3] = { getpageframeinfo3, 0 },
	[XEN_DOMCTL_set_virq_handler] = { set_virq_handler, 0 },
	[XEN_DOMCTL_setnodeaffinity] = { setnodeaffinity, 0 },
	[XEN_DOMCTL_getnodeaffinity] = { getnodeaffinity, 0 },
	[XEN_DOMCTL_cacheflush] = { none, 0 },
	[XEN_DOMCTL_get_vcpu_msrs] = { domctl_get_vcpu_msrs, D_OUT },
	[XEN_DOMCTL_set_vcpu_msrs] = { domctl_set_vcpu_msrs, 0 },
	[XEN_DOMCTL_setvnumainfo] = { unsupported, 0 },
	[XEN_DOMCTL_psr_cmt_op] = { no_device, 0 },
	[XEN_DOMCTL_psr_alloc] = { unsupported, 0 },
	[XEN_DOMCTL_get_cpu_policy] = { domctl_get_cpu_policy, D_OUT },
	[XEN_DOMCTL_set_cpu_policy] = { domctl_set_cpu_policy, D_OUT },
	[XEN_DOMCTL_vmtrace_op] = { unsupported, 0 },
	[XEN_DOMCTL_get_paging_mempool_size] = { unsupported, 0 },
	[XEN_DOMCTL_set_paging_mempool_size] = { unsupported, 0 },
};

static long domctl_run(const struct domctl *ctl, struct xen_domctl *op, guest_ptr_t arg)
{
	struct domain *d = NULL;
	long rc;

	if (!(ctl->flags & D_NODOM)) {
		d = get_domain_by_id(op->domain);
		if (!d)
			return -XEN_ESRCH;
	}
	rc = ctl->fn(op, d);
	/* Error details and how far it came are in op, too. */
	if ((ctl->flags & D_OUT) && rc != -XEN_ERESTART && copy_to_guest(arg, op, sizeof(*op)))
		rc = -XEN_EFAULT;
	if (d)
		put_domain(d);
	return rc;
}

long hc_domctl(unsigned long arg_va)
{
	guest_ptr_t arg = guest_ptr(arg_va);
	struct xen_domctl op;
	long rc;

	if (!current_is_privileged())
		return -XEN_EPERM;
	if (copy_from_guest(&op, arg, sizeof(op)))
		return -XEN_EFAULT;
	if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION)
		return -XEN_EACCES;
	if (op.cmd >= ARRAY_SIZE(domctls) || !domctls[op.cmd].fn)
		return domid_free(op.domain) ? -XEN_ESRCH : -XEN_ENOSYS;
	/* Another CPU's domctl may be long: let this vcpu do other things meanwhile. */
	if (!spin_trylock(&domctl_lock))
		return hypercall_continue(__HYPERVISOR_domctl, 1, arg_va);
	rc = domctl_run(&domctls[op.cmd], &op, arg);
	spin_unlock(&domctl_lock);
	if (rc == -XEN_ERESTART)
		return hypercall_continue(__HYPERVISOR_domctl, 1, arg_va);
	return rc;
}

/* ---- CPU sets */

long cpumask_from_guest(const struct xenctl_bitmap *b, cpumask_t *out)
{
	uint32_t bits = MIN(b->nr_bits, (uint32_t)NR_CPUS);

	out->bits = 0;
	if (copy_from_guest(&out->bits, guest_handle(b->bitmap), DIV_ROUND_UP(bits, 8)))
		return -XEN_EFAULT;
	if (bits < 64)
		out->bits &= BIT(bits) - 1;
	return 0;
}

long cpumask_to_guest(const struct xenctl_bitmap *b, cpumask_t set)
{
	uint64_t bytes = DIV_ROUND_UP((uint64_t)b->nr_bits, 8), n = MIN(bytes, sizeof(set.bits));
	guest_ptr_t to = guest_handle(b->bitmap);

	if (b->nr_bits < 64)
		set.bits &= BIT(b->nr_bits) - 1;
	if (!guest_range_ok(to.va, bytes) || copy_to_guest(to, &set.bits, n))
		return -XEN_EFAULT;
	return bytes > n && clear_guest_raw(to.va + n, bytes - n) ? -XEN_EFAULT : 0;
}
