// SPDX-License-Identifier: BSD-2-Clause
/*
 * Event channels: sending, virtual and physical interrupts, the hypercall; evtchn_bind.c opens and closes ports.
 *
 * Locks, outermost first: event_lock of a domain (two: lower address first) guards binding and closing; a channel's lock guards
 * its state and peer against senders, interrupts off (two: lower address first); a vcpu's virq_lock, interrupts off, lets
 * virtual interrupts be raised without either. A sender holds its own end only: closing either end takes both, so the peer
 * cannot go away meanwhile.
 */
#include <hv/evtchn.h>
#include <hv/domain.h>
#include <hv/hypercall.h>
#include <hv/irq.h>
#include <hv/sched.h>
#include <hv/smp.h>

/* ---- telling a vcpu */
void vcpu_kick(struct vcpu *v)
{
	bool running = READ_ONCE(v->is_running);

	vcpu_unblock(v);
	/* On this CPU it looks for events on its way out. Elsewhere it must come in first. */
	if (running && v != current)
		smp_send_event((cpumask_t){ BIT(READ_ONCE(v->processor)) });
}

void vcpu_mark_events_pending(struct vcpu *v)
{
	if (__atomic_exchange_n(&v->vcpu_info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST))
		return;
	vcpu_kick(v);
}

bool evtchn_upcall_pending(const struct vcpu *v)
{
	return READ_ONCE(v->vcpu_info->evtchn_upcall_pending) &&
	       !READ_ONCE(v->vcpu_info->evtchn_upcall_mask);
}

void evtchn_wake_pollers(struct domain *d, uint32_t port)
{
	unsigned int id;

	for_each_cpu(id, (cpumask_t){ READ_ONCE(d->poll_mask) }) {
		struct vcpu *v = d->vcpu[id];
		int polled = READ_ONCE(v->poll_evtchn);

		if ((polled <= 0 || (uint32_t)polled == port) &&
		    test_and_clear_bit(id, &d->poll_mask)) {
			v->poll_evtchn = 0;
			vcpu_unblock(v);
		}
	}
}

/* ---- the 2-level ABI: bits in shared_info */
static inline void level_select(struct vcpu *v, uint32_t port)
{
	if (likely(v) && !guest_test_and_set_bit(port / 64, &v->vcpu_info->evtchn_pending_sel))
		vcpu_mark_events_pending(v);
}

static inline void level_set_pending(struct domain *d, struct vcpu *v, uint32_t port)
{
	shared_info_t *s = d->shared_info;

	if (guest_test_and_set_bit(port, s->evtchn_pending))
		return;
	if (!test_bit(port, s->evtchn_mask))
		level_select(v, port);
	if (unlikely(READ_ONCE(d->poll_mask)))
		evtchn_wake_pollers(d, port);
}

static inline void set_pending(struct domain *d, struct evtchn *c)
{
	struct vcpu *v = d->vcpu[READ_ONCE(c->notify_vcpu)];

	if (unlikely(d->fifo))
		fifo_set_pending(d, v, c);
	else
		level_set_pending(d, v, c->port);
}

void evtchn_raise(struct domain *d, struct evtchn *c)
{
	set_pending(d, c);
}

int evtchn_port_pending(struct domain *d, evtchn_port_t port)
{
	struct evtchn *c = evtchn_chan(&d->evtchn, port);
	bool pending = false;
	uint64_t flags;

	if (!c)
		return -XEN_EINVAL;
	flags = irq_save();
	evtchn_lock(c);
	if (evtchn_in_use(c))
		pending = d->fifo ? fifo_is_pending(d, port)
				  : test_bit(port, d->shared_info->evtchn_pending);
	evtchn_unlock(c);
	irq_restore(flags);
	return pending;
}

static bool is_masked(const struct domain *d, uint32_t port)
{
	return d->fifo ? fifo_is_masked(d, port) : test_bit(port, d->shared_info->evtchn_mask);
}

/* ---- sending */
int evtchn_send(struct domain *d, evtchn_port_t port)
{
	struct evtchn *c = evtchn_chan(&d->evtchn, port);
	uint64_t flags;
	int rc = 0;

	if (unlikely(!c))
		return -XEN_EINVAL;
	flags = irq_save();
	evtchn_lock(c);
	if (likely(c->state == ECS_INTERDOMAIN))
		set_pending(c->u.remote.dom, c->u.remote.chan);
	else if (c->state == ECS_IPI)
		set_pending(d, c);
	else if (c->state != ECS_UNBOUND) /* nobody listens yet: dropped */
		rc = -XEN_EINVAL;
	evtchn_unlock(c);
	irq_restore(flags);
	return rc;
}

void send_guest_vcpu_virq(struct vcpu *v, uint32_t virq)
{
	uint64_t flags = spin_lock_irqsave(&v->virq_lock);
	uint32_t port = v->virq_to_evtchn[virq];

	/* Closing the port takes it out of the table under this lock first. */
	if (port)
		set_pending(v->domain, evtchn_chan(&v->domain->evtchn, port));
	spin_unlock_irqrestore(&v->virq_lock, flags);
}

void send_guest_global_virq(struct domain *d, uint32_t virq)
{
	if (d && d->max_vcpus && d->vcpu[0])
		send_guest_vcpu_virq(d->vcpu[0], virq);
}

void send_guest_pirq(struct domain *d, uint32_t pirq)
{
	uint32_t port = pirq_evtchn(d, pirq);
	struct evtchn *c = port ? evtchn_chan(&d->evtchn, port) : NULL;
	uint64_t flags;

	if (!c)
		return;
	flags = irq_save();
	evtchn_lock(c);
	if (c->state == ECS_PIRQ && c->u.pirq == pirq)
		set_pending(d, c);
	evtchn_unlock(c);
	irq_restore(flags);
}

