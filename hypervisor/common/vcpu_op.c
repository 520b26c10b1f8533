// SPDX-License-Identifier: BSD-2-Clause
// vcpu_op: bringing vcpus up and down, their areas in guest memory, their timers; set_timer_op.
#include <hv/domain.h>
#include <hv/evtchn.h>
#include <hv/heap.h>
#include <hv/hypercall.h>
#include <hv/sched.h>
#include <hv/smp.h>

#define PERIOD_MIN	 1000000 /* ns */
#define STIME_DELTA_MAX	 ((int64_t)((uint64_t)~0UL >> 2)) /* ns: no sum of two overflows */
#define FAR_AWAY_SHIFT	 50 /* 2^50 ns is 13 days */
#define FAR_AWAY_INSTEAD 100000000 /* ns */

static long initialise(struct vcpu *v, guest_ptr_t arg)
{
	struct domain *d = v->domain;
	vcpu_guest_context_t *ctx;
	long rc;

	if (v->vcpu_info == &dummy_vcpu_info)
		return -XEN_EINVAL;
	ctx = hv_alloc(sizeof(*ctx));
	if (!ctx)
		return -XEN_ENOMEM;
	rc = copy_from_guest(ctx, arg, sizeof(*ctx));
	if (rc == 0) {
		spin_lock(&d->lock);
		rc = v->is_initialised ? -XEN_EEXIST : pv_set_context(v, ctx);
		spin_unlock(&d->lock);
	}
	hv_free(ctx);
	if (rc == -XEN_ERESTART)
		return hypercall_continue(__HYPERVISOR_vcpu_op, 3, (unsigned long)VCPUOP_initialise,
					  (unsigned long)v->id, arg.va);
	return rc;
}

static long down(struct vcpu *v)
{
	struct domain *d = v->domain;
	struct vcpu *other;
	bool last = true;

	spin_lock(&d->lock);
	for_each_vcpu(d, other)
		if (other != v && !(READ_ONCE(other->pause_flags) & VPF_DOWN))
			last = false;
	if (!last && !(__atomic_fetch_or(&v->pause_flags, VPF_DOWN, __ATOMIC_SEQ_CST) & VPF_DOWN))
		vcpu_sleep_nosync(v);
	spin_unlock(&d->lock);
	/* The last one to go takes the domain with it. */
	if (last)
		domain_shutdown(d, SHUTDOWN_poweroff);
	return 0;
}

static long get_runstate(struct vcpu *v, guest_ptr_t arg)
{
	vcpu_runstate_info_t r = v->runstate;
	int64_t since = now() - (int64_t)r.state_entry_time;

	if (since > 0)
		r.time[r.state] += (uint64_t)since;
	return copy_to_guest(arg, &r, sizeof(r));
}

static long register_runstate(struct vcpu *v, guest_ptr_t arg)
{
	struct vcpu_register_runstate_memory_area area;

	if (copy_from_guest(&area, arg, sizeof(area)) ||
	    !guest_range_ok(area.addr.p, sizeof(vcpu_runstate_info_t)))
		return -XEN_EFAULT;
	v->runstate_area = guest_ptr(area.addr.p);
	if (v == current)
		vcpu_runstate_publish(v);
	else if (area.addr.p)
		(void)get_runstate(v, guest_ptr(area.addr.p)); /* it is written again when v runs */
	return 0;
}

static long register_time(struct vcpu *v, guest_ptr_t arg)
{
	struct vcpu_register_time_memory_area area;

	if (copy_from_guest(&area, arg, sizeof(area)) ||
	    !guest_range_ok(area.addr.p, sizeof(vcpu_time_info_t)))
		return -XEN_EFAULT;
	v->time_area = guest_ptr(area.addr.p);
	pvclock_update(v);
	return 0;
}

static long register_info(struct vcpu *v, guest_ptr_t arg)
{
	struct vcpu_register_vcpu_info info;
	long rc;

	if (copy_from_guest(&info, arg, sizeof(info)))
		return -XEN_EFAULT;
	spin_lock(&v->domain->lock);
	rc = vcpu_map_info(v, mfn(info.mfn), info.offset);
	spin_unlock(&v->domain->lock);
	return rc;
}

