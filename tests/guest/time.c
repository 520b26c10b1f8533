// SPDX-License-Identifier: BSD-2-Clause
/*
 * Time: the pvclock fields, set_timer_op, single-shot and periodic timers, blocking and polling,
 * runstate, and the secondary time areas.
 */

#include "guest.h"

const char test_name[] = "time";

#define MS 1000000UL

static unsigned int timer;

/* Wait for the timer's next event with the vcpu blocked; the value is the time it came, or 0. */
static uint64_t wait_timer(unsigned int count, uint64_t ns)
{
	return event_wait(timer, count, ns) ? system_time() : 0;
}

static void check_clock(void)
{
	uint64_t t0 = system_time(), t1, tsc0, tsc1;
	unsigned int backwards = 0;

	for (unsigned int i = 0; i < 20000; i++) {
		t1 = system_time();
		if (t1 < t0)
			backwards++;
		t0 = t1;
	}
	check("system time steps backwards", backwards, 0);
	tsc0 = rdtsc();
	t0 = system_time();
	spin_ns(20 * MS);
	tsc1 = rdtsc();
	t1 = system_time();
	check_true("20 ms are 20 to 220 ms", t1 - t0 >= 20 * MS && t1 - t0 < 220 * MS);
	check_true("the TSC moved", tsc1 > tsc0);
	check("version is even", this_vcpu_info()->time.version & 1, 0);
	info("TSC kHz about %lu flags %x", (tsc1 - tsc0) * 1000000 / (t1 - t0),
	     this_vcpu_info()->time.flags);
}

static void check_set_timer(void)
{
	unsigned int n = event_count[timer];
	uint64_t start = system_time(), end;

	check("set_timer 5 ms", hc_set_timer_op(start + 5 * MS), 0);
	end = wait_timer(n + 1, 500 * MS);
	check_true("it came", end);
	check_true("not before its time", end >= start + 5 * MS);
	check_true("not 500 ms late", end < start + 505 * MS);
	check("once", event_count[timer] - n, 1);
	n = event_count[timer];
	check("set_timer in the past", hc_set_timer_op(start), 0);
	check_true("comes at once", wait_timer(n + 1, 100 * MS));
	n = event_count[timer];
	check("set_timer 20 ms", hc_set_timer_op(system_time() + 20 * MS), 0);
	check("cancel", hc_set_timer_op(0), 0);
	spin_ns(40 * MS);
	events_on();
	check("cancelled", event_count[timer] - n, 0);
	check("set_timer with a negative time", hc_set_timer_op(1UL << 63), 0);
	spin_ns(150 * MS);
	events_on();
	info("events after a negative time: %u", event_count[timer] - n);
	hc_set_timer_op(0);
}

static void check_single_shot(void)
{
	struct vcpu_set_singleshot_timer s = { 0 };
	unsigned int n = event_count[timer];
	uint64_t start = system_time(), end;

	s.timeout_abs_ns = start + 5 * MS;
	check("single shot 5 ms", hc_vcpu_op(VCPUOP_set_singleshot_timer, 0, &s), 0);
	end = wait_timer(n + 1, 500 * MS);
	check_true("it came", end);
	check_true("in time", end >= start + 5 * MS && end < start + 505 * MS);
	s.timeout_abs_ns = start;
	s.flags = VCPU_SSHOTTMR_future;
	n = event_count[timer];
	/* The flag that asks for an error instead is accepted and ignored. */
	check("single shot in the past, future only",
	      hc_vcpu_op(VCPUOP_set_singleshot_timer, 0, &s), 0);
	check_true("comes at once", wait_timer(n + 1, 100 * MS));
	s.flags = 0;
	n = event_count[timer];
	check("single shot in the past", hc_vcpu_op(VCPUOP_set_singleshot_timer, 0, &s), 0);
	check_true("comes at once", wait_timer(n + 1, 100 * MS));
	n = event_count[timer];
	s.timeout_abs_ns = system_time() + 20 * MS;
	check("single shot 20 ms", hc_vcpu_op(VCPUOP_set_singleshot_timer, 0, &s), 0);
	check("stop", hc_vcpu_op(VCPUOP_stop_singleshot_timer, 0, NULL), 0);
	spin_ns(40 * MS);
	events_on();
	check("stopped", event_count[timer] - n, 0);
	check("for a vcpu that is not there", hc_vcpu_op(VCPUOP_set_singleshot_timer, 4000, &s),
	      -XEN_ENOENT);
	check("from an unmapped page", hc_vcpu_op(VCPUOP_set_singleshot_timer, 0, 0x1000),
	      -XEN_EFAULT);
}

