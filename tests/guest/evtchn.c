// SPDX-License-Identifier: BSD-2-Clause
/*
 * Event channels, two-level: allocation, binding, sending, masks, status, closing, bad ports, reset,
 * and what the upcall sees.
 */

#include "guest.h"

const char test_name[] = "evtchn";

static long bind_vcpu(unsigned int port, unsigned int vcpu)
{
	struct evtchn_bind_vcpu op = { .port = port, .vcpu = vcpu };

	return hc_event_channel_op(EVTCHNOP_bind_vcpu, &op);
}

static long unmask(unsigned int port)
{
	struct evtchn_unmask op = { .port = port };

	return hc_event_channel_op(EVTCHNOP_unmask, &op);
}

static long status_of(unsigned int port)
{
	struct evtchn_status st;
	long ret = evtchn_status(port, &st);

	return ret ? ret : st.status;
}

static void check_alloc(void)
{
	struct evtchn_alloc_unbound op = { .dom = DOMID_SELF, .remote_dom = DOMID_SELF };
	struct evtchn_status st;
	int a = evtchn_alloc_unbound(DOMID_SELF), b = evtchn_alloc_unbound(0);

	check("first port", a, 1);
	check("second port", b, 2);
	check("status of an unbound port", evtchn_status((unsigned int)a, &st), 0);
	check("it is unbound", st.status, EVTCHNSTAT_unbound);
	check("its remote domain", st.u.unbound.dom, 0);
	check("its vcpu", st.vcpu, 0);
	check("status of port 0", status_of(0), EVTCHNSTAT_closed);
	check("status of a free port", status_of(50), EVTCHNSTAT_closed);
	check("status of a port beyond all", status_of(100000), -XEN_EINVAL);
	check("status of a port of domain 5",
	      (st.dom = 5, st.port = 1, hc_event_channel_op(EVTCHNOP_status, &st)), -XEN_ESRCH);
	op.dom = 5;
	check("allocate in domain 5", hc_event_channel_op(EVTCHNOP_alloc_unbound, &op), -XEN_ESRCH);
	check("allocate from an unmapped page", hc_event_channel_op(EVTCHNOP_alloc_unbound, 0x1000),
	      -XEN_EFAULT);
	check("close", evtchn_close((unsigned int)a), 0);
	check("close again", evtchn_close((unsigned int)a), -XEN_EINVAL);
	check("close port 0", evtchn_close(0), -XEN_EINVAL);
	check("close a port beyond all", evtchn_close(0xffffffff), -XEN_EINVAL);
	check("the lowest free port is given again", evtchn_alloc_unbound(DOMID_SELF), 1);
	evtchn_close(1);
	evtchn_close(2);
	check("an unknown operation", hc_event_channel_op(99, &op), -XEN_ENOSYS);
}

static void check_loopback(void)
{
	unsigned int a = (unsigned int)evtchn_alloc_unbound(DOMID_SELF);
	int bound = evtchn_bind_interdomain(DOMID_SELF, a);
	unsigned int b = (unsigned int)bound;
	struct evtchn_status st;

	check("bind to the own unbound port", bound > 0 && b != a, 1);
	/* Binding leaves the local end pending, so that nothing sent before is lost. */
	check("the new end is pending", event_pending(b), 1);
	event_clear(b);
	this_vcpu_info()->evtchn_pending_sel = 0;
	this_vcpu_info()->evtchn_upcall_pending = 0;
	check("status", evtchn_status(a, &st), 0);
	check("it is interdomain", st.status, EVTCHNSTAT_interdomain);
	check("its remote domain", st.u.interdomain.dom, 0);
	check("its remote port", st.u.interdomain.port == b, 1);
	check("bind to it once more", evtchn_bind_interdomain(DOMID_SELF, a), -XEN_EINVAL);
	check("bind to a free port", evtchn_bind_interdomain(DOMID_SELF, 77), -XEN_EINVAL);
	check("bind to a port beyond all", evtchn_bind_interdomain(DOMID_SELF, 1 << 20),
	      -XEN_EINVAL);
	check("bind to domain 5", evtchn_bind_interdomain(5, 1), -XEN_ESRCH);

	check("send", evtchn_send(a), 0);
	check("the other end is pending", event_pending(b), 1);
	check("the sending end is not", event_pending(a), 0);
	check("upcall is pending", this_vcpu_info()->evtchn_upcall_pending, 1);
	check("selector", (long)this_vcpu_info()->evtchn_pending_sel, 1);
	check("not delivered while masked", event_count[b], 0);
	events_on();
	check("delivered once", event_count[b], 1);
	check("no longer pending", event_pending(b), 0);
	check("send with events on", evtchn_send(b), 0);
	check("delivered at once", event_count[a], 1);
	events_off();

	event_mask(b);
	check("send to a masked port", evtchn_send(a), 0);
	check("it is pending", event_pending(b), 1);
	check("no upcall", this_vcpu_info()->evtchn_upcall_pending, 0);
	check("unmask by hypercall", unmask(b), 0);
	check("upcall now", this_vcpu_info()->evtchn_upcall_pending, 1);
	check("the mask bit is gone", (long)(shared_info.evtchn_mask[0] >> b & 1), 0);
	events_on();
	check("delivered", event_count[b], 2);
	events_off();
	check("unmask a port beyond all", unmask(1 << 20), -XEN_EINVAL);
	check("unmask a free port", unmask(60), 0);

	check("send twice", evtchn_send(a) | evtchn_send(a), 0);
	events_on();
	check("delivered once only", event_count[b], 3);
	events_off();

	check("close one end", evtchn_close(b), 0);
	check("the other end is unbound", status_of(a), EVTCHNSTAT_unbound);
	check("send on it", evtchn_send(a), 0);
	check("close the other end", evtchn_close(a), 0);
	check("send on a closed port", evtchn_send(a), -XEN_EINVAL);
	check("send on port 0", evtchn_send(0), -XEN_EINVAL);
	check("send on a port beyond all", evtchn_send(1 << 20), -XEN_EINVAL);
}