static long set_periodic(struct vcpu *v, guest_ptr_t arg)
{
	struct vcpu_set_periodic_timer set;

	if (copy_from_guest(&set, arg, sizeof(set)))
		return -XEN_EFAULT;
	if (set.period_ns < PERIOD_MIN || set.period_ns > (uint64_t)STIME_DELTA_MAX)
		return -XEN_EINVAL;
	timer_stop(&v->periodic_timer);
	v->periodic_last = now();
	WRITE_ONCE(v->periodic_period, (s_time_t)set.period_ns);
	timer_set(&v->periodic_timer, v->periodic_last + (s_time_t)set.period_ns);
	return 0;
}

static long set_singleshot(struct vcpu *v, guest_ptr_t arg)
{
	struct vcpu_set_singleshot_timer set;

	if (v != current)
		return -XEN_EINVAL;
	if (copy_from_guest(&set, arg, sizeof(set)))
		return -XEN_EFAULT;
	/* VCPU_SSHOTTMR_future may be ignored, and is: a time that has passed fires at once. */
	timer_set(&v->singleshot_timer, (s_time_t)MIN(set.timeout_abs_ns, (uint64_t)INT64_MAX));
	return 0;
}

static long send_nmi(struct vcpu *v, guest_ptr_t arg)
{
	if (arg.va)
		return -XEN_EINVAL;
	pv_inject_nmi(v);
	return 0;
}

static long get_physid(struct vcpu *v, guest_ptr_t arg)
{
	uint64_t set = v->hard_affinity.bits;
	struct vcpu_get_physid id;

	/* Only where the answer will stay true: a vcpu of domain 0 bound to one CPU. */
	if (!v->domain->is_hardware || !set || (set & (set - 1)))
		return -XEN_EINVAL;
	id.phys_id = cpu_apic_id[v->processor] | ((uint64_t)v->processor << 32);
	return copy_to_guest(arg, &id, sizeof(id));
}

long hc_vcpu_op(unsigned long cmd, unsigned long id, unsigned long a)
{
	/* The ABI's arguments are 32 bits wide. */
	struct vcpu *v = domain_vcpu(current->domain, (unsigned int)id);
	guest_ptr_t arg = guest_ptr(a);

	if (!v)
		return -XEN_ENOENT;
	switch ((int)cmd) {
	case VCPUOP_initialise:
		return initialise(v, arg);
	case VCPUOP_up:
		return vcpu_up(v);
	case VCPUOP_down:
		return down(v);
	case VCPUOP_is_up:
		return !(READ_ONCE(v->pause_flags) & VPF_DOWN);
	case VCPUOP_get_runstate_info:
		return get_runstate(v, arg);
	case VCPUOP_register_runstate_memory_area:
		return register_runstate(v, arg);
	case VCPUOP_set_periodic_timer:
		return set_periodic(v, arg);
	case VCPUOP_stop_periodic_timer:
		WRITE_ONCE(v->periodic_period, 0);
		timer_stop(&v->periodic_timer);
		return 0;
	case VCPUOP_set_singleshot_timer:
		return set_singleshot(v, arg);
	case VCPUOP_stop_singleshot_timer:
		if (v != current)
			return -XEN_EINVAL;
		timer_stop(&v->singleshot_timer);
		return 0;
	case VCPUOP_register_vcpu_info:
		return register_info(v, arg);
	case VCPUOP_send_nmi:
		return send_nmi(v, arg);
	case VCPUOP_get_physid:
		return get_physid(v, arg);
	case VCPUOP_register_vcpu_time_memory_area:
		return register_time(v, arg);
	}
	return -XEN_ENOSYS;
}

/*
 * The short way for single-shot timers. A time that is absurdly far away comes from a guest that computed it from a clock
 * in trouble: have it woken soon, so that it can look again.
 */
long hc_set_timer_op(unsigned long a)
{
	struct vcpu *v = current;
	s_time_t when = (s_time_t)a;

	if (when == 0) {
		timer_stop(&v->singleshot_timer);
	} else if (unlikely((uint64_t)when >> FAR_AWAY_SHIFT)) {
		s_time_t time = now();

		if (when < 0 || (when - time) >> FAR_AWAY_SHIFT)
			when = time + FAR_AWAY_INSTEAD;
		timer_set(&v->singleshot_timer, when);
	} else {
		timer_set(&v->singleshot_timer, when);
	}
	return 0;
}
