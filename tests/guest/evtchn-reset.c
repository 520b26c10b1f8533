// SPDX-License-Identifier: BSD-2-Clause
/*
 * EVTCHNOP_reset of many ports: a timer that fires meanwhile is delivered before the call is done, nothing is left
 * open, and the domain is back at the two-level form. (Xen looks for each free port from the first one on, so the
 * FIFO form's 131072 would take it minutes.)
 *
 * run: time=120
 */

#include "guest.h"

const char test_name[] = "evtchn-reset";

#define PORTS	 16384
#define PER_PAGE (PAGE_SIZE / sizeof(event_word_t))
#define MS	 1000000UL

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
	long failed = 0;

	for (unsigned int i = 0; i < PORTS / PER_PAGE; i++) {
		struct evtchn_expand_array op = { .array_gfn = virt_to_mfn(page_alloc()) };

		failed += hc_event_channel_op(EVTCHNOP_expand_array, &op) != 0;
	}
	return failed;
}

/* All ports but the last, which is the timer's: it is closed last. */
static void open_all(void *block)
{
	long port = 0;

	check("to the FIFO form", init_control(block), 0);
	check("array pages refused", give_pages(), 0);
	while (port >= 0 && port < PORTS - 2)
		port = alloc_unbound();
	check("last port but one", port, PORTS - 2);
	check("the timer's port", bind_timer(), PORTS - 1);
}

void test_main(void)
{
	void *block = page_alloc();
	struct evtchn_status st;

	control = block;
	hc_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
	open_all(block);
	check("of a domain that is not there", reset(999), -XEN_ESRCH);
	upcall_count = 0;
	hc_set_timer_op(system_time() + MS / 5);
	events_on();
	check("reset", reset(DOMID_SELF), 0);
	events_off();
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
