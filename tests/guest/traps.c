// SPDX-License-Identifier: BSD-2-Clause
/*
 * Exceptions of a 64-bit PV kernel and its user mode: what is delivered, with which error code,
 * address and frame, and that returning by the iret hypercall works.
 *
 * For each exception the guest's frame is compared: vector, error code, cr2, how far RIP is from
 * the instruction, selectors, and the event mask.
 */

#include "guest.h"

const char test_name[] = "traps";

static char nx_page[PAGE_SIZE] __attribute__((aligned(4096)));
static char ro_page[PAGE_SIZE] __attribute__((aligned(4096)));
static char gone_page[PAGE_SIZE] __attribute__((aligned(4096)));

/* Where the frame's RIP stands, counted from the end of the instruction under test. */
static void check_rip(const char *what, const struct fault *f, long from_end)
{
	char line[80];

	fmt(line, sizeof(line), "%s rip from the end", what);
	check(line, (long)(f->regs.rip - guard_rip), from_end);
}

static void check_simple(void)
{
	struct fault f;

	f = FAULT("int3");
	check_fault("int3", &f, VEC_BP, 0);
	check_rip("int3", &f, 0);
	check("kernel frame cs", f.regs.cs & 0xffff, FLAT_KERNEL_CS & ~3);
	check("kernel frame ss", f.regs.ss & 0xffff, FLAT_KERNEL_SS);
	check("kernel frame rsp", (long)(f.regs.rsp - guard_rsp), 0);
	check("kernel frame saved mask", f.regs.cs >> 32 & 0xff, 1);
	check("kernel frame IF", f.regs.rflags >> 9 & 1, 0);
	check("kernel frame IOPL", f.regs.rflags >> 12 & 3, 0);
	f = FAULT("ud2");
	check_fault("ud2", &f, VEC_UD, 0);
	check_rip("ud2", &f, -2);
	f = FAULT("xor %%ecx, %%ecx; xor %%edx, %%edx; mov $1, %%eax; div %%ecx");
	check_fault("division by zero", &f, VEC_DE, 0);
	check_rip("division by zero", &f, -2);
	f = FAULT("hlt");
	check_fault("hlt", &f, VEC_GP, 0);
	check_rip("hlt", &f, -1);
	f = FAULT("pushfq; orl $0x100, (%%rsp); popfq; nop");
	check_fault("single step", &f, VEC_DB, 0);
	check_rip("single step", &f, 0);
	f = FAULT("nop");
	check("nop", f.vector, VEC_NONE);
	f = FAULT("mov $0x1234567, %%eax; syscall");
	check("syscall in the kernel is a hypercall", f.vector, VEC_NONE);
}

static void check_mask(void)
{
	struct fault f;

	events_on();
	f = FAULT("int3");
	check("with events on: int3 vector", f.vector, VEC_BP);
	check("with events on: frame IF", f.regs.rflags >> 9 & 1, 1);
	check("with events on: saved mask", f.regs.cs >> 32 & 0xff, 0);
	check("with events on: mask in the handler", f.masked, 0);
	check("with events on: mask after return", this_vcpu_info()->evtchn_upcall_mask, 0);
	/* Bit 2 of a trap's flags asks for events to be masked on entry. */
	check("trap entry that masks",
	      trap_set(VEC_BP, 4 | 3, trap_stubs + VEC_BP * 16, FLAT_KERNEL_CS), 0);
	f = FAULT("int3");
	check("masking entry: frame IF", f.regs.rflags >> 9 & 1, 1);
	check("masking entry: mask in the handler", f.masked, 1);
	check("masking entry: mask after return", this_vcpu_info()->evtchn_upcall_mask, 0);
	trap_set(VEC_BP, 3, trap_stubs + VEC_BP * 16, FLAT_KERNEL_CS);
	events_off();
}

static void check_page_faults(void)
{
	struct fault f;

	check("unmap a page", map_page(gone_page, 0), 0);
	check("read-only page", set_page_flags(ro_page, PTE_RO), 0);
	nx_page[0] = (char)0xc3;
	check("no-execute page", set_page_flags(nx_page, PTE_RW | PTE_NX), 0);

	f = FAULT("movb (%0), %%al", "r"(gone_page + 5));
	check_fault("read of an absent page", &f, VEC_PF, 0);
	check("read of an absent page cr2", (long)(f.cr2 - UL(gone_page)), 5);
	f = FAULT("movb %%al, (%0)", "r"(gone_page + 6));
	check_fault("write to an absent page", &f, VEC_PF, 2);
	check("write to an absent page cr2", (long)(f.cr2 - UL(gone_page)), 6);
	f = FAULT("movb %%al, (%0)", "r"(ro_page + 7));
	check_fault("write to a read-only page", &f, VEC_PF, 3);
	check("write to a read-only page cr2", (long)(f.cr2 - UL(ro_page)), 7);
	f = FAULT("movb (%0), %%al", "r"(ro_page));
	check("read of a read-only page", f.vector, VEC_NONE);
	f = FAULT("call *%0", "r"(nx_page));
	check_fault("fetch from a no-execute page", &f, VEC_PF, 0x11);
	check("fetch from a no-execute page cr2", (long)(f.cr2 - UL(nx_page)), 0);
	check("fetch from a no-execute page rip", (long)(f.regs.rip - UL(nx_page)), 0);
	f = FAULT("call *%0", "r"(gone_page));
	check_fault("fetch from an absent page", &f, VEC_PF, 0x10);
	f = FAULT("movb (%0), %%al", "r"(0x1000UL));
	check_fault("read of low memory", &f, VEC_PF, 0);
	f = FAULT("movb (%0), %%al", "r"(0x8000000000000000UL));
	check_fault("read of a non-canonical address", &f, VEC_GP, 0);
	f = FAULT("movb %%al, (%0)", "r"(HYPERVISOR_VIRT_START));
	check_fault("write to the machine-to-physical table", &f, VEC_PF, 3);
	check_true("that cr2", f.cr2 == HYPERVISOR_VIRT_START);
	f = FAULT("movb (%0), %%al", "r"(HYPERVISOR_VIRT_END - PAGE_SIZE));
	check("read at the end of the hypervisor's range", f.vector, VEC_PF);
	f = FAULT("call *%0", "r"(HYPERVISOR_VIRT_START + PAGE_SIZE));
	check("jump into the hypervisor's range", f.vector, VEC_PF);
}

