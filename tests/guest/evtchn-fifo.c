// SPDX-License-Identifier: BSD-2-Clause
/*
 * Event channels, FIFO form: control block, event array, priorities, delivery order, masks, and bad
 * arguments of the set-up calls.
 */

#include "guest.h"

const char test_name[] = "evtchn-fifo";

#define BIT(n) (1u << (n))

static volatile struct evtchn_fifo_control_block *control;
static volatile event_word_t *words;

static long init_control(unsigned long gfn, uint32_t offset, uint32_t vcpu)
{
	struct evtchn_init_control op = { .control_gfn = gfn, .offset = offset, .vcpu = vcpu };
	long ret = hc_event_channel_op(EVTCHNOP_init_control, &op);

	return ret ? ret : op.link_bits;
}

static long expand_array(unsigned long gfn)
{
	struct evtchn_expand_array op = { .array_gfn = gfn };

	return hc_event_channel_op(EVTCHNOP_expand_array, &op);
}

static long set_priority(unsigned int port, uint32_t priority)
{
	struct evtchn_set_priority op = { .port = port, .priority = priority };

	return hc_event_channel_op(EVTCHNOP_set_priority, &op);
}

static long unmask(unsigned int port)
{
	struct evtchn_unmask op = { .port = port };

	return hc_event_channel_op(EVTCHNOP_unmask, &op);
}

/* A port looped back onto this domain: sending on .from makes .to pending. */
struct pair {
	unsigned int from, to;
};

static struct pair make_pair(void)
{
	struct pair p;

	p.from = (unsigned int)evtchn_alloc_unbound(DOMID_SELF);
	p.to = (unsigned int)evtchn_bind_interdomain(DOMID_SELF, p.from);
	return p;
}

/* Take the first port off a queue as a guest does; 0 when the queue is empty. */
static unsigned int dequeue(unsigned int priority)
{
	unsigned int port = control->head[priority];
	event_word_t word;

	if (!port)
		return 0;
	word = words[port];
	control->head[priority] = word & EVTCHN_FIFO_LINK_MASK;
	if (!(word & EVTCHN_FIFO_LINK_MASK))
		__atomic_fetch_and(&control->ready, ~BIT(priority), __ATOMIC_SEQ_CST);
	__atomic_fetch_and(&words[port],
			   ~(BIT(EVTCHN_FIFO_LINKED) | BIT(EVTCHN_FIFO_PENDING) |
			     EVTCHN_FIFO_LINK_MASK),
			   __ATOMIC_SEQ_CST);
	return port;
}

static void check_bad_setup(unsigned long gfn, unsigned long array)
{
	check("expand before init", expand_array(array), -XEN_EOPNOTSUPP);
	check("priority before init", set_priority(1, 3), -XEN_ENOSYS);
	check("control block of no frame", init_control(0xfffffffffUL, 0, 0), -XEN_EINVAL);
	check("control block of a vcpu that is not there", init_control(gfn, 0, 4000), -XEN_ENOENT);
	check("control block across the page's end", init_control(gfn, 4096 - 64, 0), -XEN_EINVAL);
	check("control block with a wild offset", init_control(gfn, 0xfffffff8, 0), -XEN_EINVAL);
	check("control block not aligned", init_control(gfn, 4, 0), -XEN_EINVAL);
	check("control block in a page table",
	      init_control(virt_to_mfn((void *)start_info->pt_base), 0, 0), -XEN_EINVAL);
}

static void check_setup(void)
{
	void *block = page_alloc(), *array = page_alloc();
	unsigned long gfn = virt_to_mfn(block), array_gfn = virt_to_mfn(array);
	struct pair before;

	check_bad_setup(gfn, array_gfn);
	/* An event that is pending before the change of form must survive it. */
	before = make_pair();
	event_clear(before.to);
	evtchn_send(before.from);
	control = (void *)((char *)block + 128);
	words = array;
	check("init", init_control(gfn, 128, 0), EVTCHN_FIFO_LINK_BITS);
	check("init again", init_control(gfn, 128, 0), -XEN_EINVAL);
	check("array of no frame", expand_array(0xfffffffffUL), -XEN_EINVAL);
	check("expand", expand_array(array_gfn), 0);
	info("word of the earlier event %x", words[before.to]);
	check("the frame is in use: it cannot become a table",
	      set_page_flags(array, PTE_RO) | pin_table(1, array), -XEN_EINVAL);
	set_page_flags(array, PTE_RW);
	shared_info.evtchn_pending[0] = 0;
	evtchn_close(before.from);
	evtchn_close(before.to);
	while (dequeue(EVTCHN_FIFO_PRIORITY_DEFAULT))
		;
	this_vcpu_info()->evtchn_upcall_pending = 0;
}