long hc_evtchn_send(evtchn_send_t *a)
{
	return evtchn_send(current->domain, a->port);
}

long evtchn_unmask(struct domain *d, evtchn_port_t port)
{
	struct evtchn *c = evtchn_chan(&d->evtchn, port);
	struct vcpu *v;
	uint64_t flags;

	if (unlikely(!c))
		return -XEN_EINVAL;
	flags = irq_save();
	evtchn_lock(c);
	if (likely(evtchn_in_use(c))) {
		v = d->vcpu[c->notify_vcpu];
		if (d->fifo)
			fifo_unmask(d, v, c);
		else if (guest_test_and_clear_bit(port, d->shared_info->evtchn_mask) &&
			 test_bit(port, d->shared_info->evtchn_pending))
			level_select(v, port);
	}
	evtchn_unlock(c);
	irq_restore(flags);
	return 0;
}

long hc_evtchn_unmask(evtchn_unmask_t *a)
{
	return evtchn_unmask(current->domain, a->port);
}

/* ---- the hypercalls */
#define SUBOP(table, cmd, handler, type, flags) SUBOP_##table(cmd, handler, type, flags)
#define SUBOP_evtchn(cmd, handler, type, fl) \
	[cmd] = { (long (*)(void *))(handler), sizeof(type), (fl) },
#define SUBOP_sched(cmd, handler, type, fl)
#define SUBOP_physdev(cmd, handler, type, fl)
#define HYPERCALL(nr, handler, nargs)
static const struct subop evtchn_ops[] = {
#include <hv/hypercalls.def>
};
#undef SUBOP
#undef HYPERCALL

long hc_event_channel_op(unsigned long cmd, unsigned long arg)
{
	if (likely(cmd == EVTCHNOP_send)) {
		evtchn_send_t send;

		_Static_assert(sizeof(send) == 4, "one word");
		if (unlikely(!guest_range_ok(arg, sizeof(send))) ||
		    unlikely(get_guest_4_raw(&send, arg)))
			return -XEN_EFAULT;
		return evtchn_send(current->domain, send.port);
	}
	return subop_call(evtchn_ops, ARRAY_SIZE(evtchn_ops), cmd, guest_ptr(arg));
}

/* The old form: command and arguments in one structure; the arguments are where a new call would have them. */
long hc_event_channel_op_compat(unsigned long arg)
{
	uint32_t cmd;

	if (copy_from_guest(&cmd, guest_ptr(arg), sizeof(cmd)))
		return -XEN_EFAULT;
	if (cmd > EVTCHNOP_unmask)
		return -XEN_ENOSYS;
	return hc_event_channel_op(cmd, arg + offsetof(evtchn_op_t, u));
}

/* ---- vcpus */
void evtchn_vcpu_init(struct vcpu *v)
{
	v->poll_evtchn = 0;
}

void evtchn_vcpu_destroy(struct vcpu *v)
{
	(void)v; /* its FIFO queues went with fifo_destroy() */
}

void evtchn_vcpu_info_moved(struct vcpu *v)
{
	/* A sender may have marked the old place after it was copied: have the guest look at everything. */
	WRITE_ONCE(v->vcpu_info->evtchn_upcall_pending, 1);
	__atomic_store_n(&v->vcpu_info->evtchn_pending_sel, ~0UL, __ATOMIC_SEQ_CST);
}

/* ---- debug keys */
static void dump_port(const struct domain *d, const struct evtchn *c)
{
	static const char *const names[] = { "free", "reserved", "unbound", "interdomain",
					     "pirq", "virq",	 "ipi" };
	bool pending = d->fifo ? fifo_is_pending(d, c->port)
			       : test_bit(c->port, d->shared_info->evtchn_pending);

	log_info("  %4u %c%c vcpu %u prio %u %s", c->port, pending ? 'p' : '-',
		 is_masked(d, c->port) ? 'm' : '-', c->notify_vcpu, c->priority, names[c->state]);
	if (c->state == ECS_INTERDOMAIN)
		log_info(" d%u port %u\n", c->u.remote.dom->id, c->u.remote.chan->port);
	else
		log_info(" %u\n", c->state == ECS_UNBOUND ? c->u.unbound_for : c->u.virq);
}

void evtchn_dump(void)
{
	uint64_t flags = spin_lock_irqsave(&domain_list_lock);

	for (struct domain *d = domain_list; d; d = d->next) {
		if (d->dying != DOM_ALIVE || !spin_trylock(&d->event_lock))
			continue;
		log_info("d%u: event channels, %s ABI (p pending, m masked)\n", d->id,
			 d->fifo ? "FIFO" : "2-level");
		for (uint32_t port = 1; port < d->evtchn.nr_ports; port++)
			if (evtchn_in_use(evtchn_chan(&d->evtchn, port)))
				dump_port(d, evtchn_chan(&d->evtchn, port));
		spin_unlock(&d->event_lock);
	}
	spin_unlock_irqrestore(&domain_list_lock, flags);
}

void virqs_dump(void)
{
	struct vcpu *v;
	uint64_t flags = spin_lock_irqsave(&domain_list_lock);

	for (struct domain *d = domain_list; d; d = d->next)
		for_each_vcpu(d, v)
			for (unsigned int i = 0; i < NR_VIRQS; i++)
				if (v->virq_to_evtchn[i])
					log_info("d%uv%u virq %u port %u\n", d->id, v->id, i,
						 v->virq_to_evtchn[i]);
	spin_unlock_irqrestore(&domain_list_lock, flags);
}