static void check_segments(void)
{
	struct fault f;

	f = FAULT("mov %0, %%ds", "r"(0x0018));
	check_fault("load of an absent descriptor", &f, VEC_GP, 0x18);
	f = FAULT("mov %0, %%ds", "r"(0xe010));
	check_fault("load of the hypervisor's data segment", &f, VEC_GP, 0xe010);
	f = FAULT("mov %0, %%es", "r"(FLAT_KERNEL_DS32));
	check("load of the flat data segment", f.vector, VEC_NONE);
	f = FAULT("mov %0, %%es", "r"(0));
	check("load of the null selector", f.vector, VEC_NONE);
	f = FAULT("mov %0, %%ss", "r"(0));
	check_fault("null selector in SS", &f, VEC_GP, 0);
	f = FAULT("lldt %w0", "r"(0));
	check_fault("lldt", &f, VEC_GP, 0);
	f = FAULT("ltr %w0", "r"(0xe040));
	check_fault("ltr", &f, VEC_GP, 0);
}

static void check_fpu(void)
{
	static const uint16_t unmasked_x87 = 0x0340;
	struct fault f;

	check("fpu_taskswitch(1)", hc_fpu_taskswitch(1), 0);
	f = FAULT("fninit");
	check_fault("x87 with TS set", &f, VEC_NM, 0);
	f = FAULT("fninit");
	check("TS is clear after #NM", f.vector, VEC_NONE);
	check("fpu_taskswitch(1)", hc_fpu_taskswitch(1), 0);
	check("fpu_taskswitch(0)", hc_fpu_taskswitch(0), 0);
	f = FAULT("fninit");
	check("x87 with TS clear", f.vector, VEC_NONE);
	f = FAULT("fldcw %0; fld1; fldz; fdivrp; fwait", "m"(unmasked_x87));
	check_fault("x87 division by zero", &f, VEC_MF, 0);
	f = FAULT("fnclex; fninit");
	check("x87 cleaned", f.vector, VEC_NONE);
}

/* A handler may itself raise an exception: the inner frame goes below the outer on the same stack. */
static unsigned int depth, deepest;
static unsigned long lowest_sp;

static bool nested_hook(struct regs *regs)
{
	if (regs->vector != VEC_UD && regs->vector != VEC_BP)
		return false;
	if (regs->rsp < lowest_sp)
		lowest_sp = regs->rsp;
	if (++depth > deepest)
		deepest = depth;
	if (depth < 5)
		asm volatile("int3; ud2");
	depth--;
	if (regs->vector == VEC_UD)
		regs->rip += 2;
	return true;
}

static void check_nested(void)
{
	unsigned long sp;

	asm volatile("mov %%rsp, %0" : "=r"(sp));
	lowest_sp = sp;
	trap_hook = nested_hook;
	asm volatile("ud2");
	trap_hook = NULL;
	check("nested exceptions, deepest", deepest, 5);
	check("nested exceptions, all returned", depth, 0);
	check_true("nested frames on the same stack", lowest_sp < sp && sp - lowest_sp < 8192);
}

static void check_bad_table(void)
{
	static struct trap_info t[2];

	check("trap table in an unmapped page", hc_set_trap_table(0x1000), -XEN_EFAULT);
	check("handler at a non-canonical address",
	      trap_set(9, 0, (void *)0x8000000000000000UL, FLAT_KERNEL_CS), -XEN_EINVAL);
	check("handler in the hypervisor's range",
	      trap_set(9, 0, (void *)HYPERVISOR_VIRT_START, FLAT_KERNEL_CS), 0);
	t[0].vector = 9;
	t[0].cs = 0;
	t[0].address = UL(trap_stubs + 9 * 16);
	check("handler with a null selector", hc_set_trap_table(t), 0);
}

void test_main(void)
{
	check_simple();
	check_mask();
	check_page_faults();
	check_segments();
	check_fpu();
	check_nested();
	check_bad_table();
}
