/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scheduling: which vcpu runs where and when. Policy is core/sched.c (PURE); this is the glue.
 *
 * A vcpu runs when it has no pause_flags and neither it nor its domain has a pause count.
 */
#ifndef HV_SCHED_H
#define HV_SCHED_H

#include <hv/types.h>
#include <hv/lock.h>
#include <hv/cpuinfo.h>

struct domain;
struct vcpu;

/* vcpu->pause_flags */
#define VPF_BLOCKED BIT(0) /* SCHEDOP_block, poll: until an event */
#define VPF_DOWN    BIT(1) /* VCPUOP_down or not yet up */
#define VPF_POLL    BIT(2) /* in SCHEDOP_poll */

void sched_init(void); /* boot CPU, before domains */
void sched_init_cpu(unsigned int cpu); /* each CPU as it comes up; makes its idle vcpu current */
int sched_vcpu_init(struct vcpu *v); /* 0 or -XEN_ENOMEM */
void sched_vcpu_destroy(struct vcpu *v);

/* May v run? Flags and counts only. */
bool vcpu_runnable(const struct vcpu *v);
/* v may have become runnable: put it on a run queue and preempt if it should. Any context. */
void vcpu_wake(struct vcpu *v);
/* v is no longer runnable: take it off its CPU soon. */
void vcpu_sleep_nosync(struct vcpu *v);
/* The same, and wait until its state is in struct vcpu. Not for current. */
void vcpu_sleep_sync(struct vcpu *v);
/* Clear VPF_BLOCKED and friends, then wake: an event for v has come. */
void vcpu_unblock(struct vcpu *v);
/* Counting pauses. _pause waits until v is off its CPU; must not be current. */
void vcpu_pause(struct vcpu *v);
void vcpu_pause_nosync(struct vcpu *v);
void vcpu_unpause(struct vcpu *v);
void domain_pause(struct domain *d);
void domain_pause_nosync(struct domain *d);
void domain_unpause(struct domain *d);
/* SCHEDOP_block: block current unless an event is pending; yield: let others run. */
void vcpu_block_enable_events(void);
long vcpu_yield(void);
/* Change where v may run (hard affinity). 0, -XEN_EINVAL when no online CPU is in the set. */
int vcpu_set_hard_affinity(struct vcpu *v, cpumask_t set);
/* Softirq handler: choose and switch. Returns on the new vcpu's behalf through x86 context_switch. */
void schedule(void);
/* Runstate: account a change of v's state at `now` and publish it to the registered guest area. */
void vcpu_runstate_change(struct vcpu *v, int new_state, s_time_t now);
/* Copy v's runstate to its guest area if one is registered; v must be current. */
void vcpu_runstate_publish(struct vcpu *v);
/* ns that v has run, including now when it is running. */
uint64_t vcpu_run_time(struct vcpu *v);
void sched_dump(void); /* debug key r */

/* Number of vcpus waiting for a CPU, for dumps and sysctl. */
unsigned int sched_queue_length(unsigned int cpu);
/*
 * x86's context_switch() calls this once, with interrupts off, as soon as prev's state is in struct vcpu (or kept
 * lazily, with its dirty_cpu bit set): from then on another CPU may run prev. For idle vcpus too.
 */
void context_saved(struct vcpu *prev);

/* ---- what x86 gives to the scheduler (x86/pv/context.c) */
/* Switch this CPU from prev to next (both not NULL; either may be idle). Called with interrupts off
 * and no locks held; returns only for the next idle turn: guests leave through entry.S. */
void context_switch(struct vcpu *prev, struct vcpu *next);
/* Body of an idle vcpu: softirqs, then halt, for ever. */
void idle_loop(void) __noreturn;
/* Write v's lazily kept state (FPU, debug registers) back if this CPU holds it. */
void sync_vcpu_state(struct vcpu *v);

#endif
