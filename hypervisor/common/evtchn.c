// SPDX-License-Identifier: BSD-2-Clause
/*
 * Event channels: hypercalls, sending, virtual and physical interrupts.
 *
 * Locks, outermost first: event_lock of a domain (two: lower address first) guards binding and closing; a channel's lock guards
 * its state and peer against senders, interrupts off (two: lower address first); a vcpu's virq_lock, interrupts off, lets
 * virtual interrupts be raised without either. A sender holds its own end only: closing either end takes both, so the peer
 * cannot go away meanwhile.
 */
#include <hv/evtchn.h>
#include <hv/domain.h>
#include <hv/heap.h>
#include <hv/hypercall.h>
#include <hv/irq.h>
#include <hv/sched.h>
#include <hv/smp.h>

/* ---- a channel's lock: a bare ticket lock, for it is on the path of each event */
static inline void chan_lock(struct evtchn *c)
{
	uint16_t t = __atomic_fetch_add(&c->lock_next, 1, __ATOMIC_RELAXED);

	while (__atomic_load_n(&c->lock_now, __ATOMIC_ACQUIRE) != t)
		asm volatile("pause");
}

static inline void chan_unlock(struct evtchn *c)
{
	__atomic_store_n(&c->lock_now, (uint16_t)(c->lock_now + 1), __ATOMIC_RELEASE);
}

static uint64_t lock_pair(struct evtchn *a, struct evtchn *b)
{
	uint64_t flags = irq_save();

	chan_lock(a < b ? a : b);
	chan_lock(a < b ? b : a);
	return flags;
}

static void unlock_pair(struct evtchn *a, struct evtchn *b, uint64_t flags)
{
	chan_unlock(a);
	chan_unlock(b);
	irq_restore(flags);
}

static void lock_events(struct domain *a, struct domain *b)
{
	if (a == b) {
		spin_lock(&a->event_lock);
		return;
	}
	spin_lock(a < b ? &a->event_lock : &b->event_lock);
	spin_lock(a < b ? &b->event_lock : &a->event_lock);
}

static void unlock_events(struct domain *a, struct domain *b)
{
	spin_unlock(&a->event_lock);
	if (a != b)
		spin_unlock(&b->event_lock);
}

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

static void clear_pending(struct domain *d, struct evtchn *c)
{
	if (d->fifo)
		fifo_clear_pending(d, c);
	else
		clear_bit(c->port, d->shared_info->evtchn_pending);
}

int evtchn_port_pending(struct domain *d, evtchn_port_t port)
{
	struct evtchn *c = evtchn_chan(&d->evtchn, port);
	bool pending = false;
	uint64_t flags;

	if (!c)
		return -XEN_EINVAL;
	flags = irq_save();
	chan_lock(c);
	if (evtchn_in_use(c))
		pending = d->fifo ? fifo_is_pending(d, port)
				  : test_bit(port, d->shared_info->evtchn_pending);
	chan_unlock(c);
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
	chan_lock(c);
	if (likely(c->state == ECS_INTERDOMAIN))
		set_pending(c->u.remote.dom, c->u.remote.chan);
	else if (c->state == ECS_IPI)
		set_pending(d, c);
	else if (c->state != ECS_UNBOUND) /* nobody listens yet: dropped */
		rc = -XEN_EINVAL;
	chan_unlock(c);
	irq_restore(flags);
	return rc;
}

static bool virq_is_global(uint32_t virq)
{
	return virq != VIRQ_TIMER && virq != VIRQ_DEBUG && virq != VIRQ_XENOPROF &&
	       virq != VIRQ_XENPMU;
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
	chan_lock(c);
	if (c->state == ECS_PIRQ && c->u.pirq == pirq)
		set_pending(d, c);
	chan_unlock(c);
	irq_restore(flags);
}

/* ---- ports */
static bool port_busy(uint32_t port, void *arg)
{
	const struct domain *d = arg;

	return d->fifo && fifo_is_busy(d, port);
}

