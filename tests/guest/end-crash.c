// SPDX-License-Identifier: BSD-2-Clause
/*
 * A domain 0 that says it has crashed: the machine stops, and the log says that it crashed.
 *
 * run: expect=crashed
 */

#include "guest.h"

const char test_name[] = "end-crash";

void test_main(void)
{
	struct sched_shutdown s = { .reason = SHUTDOWN_crash };

	check("still here", hc_xen_version(XENVER_version, 0), 4 << 16 | 17);
	hc_sched_op(SCHEDOP_shutdown, &s);
	test_error("shutdown came back");
}
