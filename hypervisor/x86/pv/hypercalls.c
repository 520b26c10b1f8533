// SPDX-License-Identifier: BSD-2-Clause
// Hypercalls that change a vcpu's own CPU state: trap table, callbacks, stack, bases, debug registers, iret.

#include <hv/domain.h>
#include <hv/evtchn.h>
#include <hv/guest_access.h>
#include <hv/hypercall.h>
#include <hv/softirq.h>
#include <hv/x86/cpu.h>
#include <hv/x86/entry.h>

long hc_set_trap_table(unsigned long traps)
{
	struct vcpu *v = current;
	struct trap_info t;
	guest_ptr_t p = guest_ptr(traps);

	if (!traps) {
		memset(v->pv.trap, 0, sizeof(v->pv.trap));
		return 0;
	}
	/* The vector is a byte, but a guest may repeat entries for ever: 256 in one go. */
	for (unsigned int n = 0;; n++, p.va += sizeof(t)) {
		if (n == 256)
			return hypercall_continue(__HYPERVISOR_set_trap_table, 1, p.va);
		if (copy_from_guest(&t, p, sizeof(t)))
			return -XEN_EFAULT;
		if (!t.address)
			return 0;
		if (!canonical(t.address))
			return -XEN_EINVAL;
		t.cs = sel_guest(t.cs);
		v->pv.trap[t.vector] = t;
	}
}

long hc_stack_switch(unsigned long ss, unsigned long sp)
{
	struct vcpu *v = current;

	v->pv.kernel_ss = sel_guest((uint16_t)ss);
	v->pv.kernel_sp = sp;
	return 0;
}

long hc_fpu_taskswitch(unsigned long set)
{
	struct vcpu *v = current;

	if (set) {
		v->pv.cr0 |= CR0_TS;
		write_cr0(read_cr0() | CR0_TS);
	} else {
		v->pv.cr0 &= ~CR0_TS;
		asm volatile("clts");
	}
	return 0;
}

static long callback_register(struct vcpu *v, unsigned int type, unsigned int flags, uint64_t rip)
{
	bool mask = flags & CALLBACKF_mask_events;

	if (!canonical(rip))
		return -XEN_EINVAL;
	switch (type) {
	case CALLBACKTYPE_event:
		v->pv.event_rip = rip;
		return 0;
	case CALLBACKTYPE_failsafe:
		v->pv.failsafe_rip = rip;
		v->pv.failsafe_masks_events = mask;
		return 0;
	case CALLBACKTYPE_syscall:
		v->pv.syscall_rip = rip;
		v->pv.syscall_masks_events = mask;
		return 0;
	case CALLBACKTYPE_syscall32:
		v->pv.syscall32_rip = rip;
		v->pv.syscall32_masks_events = mask;
		return 0;
	case CALLBACKTYPE_sysenter:
		v->pv.sysenter_rip = rip;
		v->pv.sysenter_masks_events = mask;
		return 0;
	case CALLBACKTYPE_nmi:
		if (v->pv.nmi_rip)
			return -XEN_EBUSY;
		v->pv.nmi_rip = rip;
		return 0;
	default:
		return -XEN_ENOSYS;
	}
}

static long callback_unregister(struct vcpu *v, unsigned int type)
{
	switch (type) {
	case CALLBACKTYPE_event:
	case CALLBACKTYPE_failsafe:
	case CALLBACKTYPE_syscall:
	case CALLBACKTYPE_syscall32:
	case CALLBACKTYPE_sysenter:
		return -XEN_EINVAL;
	case CALLBACKTYPE_nmi:
		v->pv.nmi_rip = 0;
		return 0;
	default:
		return -XEN_ENOSYS;
	}
}

long hc_callback_op(unsigned long cmd, unsigned long arg)
{
	struct callback_register reg;
	struct callback_unregister unreg;

	switch (cmd) {
	case CALLBACKOP_register:
		if (copy_from_guest(&reg, guest_ptr(arg), sizeof(reg)))
			return -XEN_EFAULT;
		return callback_register(current, reg.type, reg.flags, reg.address);
	case CALLBACKOP_unregister:
		if (copy_from_guest(&unreg, guest_ptr(arg), sizeof(unreg)))
			return -XEN_EFAULT;
		return callback_unregister(current, unreg.type);
	default:
		return -XEN_ENOSYS;
	}
}

/* The older call: event, failsafe and syscall at once. */
long hc_set_callbacks(unsigned long event, unsigned long failsafe, unsigned long syscall)
{
	struct vcpu *v = current;

	if (!canonical(event) || !canonical(failsafe) || !canonical(syscall))
		return -XEN_EINVAL;
	v->pv.event_rip = event;
	v->pv.failsafe_rip = failsafe;
	v->pv.syscall_rip = syscall;
	return 0;
}

long hc_nmi_op(unsigned long cmd, unsigned long arg)
{
	xennmi_callback_t cb;

	switch (cmd) {
	case XENNMI_register_callback:
		if (copy_from_guest(&cb, guest_ptr(arg), sizeof(cb)))
			return -XEN_EFAULT;
		return callback_register(current, CALLBACKTYPE_nmi, 0, cb.handler_address);
	case XENNMI_unregister_callback:
		return callback_unregister(current, CALLBACKTYPE_nmi);
	default:
		return -XEN_ENOSYS;
	}
}

