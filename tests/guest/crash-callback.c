// SPDX-License-Identifier: BSD-2-Clause
/*
 * An event for a domain whose callback stands in the hypervisor's range, and a frame that cannot be
 * returned to when there is no failsafe callback: the hypervisor never runs there.
 *
 * run: expect=crashed
 */

#include "guest.h"

const char test_name[] = "crash-callback";

void test_main(void)
{
	struct callback_register cb = { .type = CALLBACKTYPE_event,
					.address = HYPERVISOR_VIRT_START + 0x1000 };
	struct fault f;

	check("callback in the hypervisor's range", hc_callback_op(CALLBACKOP_register, &cb), 0);
	trap_set(VEC_PF, 0, (void *)(HYPERVISOR_VIRT_START + 0x2000), FLAT_KERNEL_CS);
	f = FAULT("movb (%0), %%al", "r"(0x1000UL));
	test_error("vector %d was delivered", f.vector);
}
