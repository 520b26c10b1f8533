// SPDX-License-Identifier: BSD-2-Clause
// Exceptions: of a guest, of the hypervisor itself, and those with stacks of their own.

#include <hv/domain.h>
#include <hv/guest_access.h>
#include <hv/hypercall.h>
#include <hv/mm.h>
#include <hv/sched.h>
#include <hv/smp.h>
#include <hv/x86/cpu.h>
#include <hv/x86/entry.h>

#define PFEC_P	  1u
#define PFEC_W	  2u
#define PFEC_U	  4u
#define PFEC_RSVD 8u

enum {
	X_DE,
	X_DB,
	X_NMI,
	X_BP,
	X_OF,
	X_BR,
	X_UD,
	X_NM,
	X_DF,
	X_TS = 10,
	X_NP,
	X_SS,
	X_GP,
	X_PF,
	X_MF = 16,
	X_AC,
	X_MC,
	X_XM,
	X_CP = 21,
};

#define ERRCODE_VECTORS                                                                      \
	(BIT(X_DF) | BIT(X_TS) | BIT(X_NP) | BIT(X_SS) | BIT(X_GP) | BIT(X_PF) | BIT(X_AC) | \
	 BIT(X_CP))

/* The CPU read a descriptor from this CPU's LDT window, where pages appear on first use. */
static bool ldt_window_fault(struct vcpu *v, uint64_t addr)
{
	uint64_t base = LDT_WINDOW(smp_cpu());

	if (addr < base || addr >= base + 16 * PAGE_SIZE)
		return false;
	if (!ldt_map_page(v, addr - base))
		/* As if the CPU had found the guest's own LDT not mapped. */
		pv_inject_page_fault(v->pv.ldt_base + (addr - base), 0);
	return true;
}

static void guest_page_fault(struct vcpu *v, struct cpu_user_regs *regs)
{
	uint64_t addr = read_cr2();
	uint32_t err = regs->error_code;

	irq_enable();
	if (unlikely(addr >= HV_VIRT_START && addr < HV_VIRT_END)) {
		if (ldt_window_fault(v, addr))
			return;
	} else if (v->pv.kernel_mode &&
		   (err & (PFEC_P | PFEC_W | PFEC_RSVD)) == (PFEC_P | PFEC_W)) {
		if (ptwr_fault(v, addr, regs))
			return;
	}
	pv_inject_page_fault(addr, err);
}

/*
 * `int n` from ring 3 meets a gate of ours with DPL 0: #GP with the vector in the error code (IDT bit set). The error code
 * is not trusted (some emulators get it wrong): the instruction says which vector. The guest's own table decides.
 */
static bool guest_software_interrupt(struct vcpu *v, struct cpu_user_regs *regs)
{
	uint8_t insn[2];
	const struct trap_info *t;

	if ((regs->error_code & 3) != 2)
		return false;
	if (copy_from_guest(insn, guest_ptr(regs->rip), 2) || insn[0] != 0xcd)
		return false;
	t = &v->pv.trap[insn[1]];
	if (TI_GET_DPL(t) < (v->pv.kernel_mode ? 1 : 3))
		/* Refused by the guest's table too: the error code names the vector. */
		pv_inject_exception(X_GP, insn[1] * 8 + 2);
	else {
		regs->rip += 2;
		pv_bounce(v, t->address, TI_GET_IF(t) ? TBF_INTERRUPT : 0, 0);
	}
	return true;
}

static void guest_general_protection(struct vcpu *v, struct cpu_user_regs *regs)
{
	if (guest_software_interrupt(v, regs))
		return;
	if (regs->error_code == 0 && pv_emulate_privileged(v, regs))
		return;
	pv_inject_exception(X_GP, (int)regs->error_code);
}

static void guest_debug(struct vcpu *v)
{
	uint64_t dr6;

	asm volatile("movq %%dr6, %0" : "=r"(dr6));
	/* Bits the CPU keeps set come back as in a fresh DR6. */
	v->pv.dr[6] = (v->pv.dr[6] & ~15UL) | dr6;
	asm volatile("movq %0, %%dr6" ::"r"(0xffff0ff0UL));
	pv_inject_exception(X_DB, -1);
}

/* The guest turned on CR0.TS (fpu_taskswitch): tell it that somebody wants the FPU, once. */
static void guest_device_not_available(struct vcpu *v)
{
	asm volatile("clts");
	v->pv.cr0 &= ~CR0_TS;
	pv_inject_exception(X_NM, -1);
}

void guest_exception(struct cpu_user_regs *regs)
{
	struct vcpu *v = current;
	unsigned int vector = regs->entry_vector;

	if (likely(vector == X_PF)) {
		guest_page_fault(v, regs);
		return;
	}
	irq_enable();
	switch (vector) {
	case X_GP:
		guest_general_protection(v, regs);
		break;
	case X_UD:
		if (!pv_emulate_forced(v, regs))
			pv_inject_exception(X_UD, -1);
		break;
	case X_DB:
		guest_debug(v);
		break;
	case X_NM:
		guest_device_not_available(v);
		break;
	default:
		pv_inject_exception(vector,
				    ERRCODE_VECTORS & BIT(vector) ? (int)regs->error_code : -1);
		break;
	}
}

static const char *const exception_name[] = {
	"#DE divide error",
	"#DB debug",
	"NMI",
	"#BP breakpoint",
	"#OF overflow",
	"#BR bound range",
	"#UD invalid opcode",
	"#NM device not available",
	"#DF double fault",
	"coprocessor overrun",
	"#TS invalid TSS",
	"#NP segment not present",
	"#SS stack fault",
	"#GP general protection",
	"#PF page fault",
	"reserved",
	"#MF x87 error",
	"#AC alignment check",
	"#MC machine check",
	"#XM SIMD error",
};

/* The hypervisor's own fault: expected ones go on where the exception table says, the rest is the end. */
void hv_exception(struct cpu_user_regs *regs)
{
	unsigned int vector = regs->entry_vector;
	uint64_t to;

	if (vector == X_PF && current) {
		uint64_t base = LDT_WINDOW(smp_cpu()), addr = read_cr2();

		/* Loading a selector of a guest on its behalf read its LDT. */
		if (addr >= base && addr < base + 16 * PAGE_SIZE &&
		    ldt_map_page(current, addr - base))
			return;
	}
	to = extable_find(regs->rip);
	if (likely(to)) {
		/* Only the fault of an iret to the guest is looked at: pv_iret_fault(). */
		cpu_info()->scratch = vector | ((uint64_t)regs->error_code << 32);
		regs->rip = to;
		return;
	}
	/* A guest's data breakpoint on its own memory, hit by our copy: nobody's business. */
	if (vector == X_DB) {
		asm volatile("movq %0, %%dr6" ::"r"(0xffff0ff0UL));
		return;
	}
	hv_panic_regs(regs, "%s in the hypervisor, error code %04x, cr2 %016lx, rip %016lx\n",
		      vector < ARRAY_SIZE(exception_name) ? exception_name[vector] : "exception",
		      regs->error_code, read_cr2(), regs->rip);
}

void (*nmi_handler)(struct cpu_user_regs *regs);

void ist_exception(struct cpu_user_regs *regs)
{
	if (regs->entry_vector == X_NMI) {
		if (nmi_handler)
			nmi_handler(regs);
		return;
	}
	hv_panic_regs(regs, "%s, error code %04x, cr2 %016lx, rip %016lx, rsp %016lx\n",
		      exception_name[regs->entry_vector], regs->error_code, read_cr2(), regs->rip,
		      regs->rsp);
}