long hc_set_segment_base(unsigned long which, unsigned long base)
{
	switch (which) {
	case SEGBASE_FS:
		if (!canonical(base))
			return -XEN_EINVAL;
		wrmsr(MSR_FS_BASE, base);
		return 0;
	case SEGBASE_GS_USER:
		if (!canonical(base))
			return -XEN_EINVAL;
		/* The kernel is running: the user's base is the inactive one. */
		wrmsr(MSR_KERNEL_GS_BASE, base);
		return 0;
	case SEGBASE_GS_KERNEL:
		if (!canonical(base))
			return -XEN_EINVAL;
		wrmsr(MSR_GS_BASE, base);
		return 0;
	case SEGBASE_GS_USER_SEL: {
		uint64_t flags = irq_save();
		bool ok;

		/* With the user's base in place, so that the selector's goes there. */
		asm volatile("swapgs" ::: "memory");
		ok = load_gs(base & 0xffff ? (uint16_t)(base | 3) : 0);
		asm volatile("swapgs" ::: "memory");
		irq_restore(flags);
		(void)ok; /* a refused selector has become null, as on the guest's own mov */
		return 0;
	}
	default:
		return -XEN_EINVAL;
	}
}

/* Breakpoints on I/O or beyond the guest's addresses are refused; LE, GE and the fixed bits are put right. */
static bool dr7_ok(uint64_t val)
{
	if (val >> 32)
		return false;
	for (unsigned int i = 0; i < 4; i++)
		if (((val >> (16 + 4 * i)) & 3) == 2)
			return false;
	/* General detect would trap our own accesses. */
	return !(val & BIT(13));
}

long hc_set_debugreg(unsigned long reg, unsigned long val)
{
	struct vcpu *v = current;

	switch (reg) {
	case 0 ... 3:
		if (!guest_addr_ok(val))
			return -XEN_EPERM;
		v->pv.dr[reg] = val;
		break;
	case 4:
		if (v->pv.cr4 & CR4_DE)
			return -XEN_ENODEV;
		/* fallthrough */
	case 6:
		if (val >> 32)
			return -XEN_EPERM;
		v->pv.dr[6] = (val & 0xffff0fffUL & ~0x1000UL) | 0xffff0ff0UL;
		return 0;
	case 5:
		if (v->pv.cr4 & CR4_DE)
			return -XEN_ENODEV;
		/* fallthrough */
	case 7:
		if (!dr7_ok(val))
			return -XEN_EPERM;
		v->pv.dr[7] = (val & ~0xd000UL) | 0x400;
		break;
	default:
		return -XEN_ENODEV;
	}
	pv_debug_reload(v);
	return 0;
}

long hc_get_debugreg(unsigned long reg)
{
	const struct vcpu *v = current;

	switch (reg) {
	case 4:
	case 5:
		if (v->pv.cr4 & CR4_DE)
			return -XEN_ENODEV;
		return (long)v->pv.dr[reg + 2];
	case 0 ... 3:
	case 6:
	case 7:
		return (long)v->pv.dr[reg];
	default:
		return -XEN_ENODEV;
	}
}

/*
 * The frame [rax r11 rcx flags rip cs rflags rsp ss] on the guest kernel's stack says where to go. entry.S has served the
 * plain ones; here come those with flags, bad stacks, and user mode without tables.
 */
long hc_iret(void)
{
	struct vcpu *v = current;
	struct cpu_user_regs *r = guest_regs();
	struct iret_context f;

	if (copy_from_guest(&f, guest_ptr(r->rsp), sizeof(f))) {
		domain_crash(v->domain, "vcpu %u: iret frame at %016lx cannot be read\n", v->id,
			     r->rsp);
		return 0;
	}
	if ((f.cs & 3) == 3) {
		if (!v->pv.cr3_user) {
			domain_crash(v->domain,
				     "vcpu %u: return to user mode without user page tables\n",
				     v->id);
			return 0;
		}
		irq_disable();
		v->pv.kernel_mode = 0;
		asm volatile("swapgs" ::: "memory");
		write_cr3(v->pv.cr3_user);
		irq_enable();
	}
	r->rip = f.rip;
	r->cs = (uint16_t)(f.cs | 3);
	r->rflags = (f.rflags & ~(X86_EFLAGS_IOPL | X86_EFLAGS_VM) & 0xffffffffUL) | X86_EFLAGS_IF;
	r->rsp = f.rsp;
	r->ss = (uint16_t)(f.ss | 3);
	if (!(f.flags & VGCF_in_syscall)) {
		r->entry_vector = 0;
		r->r11 = f.r11;
		r->rcx = f.rcx;
	}
	v->pv.nmi_masked = false;
	v->vcpu_info->evtchn_upcall_mask = !(f.rflags & X86_EFLAGS_IF);
	return (long)f.rax;
}
