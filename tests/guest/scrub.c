// SPDX-License-Identifier: BSD-2-Clause
/*
 * Memory that was given back comes again without its contents: at once, and after the processors were idle for a
 * while; also when another vcpu goes on writing to a page through a translation that was never flushed. (Xen clears
 * what a domain that is not dying gives back only when told to by an option.)
 *
 * run: on=paravane cpus=3 options=dom0_max_vcpus=2 time=120
 */

#include "guest.h"

const char test_name[] = "scrub";

#define FRAMES 2000
#define MS     1000000UL

static xen_pfn_t list[FRAMES];
static unsigned long first; /* pseudo-physical number of the frames that come and go */
static char window[PAGE_SIZE] __attribute__((aligned(4096)));
static unsigned int timer;
static volatile bool stop;
static long gave, slept, took;

static long reservation(unsigned int cmd)
{
	struct xen_memory_reservation r;

	memset(&r, 0, sizeof(r));
	set_xen_guest_handle(r.extent_start, list);
	r.nr_extents = FRAMES;
	r.domid = DOMID_SELF;
	return hc_memory_op(cmd, &r);
}

/* The window shows frame mfn. */
static void look_at(unsigned long mfn, unsigned long flags, unsigned long flush)
{
	long ret =
		hc_update_va_mapping((unsigned long)window, mfn ? (mfn << 12 | flags) : 0, flush);

	if (ret)
		test_error("mapping frame %lx returned %ld", mfn, ret);
}

static void fill(void)
{
	for (unsigned int i = 0; i < FRAMES; i++) {
		look_at(list[i], PTE_RW, UVMF_INVLPG);
		memset(window, 0xa5, PAGE_SIZE);
	}
	look_at(0, 0, UVMF_INVLPG);
}

static unsigned int not_zero(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < FRAMES; i++) {
		look_at(list[i], PTE_RW, UVMF_INVLPG);
		for (unsigned int j = 0; j < PAGE_SIZE; j++)
			if (window[j]) {
				n++;
				break;
			}
	}
	look_at(0, 0, UVMF_INVLPG);
	return n;
}

static void sleep_ms(unsigned int ms)
{
	unsigned int before = event_count[timer];

	hc_set_timer_op(system_time() + ms * MS);
	while (event_count[timer] == before) {
		hc_sched_op(SCHEDOP_block, NULL);
		events_off();
	}
}

static void frames_wanted(void)
{
	for (unsigned int i = 0; i < FRAMES; i++)
		list[i] = first + i;
}

static void give_and_take(const char *give, const char *take, unsigned int idle_ms)
{
	unsigned long *p2m = (unsigned long *)start_info->mfn_list;

	check(give, reservation(XENMEM_decrease_reservation), FRAMES);
	if (idle_ms)
		sleep_ms(idle_ms);
	frames_wanted();
	check(take, reservation(XENMEM_populate_physmap), FRAMES);
	for (unsigned int i = 0; i < FRAMES; i++)
		p2m[first + i] = list[i];
}

/* On vcpu 1, while vcpu 0 writes. No flush: vcpu 0 may go on until the hypervisor sees to it. It sleeps for its CPU to be idle. */
static void take_away(void *unused)
{
	struct sched_poll poll = { .nr_ports = 0 };

	look_at(0, 0, UVMF_NONE);
	gave = reservation(XENMEM_decrease_reservation);
	poll.timeout = system_time() + 100 * MS;
	slept = hc_sched_op(SCHEDOP_poll, &poll);
	frames_wanted();
	took = reservation(XENMEM_populate_physmap);
	stop = true;
	(void)unused;
}

static void check_stale(void)
{
	look_at(list[0], PTE_RW, UVMF_INVLPG);
	window[0] = 1;
	check("stale: start a vcpu", vcpu_start(1, take_away, NULL), 0);
	while (!stop)
		FAULT("movl $0x5a5a5a5a, %0", "m"(*(volatile unsigned int *)window));
	check("stale: give back", gave, FRAMES);
	check("stale: sleep", slept, 0);
	check("stale: take", took, FRAMES);
	check("stale: frames that are not zero", not_zero(), 0);
}

void test_main(void)
{
	unsigned long *p2m = (unsigned long *)start_info->mfn_list;
	int port = evtchn_bind_virq(VIRQ_TIMER, 0);

	if (port < 0)
		test_error("binding the timer returned %d", port);
	timer = (unsigned int)port;
	hc_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
	first = start_info->nr_pages - FRAMES;
	for (unsigned int i = 0; i < FRAMES; i++)
		list[i] = p2m[first + i];
	fill();
	give_and_take("at once: give back", "at once: take", 0);
	check("at once: frames that are not zero", not_zero(), 0);
	fill();
	give_and_take("later: give back", "later: take", 100);
	check("later: frames that are not zero", not_zero(), 0);
	fill();
	check_stale();
}
