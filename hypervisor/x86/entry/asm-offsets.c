// SPDX-License-Identifier: BSD-2-Clause
// Offsets of structure members that entry.S uses; the build turns the marked lines into a header.

#include <hv/domain.h>

#define DEF(name, value)	asm volatile("\n#DEF " #name " %0" ::"i"(value))
#define OFF(name, type, member) DEF(name, offsetof(type, member))

void asm_offsets(void);

void asm_offsets(void)
{
	OFF(UREGS_r15, struct cpu_user_regs, r15);
	OFF(UREGS_rbx, struct cpu_user_regs, rbx);
	OFF(UREGS_r11, struct cpu_user_regs, r11);
	OFF(UREGS_rax, struct cpu_user_regs, rax);
	OFF(UREGS_rcx, struct cpu_user_regs, rcx);
	OFF(UREGS_rdi, struct cpu_user_regs, rdi);
	OFF(UREGS_error_code, struct cpu_user_regs, error_code);
	OFF(UREGS_entry_vector, struct cpu_user_regs, entry_vector);
	OFF(UREGS_rip, struct cpu_user_regs, rip);
	OFF(UREGS_cs, struct cpu_user_regs, cs);
	OFF(UREGS_rflags, struct cpu_user_regs, rflags);
	OFF(UREGS_rsp, struct cpu_user_regs, rsp);
	OFF(UREGS_ss, struct cpu_user_regs, ss);
	OFF(UREGS_hw_end, struct cpu_user_regs, es);
	OFF(CI_current, struct cpu_info, curr);
	OFF(CI_scratch, struct cpu_info, scratch);
	OFF(CI_exit_work, struct cpu_info, exit_work);
	DEF(MINUS_ENOSYS, -XEN_ENOSYS);
	DEF(CI_sizeof, sizeof(struct cpu_info));
	OFF(VCPU_vcpu_info, struct vcpu, vcpu_info);
	OFF(VCPU_kernel_sp, struct vcpu, pv.kernel_sp);
	OFF(VCPU_syscall_rip, struct vcpu, pv.syscall_rip);
	OFF(VCPU_cr3_kernel, struct vcpu, pv.cr3_kernel);
	OFF(VCPU_cr3_user, struct vcpu, pv.cr3_user);
	OFF(VCPU_kernel_mode, struct vcpu, pv.kernel_mode);
	OFF(VCPU_syscall_masks, struct vcpu, pv.syscall_masks_events);
	OFF(VCPU_nmi_pending, struct vcpu, pv.nmi_pending);
	OFF(VCPU_nmi_masked, struct vcpu, pv.nmi_masked);
	OFF(VINFO_pending, vcpu_info_t, evtchn_upcall_pending);
	OFF(VINFO_mask, vcpu_info_t, evtchn_upcall_mask);
}
