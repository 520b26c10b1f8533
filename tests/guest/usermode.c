// SPDX-License-Identifier: BSD-2-Clause
/*
 * User mode: system calls in, the iret hypercall out, exceptions of user code, refused instructions,
 * page tables of its own, and iret frames that cannot be returned to.
 */

#include "guest.h"

const char test_name[] = "usermode";

/* User code: each piece ends in a system call with a known number, or in a fault. */
asm(".pushsection .text\n"
    "user_syscall:	mov $0x1234, %eax; mov $0x55, %edi; syscall\n"
    "user_flags:	stc; pushfq; orl $0x4c5, (%rsp); popfq; syscall\n"
    "user_twice:	mov $1, %eax; syscall; inc %eax; syscall\n"
    "user_read:	movb (%rdi), %al; syscall\n"
    "user_write:	movb %al, (%rdi); syscall\n"
    "user_jump:	jmp *%rdi\n"
    "user_int3:	int3\n"
    "user_ud2:	ud2\n"
    "user_int80:	int $0x80\n"
    "user_cli:	cli\n"
    "user_sti:	sti\n"
    "user_hlt:	hlt\n"
    "user_in:	in $0x80, %al\n"
    "user_out:	out %al, $0x80\n"
    "user_rdmsr:	mov $0xc0000080, %ecx; rdmsr\n"
    "user_wrmsr:	mov $0xc0000080, %ecx; wrmsr\n"
    "user_cr0:	mov %cr0, %rax\n"
    "user_cr3:	mov %rax, %cr3\n"
    "user_dr7:	mov %dr7, %rax\n"
    "user_invlpg:	invlpg (%rdi)\n"
    "user_lgdt:	lgdt (%rdi)\n"
    "user_step:	pushfq; orl $0x100, (%rsp); popfq; nop; nop\n"
    "user_rdtsc:	rdtsc; syscall\n"
    "user_cpuid:	xor %eax, %eax; cpuid; syscall\n"
    "user_spin:	jmp user_spin\n"
    ".popsection\n");
extern char user_syscall[], user_flags[], user_twice[], user_read[], user_write[], user_jump[],
	user_int3[], user_ud2[], user_int80[], user_cli[], user_sti[], user_hlt[], user_in[],
	user_out[], user_rdmsr[], user_wrmsr[], user_cr0[], user_cr3[], user_dr7[], user_invlpg[],
	user_lgdt[], user_step[], user_rdtsc[], user_cpuid[], user_spin[];

static char gone_page[PAGE_SIZE] __attribute__((aligned(4096)));
static char ro_page[PAGE_SIZE] __attribute__((aligned(4096)));

static struct fault run(const char *code, unsigned long rdi)
{
	struct regs r = user_regs(code);

	r.rdi = rdi;
	return user_run(&r);
}

static void check_syscall(void)
{
	struct regs r = user_regs(user_syscall);
	struct fault f;

	r.rbx = 0xb0b;
	r.r15 = 0x15;
	r.r10 = 0x10;
	f = user_run(&r);
	check_fault("syscall", &f, VEC_SYSCALL, 0);
	check("syscall rax", (long)f.regs.rax, 0x1234);
	check("syscall rdi", (long)f.regs.rdi, 0x55);
	check("syscall rbx", (long)f.regs.rbx, 0xb0b);
	check("syscall r10", (long)f.regs.r10, 0x10);
	check("syscall r15", (long)f.regs.r15, 0x15);
	check("syscall rcx is rip", (long)(f.regs.rcx - f.regs.rip), 0);
	check("syscall rip", (long)(f.regs.rip - UL(user_flags)), 0);
	check("syscall r11 is rflags", (long)(f.regs.r11 - f.regs.rflags), 0);
	check("syscall rsp", (long)(f.regs.rsp - r.rsp), 0);
	check("syscall cs", f.regs.cs & 0xffff, FLAT_USER_CS);
	check("syscall ss", f.regs.ss & 0xffff, FLAT_USER_SS);
	check("syscall frame saved mask", f.regs.cs >> 32 & 0xff, 0);
	check("syscall frame IF", f.regs.rflags >> 9 & 1, 1);
	check("syscall masks events", f.masked, 1);
	check("syscall is handled on the kernel stack", this_vcpu(), 0);

	f = run(user_flags, 0);
	check("syscall flags", f.regs.rflags & 0xcd5, 0x4c5);

	f = run(user_twice, 0);
	check("first syscall", (long)f.regs.rax, 1);
	r = f.regs;
	f = user_run(&r);
	check("continued syscall", (long)f.regs.rax, 2);
}

