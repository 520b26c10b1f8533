/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PURE scheduler policy: proportional share by weighted time, with caps. A run queue per CPU.
 *
 * Each vcpu's `vtime` is the time it has had, stretched by 256/weight. The queue is sorted by it; the vcpu that has
 * had least runs next, and keeps the CPU until it is SCHED_MARGIN ahead of the first in the queue:
 *
 *   queue clock        A runs             A is MARGIN ahead of B: switch
 *   |---- B ----|------ A ------------------>|
 *               |<---------- slice --------->|
 *
 * A sleeper comes back at most SCHED_BONUS behind the queue's clock: enough to preempt, not enough to starve others.
 * Time is ns, passed in. Locks are the caller's: one per queue; a domain's budget is changed atomically.
 */
#ifndef HV_SCHED_CORE_H
#define HV_SCHED_CORE_H

#include <hv/types.h>

#define SCHED_WEIGHT_DEFAULT 256
#define SCHED_MARGIN	     3000000 /* ns of weight 256 */
#define SCHED_BONUS	     6000000
#define SCHED_SLICE_MIN	     500000
#define SCHED_SLICE_MAX	     10000000
#define SCHED_CAP_PERIOD     10000000

/* Embedded in struct domain. Weight and cap may be written at any time. */
struct sched_domain {
	uint16_t weight; /* 0 counts as the default */
	uint16_t cap; /* hundredths of a CPU in all; 0: none */
	uint16_t scaled_for; /* the weight that `scale` belongs to */
	uint32_t scale; /* 256/weight in 16.16 */
	int64_t budget; /* ns left in this period, when there is a cap */
	s_time_t refill_at;
};

/* Embedded in struct vcpu. */
struct sched_vcpu {
	int64_t vtime;
	s_time_t charged_at; /* running: paid for up to here */
	struct sched_vcpu *next, *prev;
	struct sched_queue *home; /* whose clock vtime is measured by */
	struct sched_domain *dom;
	uint16_t load; /* its weight when it was queued, as counted in home->weight */
	uint8_t queued; /* waiting in home */
	uint8_t yielded; /* let others go first, once */
	uint8_t migrate; /* leaving its CPU: place it anew once its state is saved */
};

struct sched_queue {
	struct sched_vcpu *first, *last; /* waiting, ascending vtime */
	int64_t clock; /* never goes back; about the least vtime here */
	uint32_t nr; /* waiting */
	uint32_t weight; /* sum of the waiting ones' weights */
};

struct sched_choice {
	struct sched_vcpu *next; /* NULL: idle */
	s_time_t again_at; /* choose again by then at the latest; 0: no need */
};

uint32_t sched_weight(const struct sched_domain *d);
/* Into q, by vtime, moved over from the clock of the queue it was in last. */
void sched_enqueue(struct sched_queue *q, struct sched_vcpu *u);
/* Out of its queue, which must be q. */
void sched_dequeue(struct sched_queue *q, struct sched_vcpu *u);
/* u has run from charged_at to now. */
void sched_charge(struct sched_vcpu *u, s_time_t now);
/*
 * Who is to run on q's CPU from now on: curr (charged, not queued; NULL when it is idle or may not go on) or one of
 * the queue. The chosen one is taken out of the queue; the caller puts curr in when it loses.
 */
struct sched_choice sched_choose(struct sched_queue *q, struct sched_vcpu *curr, s_time_t now);
/* Should u, just put into q, displace curr at once? */
bool sched_preempts(const struct sched_vcpu *u, const struct sched_vcpu *curr, s_time_t now);
/* May u's domain spend time now? Refills its budget when that is due. */
bool sched_in_budget(struct sched_domain *d, s_time_t now);
/* First waiting vcpu that `may` admits and whose domain is within budget; not taken out. NULL: none. */
struct sched_vcpu *sched_find(struct sched_queue *q, s_time_t now,
			      bool (*may)(const struct sched_vcpu *u, void *arg), void *arg);
/* Would moving u from a queue whose load (weights of all who are there) is `mine` to one of `other` even them out? */
static inline bool sched_should_move(uint32_t weight, uint32_t mine, uint32_t other)
{
	return other < mine && other + weight <= mine;
}
/* Is the queue sorted, linked, counted right? For tests. */
bool sched_queue_check(const struct sched_queue *q);

#endif
