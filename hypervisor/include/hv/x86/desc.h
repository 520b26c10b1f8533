/* SPDX-License-Identifier: BSD-2-Clause */
/* GDT, IDT, TSS of each CPU. */
#ifndef HV_X86_DESC_H
#define HV_X86_DESC_H

#include <hv/types.h>

struct tss64 {
	uint32_t rsvd0;
	uint64_t rsp0, rsp1, rsp2;
	uint64_t rsvd1;
	uint64_t ist[7];
	uint64_t rsvd2;
	uint16_t rsvd3, iobase;
} __packed;

extern struct tss64 *tss[NR_CPUS];
/*
 * Allocate and load this CPU's descriptor tables: the reserved GDT page (page HV_GDT_PAGE of its window, holding
 * HV_CS.. GUEST_*), IDT, TSS with rsp0 = end of cpu_info.regs' hardware frame and IST stacks, syscall entry stub.
 */
void desc_init_cpu(unsigned int cpu, void *stack_top);
/* An IDT gate: dpl 0 or 3, ist 0..7. */
void idt_set(unsigned int vector, const void *handler, unsigned int dpl, unsigned int ist);
/* Load GDT pages and LDT of a vcpu into this CPU's window (x86/pv/descriptor.c). */
struct vcpu;
void desc_load_guest(const struct vcpu *v);

#endif
