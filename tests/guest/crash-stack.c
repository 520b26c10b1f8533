// SPDX-License-Identifier: BSD-2-Clause
/*
 * An exception of user mode when the kernel's stack is in the hypervisor's own range: the frame must
 * not be written there. The domain is crashed, the hypervisor lives to say so.
 *
 * run: expect=crashed
 */

#include "guest.h"

const char test_name[] = "crash-stack";

asm(".pushsection .text\n"
    "user_ud2:	ud2\n"
    ".popsection\n");
extern char user_ud2[];

void test_main(void)
{
	struct regs r = user_regs(user_ud2);

	check("a stack in the hypervisor's range",
	      hc_stack_switch(FLAT_KERNEL_SS, HYPERVISOR_VIRT_START + 0x10000), 0);
	user_run(&r);
	test_error("an exception was delivered on a stack that is not ours");
}
