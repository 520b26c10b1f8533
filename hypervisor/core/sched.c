// SPDX-License-Identifier: BSD-2-Clause
// Scheduler policy: who runs next on a CPU, and for how long.
#include <hv/sched_core.h>

uint32_t sched_weight(const struct sched_domain *d)
{
	uint16_t w = READ_ONCE(d->weight);

	return w ? w : SCHED_WEIGHT_DEFAULT;
}

/* 256/weight in 16.16. The division is done only when the weight has changed. */
static uint32_t weight_scale(struct sched_domain *d)
{
	uint16_t w = (uint16_t)sched_weight(d);

	if (unlikely(d->scaled_for != w)) {
		d->scale = (SCHED_WEIGHT_DEFAULT << 16) / w;
		d->scaled_for = w;
	}
	return d->scale;
}

void sched_enqueue(struct sched_queue *q, struct sched_vcpu *u)
{
	struct sched_vcpu *after;

	if (u->home != q) {
		if (u->home)
			u->vtime += q->clock - READ_ONCE(u->home->clock);
		else
			u->vtime = q->clock;
		u->home = q;
	}
	/* Bounds: sleep is no savings account, and a debt made elsewhere does not starve it here. */
	u->vtime = MAX(u->vtime, q->clock - SCHED_BONUS);
	u->vtime = MIN(u->vtime, q->clock + 16 * SCHED_SLICE_MAX);

	for (after = q->last; after && after->vtime > u->vtime; after = after->prev)
		;
	u->prev = after;
	u->next = after ? after->next : q->first;
	if (u->next)
		u->next->prev = u;
	else
		q->last = u;
	if (after)
		after->next = u;
	else
		q->first = u;
	u->queued = 1;
	u->load = (uint16_t)sched_weight(u->dom);
	q->nr++;
	q->weight += u->load;
}

void sched_dequeue(struct sched_queue *q, struct sched_vcpu *u)
{
	if (u->prev)
		u->prev->next = u->next;
	else
		q->first = u->next;
	if (u->next)
		u->next->prev = u->prev;
	else
		q->last = u->prev;
	u->next = u->prev = NULL;
	u->queued = 0;
	q->nr--;
	q->weight -= u->load;
}

void sched_charge(struct sched_vcpu *u, s_time_t now)
{
	int64_t ran = now - u->charged_at;

	if (ran <= 0)
		return;
	u->charged_at = now;
	u->vtime += (int64_t)(((uint64_t)ran * weight_scale(u->dom)) >> 16);
	if (unlikely(u->dom->cap))
		__atomic_fetch_sub(&u->dom->budget, ran, __ATOMIC_RELAXED);
}

bool sched_in_budget(struct sched_domain *d, s_time_t now)
{
	uint16_t cap = READ_ONCE(d->cap);
	s_time_t due = READ_ONCE(d->refill_at);
	int64_t quota, left, full;

	if (likely(!cap))
		return true;
	/* One CPU refills, whoever moves the date. */
	if (now >= due && __atomic_compare_exchange_n(&d->refill_at, &due, now + SCHED_CAP_PERIOD,
						      false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
		quota = (int64_t)cap * (SCHED_CAP_PERIOD / 100);
		left = READ_ONCE(d->budget);
		do {
			full = left > 0 || now - due > 16 * (s_time_t)SCHED_CAP_PERIOD
				       ? quota
				       : left + quota;
		} while (!__atomic_compare_exchange_n(&d->budget, &left, full, false,
						      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	}
	return READ_ONCE(d->budget) > 0;
}

/* The earlier of two times, where 0 is never. */
static s_time_t earlier(s_time_t a, s_time_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* Real time that u may run until it is SCHED_MARGIN ahead of `rival`. */
static s_time_t slice(const struct sched_vcpu *u, const struct sched_vcpu *rival)
{
	int64_t v = rival->vtime + SCHED_MARGIN - u->vtime;
	s_time_t t = (v * (int64_t)sched_weight(u->dom)) / SCHED_WEIGHT_DEFAULT;

	t = MIN(t, SCHED_SLICE_MAX);
	return MAX(t, SCHED_SLICE_MIN);
}

struct sched_choice sched_choose(struct sched_queue *q, struct sched_vcpu *curr, s_time_t now)
{
	struct sched_choice c = { NULL, 0 };
	struct sched_vcpu *best = NULL, *rival;
	bool yielded = curr && curr->yielded;
	int64_t least;

	if (curr) {
		curr->yielded = 0;
		if (!sched_in_budget(curr->dom, now)) {
			c.again_at = curr->dom->refill_at;
			curr = NULL;
		}
	}
	for (rival = q->first; rival; rival = rival->next) {
		if (!sched_in_budget(rival->dom, now)) {
			c.again_at = earlier(c.again_at, rival->dom->refill_at);
		} else if (!best) {
			best = rival;
		} else {
			break;
		}
	}
	if (curr && (!best || (!yielded && curr->vtime <= best->vtime + SCHED_MARGIN))) {
		c.next = curr;
		rival = best;
	} else if (best) {
		c.next = best;
		sched_dequeue(q, best);
		/* curr goes back into the queue: it is a rival too. */
		if (curr && (!rival || curr->vtime < rival->vtime))
			rival = curr;
	}
	if (!c.next)
		return c;
	least = rival ? MIN(c.next->vtime, rival->vtime) : c.next->vtime;
	q->clock = MAX(q->clock, least);
	c.next->charged_at = now;
	if (rival)
		c.again_at = earlier(c.again_at, now + slice(c.next, rival));
	if (unlikely(c.next->dom->cap))
		c.again_at = earlier(c.again_at, now + MAX(READ_ONCE(c.next->dom->budget),
							   SCHED_SLICE_MIN / 2));
	return c;
}

bool sched_preempts(const struct sched_vcpu *u, const struct sched_vcpu *curr, s_time_t now)
{
	/* curr's vtime is as of charged_at; that it has run since is close enough unscaled. */
	return curr->vtime + (now - curr->charged_at) > u->vtime + SCHED_MARGIN;
}

struct sched_vcpu *sched_find(struct sched_queue *q, s_time_t now,
			      bool (*may)(const struct sched_vcpu *u, void *arg), void *arg)
{
	struct sched_vcpu *u;

	for (u = q->first; u; u = u->next)
		if (may(u, arg) && sched_in_budget(u->dom, now))
			return u;
	return NULL;
}

bool sched_queue_check(const struct sched_queue *q)
{
	const struct sched_vcpu *u, *prev = NULL;
	uint32_t nr = 0, weight = 0;

	for (u = q->first; u; prev = u, u = u->next) {
		nr++;
		weight += u->load;
		if (u->prev != prev || !u->queued || u->home != q)
			return false;
		if (prev && prev->vtime > u->vtime)
			return false;
	}
	return q->last == prev && q->nr == nr && q->weight == weight;
}