/* A free port of d. event_lock held. 0, -XEN_EINVAL: dying, -XEN_ENOSPC, -XEN_ENOMEM. */
static long get_free_port(struct domain *d, struct evtchn **out)
{
	struct evtchn *chunk;
	int rc;

	if (d->dying != DOM_ALIVE)
		return -XEN_EINVAL;
	while ((rc = evtchn_find_free(&d->evtchn, port_busy, d, out)) == EVTCHN_GROW) {
		chunk = hv_alloc_pages(0);
		if (!chunk)
			return -XEN_ENOMEM;
		evtchn_add_chunk(&d->evtchn, chunk);
	}
	return rc;
}

/* The domain an operation names: own, or another's with the right to it. 0 and a reference. */
static long get_target(domid_t id, struct domain **out)
{
	struct domain *d = get_domain_or_self(id);

	if (!d)
		return -XEN_ESRCH;
	if (d != current->domain && !current_is_privileged() && current->domain->target != d) {
		put_domain(d);
		return -XEN_EPERM;
	}
	*out = d;
	return 0;
}

long hc_evtchn_alloc_unbound(evtchn_alloc_unbound_t *a)
{
	struct domain *d;
	struct evtchn *c;
	uint64_t flags;
	long rc = get_target(a->dom, &d);

	if (rc)
		return rc;
	spin_lock(&d->event_lock);
	rc = get_free_port(d, &c);
	if (rc == 0) {
		flags = irq_save();
		chan_lock(c);
		evtchn_open_unbound(&d->evtchn, c,
				    a->remote_dom == DOMID_SELF ? current->domain->id
								: a->remote_dom);
		chan_unlock(c);
		irq_restore(flags);
		a->port = c->port;
	}
	spin_unlock(&d->event_lock);
	put_domain(d);
	return rc;
}

long hc_evtchn_bind_interdomain(evtchn_bind_interdomain_t *b)
{
	struct domain *ld = current->domain, *rd;
	struct evtchn *lc, *rc;
	uint64_t flags;
	long ret;

	rd = get_domain_or_self(b->remote_dom);
	if (!rd)
		return -XEN_ESRCH;
	lock_events(ld, rd);
	ret = get_free_port(ld, &lc);
	if (ret)
		goto unlock;
	rc = evtchn_chan(&rd->evtchn, b->remote_port);
	if (!rc || rc->state != ECS_UNBOUND || rc->u.unbound_for != ld->id) {
		ret = -XEN_EINVAL;
		goto unlock;
	}
	flags = lock_pair(lc, rc);
	evtchn_connect(&ld->evtchn, lc, ld, rc, rd);
	/* The other end may have sent while nobody listened: let this end look once. */
	set_pending(ld, lc);
	unlock_pair(lc, rc, flags);
	b->local_port = lc->port;
unlock:
	unlock_events(ld, rd);
	put_domain(rd);
	return ret;
}

static void open_bound(struct domain *d, struct evtchn *c, enum evtchn_state state, uint32_t what,
		       unsigned int vcpu)
{
	uint64_t flags = irq_save();

	chan_lock(c);
	evtchn_open_bound(&d->evtchn, c, state, what);
	c->notify_vcpu = (uint16_t)vcpu;
	chan_unlock(c);
	irq_restore(flags);
}

