// SPDX-License-Identifier: BSD-2-Clause
// Event-channel ports: allocation and the moves between states.
#include <hv/evtchn_core.h>
#include <hv/lib.h>
#include <xen/xen.h>
#include <xen/event_channel.h>

#define LINK_TRIES 16

void evtchn_table_init(struct evtchn_domain *t, uint32_t limit)
{
	memset(t, 0, sizeof(*t));
	t->dir = t->small;
	t->limit = limit;
}

int evtchn_find_free(struct evtchn_domain *t, bool (*busy)(uint32_t port, void *arg), void *arg,
		     struct evtchn **out)
{
	bool lowest = true; /* every port so far is in use: the hint may follow */
	uint32_t port, end = MIN(t->nr_ports, t->limit);

	for (port = t->free_hint; port < end; port++) {
		struct evtchn *c = evtchn_chan(t, port);

		if (c->state == ECS_FREE) {
			if (!busy || !busy(port, arg)) {
				*out = c;
				return 0;
			}
			lowest = false;
		}
		if (lowest)
			t->free_hint = port + 1;
	}
	return t->nr_ports < t->limit ? EVTCHN_GROW : -XEN_ENOSPC;
}

void evtchn_add_chunk(struct evtchn_domain *t, struct evtchn *chunk)
{
	uint32_t first = t->nr_ports;

	for (uint32_t i = 0; i < EVTCHN_CHUNK; i++) {
		chunk[i].port = first + i;
		chunk[i].priority = chunk[i].last_priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
	}
	if (first == 0)
		chunk[0].state = ECS_RESERVED;
	t->dir[first >> EVTCHN_CHUNK_SHIFT] = chunk;
	__atomic_store_n(&t->nr_ports, first + EVTCHN_CHUNK, __ATOMIC_RELEASE);
}

void evtchn_use_big_dir(struct evtchn_domain *t, struct evtchn **dir)
{
	memcpy(dir, t->small, sizeof(t->small));
	__atomic_store_n(&t->dir, dir, __ATOMIC_RELEASE);
}

static void open_chan(struct evtchn_domain *t, struct evtchn *c, enum evtchn_state state)
{
	ASSERT(c->state == ECS_FREE);
	c->notify_vcpu = 0;
	c->pending = 0;
	c->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
	__atomic_store_n(&c->state, (uint8_t)state, __ATOMIC_RELEASE);
	t->active++;
}

void evtchn_open_unbound(struct evtchn_domain *t, struct evtchn *c, uint16_t remote)
{
	c->u.unbound_for = remote;
	open_chan(t, c, ECS_UNBOUND);
}

void evtchn_open_bound(struct evtchn_domain *t, struct evtchn *c, enum evtchn_state state,
		       uint32_t what)
{
	ASSERT(state == ECS_PIRQ || state == ECS_VIRQ || state == ECS_IPI);
	c->u.virq = what; /* the same place as pirq */
	open_chan(t, c, state);
}

void evtchn_connect(struct evtchn_domain *lt, struct evtchn *lc, struct domain *ld,
		    struct evtchn *rc, struct domain *rd)
{
	ASSERT(rc->state == ECS_UNBOUND && rc != lc);
	lc->u.remote.dom = rd;
	lc->u.remote.chan = rc;
	open_chan(lt, lc, ECS_INTERDOMAIN);
	rc->u.remote.dom = ld;
	rc->u.remote.chan = lc;
	rc->state = ECS_INTERDOMAIN;
}

void evtchn_peer_closed(struct evtchn *c, uint16_t by)
{
	ASSERT(c->state == ECS_INTERDOMAIN);
	c->state = ECS_UNBOUND;
	c->u.remote.chan = NULL;
	c->u.remote.dom = NULL;
	c->u.unbound_for = by;
}

void evtchn_set_free(struct evtchn_domain *t, struct evtchn *c)
{
	ASSERT(c->state > ECS_RESERVED);
	c->state = ECS_FREE;
	c->notify_vcpu = 0;
	c->pending = 0;
	c->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
	t->active--;
	t->free_hint = MIN(t->free_hint, c->port);
}

bool evtchn_table_check(const struct evtchn_domain *t, const struct domain *self)
{
	uint32_t active = 0;

	for (uint32_t port = 0; port < t->nr_ports; port++) {
		const struct evtchn *c = evtchn_chan(t, port);

		if (c->port != port || (c->state == ECS_RESERVED) != (port == 0))
			return false;
		if (c->state == ECS_FREE && port < t->free_hint)
			return false;
		if (c->state == ECS_INTERDOMAIN && (c->u.remote.chan->state != ECS_INTERDOMAIN ||
						    c->u.remote.chan->u.remote.chan != c ||
						    c->u.remote.chan->u.remote.dom != self))
			return false;
		active += c->state > ECS_RESERVED;
	}
	return active == t->active;
}

bool evtchn_fifo_link(uint32_t *tail, uint32_t port)
{
	uint32_t w = READ_ONCE(*tail);

	for (int i = 0; i < LINK_TRIES; i++) {
		if (!(w & (1u << EVTCHN_FIFO_LINKED)))
			return false;
		if (__atomic_compare_exchange_n(tail, &w,
						(w & ~(uint32_t)EVTCHN_FIFO_LINK_MASK) | port,
						false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			return true;
	}
	/* BUSY asks the guest to leave the word alone for a moment. */
	w = __atomic_or_fetch(tail, 1u << EVTCHN_FIFO_BUSY, __ATOMIC_SEQ_CST);
	for (int i = 0; i < LINK_TRIES; i++) {
		bool linked = w & (1u << EVTCHN_FIFO_LINKED);
		uint32_t next = linked ? (w & ~(uint32_t)EVTCHN_FIFO_LINK_MASK) | port : w;

		if (__atomic_compare_exchange_n(tail, &w, next & ~(1u << EVTCHN_FIFO_BUSY), false,
						__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			return linked;
	}
	__atomic_and_fetch(tail, ~(1u << EVTCHN_FIFO_BUSY), __ATOMIC_SEQ_CST);
	return true;
}