static void check_periodic(void)
{
	struct vcpu_set_periodic_timer p = { .period_ns = 10 * MS };
	unsigned int n;

	check("stop the start-of-day periodic timer",
	      hc_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0);
	events_on();
	n = event_count[timer];
	spin_ns(30 * MS);
	events_on();
	check("no ticks", event_count[timer] - n, 0);
	check("period 10 ms", hc_vcpu_op(VCPUOP_set_periodic_timer, 0, &p), 0);
	check_true("five ticks in a second", wait_timer(n + 5, 1000 * MS));
	p.period_ns = 100;
	check("too short a period", hc_vcpu_op(VCPUOP_set_periodic_timer, 0, &p), -XEN_EINVAL);
	p.period_ns = 1UL << 63;
	check("too long a period", hc_vcpu_op(VCPUOP_set_periodic_timer, 0, &p), -XEN_EINVAL);
	check("stop", hc_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0);
	events_on();
	n = event_count[timer];
	spin_ns(40 * MS);
	events_on();
	check("stopped", event_count[timer] - n, 0);
}

static void check_block(void)
{
	uint64_t start = system_time();
	unsigned int n = event_count[timer];
	evtchn_port_t port = timer;
	struct sched_poll poll = { .nr_ports = 1 };

	events_off();
	check("block clears the mask and waits", hc_set_timer_op(start + 10 * MS), 0);
	check("block", hc_sched_op(SCHEDOP_block, 0), 0);
	check("mask after block", this_vcpu_info()->evtchn_upcall_mask, 0);
	check("delivered when it returned", event_count[timer] - n, 1);
	check_true("it waited", system_time() >= start + 10 * MS);

	set_xen_guest_handle(poll.ports, &port);
	events_off();
	start = system_time();
	poll.timeout = start + 10 * MS;
	check("poll that times out", hc_sched_op(SCHEDOP_poll, &poll), 0);
	check_true("it waited", system_time() >= start + 10 * MS);
	hc_set_timer_op(system_time() + 5 * MS);
	poll.timeout = 0;
	check("poll of the timer", hc_sched_op(SCHEDOP_poll, &poll), 0);
	check("the port is pending", event_pending(timer), 1);
	check("poll again returns at once", hc_sched_op(SCHEDOP_poll, &poll), 0);
	poll.nr_ports = 129;
	check("poll of too many ports", hc_sched_op(SCHEDOP_poll, &poll), -XEN_EINVAL);
	poll.nr_ports = 1;
	port = 1 << 20;
	check("poll of a bad port", hc_sched_op(SCHEDOP_poll, &poll), -XEN_EINVAL);
	set_xen_guest_handle(poll.ports, (evtchn_port_t *)0x1000);
	check("poll of ports in an unmapped page", hc_sched_op(SCHEDOP_poll, &poll), -XEN_EFAULT);
	check("yield", hc_sched_op(SCHEDOP_yield, 0), 0);
	events_on();
}

static void check_runstate(void)
{
	struct vcpu_runstate_info r;
	static struct vcpu_runstate_info area;
	struct vcpu_register_runstate_memory_area reg;
	uint64_t now, sum = 0;

	memset(&r, 0, sizeof(r));
	check("get_runstate", hc_vcpu_op(VCPUOP_get_runstate_info, 0, &r), 0);
	now = system_time();
	check("running", r.state, RUNSTATE_running);
	for (unsigned int i = 0; i < 4; i++)
		sum += r.time[i];
	check_true("times add up to at most now", sum <= now);
	check_true("we ran", r.time[RUNSTATE_running]);
	check_true("we were blocked", r.time[RUNSTATE_blocked] >= 15 * MS);
	check("of a vcpu that is not there", hc_vcpu_op(VCPUOP_get_runstate_info, 4000, &r),
	      -XEN_ENOENT);
	reg.addr.v = &area;
	check("register an area", hc_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &reg), 0);
	check("the area is filled", area.state, RUNSTATE_running);
	events_off();
	hc_set_timer_op(system_time() + 10 * MS);
	sum = area.time[RUNSTATE_blocked];
	hc_sched_op(SCHEDOP_block, 0);
	check_true("the area counts blocked time", area.time[RUNSTATE_blocked] > sum);
	check("get_runstate into an unmapped page", hc_vcpu_op(VCPUOP_get_runstate_info, 0, 0x1000),
	      -XEN_EFAULT);
	reg.addr.p = HYPERVISOR_VIRT_START;
	check("an area in the hypervisor",
	      hc_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &reg), -XEN_EFAULT);
	reg.addr.v = NULL;
	check("no area", hc_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &reg), 0);
}

static void check_time_area(void)
{
	static struct vcpu_time_info area;
	struct vcpu_register_time_memory_area reg;

	reg.addr.v = &area;
	check("register a time area", hc_vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &reg),
	      0);
	check_true("it is filled",
		   area.tsc_to_system_mul == this_vcpu_info()->time.tsc_to_system_mul);
	reg.addr.v = NULL;
	check("no time area", hc_vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &reg), 0);
}

void test_main(void)
{
	int port = evtchn_bind_virq(VIRQ_TIMER, 0);

	if (port < 0)
		test_error("binding the timer returned %d", port);
	timer = (unsigned int)port;
	check_periodic();
	check_clock();
	check_set_timer();
	check_single_shot();
	check_block();
	check_runstate();
	check_time_area();
}