long hc_evtchn_bind_virq(evtchn_bind_virq_t *b)
{
	struct domain *d = current->domain;
	struct vcpu *v;
	struct evtchn *c;
	uint64_t flags;
	long rc;

	if (b->virq >= NR_VIRQS)
		return -XEN_EINVAL;
	if (virq_is_global(b->virq) && b->vcpu != 0)
		return -XEN_EINVAL;
	v = domain_vcpu(d, b->vcpu);
	if (!v)
		return -XEN_ENOENT;
	spin_lock(&d->event_lock);
	rc = v->virq_to_evtchn[b->virq] ? -XEN_EEXIST : get_free_port(d, &c);
	if (rc == 0) {
		open_bound(d, c, ECS_VIRQ, b->virq, b->vcpu);
		b->port = c->port;
		flags = spin_lock_irqsave(&v->virq_lock);
		v->virq_to_evtchn[b->virq] = c->port;
		spin_unlock_irqrestore(&v->virq_lock, flags);
	}
	spin_unlock(&d->event_lock);
	return rc;
}

long hc_evtchn_bind_ipi(evtchn_bind_ipi_t *b)
{
	struct domain *d = current->domain;
	struct evtchn *c;
	long rc;

	if (!domain_vcpu(d, b->vcpu))
		return -XEN_ENOENT;
	spin_lock(&d->event_lock);
	rc = get_free_port(d, &c);
	if (rc == 0) {
		open_bound(d, c, ECS_IPI, 0, b->vcpu);
		b->port = c->port;
	}
	spin_unlock(&d->event_lock);
	return rc;
}

long hc_evtchn_bind_pirq(evtchn_bind_pirq_t *b)
{
	struct domain *d = current->domain;
	struct vcpu *v = domain_vcpu(d, 0);
	struct evtchn *c;
	int irq;
	long rc;

	if (b->pirq >= d->nr_pirqs || !v)
		return -XEN_EINVAL;
	spin_lock(&d->event_lock);
	irq = pirq_to_irq(d, b->pirq);
	if (irq < 0 ||
	    (!d->is_hardware && !rangeset_contains(d->irq_caps, (uint64_t)irq, (uint64_t)irq))) {
		spin_unlock(&d->event_lock);
		return -XEN_EPERM;
	}
	rc = pirq_evtchn(d, b->pirq) ? -XEN_EEXIST : get_free_port(d, &c);
	if (rc == 0) {
		/* The state first: the interrupt may come as soon as it is bound. */
		open_bound(d, c, ECS_PIRQ, b->pirq, 0);
		pirq_set_evtchn(d, b->pirq, c->port);
		rc = pirq_guest_bind(v, b->pirq, b->flags & BIND_PIRQ__WILL_SHARE);
		if (rc == 0) {
			b->port = c->port;
		} else {
			uint64_t flags = irq_save();

			pirq_set_evtchn(d, b->pirq, 0);
			chan_lock(c);
			evtchn_set_free(&d->evtchn, c);
			chan_unlock(c);
			irq_restore(flags);
		}
	}
	spin_unlock(&d->event_lock);
	return rc;
}

/* ---- closing */
static void free_chan_locked(struct domain *d, struct evtchn *c)
{
	clear_pending(d, c);
	evtchn_set_free(&d->evtchn, c);
}

static void virq_forget(struct domain *d, const struct evtchn *c)
{
	struct vcpu *v;
	uint64_t flags;

	for_each_vcpu(d, v) {
		if (v->virq_to_evtchn[c->u.virq] != c->port)
			continue;
		flags = spin_lock_irqsave(&v->virq_lock);
		v->virq_to_evtchn[c->u.virq] = 0;
		spin_unlock_irqrestore(&v->virq_lock, flags);
	}
}

/*
 * An interdomain channel: both event locks are needed, and the peer is known only under ours. Called with ours held;
 * returns true, all locks as before, when closed; false, with ours dropped, when the caller must look again.
 */
static bool close_interdomain(struct domain *d, struct evtchn *c)
{
	struct domain *rd = c->u.remote.dom;
	struct evtchn *rc = c->u.remote.chan;
	uint64_t flags;

	if (rd != d && !spin_trylock(&rd->event_lock)) {
		get_domain(rd);
		spin_unlock(&d->event_lock);
		/* Wait until it is free, in the right order, then begin again. */
		lock_events(d, rd);
		unlock_events(d, rd);
		put_domain(rd);
		return false;
	}
	flags = lock_pair(c, rc);
	free_chan_locked(d, c);
	evtchn_peer_closed(rc, d->id);
	unlock_pair(c, rc, flags);
	if (rd != d)
		spin_unlock(&rd->event_lock);
	return true;
}

