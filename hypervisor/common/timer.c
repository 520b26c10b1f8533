// SPDX-License-Identifier: BSD-2-Clause
// Timers: a queue per CPU over core/timer.c, run in SOFTIRQ_TIMER.
#include <hv/time.h>
#include <hv/lib.h>
#include <hv/lock.h>
#include <hv/smp.h>
#include <hv/softirq.h>

/*
 *   none --init--> idle --set--> armed --due or stop--> idle
 *                    \             \
 *                     \-----kill----+--> dead: set and stop do nothing
 */
enum timer_state { TIMER_NONE, TIMER_IDLE, TIMER_ARMED, TIMER_DEAD };

#define LATE 1000000 /* ns: no CPU has interrupts off for so long */

/* One CPU's timers. The lock is taken with interrupts off; it is innermost. */
struct timer_cpu {
	spinlock_t lock;
	struct timer_queue queue;
	s_time_t programmed; /* when the hardware will fire; 0: it is off */
	struct timer *running; /* whose fn is being called */
} __aligned(64);

static struct timer_cpu timer_cpus[NR_CPUS];

static struct timer *timer_of(struct timer_node *n)
{
	return n ? container_of(n, struct timer, node) : NULL;
}

/* Lock the queue of t's CPU; t stays on it until the lock goes. */
static struct timer_cpu *timer_lock(const struct timer *t, uint64_t *flags)
{
	for (;;) {
		unsigned int cpu = READ_ONCE(t->cpu);
		struct timer_cpu *tc = &timer_cpus[cpu];

		*flags = spin_lock_irqsave(&tc->lock);
		if (likely(t->cpu == cpu))
			return tc;
		spin_unlock_irqrestore(&tc->lock, *flags);
	}
}

/*
 * The first expiry of the queue is `when`: have the hardware fire by then. A deadline that has moved back or gone
 * away is left programmed: it costs one early turn of timer_softirq(), which is rare, against a write each time.
 */
static void hw_program(struct timer_cpu *tc, unsigned int cpu, s_time_t when)
{
	if (tc->programmed && tc->programmed <= when) {
		/* An interrupt that is so late was lost: run what is due, which programs the hardware anew. */
		if (unlikely(tc->programmed < when - LATE) && tc->programmed < now() - LATE)
			softirq_raise_on(cpu, SOFTIRQ_TIMER);
		return;
	}
	if (cpu == smp_cpu()) {
		tc->programmed = when;
		hw_timer_set(when);
	} else {
		softirq_raise_on(cpu, SOFTIRQ_TIMER);
	}
}

void timer_init(struct timer *t, void (*fn)(void *), void *arg, unsigned int cpu)
{
	*t = (struct timer){ .fn = fn, .arg = arg, .cpu = cpu, .state = TIMER_IDLE };
}

void timer_set(struct timer *t, s_time_t expires)
{
	uint64_t flags;
	struct timer_cpu *tc = timer_lock(t, &flags);

	if (t->state == TIMER_ARMED)
		timerq_remove(&tc->queue, &t->node);
	if (t->state == TIMER_IDLE || t->state == TIMER_ARMED) {
		t->state = TIMER_ARMED;
		t->node.expires = MAX(expires, 1); /* 0 means "off" to the hardware */
		if (timerq_insert(&tc->queue, &t->node))
			hw_program(tc, t->cpu, t->node.expires);
	}
	spin_unlock_irqrestore(&tc->lock, flags);
}

/* Take t out of its queue if it is in. */
static void disarm(struct timer_cpu *tc, struct timer *t)
{
	if (t->state == TIMER_ARMED) {
		timerq_remove(&tc->queue, &t->node);
		t->state = TIMER_IDLE;
	}
}

void timer_stop(struct timer *t)
{
	uint64_t flags;
	struct timer_cpu *tc;

	if (READ_ONCE(t->state) != TIMER_ARMED)
		return;
	tc = timer_lock(t, &flags);
	disarm(tc, t);
	spin_unlock_irqrestore(&tc->lock, flags);
}

void timer_kill(struct timer *t)
{
	uint64_t flags;
	struct timer_cpu *tc;

	if (READ_ONCE(t->state) == TIMER_NONE)
		return;
	tc = timer_lock(t, &flags);
	disarm(tc, t);
	t->state = TIMER_DEAD;
	spin_unlock_irqrestore(&tc->lock, flags);

	/* Its fn may be running on another CPU, or further up on this CPU's stack. */
	for (unsigned int i = 0; i < NR_CPUS; i++)
		while (i != smp_cpu() && READ_ONCE(timer_cpus[i].running) == t)
			asm volatile("pause" ::: "memory");
}

void timer_migrate(struct timer *t, unsigned int cpu)
{
	unsigned int old;
	uint64_t flags;

	if (READ_ONCE(t->state) == TIMER_NONE)
		return;
	for (;;) {
		old = READ_ONCE(t->cpu);
		if (old == cpu)
			return;
		flags = irq_save();
		spin_lock(&timer_cpus[MIN(old, cpu)].lock);
		spin_lock(&timer_cpus[MAX(old, cpu)].lock);
		if (t->cpu == old)
			break;
		spin_unlock(&timer_cpus[MAX(old, cpu)].lock);
		spin_unlock(&timer_cpus[MIN(old, cpu)].lock);
		irq_restore(flags);
	}
	if (t->state == TIMER_ARMED)
		timerq_remove(&timer_cpus[old].queue, &t->node);
	t->cpu = cpu;
	if (t->state == TIMER_ARMED && timerq_insert(&timer_cpus[cpu].queue, &t->node))
		hw_program(&timer_cpus[cpu], cpu, t->node.expires);
	spin_unlock(&timer_cpus[MAX(old, cpu)].lock);
	spin_unlock(&timer_cpus[MIN(old, cpu)].lock);
	irq_restore(flags);
}

void timer_softirq(void)
{
	struct timer_cpu *tc = &timer_cpus[smp_cpu()];
	uint64_t flags = spin_lock_irqsave(&tc->lock);
	s_time_t time = now();
	struct timer *t;

	/* One look at the clock: a timer that its own fn arms again for the past waits for the next turn. */
	while ((t = timer_of(timerq_pop_due(&tc->queue, time))) != NULL) {
		void (*fn)(void *) = t->fn;
		void *arg = t->arg;

		t->state = TIMER_IDLE;
		WRITE_ONCE(tc->running, t);
		spin_unlock_irqrestore(&tc->lock, flags);
		fn(arg);
		flags = spin_lock_irqsave(&tc->lock);
		WRITE_ONCE(tc->running, NULL);
		if (t->state == TIMER_ARMED && t->cpu == smp_cpu() && t->node.expires <= time)
			break;
	}
	t = timer_of(timerq_first(&tc->queue));
	tc->programmed = t ? t->node.expires : 0;
	hw_timer_set(tc->programmed);
	spin_unlock_irqrestore(&tc->lock, flags);
}

void timers_init(void)
{
	softirq_register(SOFTIRQ_TIMER, timer_softirq);
}
