// SPDX-License-Identifier: BSD-2-Clause
/*
 * Long calls while a timer ticks: they are interrupted, events are delivered in between, and each is
 * carried on where it stopped: nothing is done twice, nothing is left out.
 *
 * run: time=120
 */

#include "guest.h"

const char test_name[] = "preempt";

#define TABLES 200
#define FRAMES 3000
#define MS     1000000UL

static unsigned int timer;
static char data[PAGE_SIZE] __attribute__((aligned(4096)));
static uint64_t *l1[TABLES], *l2;
static xen_pfn_t list[FRAMES];
static unsigned long taken[FRAMES];

/* Each event asks for the next, so that there is always one on its way. */
static void tick(unsigned int port)
{
	if (port == timer)
		hc_set_timer_op(system_time() + MS / 4);
}

static void ticks_on(void)
{
	event_hook = tick;
	hc_set_timer_op(system_time() + MS / 4);
	events_on();
}

static void ticks_off(void)
{
	events_off();
	event_hook = NULL;
	hc_set_timer_op(0);
	events_on();
	events_off();
}

static void check_pin(void)
{
	unsigned int before = event_count[timer];
	long refused = 0;

	l2 = page_alloc();
	for (unsigned int i = 0; i < TABLES; i++) {
		l1[i] = page_alloc();
		for (unsigned int j = 0; j < 512; j++)
			l1[i][j] = mkpte(virt_to_mfn(data), PTE_RO);
		refused += set_page_flags(l1[i], PTE_RO) != 0;
		l2[i] = mkpte(virt_to_mfn(l1[i]), PTE_RW);
	}
	refused += set_page_flags(l2, PTE_RO) != 0;
	check("pin: write-protecting refused", refused, 0);
	ticks_on();
	check("pin: a large L2", pin_table(2, l2), 0);
	ticks_off();
	info("events while pinning %u", event_count[timer] - before);
	check("pin: its L1s are tables", set_page_flags(l1[TABLES - 1], PTE_RW), -XEN_EBUSY);
	check("pin: again", pin_table(2, l2), -XEN_EINVAL);
	before = event_count[timer];
	ticks_on();
	check("pin: unpin", unpin_table(l2), 0);
	ticks_off();
	info("events while unpinning %u", event_count[timer] - before);
	/* One bad entry at the very end: all that was validated before must be let go again. */
	for (unsigned int i = 0; i < TABLES; i++)
		refused += set_page_flags(l1[i], PTE_RW) != 0;
	check("pin: pages that stay tables", refused, 0);
	l1[TABLES - 1][511] = mkpte(virt_to_mfn((void *)start_info->pt_base), PTE_RW);
	for (unsigned int i = 0; i < TABLES; i++)
		set_page_flags(l1[i], PTE_RO);
	ticks_on();
	check("pin: a bad entry at the end", pin_table(2, l2), -XEN_EBUSY);
	ticks_off();
	for (unsigned int i = 0; i < TABLES; i++)
		refused += set_page_flags(l1[i], PTE_RW) != 0;
	check("pin: pages that stay tables after that", refused, 0);
	check("pin: and the L2", set_page_flags(l2, PTE_RW), 0);
}

static void check_updates(void)
{
	static struct mmu_update u[FRAMES];
	unsigned int done = 0, before = event_count[timer], wrong = 0;

	for (unsigned int j = 0; j < 512; j++)
		l1[0][j] = 0;
	set_page_flags(l1[0], PTE_RO);
	check("update: pin an L1", pin_table(1, l1[0]), 0);
	for (unsigned int i = 0; i < FRAMES; i++) {
		u[i].ptr = table_maddr(l1[0], i % 512);
		u[i].val = mkpte(virt_to_mfn(data), i & 1 ? PTE_RO : PTE_RW) | UL(i) << 52;
	}
	ticks_on();
	check("update: a long list", hc_mmu_update(u, FRAMES, &done, DOMID_SELF), 0);
	ticks_off();
	info("events while updating %u", event_count[timer] - before);
	check("update: how many were done", done, FRAMES);
	for (unsigned int j = 0; j < 512; j++) {
		unsigned int last = j + (FRAMES - 1 - j) / 512 * 512;

		/* Bit 52 may be the hypervisor's; the rest of the number is ours. */
		wrong += (l1[0][j] >> 53 & 0x3ff) != (last >> 1 & 0x3ff);
	}
	check("update: entries that are not the last written", wrong, 0);
	check("update: unpin", unpin_table(l1[0]), 0);
	check("update: writable", set_page_flags(l1[0], PTE_RW), 0);
}

static long reservation(unsigned int cmd, unsigned long n)
{
	struct xen_memory_reservation r;

	memset(&r, 0, sizeof(r));
	set_xen_guest_handle(r.extent_start, list);
	r.nr_extents = n;
	r.domid = DOMID_SELF;
	return hc_memory_op(cmd, &r);
}

static void check_memory(void)
{
	unsigned long *p2m = (unsigned long *)start_info->mfn_list;
	unsigned long first = start_info->nr_pages - FRAMES;
	unsigned int before = event_count[timer], wrong = 0;
	domid_t self = DOMID_SELF;
	long pages = hc_memory_op(XENMEM_current_reservation, &self);

	for (unsigned int i = 0; i < FRAMES; i++)
		list[i] = taken[i] = p2m[first + i];
	ticks_on();
	check("memory: give many back", reservation(XENMEM_decrease_reservation, FRAMES), FRAMES);
	ticks_off();
	info("events while giving back %u", event_count[timer] - before);
	check("memory: so many fewer", pages - hc_memory_op(XENMEM_current_reservation, &self),
	      FRAMES);
	for (unsigned int i = 0; i < FRAMES; i++)
		list[i] = first + i;
	before = event_count[timer];
	ticks_on();
	check("memory: take as many", reservation(XENMEM_populate_physmap, FRAMES), FRAMES);
	ticks_off();
	info("events while taking %u", event_count[timer] - before);
	check("memory: as many as before", hc_memory_op(XENMEM_current_reservation, &self) - pages,
	      0);
	for (unsigned int i = 0; i < FRAMES; i++) {
		p2m[first + i] = list[i];
		wrong += mfn_to_pfn(list[i]) != first + i;
	}
	check("memory: frames whose m2p is wrong", wrong, 0);
}

void test_main(void)
{
	int port = evtchn_bind_virq(VIRQ_TIMER, 0);

	if (port < 0)
		test_error("binding the timer returned %d", port);
	timer = (unsigned int)port;
	hc_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
	check_pin();
	check_updates();
	check_memory();
}
