// SPDX-License-Identifier: BSD-2-Clause
// Start of day: take start_info, map the shared page, install the entries, run the test.

#include "guest.h"

struct start_info *start_info;
struct shared_info shared_info __attribute__((aligned(4096), section(".bss.shared")));

/* The shared page is mapped over a page of the image: nothing else may live in it. */
static char shared_pad[PAGE_SIZE - sizeof(struct shared_info)]
	__attribute__((used, section(".bss.shared")));

static char pool[1024][PAGE_SIZE] __attribute__((aligned(4096)));
static unsigned int pool_used;

void *page_alloc(void)
{
	if (pool_used == ARRAY_SIZE(pool))
		test_error("page pool of %u pages is empty", pool_used);
	return pool[pool_used++];
}

static long register_callback(uint16_t type, const void *entry, uint16_t flags)
{
	struct callback_register cb = {
		.type = type,
		.flags = flags,
		.address = (xen_callback_t)entry,
	};

	return hc_callback_op(CALLBACKOP_register, &cb);
}

static void install_entries(void)
{
	static struct trap_info traps[33];
	long ret;

	for (unsigned int i = 0; i < 32; i++) {
		traps[i].vector = (uint8_t)i;
		/* int3 and into are for anybody, the rest only for the CPU itself. */
		traps[i].flags = i == VEC_BP || i == VEC_OF ? 3 : 0;
		traps[i].cs = FLAT_KERNEL_CS;
		traps[i].address = UL(trap_stubs + i * 16);
	}
	ret = hc_set_trap_table(traps);
	if (ret)
		test_error("set_trap_table returned %ld", ret);
	ret = register_callback(CALLBACKTYPE_event, event_entry, CALLBACKF_mask_events);
	if (!ret)
		ret = register_callback(CALLBACKTYPE_failsafe, failsafe_entry, 0);
	if (!ret)
		ret = register_callback(CALLBACKTYPE_syscall, syscall_entry, CALLBACKF_mask_events);
	if (ret)
		test_error("registering a callback returned %ld", ret);
}

void guest_start(struct start_info *si);
void guest_start(struct start_info *si)
{
	long ret;

	start_info = si;
	say("GUEST %s starts\n", test_name);
	ret = hc_update_va_mapping(&shared_info, (si->shared_info & PTE_FRAME) | PTE_RW,
				   UVMF_INVLPG);
	if (ret)
		test_error("mapping the shared page at machine address %lx returned %ld",
			   si->shared_info, ret);
	install_entries();
	hc_stack_switch(FLAT_KERNEL_SS, guest_stacks + STACK_SIZE / 2);
	ret = mmuext1(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn((void *)si->pt_base), 0);
	if (ret)
		test_error("setting the user page-table base returned %ld", ret);
	test_main();
	test_done();
}
