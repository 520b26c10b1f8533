// SPDX-License-Identifier: BSD-2-Clause
/*
 * An exception of the kernel whose stack is not mapped: the frame cannot be written. The domain is
 * crashed, the hypervisor lives to say so.
 *
 * run: expect=crashed
 */

#include "guest.h"

const char test_name[] = "crash-page";

void test_main(void)
{
	check("still here", hc_xen_version(XENVER_version, 0), 4 << 16 | 17);
	asm volatile("mov $0x2000, %rsp; ud2");
	test_error("ran on after an exception without a stack");
}
