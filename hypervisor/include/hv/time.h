/* SPDX-License-Identifier: BSD-2-Clause */
/* System time (ns since boot), wall clock, timers, and the guests' pvclock pages. */
#ifndef HV_TIME_H
#define HV_TIME_H

#include <hv/types.h>
#include <hv/timer_core.h>

struct vcpu;
struct domain;

/* ---- x86/time.c */
void time_init(void); /* calibrate the TSC, read the wall clock; boot CPU */
/* Called by CPU c as it comes up and by the one that starts it: compare TSCs. Gives up when the other does not come. */
void tsc_check_with(unsigned int c);
void time_init_cpu(void); /* local APIC timer of this CPU */
s_time_t now(void); /* ns since boot; monotonic across CPUs */
extern uint64_t tsc_khz;
/* Program this CPU's next timer interrupt at `when`; 0 turns it off. VEC_TIMER raises SOFTIRQ_TIMER. */
void hw_timer_set(s_time_t when);
void udelay(unsigned int us);
/* Fill v's pvclock page (vcpu_info.time and, when registered, the secondary time area). Called when v
 * starts on a CPU. Values never change afterwards (one origin and scale), so this is cheap; clear v->time_area_done when
 * registering an area, to have it filled. */
void pvclock_update(struct vcpu *v);
/* Wall clock in shared_info. */
void wallclock_update(struct domain *d);
/* XENPF_settime: set wall clock: seconds and ns at system_time. */
void wallclock_set(uint64_t sec, uint32_t nsec, uint64_t system_time);

/* ---- common/timer.c on core/timer.c: a queue per CPU */
struct timer {
	struct timer_node node; /* core/timer.c's: expiry and place in the queue */
	void (*fn)(void *arg); /* softirq context, interrupts on, on the timer's CPU */
	void *arg;
	unsigned int cpu;
	uint8_t state; /* see timer.c */
};
void timers_init(void);
void timer_init(struct timer *t, void (*fn)(void *), void *arg, unsigned int cpu);
void timer_set(struct timer *t, s_time_t expires); /* re-arms an armed timer */
void timer_stop(struct timer *t); /* may still be running elsewhere */
void timer_kill(struct timer *t); /* stopped, not running, not to be armed again */
void timer_migrate(struct timer *t, unsigned int cpu);
void timer_softirq(void);

#endif
