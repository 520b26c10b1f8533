// SPDX-License-Identifier: BSD-2-Clause
// The paravirtual part of domains and vcpus: creation, context in and out, the hypercall page.

#include <hv/boot.h>
#include <hv/domain.h>
#include <hv/guest_access.h>
#include <hv/heap.h>
#include <hv/hypercall.h>
#include <hv/lib.h>
#include <hv/mm.h>
#include <hv/sched.h>
#include <hv/x86/cpu.h>

#define FPU_LEGACY_BYTES 512
#define FPU_IMAGE_MIN	 (512u + 64u) /* with the XSAVE header */
#define FCW_DEFAULT	 0x37f
#define MXCSR_DEFAULT	 0x1f80
#define CR4_GUEST	 (CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_MCE | CR4_DE)

unsigned int pv_fpu_bytes(void)
{
	return cpu.xsave ? MAX(cpu.xsave_size, FPU_IMAGE_MIN) : FPU_LEGACY_BYTES;
}

static unsigned int fpu_order(void)
{
	return pv_fpu_bytes() <= PAGE_SIZE ? 0 : pv_fpu_bytes() <= 2 * PAGE_SIZE ? 1 : 2;
}

static void fpu_initial(struct vcpu *v)
{
	memset(v->pv.fpu, 0, pv_fpu_bytes());
	*(uint16_t *)v->pv.fpu = FCW_DEFAULT;
	*(uint32_t *)((char *)v->pv.fpu + 24) = MXCSR_DEFAULT;
	if (cpu.xsave)
		/* x87 and SSE are in the image; the rest is in its initial state. */
		*(uint64_t *)((char *)v->pv.fpu + FPU_LEGACY_BYTES) = 3;
}

int pv_vcpu_init(struct vcpu *v)
{
	v->pv.dr[6] = 0xffff0ff0UL;
	v->pv.dr[7] = 0x400;
	v->pv.kernel_mode = 1;
	v->pv.cr4 = CR4_GUEST;
	v->pv.xcr0 = 1;
	if (v->is_idle)
		return 0;
	v->pv.fpu = hv_alloc_pages(fpu_order());
	if (!v->pv.fpu)
		return -XEN_ENOMEM;
	fpu_initial(v);
	return 0;
}

void pv_vcpu_destroy(struct vcpu *v)
{
	ldt_invalidate(v);
	gdt_drop(v);
	if (v->pv.fpu)
		hv_free_pages(v->pv.fpu, fpu_order());
	v->pv.fpu = NULL;
}

int pv_domain_init(struct domain *d)
{
	(void)d;
	return 0;
}

void pv_domain_destroy(struct domain *d)
{
	hv_free(d->pv.e820);
	hv_free(d->pv.cpuid);
	d->pv.e820 = NULL;
	d->pv.cpuid = NULL;
}

static bool context_ok(const struct vcpu *v, const struct vcpu_guest_context *c)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(c->trap_ctxt); i++)
		if (!canonical(c->trap_ctxt[i].address))
			return false;
	if (!canonical(c->event_callback_eip) || !canonical(c->failsafe_callback_eip) ||
	    !canonical(c->syscall_callback_eip))
		return false;
	if (!mfn_valid(mfn(c->ctrlreg[3] >> PAGE_SHIFT)))
		return false;
	if ((c->ctrlreg[1] & 1) && !mfn_valid(mfn(c->ctrlreg[1] >> PAGE_SHIFT)))
		return false;
	if (c->gdt_ents > HV_GDT_PAGE * 512 || c->ldt_ents > 8192 ||
	    (c->ldt_base & (PAGE_SIZE - 1)) || (c->ldt_ents && !guest_addr_ok(c->ldt_base)))
		return false;
	return !v->is_idle;
}

