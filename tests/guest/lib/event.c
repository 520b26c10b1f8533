// SPDX-License-Identifier: BSD-2-Clause
// Event channels: the two-level upcall, masks, waiting, and the common operations.

#include "guest.h"

#define PORTS_PER_WORD 64

volatile unsigned int event_count[4096];
volatile unsigned int event_vcpu[4096];
uint8_t event_owner[4096];
void (*event_hook)(unsigned int port);
volatile unsigned int upcall_count;

void event_upcall(void);

struct vcpu_info *this_vcpu_info(void)
{
	return &shared_info.vcpu_info[this_vcpu()];
}

/* The pending bits that are for this vcpu: a word is shared by all of them. */
static unsigned long pending_here(unsigned int word)
{
	unsigned long bits = shared_info.evtchn_pending[word] & ~shared_info.evtchn_mask[word];

	for (unsigned long left = bits; left; left &= left - 1) {
		unsigned int bit = (unsigned int)__builtin_ctzl(left);

		if (event_owner[word * PORTS_PER_WORD + bit] != this_vcpu())
			bits &= ~(1UL << bit);
	}
	return bits;
}

static void scan_word(unsigned int word)
{
	unsigned long bits;

	while ((bits = pending_here(word))) {
		unsigned int port = word * PORTS_PER_WORD + (unsigned int)__builtin_ctzl(bits);

		event_clear(port);
		event_vcpu[port] = this_vcpu();
		__atomic_fetch_add(&event_count[port], 1, __ATOMIC_SEQ_CST);
		if (event_hook)
			event_hook(port);
	}
}

void event_upcall(void)
{
	struct vcpu_info *v = this_vcpu_info();

	__atomic_fetch_add(&upcall_count, 1, __ATOMIC_SEQ_CST);
	while (v->evtchn_upcall_pending) {
		unsigned long sel;

		v->evtchn_upcall_pending = 0;
		sel = __atomic_exchange_n(&v->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
		for (; sel; sel &= sel - 1)
			scan_word((unsigned int)__builtin_ctzl(sel));
	}
}

/* Unmasking must look for what came meanwhile: the hypervisor calls up only on a new event. */
void events_on(void)
{
	struct vcpu_info *v = this_vcpu_info();

	v->evtchn_upcall_mask = 0;
	barrier();
	while (v->evtchn_upcall_pending) {
		v->evtchn_upcall_mask = 1;
		event_upcall();
		v->evtchn_upcall_mask = 0;
		barrier();
	}
}

bool events_off(void)
{
	struct vcpu_info *v = this_vcpu_info();
	bool were_on = !v->evtchn_upcall_mask;

	v->evtchn_upcall_mask = 1;
	barrier();
	return were_on;
}

void event_mask(unsigned int port)
{
	__atomic_fetch_or(&shared_info.evtchn_mask[port / PORTS_PER_WORD],
			  1UL << port % PORTS_PER_WORD, __ATOMIC_SEQ_CST);
}

void event_unmask_local(unsigned int port)
{
	__atomic_fetch_and(&shared_info.evtchn_mask[port / PORTS_PER_WORD],
			   ~(1UL << port % PORTS_PER_WORD), __ATOMIC_SEQ_CST);
}

bool event_pending(unsigned int port)
{
	return shared_info.evtchn_pending[port / PORTS_PER_WORD] >> port % PORTS_PER_WORD & 1;
}

void event_clear(unsigned int port)
{
	__atomic_fetch_and(&shared_info.evtchn_pending[port / PORTS_PER_WORD],
			   ~(1UL << port % PORTS_PER_WORD), __ATOMIC_SEQ_CST);
}

bool event_wait(unsigned int port, unsigned int count, uint64_t ns)
{
	uint64_t end = system_time() + ns;

	while (event_count[port] < count && system_time() < end) {
		events_on();
		hc_sched_op(SCHEDOP_yield, 0);
	}
	return event_count[port] >= count;
}

static int new_port(long ret, unsigned int port, unsigned int vcpu)
{
	if (ret)
		return (int)ret;
	event_owner[port] = (uint8_t)vcpu;
	event_unmask_local(port);
	return (int)port;
}

int evtchn_alloc_unbound(domid_t remote)
{
	struct evtchn_alloc_unbound op = { .dom = DOMID_SELF, .remote_dom = remote };
	long ret = hc_event_channel_op(EVTCHNOP_alloc_unbound, &op);

	return new_port(ret, op.port, 0);
}

int evtchn_bind_interdomain(domid_t remote, unsigned int port)
{
	struct evtchn_bind_interdomain op = { .remote_dom = remote, .remote_port = port };
	long ret = hc_event_channel_op(EVTCHNOP_bind_interdomain, &op);

	return new_port(ret, op.local_port, 0);
}

int evtchn_bind_virq(unsigned int virq, unsigned int vcpu)
{
	struct evtchn_bind_virq op = { .virq = virq, .vcpu = vcpu };
	long ret = hc_event_channel_op(EVTCHNOP_bind_virq, &op);

	return new_port(ret, op.port, vcpu);
}

int evtchn_bind_ipi(unsigned int vcpu)
{
	struct evtchn_bind_ipi op = { .vcpu = vcpu };
	long ret = hc_event_channel_op(EVTCHNOP_bind_ipi, &op);

	return new_port(ret, op.port, vcpu);
}

long evtchn_send(unsigned int port)
{
	struct evtchn_send op = { .port = port };

	return hc_event_channel_op(EVTCHNOP_send, &op);
}

long evtchn_close(unsigned int port)
{
	struct evtchn_close op = { .port = port };

	return hc_event_channel_op(EVTCHNOP_close, &op);
}

long evtchn_status(unsigned int port, struct evtchn_status *st)
{
	memset(st, 0, sizeof(*st));
	st->dom = DOMID_SELF;
	st->port = port;
	return hc_event_channel_op(EVTCHNOP_status, st);
}