static void check_delivery(void)
{
	struct pair p = make_pair();

	check("bound", p.to > 0 && p.from > 0, 1);
	info("word after binding %x", words[p.to]);
	unmask(p.to);
	while (dequeue(EVTCHN_FIFO_PRIORITY_DEFAULT))
		;
	this_vcpu_info()->evtchn_upcall_pending = 0;
	check("send", evtchn_send(p.from), 0);
	check("pending", words[p.to] >> EVTCHN_FIFO_PENDING & 1, 1);
	check("linked", words[p.to] >> EVTCHN_FIFO_LINKED & 1, 1);
	check("queue is ready", (long)control->ready, BIT(EVTCHN_FIFO_PRIORITY_DEFAULT));
	check("head of the queue", control->head[EVTCHN_FIFO_PRIORITY_DEFAULT] == p.to, 1);
	check("upcall", this_vcpu_info()->evtchn_upcall_pending, 1);
	check("the two-level words stay empty", (long)shared_info.evtchn_pending[0], 0);
	check("taken", dequeue(EVTCHN_FIFO_PRIORITY_DEFAULT) == p.to, 1);
	check("then empty", dequeue(EVTCHN_FIFO_PRIORITY_DEFAULT), 0);

	this_vcpu_info()->evtchn_upcall_pending = 0;
	__atomic_fetch_or(&words[p.to], BIT(EVTCHN_FIFO_MASKED), __ATOMIC_SEQ_CST);
	check("send while masked", evtchn_send(p.from), 0);
	check("pending while masked", words[p.to] >> EVTCHN_FIFO_PENDING & 1, 1);
	check("not linked while masked", words[p.to] >> EVTCHN_FIFO_LINKED & 1, 0);
	check("no upcall while masked", this_vcpu_info()->evtchn_upcall_pending, 0);
	check("unmask", unmask(p.to), 0);
	check("linked after unmask", words[p.to] >> EVTCHN_FIFO_LINKED & 1, 1);
	check("mask bit cleared", words[p.to] >> EVTCHN_FIFO_MASKED & 1, 0);
	check("upcall after unmask", this_vcpu_info()->evtchn_upcall_pending, 1);
	check("taken after unmask", dequeue(EVTCHN_FIFO_PRIORITY_DEFAULT) == p.to, 1);
	evtchn_close(p.to);
	evtchn_close(p.from);
}

static void check_order(void)
{
	struct pair a = make_pair(), b = make_pair(), c = make_pair();

	unmask(a.to);
	unmask(b.to);
	unmask(c.to);
	while (dequeue(EVTCHN_FIFO_PRIORITY_DEFAULT))
		;
	check("sends",
	      evtchn_send(b.from) | evtchn_send(a.from) | evtchn_send(c.from) | evtchn_send(b.from),
	      0);
	check("first in", dequeue(EVTCHN_FIFO_PRIORITY_DEFAULT) == b.to, 1);
	check("second in", dequeue(EVTCHN_FIFO_PRIORITY_DEFAULT) == a.to, 1);
	check("third in", dequeue(EVTCHN_FIFO_PRIORITY_DEFAULT) == c.to, 1);
	check("no more", dequeue(EVTCHN_FIFO_PRIORITY_DEFAULT), 0);
	check("raise a priority", set_priority(a.to, EVTCHN_FIFO_PRIORITY_MAX), 0);
	check("bad priority", set_priority(a.to, EVTCHN_FIFO_PRIORITY_MIN + 1), -XEN_EINVAL);
	check("priority of a port beyond all", set_priority(1 << 20, 1), -XEN_EINVAL);
	check("sends", evtchn_send(b.from) | evtchn_send(a.from), 0);
	check("both queues are ready", (long)control->ready,
	      BIT(EVTCHN_FIFO_PRIORITY_DEFAULT) | BIT(EVTCHN_FIFO_PRIORITY_MAX));
	check("high queue", dequeue(EVTCHN_FIFO_PRIORITY_MAX) == a.to, 1);
	check("default queue", dequeue(EVTCHN_FIFO_PRIORITY_DEFAULT) == b.to, 1);
	evtchn_close(a.from);
	evtchn_close(b.from);
	evtchn_close(c.from);
}

/* What a hostile guest may write into the words must not lead anywhere. */
static void check_corruption(void)
{
	struct pair p = make_pair(), q = make_pair();

	unmask(p.to);
	unmask(q.to);
	while (dequeue(EVTCHN_FIFO_PRIORITY_DEFAULT))
		;
	evtchn_send(p.from);
	words[p.to] = BIT(EVTCHN_FIFO_PENDING) | BIT(EVTCHN_FIFO_LINKED) | EVTCHN_FIFO_LINK_MASK;
	check("send behind a wild link", evtchn_send(q.from), 0);
	words[p.to] = BIT(EVTCHN_FIFO_BUSY) | p.to;
	check("send onto a word that claims to be busy", evtchn_send(p.from), 0);
	for (unsigned int i = 0; i < 1024; i++)
		words[i] = 0xffffffff;
	check("send into a page of ones", evtchn_send(p.from) | evtchn_send(q.from), 0);
	for (unsigned int i = 0; i < EVTCHN_FIFO_MAX_QUEUES; i++)
		control->head[i] = 0xffffffff;
	control->ready = 0xffffffff;
	check("send with a wild control block", evtchn_send(p.from) | evtchn_send(q.from), 0);
}

void test_main(void)
{
	check_setup();
	check_delivery();
	check_order();
	check_corruption();
}
