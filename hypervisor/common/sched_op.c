// SPDX-License-Identifier: BSD-2-Clause
// sched_op: yield, block, poll, shutdown, watchdogs.
#include <hv/domain.h>
#include <hv/evtchn.h>
#include <hv/hypercall.h>
#include <hv/sched.h>
#include <hv/smp.h>

#define POLL_MAX 128

long hc_sched_yield(void *arg)
{
	return vcpu_yield();
}

long hc_sched_block(void *arg)
{
	vcpu_block_enable_events();
	return 0;
}

long hc_sched_shutdown(sched_shutdown_t *s)
{
	domain_shutdown(current->domain, (uint8_t)s->reason);
	return 0;
}

long hc_sched_shutdown_code(sched_shutdown_t *s)
{
	struct domain *d = current->domain;

	spin_lock(&d->lock);
	d->shutdown_code = (uint8_t)s->reason;
	spin_unlock(&d->lock);
	return 0;
}

long hc_sched_remote_shutdown(sched_remote_shutdown_t *s)
{
	struct domain *d = get_domain_by_id(s->domain_id);

	if (!d)
		return -XEN_ESRCH;
	domain_shutdown(d, (uint8_t)s->reason);
	put_domain(d);
	return 0;
}

long hc_sched_watchdog(sched_watchdog_t *w)
{
	return domain_watchdog(current->domain, w->id, w->timeout);
}

/* 1: one of the ports is pending; 0: none; or -XEN_EFAULT, -XEN_EINVAL. */
static long any_pending(struct domain *d, const sched_poll_t *p)
{
	evtchn_port_t port;
	long rc;

	for (unsigned int i = 0; i < p->nr_ports; i++) {
		if (copy_array_from_guest(&port, guest_handle(p->ports), i, 1))
			return -XEN_EFAULT;
		rc = evtchn_port_pending(d, port);
		if (rc)
			return rc;
		if (p->nr_ports == 1)
			current->poll_evtchn = (int)port;
	}
	return 0;
}

/*
 * Announce first, look then: an event that comes between is seen by either side. Leaving again undoes the announcement,
 * unless the event's sender did already.
 */
long hc_sched_poll(sched_poll_t *p)
{
	struct vcpu *v = current;
	struct domain *d = v->domain;
	long rc;

	if (p->nr_ports > POLL_MAX)
		return -XEN_EINVAL;
	if (!guest_range_ok(guest_handle(p->ports).va, p->nr_ports * sizeof(evtchn_port_t)))
		return -XEN_EFAULT;
	timer_stop(&v->poll_timer); /* of an earlier poll that an event ended */
	__atomic_fetch_or(&v->pause_flags, VPF_BLOCKED, __ATOMIC_SEQ_CST);
	v->poll_evtchn = -1;
	set_bit(v->id, &d->poll_mask);

	rc = evtchn_upcall_pending(v) ? 1 : any_pending(d, p);
	if (rc) {
		v->poll_evtchn = 0;
		clear_bit(v->id, &d->poll_mask);
		__atomic_fetch_and(&v->pause_flags, ~VPF_BLOCKED, __ATOMIC_SEQ_CST);
		return rc > 0 ? 0 : rc;
	}
	if (p->timeout)
		timer_set(&v->poll_timer, (s_time_t)MIN(p->timeout, (uint64_t)INT64_MAX));
	softirq_raise(SOFTIRQ_SCHEDULE);
	return 0;
}

long hc_sched_pin_override(struct sched_pin_override *p)
{
	struct vcpu *v = current;
	cpumask_t old = v->hard_affinity;
	int rc;

	if (p->pcpu < 0) {
		if (!v->pinned_over)
			return -XEN_EINVAL;
		v->pinned_over = false;
		return vcpu_set_hard_affinity(v, v->saved_affinity);
	}
	if (p->pcpu >= NR_CPUS || !((cpu_online.bits >> p->pcpu) & 1))
		return -XEN_EINVAL;
	if (v->pinned_over)
		return old.bits == BIT(p->pcpu) ? 0 : -XEN_EBUSY;
	rc = vcpu_set_hard_affinity(v, (cpumask_t){ BIT(p->pcpu) });
	if (rc == 0) {
		v->saved_affinity = old;
		v->pinned_over = true;
	}
	return rc;
}

#define SUBOP(table, cmd, handler, type, flags) SUBOP_##table(cmd, handler, type, flags)
#define SUBOP_evtchn(cmd, handler, type, fl)
#define SUBOP_physdev(cmd, handler, type, fl)
#define SUBOP_sched(cmd, handler, type, fl)                                                    \
	[cmd] = { (long (*)(void *))(const void *)(handler), (fl)&HC_NOARG ? 0 : sizeof(type), \
		  (fl) },
#define HYPERCALL(nr, handler, nargs)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpointer-arith" /* sizeof(void), where there is no argument */
static const struct subop sched_ops[] = {
#include <hv/hypercalls.def>
};
#pragma GCC diagnostic pop
#undef SUBOP
#undef HYPERCALL

long hc_sched_op(unsigned long cmd, unsigned long arg)
{
	if (cmd == SCHEDOP_yield)
		return vcpu_yield();
	if (cmd == SCHEDOP_block) {
		vcpu_block_enable_events();
		return 0;
	}
	return subop_call(sched_ops, ARRAY_SIZE(sched_ops), cmd, guest_ptr(arg));
}

/* The old form: the argument is the shutdown reason itself. */
long hc_sched_op_compat(unsigned long cmd, unsigned long arg)
{
	if (cmd == SCHEDOP_yield)
		return vcpu_yield();
	if (cmd == SCHEDOP_block) {
		vcpu_block_enable_events();
		return 0;
	}
	if (cmd == SCHEDOP_shutdown) {
		domain_shutdown(current->domain, (uint8_t)arg);
		return 0;
	}
	return -XEN_ENOSYS;
}
