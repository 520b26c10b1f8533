/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What sits at the top of every hypervisor stack, found by masking the stack pointer.
 *
 *   stack base (aligned to STACK_SIZE)                              stack base + STACK_SIZE
 *   | #DF | NMI | #MC | guard | ... C frames ...     <- grows | struct cpu_info           |
 *     page 0     1     2       3   pages 4 to 7                 guest registers, the rest
 *
 * The first three pages are interrupt stacks (IST); page 3 is not mapped.
 */
#ifndef HV_CPUINFO_H
#define HV_CPUINFO_H

#include <hv/types.h>
#include <xen/xen.h>

struct vcpu;

struct cpu_info {
	struct cpu_user_regs regs; /* the guest's registers at its entry into the hypervisor */
	uint64_t cpu; /* this CPU's number */
	struct vcpu *curr; /* the vcpu whose state is on this CPU */
	uint64_t scratch; /* syscall entry's spill slot */
	uint64_t exit_work; /* non-zero: softirqs are pending; see softirq.h */
};

static inline struct cpu_info *cpu_info(void)
{
	uint64_t sp;

	asm("movq %%rsp, %0" : "=r"(sp));
	return (struct cpu_info *)((sp | (STACK_SIZE - 1)) + 1) - 1;
}
#define current	     (cpu_info()->curr)
#define guest_regs() (&cpu_info()->regs)
#define smp_cpu()    ((unsigned int)cpu_info()->cpu)

#endif
