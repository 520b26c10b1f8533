// SPDX-License-Identifier: BSD-2-Clause
/*
 * An exception without a handler: the domain is crashed, the hypervisor lives to say so.
 *
 * run: expect=crashed
 */

#include "guest.h"

const char test_name[] = "crash-handler";

void test_main(void)
{
	check("empty the trap table", hc_set_trap_table(NULL), 0);
	asm volatile("ud2");
	test_error("ran on after an exception without a handler");
}
