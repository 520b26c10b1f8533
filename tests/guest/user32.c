// SPDX-License-Identifier: BSD-2-Clause
/*
 * 32-bit user mode below a 64-bit kernel, and the I/O rights of user mode: interrupts, exceptions and
 * fast system calls from compatibility code, far jumps between the modes, IOPL 3 and the I/O bitmap.
 */

#include "guest.h"

const char test_name[] = "user32";

/* Where the page with the user code is mapped a second time, within reach of 32-bit code. */
#define LOW	  0x400000UL
#define LOW_STACK (LOW + 3 * PAGE_SIZE)

asm(".pushsection .text\n"
    "	.balign 4096\n"
    "low_code:\n"
    "	.code32\n"
    "u32_int80:	mov $0x1234, %eax; int $0x80\n"
    "u32_int3:	int3\n"
    "u32_ud2:	ud2\n"
    "u32_div:	xor %ecx, %ecx; xor %edx, %edx; div %ecx\n"
    "u32_read:	movl (%edi), %eax; int $0x80\n"
    "u32_push:	push $0x55; pushf; pop %eax; pop %ebx; int $0x80\n"
    "u32_syscall: mov $0x77, %eax; mov %esp, %ebp; syscall\n"
    "u32_after:	nop\n"
    "u32_into:	mov $0x7fffffff, %eax; add $1, %eax; into; int $0x80\n"
    "u32_bound:	movl $1, -8(%esp); movl $2, -4(%esp); xor %eax, %eax; bound %eax, -8(%esp)\n"
    "u32_cli:	cli; int $0x80\n"
    "u32_far:	ljmp $0xe033, $0x400000 + (u64_from_far - low_code)\n"
    "	.code64\n"
    "u64_from_far: mov $0x123456789ab, %rax; syscall\n"
    "u64_far:	pushq $0xe023; pushq $0x400000 + (u32_int80 - low_code); lretq\n"
    "u64_cli:	cli; syscall\n"
    "u64_sti:	sti; syscall\n"
    "u64_popf:	pushfq; popfq; syscall\n"
    "u64_hlt:	hlt\n"
    "u64_in:	xor %eax, %eax; mov %edi, %edx; in %dx, %al; syscall\n"
    "u64_out:	mov %edi, %edx; out %al, %dx; syscall\n"
    "	.balign 4096\n"
    ".popsection\n");
extern char low_code[], u32_int80[], u32_int3[], u32_ud2[], u32_div[], u32_read[], u32_push[],
	u32_syscall[], u32_after[], u32_into[], u32_bound[], u32_cli[], u32_far[], u64_from_far[],
	u64_far[], u64_cli[], u64_sti[], u64_popf[], u64_hlt[], u64_in[], u64_out[];

static unsigned long low(const char *code)
{
	return LOW + UL(code - low_code);
}

static void map_low(void)
{
	uint64_t *l1 = page_alloc(), *l2 = page_alloc(), *l3 = page_alloc();
	uint64_t *tables[] = { l1, l2, l3 };

	l1[0] = mkpte(virt_to_mfn(low_code), PTE_RO);
	l1[1] = mkpte(virt_to_mfn(page_alloc()), PTE_RW);
	l1[2] = mkpte(virt_to_mfn(page_alloc()), PTE_RW);
	l2[LOW >> 21] = mkpte(virt_to_mfn(l1), PTE_RW);
	l3[0] = mkpte(virt_to_mfn(l2), PTE_RW);
	for (unsigned int i = 0; i < ARRAY_SIZE(tables); i++)
		if (set_page_flags(tables[i], PTE_RO))
			test_error("cannot write-protect a table");
	if (pt_update(table_maddr((void *)start_info->pt_base, 0), mkpte(virt_to_mfn(l3), PTE_RW)))
		test_error("cannot hook up the low tables");
}

static struct fault run32(const char *code, uint64_t rdi)
{
	struct regs r = user_regs((void *)low(code));

	r.cs = FLAT_USER_CS32;
	r.rsp = LOW_STACK;
	r.rdi = rdi;
	return user_run(&r);
}

static struct fault run64(const char *code, uint64_t rdi)
{
	struct regs r = user_regs((void *)low(code));

	r.rsp = LOW_STACK;
	r.rdi = rdi;
	return user_run(&r);
}

static void check_32(void)
{
	struct fault f = run32(u32_int80, 0);

	check_fault("int $0x80", &f, 0x80, 0);
	check("its eax", (long)f.regs.rax, 0x1234);
	check("its cs", f.regs.cs & 0xffff, FLAT_USER_CS32);
	check("its rsp", (long)f.regs.rsp, LOW_STACK);
	check("its rip", (long)f.regs.rip, (long)low(u32_int3));
	f = run32(u32_int3, 0);
	check_fault("int3", &f, VEC_BP, 0);
	f = run32(u32_ud2, 0);
	check_fault("ud2", &f, VEC_UD, 0);
	f = run32(u32_div, 0);
	check_fault("division by zero", &f, VEC_DE, 0);
	f = run32(u32_read, 0x1000);
	check_fault("read of low memory", &f, VEC_PF, 4);
	check("its cr2", (long)f.cr2, 0x1000);
	f = run32(u32_read, 0xffffffff00001000UL);
	check_fault("only the low half of a register counts", &f, VEC_PF, 4);
	check("its cr2", (long)f.cr2, 0x1000);
	f = run32(u32_push, 0);
	check_fault("stack", &f, 0x80, 0);
	check("popped", (long)f.regs.rbx, 0x55);
	f = run32(u32_into, 0);
	check_fault("into", &f, VEC_OF, 0);
	f = run32(u32_bound, 0);
	check_fault("bound", &f, 5, 0);
	f = run32(u32_far, 0);
	check_fault("far jump to 64-bit code", &f, VEC_SYSCALL, 0);
	check_true("it ran as such", f.regs.rax == 0x123456789abUL);
	check("its cs", f.regs.cs & 0xffff, FLAT_USER_CS);
	f = run64(u64_far, 0);
	check_fault("far return to 32-bit code", &f, 0x80, 0);
	check("its cs", f.regs.cs & 0xffff, FLAT_USER_CS32);
}