/* A port bound to itself is both ends of its own channel. */
static void check_self_bound(void)
{
	struct evtchn_status st;
	int port = evtchn_bind_ipi(0);

	check("ipi port", port > 0, 1);
	check("status", evtchn_status((unsigned int)port, &st), 0);
	check("it is an ipi", st.status, EVTCHNSTAT_ipi);
	check("send to it", evtchn_send((unsigned int)port), 0);
	check("it is pending", event_pending((unsigned int)port), 1);
	event_clear((unsigned int)port);
	check("move it to another vcpu", bind_vcpu((unsigned int)port, 0), -XEN_EINVAL);
	check("bind_interdomain to it", evtchn_bind_interdomain(DOMID_SELF, (unsigned int)port),
	      -XEN_EINVAL);
	check("close", evtchn_close((unsigned int)port), 0);
	check("ipi for a vcpu that is not there", evtchn_bind_ipi(4000), -XEN_ENOENT);
}

static void check_virq(void)
{
	struct evtchn_status st;
	int port = evtchn_bind_virq(VIRQ_TIMER, 0), con;

	check("virq port", port > 0, 1);
	check("bind it again", evtchn_bind_virq(VIRQ_TIMER, 0), -XEN_EEXIST);
	check("status", evtchn_status((unsigned int)port, &st), 0);
	check("it is a virq", st.status, EVTCHNSTAT_virq);
	check("which one", (long)st.u.virq, VIRQ_TIMER);
	check("send to it", evtchn_send((unsigned int)port), -XEN_EINVAL);
	check("bind_vcpu of a per-vcpu virq", bind_vcpu((unsigned int)port, 0), -XEN_EINVAL);
	check("close", evtchn_close((unsigned int)port), 0);
	port = evtchn_bind_virq(VIRQ_TIMER, 0);
	check("bind after close", port > 0, 1);
	evtchn_close((unsigned int)port);
	con = evtchn_bind_virq(VIRQ_CONSOLE, 0);
	check("console virq", con > 0, 1);
	check("move a global virq", bind_vcpu((unsigned int)con, 0), 0);
	check("move it to a vcpu that is not there", bind_vcpu((unsigned int)con, 4000),
	      -XEN_ENOENT);
	evtchn_close((unsigned int)con);
	con = evtchn_bind_virq(VIRQ_CON_RING, 0);
	check("console ring virq", con > 0, 1);
	evtchn_close((unsigned int)con);
	con = evtchn_bind_virq(VIRQ_DOM_EXC, 0);
	check("domain exception virq", con > 0, 1);
	evtchn_close((unsigned int)con);
	check("unknown virq", evtchn_bind_virq(NR_VIRQS, 0), -XEN_EINVAL);
	check("virq with a wild number", evtchn_bind_virq(0xffffffff, 0), -XEN_EINVAL);
	check("virq on a vcpu that is not there", evtchn_bind_virq(VIRQ_TIMER, 4000), -XEN_ENOENT);
	check("bind_vcpu of a free port", bind_vcpu(99, 0), -XEN_EINVAL);
	check("bind_vcpu of a port beyond all", bind_vcpu(1 << 20, 0), -XEN_EINVAL);
}

static void check_pirq(void)
{
	struct evtchn_bind_pirq op = { .pirq = 100000 };

	check("pirq with a wild number", hc_event_channel_op(EVTCHNOP_bind_pirq, &op), -XEN_EINVAL);
	op.pirq = 8;
	check("pirq that nobody mapped", hc_event_channel_op(EVTCHNOP_bind_pirq, &op), -XEN_EPERM);
}

/* All ports of the two-level form, then none left. */
static void check_exhaustion(void)
{
	int port = 0, last = 0;
	unsigned int n = 0;

	while ((port = evtchn_alloc_unbound(DOMID_SELF)) > 0)
		last = port, n++;
	check("the last port", last, (long)EVTCHN_2L_NR_CHANNELS - 1);
	check("then none is left", port, -XEN_ENOSPC);
	for (unsigned int i = 1; i <= (unsigned int)last; i++)
		n -= !evtchn_close(i);
	check("all closed, left over", n, 0);
}

static void check_reset(void)
{
	struct evtchn_reset op = { .dom = DOMID_SELF };
	int a = evtchn_alloc_unbound(DOMID_SELF);

	evtchn_bind_interdomain(DOMID_SELF, (unsigned int)a);
	check("reset", hc_event_channel_op(EVTCHNOP_reset, &op), 0);
	check("all ports are closed", status_of((unsigned int)a), EVTCHNSTAT_closed);
	op.dom = 5;
	check("reset of domain 5", hc_event_channel_op(EVTCHNOP_reset, &op), -XEN_ESRCH);
}

void test_main(void)
{
	check_alloc();
	check_loopback();
	check_self_bound();
	check_virq();
	check_pirq();
	check_exhaustion();
	check_reset();
}
