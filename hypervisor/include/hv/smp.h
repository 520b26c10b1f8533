/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUs: bring-up, inter-processor interrupts, TLB shoot-down. */
#ifndef HV_SMP_H
#define HV_SMP_H

#include <hv/types.h>
#include <hv/cpuinfo.h>

extern cpumask_t cpu_online;
extern unsigned int nr_cpus; /* online after smp_boot_all() */
extern uint32_t cpu_apic_id[NR_CPUS];

/* Interrupts of our own: VEC_IPI_CALL and VEC_IPI_TLB (do_irq). */
void smp_call_interrupt(void);
void tlb_interrupt(void);
/* Load CR3 and let the TLB clock know. */
void tlb_write_cr3(uint64_t cr3);
/* C entry of the other CPUs, from trampoline.S on their own stack. */
void smp_start_this(void) __noreturn;
void smp_boot_all(void);
/* Make the CPUs of the set look at their exit_work (VEC_IPI_EVENT). */
void smp_send_event(cpumask_t set);
/* Run fn on the CPUs of the set (this one included if in it), wait when asked. Interrupts on, unless wait is false. */
void smp_call(cpumask_t set, void (*fn)(void *), void *arg, bool wait);

/*
 * TLB. Each flush of a whole TLB moves the global clock; a frame that changes its use remembers the clock,
 * and needs a flush only on CPUs that have not flushed since.
 */
#define TLB_LOCAL_ONLY 0
void tlb_flush_local(void); /* all non-global entries: reload CR3 */
void tlb_flush_local_all(void); /* globals too */
void tlb_flush_local_va(uint64_t va);
/* On each CPU of the set: whole TLB, or the one page va. Waits. Safe with interrupts off (it serves others while waiting). */
void tlb_flush_mask(cpumask_t set);
void tlb_flush_mask_all(cpumask_t set);
void tlb_flush_mask_va(cpumask_t set, uint64_t va);
uint32_t tlb_clock(void);
/* Remove from set the CPUs that flushed after `stamp`. */
cpumask_t tlb_filter(cpumask_t set, uint32_t stamp);
void smp_stop_others(void); /* panic, reboot: NMI or IPI; does not wait for ever */

#endif
