// SPDX-License-Identifier: BSD-2-Clause
/* Domctls on single vcpus: context, affinity, times, scheduling parameters. */
#include <hv/ctl.h>
#include <hv/heap.h>
#include <hv/hypercall.h>
#include <hv/sched.h>
#include <hv/smp.h>

/* ABI: the fields up to here must be there in a set_ext_vcpucontext. */
#define EXT_CONTEXT_MIN offsetof(struct xen_domctl_ext_vcpucontext, mcg_cap)

long domctl_setvcpucontext(struct xen_domctl *op, struct domain *d)
{
	guest_ptr_t from = guest_handle(op->u.vcpucontext.ctxt);
	struct vcpu *v = domain_vcpu(d, op->u.vcpucontext.vcpu);
	vcpu_guest_context_t *ctx;
	long rc = -XEN_EFAULT;

	if (d == current->domain || !v || !from.va)
		return -XEN_EINVAL;
	ctx = hv_alloc(sizeof(*ctx));
	if (!ctx)
		return -XEN_ENOMEM;
	if (copy_from_guest(ctx, from, sizeof(*ctx)) == 0) {
		domain_pause(d);
		rc = d->dying == DOM_ALIVE ? pv_set_context(v, ctx) : -XEN_EINVAL;
		domain_unpause(d);
	}
	hv_free(ctx);
	return rc;
}

long domctl_getvcpucontext(struct xen_domctl *op, struct domain *d)
{
	guest_ptr_t to = guest_handle(op->u.vcpucontext.ctxt);
	struct vcpu *v = domain_vcpu(d, op->u.vcpucontext.vcpu);
	vcpu_guest_context_t *ctx;
	long rc;

	if (d == current->domain || !v || !to.va)
		return -XEN_EINVAL;
	if (!v->is_initialised)
		return -XEN_ENODATA;
	ctx = hv_alloc(sizeof(*ctx));
	if (!ctx)
		return -XEN_ENOMEM;
	vcpu_pause(v);
	pv_get_context(v, ctx);
	vcpu_unpause(v);
	rc = copy_to_guest(to, ctx, sizeof(*ctx));
	hv_free(ctx);
	return rc;
}

long domctl_getvcpuinfo(struct xen_domctl *op, struct domain *d)
{
	struct vcpu *v = domain_vcpu(d, op->u.getvcpuinfo.vcpu);
	unsigned long flags;

	if (op->u.getvcpuinfo.vcpu >= d->max_vcpus)
		return -XEN_EINVAL;
	if (!v)
		return -XEN_ESRCH;
	flags = READ_ONCE(v->pause_flags);
	op->u.getvcpuinfo.online = !(flags & VPF_DOWN);
	op->u.getvcpuinfo.blocked = (flags & VPF_BLOCKED) != 0;
	op->u.getvcpuinfo.running = v->is_running;
	op->u.getvcpuinfo.cpu_time = vcpu_run_time(v);
	op->u.getvcpuinfo.cpu = v->processor;
	return 0;
}

long domctl_setvcpuaffinity(struct xen_domctl *op, struct domain *d)
{
	struct xen_domctl_vcpuaffinity *a = &op->u.vcpuaffinity;
	struct vcpu *v = domain_vcpu(d, a->vcpu);
	cpumask_t hard, soft;
	long rc;

	if (!v)
		return a->vcpu >= d->max_vcpus ? -XEN_EINVAL : -XEN_ESRCH;
	if (!(a->flags & (XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT)) || (a->flags & ~7u))
		return -XEN_EINVAL;
	/* All is read before anything changes. */
	if ((a->flags & XEN_VCPUAFFINITY_HARD) && cpumask_from_guest(&a->cpumap_hard, &hard))
		return -XEN_EFAULT;
	if ((a->flags & XEN_VCPUAFFINITY_SOFT) && cpumask_from_guest(&a->cpumap_soft, &soft))
		return -XEN_EFAULT;
	if (a->flags & XEN_VCPUAFFINITY_HARD) {
		rc = vcpu_set_hard_affinity(v, hard);
		if (rc)
			return rc;
		hard.bits &= cpu_online.bits;
		rc = cpumask_to_guest(&a->cpumap_hard, hard);
		if (rc)
			return rc;
	}
	if (a->flags & XEN_VCPUAFFINITY_SOFT) {
		v->soft_affinity = soft;
		soft.bits &= cpu_online.bits & v->hard_affinity.bits;
		return cpumask_to_guest(&a->cpumap_soft, soft);
	}
	return 0;
}

