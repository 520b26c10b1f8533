// SPDX-License-Identifier: BSD-2-Clause
/*
 * Wake-ups between two vcpus: ping-pong by IPIs with both sides blocking, polling for a port that the
 * other sends, sends that race with block, and a clock that hardly steps back from one vcpu to
 * the other. A lost wake-up shows as a round that needed the watchdog timer.
 *
 * run: cpus=2 time=120 options=dom0_max_vcpus=2
 */

#include "guest.h"

const char test_name[] = "smp-events";

#define ROUNDS 1500
#define SECOND 1000000000UL

static unsigned int ipi[2], timer[2];
static volatile unsigned int phase, finished;
static volatile unsigned int turn; /* whose turn it is, counted up */
static volatile unsigned long late[2], worst_step;
static volatile uint64_t last_time;

/* Block until @turn is @want; a timer of a quarter second ends a wait whose wake-up was lost. */
static void wait_turn(unsigned int want)
{
	unsigned int me = this_vcpu();

	while (turn < want) {
		unsigned int ticks = event_count[timer[me]];

		events_off();
		if (turn >= want)
			break;
		hc_set_timer_op(system_time() + SECOND / 4);
		hc_sched_op(SCHEDOP_block, 0);
		if (event_count[timer[me]] != ticks && turn >= want)
			late[me]++;
	}
	events_on();
}

static void ping_pong(unsigned int me)
{
	for (unsigned int i = 0; i < ROUNDS; i++) {
		wait_turn(2 * i + me);
		turn = 2 * i + me + 1;
		evtchn_send(ipi[!me]);
	}
}

/* The same with poll: the port stays pending until the poller clears it. */
static void poll_rounds(unsigned int me)
{
	evtchn_port_t port = ipi[me];
	struct sched_poll poll = { .nr_ports = 1 };

	set_xen_guest_handle(poll.ports, &port);
	events_off();
	for (unsigned int i = 0; i < ROUNDS; i++) {
		unsigned int want = 2 * ROUNDS + 2 * i + me;

		while (turn < want) {
			uint64_t start = system_time();

			poll.timeout = start + SECOND / 4;
			hc_sched_op(SCHEDOP_poll, &poll);
			event_clear(port);
			if (system_time() >= start + SECOND / 4 && turn >= want)
				late[me]++;
		}
		turn = want + 1;
		evtchn_send(ipi[!me]);
	}
	events_on();
}

/* Each reads the clock behind the other's last reading. */
static void clock_rounds(unsigned int me)
{
	for (unsigned int i = 0; i < 20000; i++) {
		uint64_t before = last_time, now = system_time();

		if (now < before && before - now > worst_step)
			worst_step = before - now;
		last_time = now;
	}
}

static void both(unsigned int me)
{
	ping_pong(me);
	poll_rounds(me);
	__atomic_fetch_add(&phase, 1, __ATOMIC_SEQ_CST);
	for (uint64_t end = system_time() + 5 * SECOND; phase < 2 && system_time() < end;)
		hc_sched_op(SCHEDOP_yield, 0);
	clock_rounds(me);
	__atomic_fetch_add(&finished, 1, __ATOMIC_SEQ_CST);
}

static void second(void *arg)
{
	hc_vcpu_op(VCPUOP_stop_periodic_timer, 1, NULL);
	events_on();
	both(1);
	events_off();
}

void test_main(void)
{
	uint64_t end;

	if (vcpus_present() < 2)
		test_skip("this needs two vcpus");
	for (unsigned int i = 0; i < 2; i++) {
		ipi[i] = (unsigned int)evtchn_bind_ipi(i);
		timer[i] = (unsigned int)evtchn_bind_virq(VIRQ_TIMER, i);
	}
	hc_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
	check("start vcpu 1", vcpu_start(1, second, NULL), 0);
	events_on();
	both(0);
	end = system_time() + 10 * SECOND;
	while (finished < 2 && system_time() < end)
		hc_sched_op(SCHEDOP_yield, 0);
	check("both finished", finished, 2);
	check("turns taken", turn, 4 * ROUNDS);
	check("wake-ups that were lost", (long)(late[0] + late[1]), 0);
	info("worst step back of the clock: %lu ns", worst_step);
	/* A host that stops one of its threads between reading and comparing looks like a step back. */
	check_true("the clock steps back by less than a second", worst_step < SECOND);
}