/* Registers as they may go into the CPU: ring 3, interrupts on, no I/O rights. */
static void sanitise_regs(struct cpu_user_regs *r)
{
	r->cs = sel_guest(r->cs);
	r->ss = r->ss ? sel_guest(r->ss) : 0;
	r->rflags &= ~(X86_EFLAGS_IOPL | X86_EFLAGS_VM | X86_EFLAGS_NT | X86_EFLAGS_VIF |
		       X86_EFLAGS_VIP);
	r->rflags |= X86_EFLAGS_IF | BIT(1);
	r->entry_vector = 0;
	r->error_code = 0;
}

int pv_set_context(struct vcpu *v, const struct vcpu_guest_context *c)
{
	int rc;

	if (!context_ok(v, c)) {
		guest_trace("vcpu %u: its context has an address or frame it may not have", v->id);
		return -XEN_EINVAL;
	}
	/* Tables first: the only step that can be preempted, and it can be taken again. */
	rc = vcpu_set_kernel_cr3(v, mfn(c->ctrlreg[3] >> PAGE_SHIFT));
	if (rc)
		return rc;
	if (c->ctrlreg[1] & 1) {
		rc = vcpu_set_user_cr3(v, mfn(c->ctrlreg[1] >> PAGE_SHIFT));
		if (rc)
			return rc;
	}
	rc = gdt_set(v, (const uint64_t *)c->gdt_frames, (unsigned int)c->gdt_ents);
	if (rc)
		return rc;

	v->pv.regs = c->user_regs;
	/* I/O rights are virtual, as after PHYSDEVOP_set_iopl. */
	v->pv.iopl = (c->user_regs.rflags & X86_EFLAGS_IOPL) >> 12;
	sanitise_regs(&v->pv.regs);
	v->pv.ds = c->user_regs.ds;
	v->pv.es = c->user_regs.es;
	v->pv.fs = c->user_regs.fs;
	v->pv.gs = c->user_regs.gs;
	memcpy(v->pv.trap, c->trap_ctxt, sizeof(v->pv.trap));
	for (unsigned int i = 0; i < ARRAY_SIZE(v->pv.trap); i++)
		v->pv.trap[i].cs = sel_guest(v->pv.trap[i].cs);
	v->pv.kernel_ss = c->kernel_ss;
	v->pv.kernel_sp = c->kernel_sp;
	v->pv.event_rip = c->event_callback_eip;
	v->pv.failsafe_rip = c->failsafe_callback_eip;
	v->pv.syscall_rip = c->syscall_callback_eip;
	v->pv.failsafe_masks_events = !!(c->flags & VGCF_failsafe_disables_events);
	v->pv.syscall_masks_events = !!(c->flags & VGCF_syscall_disables_events);
	v->pv.kernel_mode = !!(c->flags & VGCF_in_kernel);
	if (!v->pv.kernel_mode && !v->pv.cr3_user)
		v->pv.kernel_mode = 1;
	v->pv.fs_base = canonical(c->fs_base) ? c->fs_base : 0;
	v->pv.gs_base_kernel = canonical(c->gs_base_kernel) ? c->gs_base_kernel : 0;
	v->pv.gs_base_user = canonical(c->gs_base_user) ? c->gs_base_user : 0;
	v->pv.ldt_base = c->ldt_base;
	v->pv.ldt_ents = (unsigned int)c->ldt_ents;
	v->pv.cr0 = c->ctrlreg[0] & CR0_TS;
	if (c->ctrlreg[4])
		v->pv.cr4 = c->ctrlreg[4];
	for (unsigned int i = 0; i < 4; i++)
		v->pv.dr[i] = guest_addr_ok(c->debugreg[i]) ? c->debugreg[i] : 0;
	fpu_initial(v);
	if (c->flags & VGCF_i387_valid) {
		memcpy(v->pv.fpu, &c->fpu_ctxt, FPU_LEGACY_BYTES);
		*(uint32_t *)((char *)v->pv.fpu + 24) &= 0xffff;
	}
	v->is_initialised = true;
	if (c->flags & VGCF_online)
		clear_bit(__builtin_ctzl(VPF_DOWN), &v->pause_flags);
	else
		set_bit(__builtin_ctzl(VPF_DOWN), &v->pause_flags);
	return 0;
}