long domctl_getvcpuaffinity(struct xen_domctl *op, struct domain *d)
{
	struct xen_domctl_vcpuaffinity *a = &op->u.vcpuaffinity;
	struct vcpu *v = domain_vcpu(d, a->vcpu);
	long rc = 0;

	if (!v)
		return a->vcpu >= d->max_vcpus ? -XEN_EINVAL : -XEN_ESRCH;
	if (a->flags & XEN_VCPUAFFINITY_HARD)
		rc = cpumask_to_guest(&a->cpumap_hard, v->hard_affinity);
	if (!rc && (a->flags & XEN_VCPUAFFINITY_SOFT))
		rc = cpumask_to_guest(&a->cpumap_soft, v->soft_affinity);
	return rc;
}

long domctl_set_ext_vcpucontext(struct xen_domctl *op, struct domain *d)
{
	const struct xen_domctl_ext_vcpucontext *e = &op->u.ext_vcpucontext;
	struct vcpu *v = domain_vcpu(d, e->vcpu);

	if (!v)
		return -XEN_ESRCH;
	if (d == current->domain || e->size < EXT_CONTEXT_MIN)
		return -XEN_EINVAL;
	domain_pause(d);
	v->pv.syscall32_rip = e->syscall32_callback_eip;
	v->pv.syscall32_masks_events = e->syscall32_disables_events;
	v->pv.sysenter_rip = e->sysenter_callback_eip;
	v->pv.sysenter_masks_events = e->sysenter_disables_events;
	domain_unpause(d);
	return 0;
}

long domctl_get_ext_vcpucontext(struct xen_domctl *op, struct domain *d)
{
	struct xen_domctl_ext_vcpucontext *e = &op->u.ext_vcpucontext;
	struct vcpu *v = domain_vcpu(d, e->vcpu);

	if (!v)
		return -XEN_ESRCH;
	e->size = sizeof(*e);
	e->syscall32_callback_eip = v->pv.syscall32_rip;
	e->syscall32_callback_cs = 0;
	e->syscall32_disables_events = v->pv.syscall32_masks_events;
	e->sysenter_callback_eip = v->pv.sysenter_rip;
	e->sysenter_callback_cs = 0;
	e->sysenter_disables_events = v->pv.sysenter_masks_events;
	memset(&e->vmce, 0, sizeof(e->vmce));
	return 0;
}

/* Guests have no MSRs whose values would have to travel with them. */
long domctl_get_vcpu_msrs(struct xen_domctl *op, struct domain *d)
{
	if (!domain_vcpu(d, op->u.vcpu_msrs.vcpu) || d == current->domain)
		return -XEN_EINVAL;
	op->u.vcpu_msrs.msr_count = 0;
	return 0;
}

long domctl_set_vcpu_msrs(struct xen_domctl *op, struct domain *d)
{
	if (!domain_vcpu(d, op->u.vcpu_msrs.vcpu) || d == current->domain)
		return -XEN_EINVAL;
	return op->u.vcpu_msrs.msr_count ? -XEN_EINVAL : 0;
}

/* The scheduler calls itself credit2: same meaning of weight and cap. */
long domctl_scheduler_op(struct xen_domctl *op, struct domain *d)
{
	struct xen_domctl_scheduler_op *s = &op->u.scheduler_op;

	if (s->sched_id != XEN_SCHEDULER_CREDIT2)
		return -XEN_EINVAL;
	switch (s->cmd) {
	case XEN_DOMCTL_SCHEDOP_getinfo:
		s->u.credit2.weight = d->sched.weight ? d->sched.weight : SCHED_WEIGHT_DEFAULT;
		s->u.credit2.cap = d->sched.cap;
		return 0;
	case XEN_DOMCTL_SCHEDOP_putinfo:
		if (s->u.credit2.weight)
			WRITE_ONCE(d->sched.weight, s->u.credit2.weight);
		WRITE_ONCE(d->sched.cap, s->u.credit2.cap);
		return 0;
	default:
		return -XEN_EOPNOTSUPP;
	}
}