static void check_faults(void)
{
	struct fault f;

	check("unmap a page", map_page(gone_page, 0), 0);
	check("read-only page", set_page_flags(ro_page, PTE_RO), 0);
	f = run(user_read, UL(gone_page));
	check_fault("user read of an absent page", &f, VEC_PF, 4);
	check("its cr2", (long)(f.cr2 - UL(gone_page)), 0);
	check("its frame cs", f.regs.cs & 0xffff, FLAT_USER_CS);
	f = run(user_write, UL(ro_page));
	check_fault("user write to a read-only page", &f, VEC_PF, 7);
	f = run(user_read, UL(ro_page));
	check("user read of a read-only page", f.vector, VEC_SYSCALL);
	f = run(user_jump, UL(gone_page));
	check_fault("user jump to an absent page", &f, VEC_PF, 0x14);
	f = run(user_jump, 0x8000000000000000UL);
	check_fault("user jump to a non-canonical address", &f, VEC_GP, 0);
	f = run(user_write, HYPERVISOR_VIRT_START);
	check_fault("user write to the machine-to-physical table", &f, VEC_PF, 7);
	f = run(user_int3, 0);
	check_fault("user int3", &f, VEC_BP, 0);
	check("user int3 rip", (long)(f.regs.rip - UL(user_int3)), 1);
	f = run(user_ud2, 0);
	check_fault("user ud2", &f, VEC_UD, 0);
	f = run(user_step, 0);
	check_fault("user single step", &f, VEC_DB, 0);
	check("user single step rip", (long)(f.regs.rip - UL(user_rdtsc)), -1);
	check("user single step TF in the frame", f.regs.rflags >> 8 & 1, 1);
	check("user int $0x80 entry", trap_set(0x80, 3, trap_stubs + 0x80 * 16, FLAT_KERNEL_CS), 0);
	f = run(user_int80, 0);
	check_fault("user int $0x80", &f, 0x80, 0);
	check("user int $0x80 rip", (long)(f.regs.rip - UL(user_int80)), 2);
}

