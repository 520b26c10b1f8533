// SPDX-License-Identifier: BSD-2-Clause
/*
 * A domain 0 that asks for a reboot: the log says so, and nothing is printed by the domain after.
 *
 * run: expect=shutdown
 */

#include "guest.h"

const char test_name[] = "end-reboot";

void test_main(void)
{
	struct sched_shutdown s = { .reason = SHUTDOWN_reboot };

	check("still here", hc_xen_version(XENVER_version, 0), 4 << 16 | 17);
	hc_sched_op(SCHEDOP_shutdown, &s);
	test_error("shutdown came back");
}
