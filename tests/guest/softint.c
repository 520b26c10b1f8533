// SPDX-License-Identifier: BSD-2-Clause
/*
 * int n: delivered where the trap table allows it to the mode that asks, #GP with the vector's error
 * code where not, with the instruction pointer on the right side of the instruction.
 *
 * Older QEMU gives a refused int n a wrong error code, by which Xen takes the wrong vector.
 *
 * run: qemu=10
 */

#include "guest.h"

const char test_name[] = "softint";

asm(".pushsection .text\n"
    "user_int30:	int $0x30\n"
    "user_int31:	int $0x31\n"
    "user_int32:	int $0x32\n"
    "user_int80:	int $0x80\n"
    "user_int3:	.byte 0xcd, 3\n"
    "user_icebp:	.byte 0xf1\n"
    ".popsection\n");
extern char user_int30[], user_int31[], user_int32[], user_int80[], user_int3[], user_icebp[];

static struct fault user(const char *code)
{
	struct regs r = user_regs(code);

	return user_run(&r);
}

static void check_user(const char *what, const char *code, int vector, uint32_t error, long after)
{
	struct fault f = user(code);
	char line[80];

	check_fault(what, &f, vector, error);
	fmt(line, sizeof(line), "%s rip", what);
	check(line, (long)(f.regs.rip - UL(code)), after);
	fmt(line, sizeof(line), "%s cs", what);
	check(line, f.regs.cs & 0xffff, FLAT_USER_CS);
}

void test_main(void)
{
	struct fault f;

	/* DPL 3, 1 and 0; 0x33 has no entry at all. */
	check("entry for user and kernel",
	      trap_set(0x30, 3, trap_stubs + 0x30 * 16, FLAT_KERNEL_CS), 0);
	check("entry for the kernel", trap_set(0x31, 1, trap_stubs + 0x31 * 16, FLAT_KERNEL_CS), 0);
	check("entry for nobody", trap_set(0x32, 0, trap_stubs + 0x32 * 16, FLAT_KERNEL_CS), 0);
	check("entry for user that masks",
	      trap_set(0x80, 3 | 4, trap_stubs + 0x80 * 16, FLAT_KERNEL_CS), 0);

	f = FAULT("int $0x30");
	check_fault("kernel, DPL 3", &f, 0x30, 0);
	check("kernel, DPL 3 rip", (long)(f.regs.rip - guard_rip), 0);
	f = FAULT("int $0x31");
	check_fault("kernel, DPL 1", &f, 0x31, 0);
	f = FAULT("int $0x32");
	check_fault("kernel, DPL 0", &f, VEC_GP, 0x32 * 8 + 2);
	check("kernel, DPL 0 rip", (long)(f.regs.rip - guard_rip), -2);
	f = FAULT("int $0x33");
	check_fault("kernel, no entry", &f, VEC_GP, 0x33 * 8 + 2);
	f = FAULT("int $0xe");
	check_fault("kernel, int 14", &f, VEC_GP, 14 * 8 + 2);
	f = FAULT("int $0x80");
	check_fault("kernel, int 0x80", &f, 0x80, 0);
	f = FAULT(".byte 0xcd, 3");
	check_fault("kernel, two-byte int 3", &f, VEC_BP, 0);
	check("kernel, two-byte int 3 rip", (long)(f.regs.rip - guard_rip), 0);

	check_user("user, DPL 3", user_int30, 0x30, 0, 2);
	check_user("user, DPL 1", user_int31, VEC_GP, 0x31 * 8 + 2, 0);
	check_user("user, DPL 0", user_int32, VEC_GP, 0x32 * 8 + 2, 0);
	check_user("user, int 0x80", user_int80, 0x80, 0, 2);
	check_user("user, two-byte int 3", user_int3, VEC_BP, 0, 2);
	check_user("user, int1", user_icebp, VEC_DB, 0, 1);
	f = user(user_int80);
	check("user, int 0x80 masks events as its entry says", f.masked, 1);
	f = user(user_int30);
	check("user, DPL 3 leaves them", f.masked, 0);
}