static void check_refused(void)
{
	static const struct {
		const char *what, *code;
		int at; /* offset of the refused instruction */
	} refused[] = {
		{ "user cli", user_cli, 0 },	      { "user sti", user_sti, 0 },
		{ "user hlt", user_hlt, 0 },	      { "user in", user_in, 0 },
		{ "user out", user_out, 0 },	      { "user rdmsr", user_rdmsr, 5 },
		{ "user wrmsr", user_wrmsr, 5 },      { "user read of cr0", user_cr0, 0 },
		{ "user write of cr3", user_cr3, 0 }, { "user read of dr7", user_dr7, 0 },
		{ "user invlpg", user_invlpg, 0 },    { "user lgdt", user_lgdt, 0 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(refused); i++) {
		struct fault f = run(refused[i].code, UL(gone_page));

		check_fault(refused[i].what, &f, VEC_GP, 0);
		check("frame rip", (long)(f.regs.rip - UL(refused[i].code)), refused[i].at);
	}
	check("user rdtsc", run(user_rdtsc, 0).vector, VEC_SYSCALL);
	check("user cpuid", run(user_cpuid, 0).vector, VEC_SYSCALL);
}

/* A user address space of its own: the kernel's L4 without its upper half, plus one private page. */
static void check_own_tables(void)
{
	uint64_t *l4 = page_alloc(), *boot_l4 = (uint64_t *)start_info->pt_base;
	struct fault f;

	/* Slots 256..271 are the hypervisor's; it fills them in, whatever stands there is ours to omit. */
	for (unsigned int i = 272; i < 512; i++)
		l4[i] = boot_l4[i];
	check("user L4 read-only", set_page_flags(l4, PTE_RO), 0);
	check("pin the user L4", pin_table(4, l4), 0);
	check("take it as user base", mmuext1(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(l4), 0), 0);
	f = run(user_syscall, 0);
	check("syscall from the own tables", f.vector, VEC_SYSCALL);
	check("unpin while it is the user base", unpin_table(l4), 0);
	f = run(user_syscall, 0);
	check("syscall again", f.vector, VEC_SYSCALL);
	/* Take the whole top slot away from user mode: its very first fetch must fault. */
	check("empty the user L4's last slot", pt_update(table_maddr(l4, 511), 0), 0);
	f = run(user_syscall, 0);
	check_fault("user fetch without its slot", &f, VEC_PF, 0x14);
	check("no user base at all", mmuext1(MMUEXT_NEW_USER_BASEPTR, 0, 0), 0);
	check("an L1 as user base",
	      mmuext1(MMUEXT_NEW_USER_BASEPTR, (*pte_ptr(UL(test_name), 2) & PTE_FRAME) >> 12, 0),
	      -XEN_EINVAL);
	check("restore the user base",
	      mmuext1(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn((void *)start_info->pt_base), 0), 0);
	check("the old L4 is writable again", set_page_flags(l4, PTE_RW), 0);
}

static struct iret_context frame(const char *code, uint64_t cs, uint64_t rflags)
{
	static char stack[PAGE_SIZE] __attribute__((aligned(4096)));
	struct iret_context c;

	memset(&c, 0, sizeof(c));
	c.rax = 0xaa;
	c.rcx = 0xcc;
	c.r11 = 0x11;
	c.rip = UL(code);
	c.cs = cs;
	c.rflags = rflags;
	c.rsp = UL(stack + sizeof(stack));
	c.ss = FLAT_USER_SS;
	return c;
}

static void check_good_frames(void)
{
	struct iret_context c = frame(user_int3, FLAT_USER_CS, 0x202);
	struct fault f = try_iret(&c);

	check_fault("iret to user", &f, VEC_BP, 0);
	check("iret to user rax", (long)f.regs.rax, 0xaa);
	check("iret to user rcx", (long)f.regs.rcx, 0xcc);
	check("iret to user r11", (long)f.regs.r11, 0x11);
	check("iret to user cs", f.regs.cs & 0xffff, FLAT_USER_CS);

	c.flags = VGCF_in_syscall;
	f = try_iret(&c);
	check_fault("iret in syscall mode", &f, VEC_BP, 0);
	check("iret in syscall mode rax", (long)f.regs.rax, 0xaa);
	check("iret in syscall mode rcx is rip", (long)(f.regs.rcx - UL(user_int3)), 0);
	check("iret in syscall mode r11", (long)f.regs.r11, 0x202);

	c = frame(user_int3, FLAT_KERNEL_CS & ~3, 0x202);
	f = try_iret(&c);
	check_fault("iret to the kernel", &f, VEC_BP, 0);
	check("iret to the kernel cs", f.regs.cs & 0xffff, FLAT_KERNEL_CS & ~3);
	check("iret to the kernel with IF: mask", f.regs.cs >> 32 & 0xff, 0);
	c = frame(user_int3, FLAT_KERNEL_CS & ~3, 0x002);
	f = try_iret(&c);
	check("iret to the kernel without IF: mask", f.regs.cs >> 32 & 0xff, 1);
	c = frame(user_int3, (FLAT_KERNEL_CS & ~3) | 1, 0x202);
	f = try_iret(&c);
	check("iret with RPL 1 goes to the kernel", f.regs.cs & 0xffff, FLAT_KERNEL_CS & ~3);
	c = frame(user_int3, FLAT_USER_CS, 0x002);
	f = try_iret(&c);
	check("iret to user without IF: vector", f.vector, VEC_BP);
	check("iret to user without IF: mask", f.regs.cs >> 32 & 0xff, 1);
	events_off();
	/* IOPL 3, VM, NT, RF, AC, ID and the reserved bits. */
	c = frame(user_int3, FLAT_USER_CS, 0x3ff6e8);
	f = try_iret(&c);
	check("iret with wild flags: vector", f.vector, VEC_BP);
	/* RF, VIF and VIP are left out: emulators and silicon differ in what becomes of them. */
	check("iret with wild flags: flags", f.regs.rflags & 0x26fed7, 0x2446c2);
	events_off();
}

static void check_bad_frames(void)
{
	struct iret_context c;
	struct fault f;

	c = frame(user_int3, 0, 0x202);
	f = try_iret(&c);
	check_fault("iret to a null CS", &f, VEC_GP, 0);
	info("rip %lx", f.regs.rip);
	c = frame(user_int3, 3, 0x202);
	f = try_iret(&c);
	check_fault("iret to a null CS of user mode", &f, VEC_GP, 0);
	c = frame(user_int3, FLAT_USER_DS32, 0x202);
	f = try_iret(&c);
	check_fault("iret to a data segment as CS", &f, VEC_GP, FLAT_USER_DS32 & ~3);
	c = frame(user_int3, 0xe008, 0x202);
	f = try_iret(&c);
	check_fault("iret to the hypervisor's CS", &f, VEC_GP, 0xe008);
	c = frame(user_int3, FLAT_USER_CS, 0x202);
	c.ss = 0;
	f = try_iret(&c);
	check_fault("iret to a null SS", &f, VEC_GP, 0);
	c.ss = FLAT_USER_CS;
	f = try_iret(&c);
	check_fault("iret to a code segment as SS", &f, VEC_GP, FLAT_USER_CS & ~3);
	c = frame((char *)0x8000000000000000UL, FLAT_USER_CS, 0x202);
	f = try_iret(&c);
	check_fault("iret to a non-canonical RIP", &f, VEC_GP, 0);
	c = frame(user_int3, FLAT_USER_CS, 0x202);
	c.rsp = 0x8000000000000000UL;
	f = try_iret(&c);
	check_fault("iret to a non-canonical RSP", &f, VEC_BP, 0);
	c = frame((char *)HYPERVISOR_VIRT_START, FLAT_USER_CS, 0x202);
	f = try_iret(&c);
	check("iret into the hypervisor's range", f.vector, VEC_PF);
	c.flags = VGCF_in_syscall;
	f = try_iret(&c);
	check("iret into the hypervisor's range, syscall mode", f.vector, VEC_PF);
}

void test_main(void)
{
	check_syscall();
	check_faults();
	check_refused();
	check_own_tables();
	check_good_frames();
	check_bad_frames();
}