void pv_get_context(struct vcpu *v, struct vcpu_guest_context *c)
{
	memset(c, 0, sizeof(*c));
	c->user_regs = v->pv.regs;
	c->user_regs.ds = v->pv.ds;
	c->user_regs.es = v->pv.es;
	c->user_regs.fs = v->pv.fs;
	c->user_regs.gs = v->pv.gs;
	c->user_regs.rflags &= ~X86_EFLAGS_IOPL;
	c->user_regs.rflags |= (uint64_t)v->pv.iopl << 12;
	memcpy(&c->fpu_ctxt, v->pv.fpu, FPU_LEGACY_BYTES);
	memcpy(c->trap_ctxt, v->pv.trap, sizeof(c->trap_ctxt));
	c->flags = VGCF_i387_valid | (v->is_initialised ? VGCF_online : 0) |
		   (v->pv.kernel_mode ? VGCF_in_kernel : 0) |
		   (v->pv.failsafe_masks_events ? VGCF_failsafe_disables_events : 0) |
		   (v->pv.syscall_masks_events ? VGCF_syscall_disables_events : 0);
	if (v->pause_flags & VPF_DOWN)
		c->flags &= ~(unsigned long)VGCF_online;
	c->ldt_base = v->pv.ldt_base;
	c->ldt_ents = v->pv.ldt_ents;
	for (unsigned int i = 0; i < DIV_ROUND_UP(v->pv.gdt_ents, 512); i++)
		c->gdt_frames[i] = v->pv.gdt_frame[i].v;
	c->gdt_ents = v->pv.gdt_ents;
	c->kernel_ss = v->pv.kernel_ss;
	c->kernel_sp = v->pv.kernel_sp;
	c->ctrlreg[0] = read_cr0() & ~CR0_TS;
	c->ctrlreg[0] |= v->pv.cr0 & CR0_TS;
	c->ctrlreg[2] = v->pv.cr2;
	c->ctrlreg[3] = v->pv.cr3_kernel;
	if (v->pv.cr3_user)
		c->ctrlreg[1] = v->pv.cr3_user | 1;
	c->ctrlreg[4] = v->pv.cr4;
	memcpy(c->debugreg, v->pv.dr, sizeof(c->debugreg));
	c->event_callback_eip = v->pv.event_rip;
	c->failsafe_callback_eip = v->pv.failsafe_rip;
	c->syscall_callback_eip = v->pv.syscall_rip;
	c->fs_base = v->pv.fs_base;
	c->gs_base_kernel = v->pv.gs_base_kernel;
	c->gs_base_user = v->pv.gs_base_user;
}

/*
 * Each entry of 32 bytes keeps rcx and r11, which the syscall instruction overwrites:
 *	push %rcx; push %r11; mov $nr, %eax; syscall; pop %r11; pop %rcx; ret
 * iret does not come back; it leaves rax too on the stack for the hypervisor to restore:
 *	push %rcx; push %r11; push %rax; mov $23, %eax; syscall
 */
void hypercall_page_fill(void *page)
{
	static const uint8_t call[] = { 0x51, 0x41, 0x53, 0xb8, 0,    0,    0,
					0,    0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3 };
	static const uint8_t iret[] = { 0x51, 0x41, 0x53, 0x50, 0xb8, __HYPERVISOR_iret,
					0,    0,    0,	  0x0f, 0x05 };

	memset(page, 0xcc, PAGE_SIZE);
	for (unsigned int i = 0; i < PAGE_SIZE / 32; i++) {
		uint8_t *p = (uint8_t *)page + i * 32;

		memcpy(p, call, sizeof(call));
		p[4] = (uint8_t)i;
	}
	memcpy((uint8_t *)page + __HYPERVISOR_iret * 32, iret, sizeof(iret));
}
