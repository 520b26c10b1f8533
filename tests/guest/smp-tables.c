// SPDX-License-Identifier: BSD-2-Clause
/*
 * Two vcpus that change the same page tables and pages at the same time: pins, unpins, mappings,
 * hooking up and trapped writes race with each other. Whatever each single call answers, the rules
 * must hold at every moment and at the end all must be as releasable as at the start.
 *
 * run: cpus=2 time=120
 */

#include "guest.h"

const char test_name[] = "smp-tables";

#define PAGES 4
#define STEPS 6000
#define HOLE  (GUEST_VIRT_BASE + (512UL << 20))

static uint64_t *pages[PAGES];
static uint64_t *l1; /* hooked up at HOLE */
static volatile unsigned int running, stopped;
static volatile unsigned long done[2];

static uint64_t random64(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* A page that is a table must not be writable through the mapping both vcpus change. */
static void step(uint64_t *seed, unsigned int me)
{
	uint64_t r = random64(seed);
	uint64_t *page = pages[r % PAGES], *other = pages[(r >> 8) % PAGES];
	unsigned int slot = (r >> 16) % 8;

	switch ((r >> 24) % 10) {
	case 0:
		set_page_flags(page, PTE_RO);
		break;
	case 1:
		set_page_flags(page, PTE_RW);
		break;
	case 2:
		pin_table(1 + (int)((r >> 32) % 4), page);
		break;
	case 3:
		unpin_table(page);
		break;
	case 4:
		pt_update(table_maddr(page, slot), mkpte(virt_to_mfn(other), PTE_RO));
		break;
	case 5:
		pt_update(table_maddr(page, slot), 0);
		break;
	case 6:
		pt_update(table_maddr(l1, slot), mkpte(virt_to_mfn(page), PTE_RW));
		break;
	case 7:
		pt_update(table_maddr(l1, slot), 0);
		break;
	case 8:
		hc_update_va_mapping(HOLE + slot * PAGE_SIZE, mkpte(virt_to_mfn(other), PTE_RO),
				     UVMF_INVLPG | UVMF_ALL);
		break;
	default:
		/* A trapped write when allowed; this one never makes anything writable. */
		if (me == 0)
			(void)FAULT("movq $0, (%0)", "r"(l1 + slot));
	}
	done[me]++;
}

static void second(void *arg)
{
	uint64_t seed = 0x5eed0002;

	running = 1;
	for (unsigned int i = 0; i < STEPS; i++)
		step(&seed, 1);
	stopped = 1;
}

/* Release everything; only a broken count can refuse it. */
static void check_release(void)
{
	long left = 0;

	for (unsigned int i = 0; i < 8; i++)
		left += pt_update(table_maddr(l1, i), 0) != 0;
	check("entries that could not be emptied", left, 0);
	for (unsigned int round = 0; round < 2 * PAGES; round++)
		for (unsigned int i = 0; i < PAGES; i++) {
			unpin_table(pages[i]);
			for (unsigned int slot = 0; slot < 8; slot++)
				pt_update(table_maddr(pages[i], slot), 0);
		}
	for (unsigned int i = 0; i < PAGES; i++)
		left += set_page_flags(pages[i], PTE_RW) != 0;
	check("pages that are no longer writable", left, 0);
	for (unsigned int i = 0; i < PAGES; i++) {
		memset(pages[i], 0, PAGE_SIZE);
		left += set_page_flags(pages[i], PTE_RO) != 0;
		left += pin_table(1 + (int)i, pages[i]) != 0;
		left += unpin_table(pages[i]) != 0;
	}
	check("pages that can no longer be tables", left, 0);
	check("unhook the table", pt_update(pte_maddr(HOLE, 2), 0), 0);
	check("it is an ordinary page again", set_page_flags(l1, PTE_RW), 0);
}

static bool wait_for(volatile unsigned int *what, uint64_t ns)
{
	uint64_t end = system_time() + ns;

	while (!*what && system_time() < end) {
		events_off();
		hc_set_timer_op(system_time() + 1000000);
		hc_sched_op(SCHEDOP_block, 0);
	}
	return *what;
}

void test_main(void)
{
	uint64_t seed = 0x5eed0001;

	if (vcpus_present() < 2)
		test_skip("this needs two vcpus");
	if (evtchn_bind_virq(VIRQ_TIMER, 0) < 0)
		test_error("cannot bind the timer");
	for (unsigned int i = 0; i < PAGES; i++)
		pages[i] = page_alloc();
	l1 = page_alloc();
	if (set_page_flags(l1, PTE_RO) ||
	    pt_update(pte_maddr(HOLE, 2), mkpte(virt_to_mfn(l1), PTE_RW)))
		test_error("cannot hook up a table");
	check("start vcpu 1", vcpu_start(1, second, NULL), 0);
	wait_for(&running, 1000000000);
	for (unsigned int i = 0; i < STEPS; i++)
		step(&seed, 0);
	check("vcpu 1 ran", running, 1);
	check_true("vcpu 1 ends too", wait_for(&stopped, 60000000000));
	check("steps", (long)(done[0] + done[1]), 2 * STEPS);
	check_release();
}
