/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PURE timer queue: a leftist heap of nodes that live in their timers, so no memory is ever needed and
 * every operation is O(log n) in the worst case.
 *
 *        10            the node with the least expiry is the root
 *       /  \           rank: nodes on the way right until a place is empty
 *     20    15         rank(left) >= rank(right): the right-most path is short,
 *    /  \              and merging walks right-most paths only
 *   30  25
 */
#ifndef HV_TIMER_CORE_H
#define HV_TIMER_CORE_H

#include <hv/types.h>

struct timer_node {
	s_time_t expires;
	struct timer_node *left, *right, *parent;
	uint32_t rank; /* 0 = not queued */
};

struct timer_queue {
	struct timer_node *root;
	uint32_t count;
};

/* The node that expires first, NULL when the queue is empty. */
static inline struct timer_node *timerq_first(const struct timer_queue *q)
{
	return q->root;
}
static inline bool timerq_queued(const struct timer_node *n)
{
	return n->rank != 0;
}
/* Add n, which is in no queue. True when it is now the first. */
bool timerq_insert(struct timer_queue *q, struct timer_node *n);
/* Take n, which is in q, out. */
void timerq_remove(struct timer_queue *q, struct timer_node *n);
/* The first node if it expires at or before `now`, taken out; else NULL. */
struct timer_node *timerq_pop_due(struct timer_queue *q, s_time_t now);
/* Are order, ranks, links and count what they should be? For tests. */
bool timerq_check(const struct timer_queue *q);

#endif
