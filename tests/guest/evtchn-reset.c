// SPDX-License-Identifier: BSD-2-Clause
/*
 * EVTCHNOP_reset of many ports: a timer that fires meanwhile is delivered before the call is done, nothing is left
 * open, and the domain is back at the two-level form. (Xen looks for each free port from the first one on, so the
 * FIFO form's 131072 would take it minutes.) The machine's own timer may be late by more than a reset takes; then
 * the ports are opened once more.
 *
 * run: time=120
 */

#include "guest.h"

const char test_name[] = "evtchn-reset";

#define PORTS	 16384
#define PER_PAGE (PAGE_SIZE / sizeof(event_word_t))
#define MS	 1000000UL
#define ROUNDS	 50

static volatile struct evtchn_fifo_control_block *control;

static long init_control(void *block)
{
	struct evtchn_init_control op = { .control_gfn = virt_to_mfn(block) };

	return hc_event_channel_op(EVTCHNOP_init_control, &op);
}

static long reset(domid_t dom)
{
	struct evtchn_reset op = { .dom = dom };

	return hc_event_channel_op(EVTCHNOP_reset, &op);
}

static long alloc_unbound(void)
{
	struct evtchn_alloc_unbound op = { .dom = DOMID_SELF, .remote_dom = DOMID_SELF };
	long ret = hc_event_channel_op(EVTCHNOP_alloc_unbound, &op);

	return ret ? ret : (long)op.port;
}

static long bind_timer(void)
{
	struct evtchn_bind_virq op = { .virq = VIRQ_TIMER };
	long ret = hc_event_channel_op(EVTCHNOP_bind_virq, &op);

	return ret ? ret : (long)op.port;
}

static long give_pages(void)
{
	static void *pages[PORTS / PER_PAGE];
	long failed = 0;

	for (unsigned int i = 0; i < PORTS / PER_PAGE; i++) {
		struct evtchn_expand_array op;

		if (!pages[i])
			pages[i] = page_alloc();
		op.array_gfn = virt_to_mfn(pages[i]);
		failed += hc_event_channel_op(EVTCHNOP_expand_array, &op) != 0;
	}
	return failed;
}

/* All ports but the last, which is the timer's: it is closed last. Number of failures. */
static long open_all(void *block)
{
	long port = 0, failed = init_control(block) != 0;

	failed += give_pages();
	while (port >= 0 && port < PORTS - 2)
		port = alloc_unbound();
	failed += port != PORTS - 2;
	return failed + (bind_timer() != PORTS - 1);
}

/* Close them all, with a timer that is to fire meanwhile. */
static long reset_with_timer(void)
{
	long ret;

	upcall_count = 0;
	hc_set_timer_op(system_time() + MS / 5);
	events_on();
	ret = reset(DOMID_SELF);
	events_off();
	return ret;
}

void test_main(void)
{
	void *block = page_alloc();
	struct evtchn_status st;
	long opened = 0, ret = 0;

	control = block;
	hc_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
	check("of a domain that is not there", reset(999), -XEN_ESRCH);
	for (unsigned int i = 0; i < ROUNDS && !upcall_count; i++) {
		opened |= open_all(block);
		ret |= reset_with_timer();
	}
	check("ports opened, the last one the timer's", opened, 0);
	check("reset", ret, 0);
	check_true("the timer was delivered meanwhile", upcall_count > 0);
	check_true("in its queue", control->head[EVTCHN_FIFO_PRIORITY_DEFAULT] == PORTS - 1);
	check("status of an old port", evtchn_status(77, &st), 0);
	check("which is closed", st.status, EVTCHNSTAT_closed);
	check("the array is gone", hc_event_channel_op(EVTCHNOP_expand_array, &st),
	      -XEN_EOPNOTSUPP);
	check("lowest port is free", evtchn_bind_virq(VIRQ_TIMER, 0), 1);
	check("reset of one port", reset(DOMID_SELF), 0);
	check("to the FIFO form again", init_control(block), 0);
	check("and back", reset(DOMID_SELF), 0);
}
