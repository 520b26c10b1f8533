// SPDX-License-Identifier: BSD-2-Clause
/* Event channels: ports opened, bound, asked about and closed. evtchn.c has the locks' order and everything of one event. */
#include <hv/evtchn.h>
#include <hv/domain.h>
#include <hv/heap.h>
#include <hv/hypercall.h>
#include <hv/irq.h>
#include <hv/softirq.h>

/* ---- locks of two */
static uint64_t lock_pair(struct evtchn *a, struct evtchn *b)
{
	uint64_t flags = irq_save();

	evtchn_lock(a < b ? a : b);
	evtchn_lock(a < b ? b : a);
	return flags;
}

static void unlock_pair(struct evtchn *a, struct evtchn *b, uint64_t flags)
{
	evtchn_unlock(a);
	evtchn_unlock(b);
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

static void clear_pending(struct domain *d, struct evtchn *c)
{
	if (d->fifo)
		fifo_clear_pending(d, c);
	else
		clear_bit(c->port, d->shared_info->evtchn_pending);
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
		evtchn_lock(c);
		evtchn_open_unbound(&d->evtchn, c,
				    a->remote_dom == DOMID_SELF ? current->domain->id
								: a->remote_dom);
		evtchn_unlock(c);
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
	evtchn_raise(ld, lc);
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

	evtchn_lock(c);
	evtchn_open_bound(&d->evtchn, c, state, what);
	c->notify_vcpu = (uint16_t)vcpu;
	evtchn_unlock(c);
	irq_restore(flags);
}

static bool virq_is_global(uint32_t virq)
{
	return virq != VIRQ_TIMER && virq != VIRQ_DEBUG && virq != VIRQ_XENOPROF &&
	       virq != VIRQ_XENPMU;
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
			evtchn_lock(c);
			evtchn_set_free(&d->evtchn, c);
			evtchn_unlock(c);
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
	evtchn_lock(c);
	free_chan_locked(d, c);
	evtchn_unlock(c);
	irq_restore(flags);
	spin_unlock(&d->event_lock);
	return 0;
}

long hc_evtchn_close(evtchn_close_t *a)
{
	return evtchn_close(current->domain, a->port);
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

/* ---- closing all */
#define CLOSE_AT_ONCE 64 /* ports between two looks for other work; a power of 2 */

/*
 * Close every port of d and leave the FIFO ABI. 0, -XEN_ERESTART: call again, or -XEN_EAGAIN: a port was opened behind our
 * back. Two callers at once share the place where to go on; at worst one of them looks at ports twice, or gets -XEN_EAGAIN.
 */
static long close_all(struct domain *d)
{
	struct evtchn_domain *t = &d->evtchn;
	uint32_t port;
	long rc;

	while ((port = READ_ONCE(t->close_next)) < READ_ONCE(t->nr_ports)) {
		(void)evtchn_close(d, port++); /* -XEN_EINVAL: it was free */
		WRITE_ONCE(t->close_next, port);
		if (!(port % CLOSE_AT_ONCE) && preempt_needed())
			return -XEN_ERESTART;
	}
	spin_lock(&d->event_lock);
	rc = t->active ? -XEN_EAGAIN : fifo_destroy(d);
	if (rc != -XEN_ERESTART)
		WRITE_ONCE(t->close_next, 0);
	spin_unlock(&d->event_lock);
	return rc;
}

long hc_evtchn_reset(evtchn_reset_t *r)
{
	struct domain *d;
	long rc = get_target(r->dom, &d);

	if (rc)
		return rc;
	rc = d == current->domain || d->controller_pause_count ? close_all(d) : -XEN_EINVAL;
	put_domain(d);
	/* The caller's own registers name the same operation again. */
	return rc == -XEN_ERESTART ? hypercall_continue(__HYPERVISOR_event_channel_op, 0) : rc;
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
	/* Dying: nobody opens ports any more. A reset that was under way may have left some behind its place. */
	return close_all(d) ? -XEN_ERESTART : 0;
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