/* Close one port. No lock held. 0, or -XEN_EINVAL when it is not valid, free or reserved. */
static long evtchn_close(struct domain *d, evtchn_port_t port)
{
	struct evtchn *c = evtchn_chan(&d->evtchn, port);
	uint64_t flags;

	if (!c)
		return -XEN_EINVAL;
again:
	spin_lock(&d->event_lock);
	switch (c->state) {
	case ECS_FREE:
	case ECS_RESERVED:
		spin_unlock(&d->event_lock);
		return -XEN_EINVAL;
	case ECS_INTERDOMAIN:
		if (!close_interdomain(d, c))
			goto again;
		spin_unlock(&d->event_lock);
		return 0;
	case ECS_PIRQ:
		pirq_guest_unbind(d, c->u.pirq);
		pirq_set_evtchn(d, c->u.pirq, 0);
		break;
	case ECS_VIRQ:
		virq_forget(d, c);
		break;
	}
	flags = irq_save();
	chan_lock(c);
	free_chan_locked(d, c);
	chan_unlock(c);
	irq_restore(flags);
	spin_unlock(&d->event_lock);
	return 0;
}

long hc_evtchn_close(evtchn_close_t *a)
{
	return evtchn_close(current->domain, a->port);
}

long hc_evtchn_send(evtchn_send_t *a)
{
	return evtchn_send(current->domain, a->port);
}

/* ---- asking and changing */
long hc_evtchn_status(evtchn_status_t *s)
{
	struct domain *d;
	const struct evtchn *c;
	long rc = get_target(s->dom, &d);

	if (rc)
		return rc;
	c = evtchn_chan(&d->evtchn, s->port);
	if (!c) {
		put_domain(d);
		return -XEN_EINVAL;
	}
	spin_lock(&d->event_lock);
	switch (c->state) {
	case ECS_UNBOUND:
		s->status = EVTCHNSTAT_unbound;
		s->u.unbound.dom = c->u.unbound_for;
		break;
	case ECS_INTERDOMAIN:
		s->status = EVTCHNSTAT_interdomain;
		s->u.interdomain.dom = c->u.remote.dom->id;
		s->u.interdomain.port = c->u.remote.chan->port;
		break;
	case ECS_PIRQ:
		s->status = EVTCHNSTAT_pirq;
		s->u.pirq = c->u.pirq;
		break;
	case ECS_VIRQ:
		s->status = EVTCHNSTAT_virq;
		s->u.virq = c->u.virq;
		break;
	case ECS_IPI:
		s->status = EVTCHNSTAT_ipi;
		break;
	default:
		s->status = EVTCHNSTAT_closed;
		break;
	}
	s->vcpu = c->notify_vcpu;
	spin_unlock(&d->event_lock);
	put_domain(d);
	return 0;
}

long hc_evtchn_bind_vcpu(evtchn_bind_vcpu_t *b)
{
	struct domain *d = current->domain;
	struct vcpu *v = domain_vcpu(d, b->vcpu);
	struct evtchn *c;
	long rc = 0;

	if (!v)
		return -XEN_ENOENT;
	c = evtchn_chan(&d->evtchn, b->port);
	if (!c)
		return -XEN_EINVAL;
	spin_lock(&d->event_lock);
	switch (c->state) {
	case ECS_VIRQ:
		if (virq_is_global(c->u.virq))
			WRITE_ONCE(c->notify_vcpu, (uint16_t)b->vcpu);
		else
			rc = -XEN_EINVAL;
		break;
	case ECS_UNBOUND:
	case ECS_INTERDOMAIN:
		WRITE_ONCE(c->notify_vcpu, (uint16_t)b->vcpu);
		break;
	case ECS_PIRQ:
		if (c->notify_vcpu == b->vcpu)
			break;
		WRITE_ONCE(c->notify_vcpu, (uint16_t)b->vcpu);
		pirq_set_affinity(d, c->u.pirq, v);
		break;
	default:
		rc = -XEN_EINVAL;
		break;
	}
	spin_unlock(&d->event_lock);
	return rc;
}