static long register_callback(uint16_t type, const void *entry)
{
	struct callback_register cb = { .type = type, .address = UL(entry) };

	return hc_callback_op(CALLBACKOP_register, &cb);
}

static void check_fast_calls(void)
{
	struct fault f;

	f = run32(u32_syscall, 0);
	check_fault("syscall of 32-bit code without an entry", &f, VEC_UD, 0);
	check("its rip", (long)f.regs.rip, (long)(low(u32_after) - 2));
	check("register syscall32", register_callback(CALLBACKTYPE_syscall32, syscall32_entry), 0);
	f = run32(u32_syscall, 0);
	check_fault("syscall of 32-bit code", &f, VEC_SYSCALL32, 0);
	check("its eax", (long)f.regs.rax, 0x77);
	check("its rip", (long)f.regs.rip, (long)low(u32_after));
	check("its cs", f.regs.cs & 0xffff, FLAT_USER_CS32);
	check("its rsp", (long)f.regs.rsp, LOW_STACK);
}

static long set_iopl(unsigned int level)
{
	struct physdev_set_iopl op = { .iopl = level };

	return hc_physdev_op(PHYSDEVOP_set_iopl, &op);
}

/* NetBSD gives itself level 3 and expects cli in user mode to pass and hlt to fault. */
static void check_iopl(void)
{
	struct fault f;

	check("iopl 1", set_iopl(1), 0);
	f = run64(u64_cli, 0);
	check_fault("iopl 1: user cli", &f, VEC_GP, 0);
	f = run64(u64_in, 0x71);
	check_fault("iopl 1: user in", &f, VEC_GP, 0);
	check("iopl 3", set_iopl(3), 0);
	f = run64(u64_cli, 0);
	check_fault("iopl 3: user cli", &f, VEC_SYSCALL, 0);
	check("iopl 3: it masked nothing", f.regs.cs >> 32 & 0xff, 0);
	check("iopl 3: frame IF", f.regs.rflags >> 9 & 1, 1);
	f = run64(u64_sti, 0);
	check_fault("iopl 3: user sti", &f, VEC_SYSCALL, 0);
	f = run64(u64_popf, 0);
	check_fault("iopl 3: user popf", &f, VEC_SYSCALL, 0);
	f = run64(u64_hlt, 0);
	check_fault("iopl 3: user hlt", &f, VEC_GP, 0);
	f = run64(u64_in, 0x71);
	check_fault("iopl 3: user in", &f, VEC_SYSCALL, 0);
	f = run64(u64_out, 0x80);
	check_fault("iopl 3: user out", &f, VEC_SYSCALL, 0);
	f = run32(u32_cli, 0);
	check_fault("iopl 3: 32-bit user cli", &f, 0x80, 0);
	check("iopl 0", set_iopl(0), 0);
	f = run64(u64_cli, 0);
	check_fault("iopl 0: user cli", &f, VEC_GP, 0);
}

static void check_bitmap(void)
{
	static uint8_t map[8192];
	struct physdev_set_iobitmap op;
	struct fault f;

	memset(map, 0xff, sizeof(map));
	map[0x71 / 8] &= (uint8_t) ~(1u << (0x71 & 7));
	memset(&op, 0, sizeof(op));
	set_xen_guest_handle(op.bitmap, map);
	op.nr_ports = 65536;
	check("bitmap", hc_physdev_op(PHYSDEVOP_set_iobitmap, &op), 0);
	f = run64(u64_in, 0x71);
	check_fault("bitmap: a port it gives", &f, VEC_SYSCALL, 0);
	f = run64(u64_in, 0x72);
	check_fault("bitmap: one it does not give", &f, VEC_GP, 0);
	f = run64(u64_cli, 0);
	check_fault("bitmap: cli", &f, VEC_GP, 0);
	op.nr_ports = 65537;
	check("bitmap of too many ports", hc_physdev_op(PHYSDEVOP_set_iobitmap, &op), -XEN_EINVAL);
	/* A bitmap that cannot be read gives nothing. */
	op.nr_ports = 65536;
	set_xen_guest_handle(op.bitmap, (uint8_t *)0x1000);
	check("bitmap in an unmapped page", hc_physdev_op(PHYSDEVOP_set_iobitmap, &op), 0);
	f = run64(u64_in, 0x71);
	check_fault("bitmap: unreadable", &f, VEC_GP, 0);
	set_xen_guest_handle(op.bitmap, NULL);
	op.nr_ports = 0;
	check("no bitmap", hc_physdev_op(PHYSDEVOP_set_iobitmap, &op), 0);
	f = run64(u64_in, 0x71);
	check_fault("no bitmap: in", &f, VEC_GP, 0);
}

void test_main(void)
{
	map_low();
	check("int $0x80 entry", trap_set(0x80, 3, trap_stubs + 0x80 * 16, FLAT_KERNEL_CS), 0);
	check_32();
	check_fast_calls();
	check_iopl();
	check_bitmap();
}
