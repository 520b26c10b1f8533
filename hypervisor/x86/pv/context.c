// SPDX-License-Identifier: BSD-2-Clause
// Switching a CPU between vcpus; FPU and debug registers; the idle loop.

#include <hv/domain.h>
#include <hv/heap.h>
#include <hv/lib.h>
#include <hv/mm.h>
#include <hv/sched.h>
#include <hv/smp.h>
#include <hv/softirq.h>
#include <hv/x86/cpu.h>
#include <hv/x86/desc.h>
#include <hv/x86/entry.h>

#define DR7_ACTIVE 0xffUL

/* ---- FPU: every vcpu's state is loaded when it comes and stored when it goes */
static void fpu_save(struct vcpu *v)
{
	if (cpu.xsave) {
		/* Everything that the guest ever enabled, whatever XCR0 says now. */
		xsetbv_safe(cpu.xcr0_mask);
		asm volatile("xsave64 (%0)" ::"r"(v->pv.fpu), "a"((uint32_t)cpu.xcr0_mask),
			     "d"((uint32_t)(cpu.xcr0_mask >> 32))
			     : "memory");
	} else
		asm volatile("fxsave64 (%0)" ::"r"(v->pv.fpu) : "memory");
	v->pv.fpu_used = true;
}

static void fpu_load(struct vcpu *v)
{
	if (cpu.xsave) {
		xsetbv_safe(cpu.xcr0_mask);
		/* The header is ours; a refused image (set by the toolstack) becomes the initial state. */
		if (!xrstor_safe(v->pv.fpu, cpu.xcr0_mask)) {
			memset((char *)v->pv.fpu + 512, 0, 64);
			xrstor_safe(v->pv.fpu, cpu.xcr0_mask);
		}
		if (v->pv.xcr0 != cpu.xcr0_mask)
			xsetbv_safe(v->pv.xcr0);
	} else
		fxrstor_safe(v->pv.fpu);
}

/* ---- debug registers: loaded only when a breakpoint is on */
static void debug_load(const struct vcpu *v)
{
	asm volatile("movq %0, %%dr0" ::"r"(v->pv.dr[0]));
	asm volatile("movq %0, %%dr1" ::"r"(v->pv.dr[1]));
	asm volatile("movq %0, %%dr2" ::"r"(v->pv.dr[2]));
	asm volatile("movq %0, %%dr3" ::"r"(v->pv.dr[3]));
	asm volatile("movq %0, %%dr7" ::"r"(v->pv.dr[7]));
}

void pv_debug_reload(const struct vcpu *v)
{
	if (v->pv.dr[7] & DR7_ACTIVE)
		debug_load(v);
	else
		asm volatile("movq %0, %%dr7" ::"r"(0x400UL));
}

/* ---- a guest's whole CPU state */
#define READ_SEL(reg)                                           \
	({                                                      \
		uint16_t s_;                                    \
		asm volatile("movw %%" #reg ", %0" : "=r"(s_)); \
		s_;                                             \
	})

void pv_save(struct vcpu *v)
{
	uint64_t active, inactive;

	v->pv.regs = *guest_regs();
	v->pv.ds = READ_SEL(ds);
	v->pv.es = READ_SEL(es);
	v->pv.fs = READ_SEL(fs);
	v->pv.gs = READ_SEL(gs);
	v->pv.fs_base = rdmsr(MSR_FS_BASE);
	active = rdmsr(MSR_GS_BASE);
	inactive = rdmsr(MSR_KERNEL_GS_BASE);
	v->pv.gs_base_kernel = v->pv.kernel_mode ? active : inactive;
	v->pv.gs_base_user = v->pv.kernel_mode ? inactive : active;
	fpu_save(v);
	if (v->pv.dr[7] & DR7_ACTIVE)
		asm volatile("movq %0, %%dr7" ::"r"(0x400UL));
	if (v->pv.cr0 & CR0_TS)
		asm volatile("clts");
	ldt_invalidate(v);
}

void pv_load(struct vcpu *v)
{
	bool good;

	*guest_regs() = v->pv.regs;
	desc_load_guest(v);
	/* Selectors first: loading one changes the base. */
	good = load_ds(v->pv.ds);
	good &= load_es(v->pv.es);
	good &= load_fs(v->pv.fs);
	good &= load_gs(v->pv.gs);
	wrmsr(MSR_FS_BASE, v->pv.fs_base);
	wrmsr(MSR_GS_BASE, v->pv.kernel_mode ? v->pv.gs_base_kernel : v->pv.gs_base_user);
	wrmsr(MSR_KERNEL_GS_BASE, v->pv.kernel_mode ? v->pv.gs_base_user : v->pv.gs_base_kernel);
	if (cpu.rdtscp)
		wrmsr(MSR_TSC_AUX, v->pv.tsc_aux);
	fpu_load(v);
	if (v->pv.dr[7] & DR7_ACTIVE)
		debug_load(v);
	if (v->pv.cr0 & CR0_TS)
		write_cr0(read_cr0() | CR0_TS);
	if (unlikely(!good))
		pv_failsafe(v);
}

void sync_vcpu_state(struct vcpu *v)
{
	/* Nothing is kept lazily: pv_save() stores all when a vcpu leaves its CPU. */
	(void)v;
}

/* prev's tables are off this CPU: TLB flushes for its domain need not come here any more. */
static void left_domain(struct vcpu *prev, const struct vcpu *next)
{
	if (!prev->is_idle && prev->domain != next->domain)
		clear_bit(smp_cpu(), &prev->domain->dirty_cpumask);
}

void context_switch(struct vcpu *prev, struct vcpu *next)
{
	ASSERT(!irqs_enabled());
	if (!prev->is_idle)
		pv_save(prev);
	if (next->is_idle) {
		/* No table of a domain stays in use while nobody of it runs. */
		tlb_write_cr3((uint64_t)idle_l4 - IMAGE_OFFSET);
		load_fs(0);
		load_gs(0);
		asm volatile("lldt %w0" ::"r"(0));
	} else {
		set_bit(smp_cpu(), &next->domain->dirty_cpumask);
		tlb_write_cr3(next->pv.kernel_mode ? next->pv.cr3_kernel : next->pv.cr3_user);
	}
	left_domain(prev, next);
	cpu_info()->curr = next;
	context_saved(prev);
	if (next->is_idle)
		reset_stack_and_jump(idle_loop);
	pv_load(next);
	pvclock_update(next);
	vcpu_runstate_publish(next);
	leave_to_guest();
}

void idle_loop(void)
{
	for (;;) {
		irq_enable();
		while (!softirq_pending() && heap_scrub())
			;
		irq_disable();
		if (!softirq_pending())
			/* sti takes effect after hlt has begun: no wake-up is lost. */
			asm volatile("sti; hlt" ::: "memory");
		else
			irq_enable();
		do_softirq();
	}
}
