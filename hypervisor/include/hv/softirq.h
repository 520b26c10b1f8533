/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Work to be done before a CPU returns to a guest, one bit each in cpu_info.exit_work.
 * entry.S tests the word on every return to a guest; idle tests it in its loop.
 */
#ifndef HV_SOFTIRQ_H
#define HV_SOFTIRQ_H

enum softirq {
	SOFTIRQ_TIMER, /* timer_softirq(): run due timers, program the next */
	SOFTIRQ_SCHEDULE, /* schedule(); last, because it may not return */
	SOFTIRQ_TASKLET, /* run queued struct tasklet */
	NR_SOFTIRQS,
};

#ifndef __ASSEMBLY__
#include <hv/cpuinfo.h>

extern struct cpu_info *cpu_infos[NR_CPUS]; /* NULL for CPUs not up */

typedef void (*softirq_fn)(void);
void softirq_register(enum softirq nr, softirq_fn fn);
static inline void softirq_raise(enum softirq nr)
{
	__atomic_fetch_or(&cpu_info()->exit_work, BIT(nr), __ATOMIC_SEQ_CST);
}
/* Raise on another CPU, with an IPI when that is not this one. */
void softirq_raise_on(unsigned int cpu, enum softirq nr);
static inline bool softirq_pending(void)
{
	return READ_ONCE(cpu_info()->exit_work) != 0;
}
/* Run all pending handlers, interrupts on. Called from entry.S and the idle loop. */
void do_softirq(void);

/* Deferred work on the CPU that queued it, in softirq context with interrupts on. */
struct tasklet {
	struct tasklet *next;
	void (*fn)(void *arg);
	void *arg;
	bool queued;
};
void tasklet_schedule(struct tasklet *t);
void tasklet_softirq(void);

/* Long operations ask this between steps, and return through hypercall_continue() when true. */
static inline bool preempt_needed(void)
{
	return unlikely(softirq_pending());
}
#endif
#endif
