// SPDX-License-Identifier: BSD-2-Clause
// Frames on the guest kernel's stack: exceptions, events, NMIs.
/*
 * What a guest handler finds at its stack pointer (ABI; low addresses first):
 *
 *	rcx r11 [ds es fs gs] [error code] rip cs rflags rsp ss
 *
 * cs carries the saved upcall mask in bits 32-39, and RPL 0 when the guest's kernel was interrupted. IF in rflags is the
 * opposite of that mask. The data selectors are in the failsafe callback's frame only.
 */

#include <hv/domain.h>
#include <hv/evtchn.h>
#include <hv/guest_access.h>
#include <hv/mm.h>
#include <hv/sched.h>
#include <hv/x86/cpu.h>
#include <hv/x86/entry.h>

#define RFLAGS_CLEAR (X86_EFLAGS_AC | X86_EFLAGS_VM | X86_EFLAGS_RF | X86_EFLAGS_NT | X86_EFLAGS_TF)

static void enter_kernel_mode(struct vcpu *v)
{
	v->pv.kernel_mode = 1;
	asm volatile("swapgs" ::: "memory");
	write_cr3(v->pv.cr3_kernel);
}

bool pv_bounce(struct vcpu *v, uint64_t rip, unsigned int flags, uint32_t error_code)
{
	struct cpu_user_regs *r = guest_regs();
	uint8_t mask = v->vcpu_info->evtchn_upcall_mask;
	uint64_t frame[11], *f = frame, sp, cs = r->cs;

	if (v->pv.kernel_mode) {
		sp = r->rsp;
		cs &= ~3UL;
	} else {
		sp = v->pv.kernel_sp;
		enter_kernel_mode(v);
	}
	*f++ = r->rcx;
	*f++ = r->r11;
	if (unlikely(flags & TBF_FAILSAFE)) {
		*f++ = v->pv.ds;
		*f++ = v->pv.es;
		*f++ = v->pv.fs;
		*f++ = v->pv.gs;
	}
	if (flags & TBF_EXCEPTION_ERRCODE)
		*f++ = error_code;
	*f++ = r->rip;
	*f++ = cs | ((uint64_t)mask << 32);
	*f++ = (r->rflags & ~(X86_EFLAGS_IF | X86_EFLAGS_IOPL)) | (mask ? 0 : X86_EFLAGS_IF);
	*f++ = r->rsp;
	*f++ = r->ss;
	sp = (sp & ~15UL) - (uint64_t)(f - frame) * 8;
	if (unlikely(!rip)) {
		domain_crash(v->domain, "vcpu %u: no handler for the trap at rip %016lx\n", v->id,
			     r->rip);
		return false;
	}
	if (unlikely(copy_to_guest(guest_ptr(sp), frame, (uint64_t)(f - frame) * 8))) {
		domain_crash(v->domain, "vcpu %u: kernel stack %016lx cannot take a trap frame\n",
			     v->id, sp);
		return false;
	}
	if (flags & TBF_INTERRUPT)
		v->vcpu_info->evtchn_upcall_mask = 1;
	r->entry_vector = 0;
	r->rflags &= ~RFLAGS_CLEAR;
	r->rsp = sp;
	r->ss = GUEST_DS;
	r->cs = GUEST_CS64;
	r->rip = rip;
	return true;
}

void pv_inject_exception(unsigned int vector, int error_code)
{
	struct vcpu *v = current;
	const struct trap_info *t = &v->pv.trap[vector];
	unsigned int flags = TBF_EXCEPTION;

	if (error_code >= 0)
		flags |= TBF_EXCEPTION_ERRCODE;
	if (TI_GET_IF(t))
		flags |= TBF_INTERRUPT;
	pv_bounce(v, t->address, flags, (uint32_t)error_code);
}

void pv_inject_page_fault(uint64_t cr2, uint32_t error_code)
{
	struct vcpu *v = current;

	v->pv.cr2 = cr2;
	v->vcpu_info->arch.cr2 = cr2;
	/* The guest's kernel runs in ring 3 but must not learn so. */
	if (v->pv.kernel_mode)
		error_code &= ~4u;
	pv_inject_exception(14, (int)error_code);
}

void pv_failsafe(struct vcpu *v)
{
	if (v->pv.failsafe_rip)
		pv_bounce(v, v->pv.failsafe_rip,
			  TBF_FAILSAFE | (v->pv.failsafe_masks_events ? TBF_INTERRUPT : 0), 0);
}

void pv_inject_nmi(struct vcpu *v)
{
	v->pv.nmi_pending = true;
	vcpu_kick(v);
}

/* At the exit to the guest, interrupts off: an NMI first, then an event upcall if it may be taken. */
void pv_deliver_pending(struct vcpu *v)
{
	if (unlikely(v->pv.nmi_pending) && v->pv.nmi_rip && !v->pv.nmi_masked) {
		v->pv.nmi_pending = false;
		v->pv.nmi_masked = true;
		pv_bounce(v, v->pv.nmi_rip, TBF_INTERRUPT, 0);
		return;
	}
	if (v->vcpu_info->evtchn_upcall_pending && !v->vcpu_info->evtchn_upcall_mask)
		pv_bounce(v, v->pv.event_rip, TBF_INTERRUPT, 0);
}

/* A system call of user code that the short lane declined. Its registers are saved. */
void pv_syscall(struct cpu_user_regs *regs)
{
	struct vcpu *v = current;

	if (!v->pv.syscall_rip) {
		regs->rip -= 2;
		pv_inject_exception(6, -1);
		return;
	}
	if (!guest_addr_ok(v->pv.kernel_sp - 64)) {
		domain_crash(v->domain, "vcpu %u: kernel stack pointer %016lx is not the guest's\n",
			     v->id, v->pv.kernel_sp);
		return;
	}
	pv_bounce(v, v->pv.syscall_rip, v->pv.syscall_masks_events ? TBF_INTERRUPT : 0, 0);
}

/* A system call of 32-bit user code. Without a callback, or from the guest's kernel, the instruction does not exist. */
void pv_syscall32(struct cpu_user_regs *regs)
{
	struct vcpu *v = current;

	if (!v->pv.syscall32_rip || v->pv.kernel_mode) {
		regs->rip -= 2;
		pv_inject_exception(6, -1);
		return;
	}
	pv_bounce(v, v->pv.syscall32_rip, v->pv.syscall32_masks_events ? TBF_INTERRUPT : 0, 0);
}

/* iretq refused the guest's frame: the fault is the guest's own, at the place it wanted to go to. */
void pv_iret_fault(struct cpu_user_regs *regs)
{
	uint64_t fault = cpu_info()->scratch;

	(void)regs;
	pv_inject_exception((unsigned int)(fault & 0xff), (int)(fault >> 32));
}