long evtchn_unmask(struct domain *d, evtchn_port_t port)
{
	struct evtchn *c = evtchn_chan(&d->evtchn, port);
	struct vcpu *v;
	uint64_t flags;

	if (unlikely(!c))
		return -XEN_EINVAL;
	flags = irq_save();
	chan_lock(c);
	if (likely(evtchn_in_use(c))) {
		v = d->vcpu[c->notify_vcpu];
		if (d->fifo)
			fifo_unmask(d, v, c);
		else if (guest_test_and_clear_bit(port, d->shared_info->evtchn_mask) &&
			 test_bit(port, d->shared_info->evtchn_pending))
			level_select(v, port);
	}
	chan_unlock(c);
	irq_restore(flags);
	return 0;
}

long hc_evtchn_unmask(evtchn_unmask_t *a)
{
	return evtchn_unmask(current->domain, a->port);
}

long evtchn_reset(struct domain *d)
{
	if (d != current->domain && !d->controller_pause_count)
		return -XEN_EINVAL;
	for (uint32_t port = 1; port < READ_ONCE(d->evtchn.nr_ports); port++)
		(void)evtchn_close(d, port); /* -XEN_EINVAL: it was free */
	spin_lock(&d->event_lock);
	if (d->evtchn.active) {
		/* Another vcpu opens ports as fast as we close them. */
		spin_unlock(&d->event_lock);
		return -XEN_EAGAIN;
	}
	fifo_destroy(d);
	spin_unlock(&d->event_lock);
	return 0;
}

long hc_evtchn_reset(evtchn_reset_t *r)
{
	struct domain *d;
	long rc = get_target(r->dom, &d);

	if (rc)
		return rc;
	rc = evtchn_reset(d);
	put_domain(d);
	return rc;
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

		if (unlikely(copy_from_guest(&send, guest_ptr(arg), sizeof(send))))
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

/* ---- life cycle */
int evtchn_init(struct domain *d, uint32_t max_ports)
{
	struct evtchn *chunk = hv_alloc_pages(0);

	if (!chunk)
		return -XEN_ENOMEM;
	d->max_evtchn_port = MIN(max_ports, (uint32_t)INT32_MAX);
	evtchn_table_init(&d->evtchn, MIN(d->max_evtchn_port + 1, (uint32_t)EVTCHN_2L_NR_CHANNELS));
	evtchn_add_chunk(&d->evtchn, chunk);
	return 0;
}

int evtchn_destroy(struct domain *d)
{
	/* Dying: nobody opens ports any more. */
	while (d->evtchn.destroy_next < d->evtchn.nr_ports) {
		(void)evtchn_close(d,
				   d->evtchn.destroy_next++); /* free ones refuse, which is fine */
		if ((d->evtchn.destroy_next & 63) == 0 && preempt_needed())
			return -XEN_ERESTART;
	}
	spin_lock(&d->event_lock);
	fifo_destroy(d);
	spin_unlock(&d->event_lock);
	return 0;
}

void evtchn_free(struct domain *d)
{
	struct evtchn_domain *t = &d->evtchn;

	for (uint32_t i = 0; i < t->nr_ports >> EVTCHN_CHUNK_SHIFT; i++)
		hv_free_pages(t->dir[i], 0);
	if (t->dir != t->small)
		hv_free(t->dir);
	t->nr_ports = 0;
	t->dir = t->small;
}

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
