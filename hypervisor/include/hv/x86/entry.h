/* SPDX-License-Identifier: BSD-2-Clause */
/* What entry.S, guest_access.S and stub.c offer to the rest of x86/. */
#ifndef HV_X86_ENTRY_H
#define HV_X86_ENTRY_H

#include <hv/cpuinfo.h>

extern const void *const entry_vectors[256];

/* Turn the marked places in the image into stac and clac. Boot CPU, before CR4.SMAP is set. */
void smap_patch(void);
/* Where a fault at `rip` goes on, 0 when it is not expected there. */
uint64_t extable_find(uint64_t rip);

/* Enter the guest whose registers are in cpu_info.regs; the stack starts anew. */
void leave_to_guest(void) __noreturn;
/* Call fn with an empty stack; fn does not return. */
void reset_stack_and_jump(void (*fn)(void)) __noreturn;

/* Load a selector; false, and the null selector instead, when the CPU refuses it. */
bool load_ds(uint16_t sel);
bool load_es(uint16_t sel);
bool load_fs(uint16_t sel);
bool load_gs(uint16_t sel);
bool xsetbv_safe(uint64_t xcr0);
bool xrstor_safe(const void *area, uint64_t mask);
bool fxrstor_safe(const void *area);

/* Called on an NMI, on its own stack, when set; returns to what was interrupted. */
extern void (*nmi_handler)(struct cpu_user_regs *regs);

/* ---- called by entry.S */
void guest_exception(struct cpu_user_regs *regs);
void hv_exception(struct cpu_user_regs *regs);
void ist_exception(struct cpu_user_regs *regs);
void pv_syscall(struct cpu_user_regs *regs);
void pv_syscall32(struct cpu_user_regs *regs);
void pv_iret_fault(struct cpu_user_regs *regs);
void pv_deliver_pending(struct vcpu *v);

#endif
