// SPDX-License-Identifier: BSD-2-Clause
/*
 * Several vcpus: bring-up, who they are, events between them, page-table flushes that reach them,
 * going down and up again, and bad arguments of vcpu_op.
 *
 * run: cpus=2
 */

#include "guest.h"

const char test_name[] = "vcpus";

#define SECOND 1000000000UL

static volatile unsigned int stage, second_id, rounds;
static volatile bool stop;
static unsigned int ipi[2];
static volatile uint64_t second_time;
static char shared_page[PAGE_SIZE] __attribute__((aligned(4096)));

/*
 * Wait with vcpu 0 blocked between looks. A vcpu that only spins may keep the other from ever being
 * scheduled, and that is no failure.
 */
static bool wait_for(volatile unsigned int *what, unsigned int value)
{
	uint64_t end = system_time() + SECOND;

	while (*what != value && system_time() < end) {
		/* Masked until the block, or the timer may come and go before it. */
		events_off();
		hc_set_timer_op(system_time() + SECOND / 1000);
		hc_sched_op(SCHEDOP_block, 0);
	}
	events_on();
	return *what == value;
}

static void second_main(void *arg)
{
	second_id = this_vcpu() * 100 + (unsigned int)UL(arg);
	second_time = system_time();
	events_on();
	stage = 1;
	while (!stop) {
		rounds++;
		if (stage == 2) {
			evtchn_send(ipi[0]);
			stage = 3;
		}
		/* Keep the page's translation in this CPU's TLB. */
		if (stage == 4)
			(void)*(volatile char *)shared_page;
		asm volatile("pause");
	}
	events_off();
	stage = 9;
}

static void check_before(void)
{
	static struct vcpu_guest_context ctx;

	check("is_up of vcpu 0", hc_vcpu_op(VCPUOP_is_up, 0, NULL), 1);
	check("is_up of vcpu 1", hc_vcpu_op(VCPUOP_is_up, 1, NULL), 0);
	check("is_up of vcpu 4000", hc_vcpu_op(VCPUOP_is_up, 4000, NULL), -XEN_ENOENT);
	check("is_up of vcpu -1", hc_vcpu_op(VCPUOP_is_up, 0xffffffff, NULL), -XEN_ENOENT);
	check("up before initialise", hc_vcpu_op(VCPUOP_up, 1, NULL), -XEN_EINVAL);
	check("initialise from an unmapped page", hc_vcpu_op(VCPUOP_initialise, 1, 0x1000),
	      -XEN_EFAULT);
	vcpu_context(&ctx, 1, second_main, NULL);
	ctx.ctrlreg[3] = virt_to_mfn(shared_page) << 12;
	check("initialise with a data page as page table", hc_vcpu_op(VCPUOP_initialise, 1, &ctx),
	      -XEN_EINVAL);
	ctx.ctrlreg[3] = 0xfffffffffUL << 12;
	check("initialise with no frame as page table", hc_vcpu_op(VCPUOP_initialise, 1, &ctx),
	      -XEN_EINVAL);
	vcpu_context(&ctx, 1, second_main, NULL);
	ctx.event_callback_eip = 0x8000000000000000UL;
	check("initialise with a non-canonical callback", hc_vcpu_op(VCPUOP_initialise, 1, &ctx),
	      -XEN_EINVAL);
	vcpu_context(&ctx, 1, second_main, NULL);
	ctx.gdt_ents = 9000;
	check("initialise with too large a GDT", hc_vcpu_op(VCPUOP_initialise, 1, &ctx),
	      -XEN_EINVAL);
	check("initialise a vcpu that is up", hc_vcpu_op(VCPUOP_initialise, 0, &ctx), -XEN_EEXIST);
	check("an unknown operation", hc_vcpu_op(99, 0, NULL), -XEN_ENOSYS);
}

static void check_bring_up(void)
{
	check("start vcpu 1", vcpu_start(1, second_main, (void *)7), 0);
	check_true("it runs", wait_for(&stage, 1));
	check("it knows its number and argument", second_id, 107);
	check("is_up of vcpu 1", hc_vcpu_op(VCPUOP_is_up, 1, NULL), 1);
	check("up again", hc_vcpu_op(VCPUOP_up, 1, NULL), 0);
	check_true("its clock agrees within 100 ms",
		   second_time - system_time() + SECOND / 10 < SECOND / 5 ||
			   system_time() - second_time < 5 * SECOND);
	check("initialise it again", vcpu_start(1, second_main, NULL), -XEN_EEXIST);
}

static void check_ipi(void)
{
	struct evtchn_bind_vcpu move = { .vcpu = 1 };
	long missed = 0;
	int a = evtchn_bind_ipi(0), b = evtchn_bind_ipi(1), u;

	check("ipi ports", a > 0 && b > 0, 1);
	ipi[0] = (unsigned int)a;
	ipi[1] = (unsigned int)b;
	events_on();
	check("send to vcpu 1", evtchn_send(ipi[1]), 0);
	check_true("it took it", wait_for(&event_count[ipi[1]], 1));
	check("on vcpu 1", event_vcpu[ipi[1]], 1);
	stage = 2;
	check_true("vcpu 1 sends to us", event_wait(ipi[0], 1, SECOND));
	check("on vcpu 0", event_vcpu[ipi[0]], 0);
	for (unsigned int i = 0; i < 50; i++) {
		evtchn_send(ipi[1]);
		missed += !wait_for(&event_count[ipi[1]], 2 + i);
	}
	check("fifty more, missed", missed, 0);

	/* A port that was bound on vcpu 0 and moved is delivered on vcpu 1. */
	u = evtchn_alloc_unbound(DOMID_SELF);
	a = evtchn_bind_interdomain(DOMID_SELF, (unsigned int)u);
	events_on();
	move.port = (unsigned int)a;
	check("move a port", hc_event_channel_op(EVTCHNOP_bind_vcpu, &move), 0);
	event_owner[a] = 1;
	event_count[a] = 0;
	check("send to the moved port", evtchn_send((unsigned int)u), 0);
	check_true("it arrives", wait_for(&event_count[a], 1));
	check("on vcpu 1", event_vcpu[a], 1);
	check("timer of vcpu 1", evtchn_bind_virq(VIRQ_TIMER, 1) > 0, 1);
}

/* While vcpu 1 reads the page all the time, taking it away must reach it. */
static void check_flush(void)
{
	unsigned long pte = mkpte(virt_to_mfn(shared_page), PTE_RO);
	long bad = 0;

	stage = 4;
	spin_ns(SECOND / 100);
	for (unsigned int i = 0; i < 50; i++) {
		bad += hc_update_va_mapping(shared_page, pte, UVMF_INVLPG | UVMF_ALL) != 0;
		bad += hc_update_va_mapping(shared_page, pte | PTE_W, UVMF_TLB_FLUSH | UVMF_ALL) !=
		       0;
	}
	check("remote flushes refused", bad, 0);
	/* The page becomes a table, which needs that nobody can write to it any more. */
	hc_update_va_mapping(shared_page, pte, UVMF_NONE);
	check("make it a table", pin_table(1, shared_page), 0);
	check("and a page again", unpin_table(shared_page), 0);
}

static void check_info(void)
{
	struct vcpu_register_vcpu_info reg;
	struct vcpu_get_physid id;
	struct vcpu_runstate_info run;
	static struct vcpu_info area[2] __attribute__((aligned(64)));

	check("runstate of vcpu 1", hc_vcpu_op(VCPUOP_get_runstate_info, 1, &run), 0);
	check_true("it ran", run.time[RUNSTATE_running]);
	check("get_physid", hc_vcpu_op(VCPUOP_get_physid, 1, &id), -XEN_EINVAL);
	memset(&reg, 0, sizeof(reg));
	reg.mfn = virt_to_mfn(area);
	reg.offset = 4096 - 32;
	check("vcpu_info across a page's end", hc_vcpu_op(VCPUOP_register_vcpu_info, 0, &reg),
	      -XEN_ENXIO);
	reg.offset = 3;
	reg.mfn = 0xfffffffffUL;
	check("vcpu_info at an odd offset in no frame",
	      hc_vcpu_op(VCPUOP_register_vcpu_info, 0, &reg), -XEN_ENXIO);
	reg.offset = 64;
	check("vcpu_info in no frame", hc_vcpu_op(VCPUOP_register_vcpu_info, 0, &reg), -XEN_EINVAL);
	reg.mfn = virt_to_mfn((void *)start_info->pt_base);
	reg.offset = 0;
	check("vcpu_info in a page table", hc_vcpu_op(VCPUOP_register_vcpu_info, 0, &reg),
	      -XEN_EINVAL);
	check("send_nmi to vcpu 4000", hc_vcpu_op(VCPUOP_send_nmi, 4000, NULL), -XEN_ENOENT);
	reg.mfn = virt_to_mfn(area);
	reg.offset = UL(area) & (PAGE_SIZE - 1);
	check("vcpu_info of a vcpu that runs elsewhere",
	      hc_vcpu_op(VCPUOP_register_vcpu_info, 1, &reg), -XEN_EINVAL);
}

static void check_down(void)
{
	stop = true;
	check_true("it stops", wait_for(&stage, 9));
	spin_ns(SECOND / 50);
	check("is_up of vcpu 1", hc_vcpu_op(VCPUOP_is_up, 1, NULL), 0);
	stop = false;
	stage = 0;
	check("up again: it continues after its down", hc_vcpu_op(VCPUOP_up, 1, NULL), 0);
	spin_ns(SECOND / 50);
	check("is_up: it downed itself once more", hc_vcpu_op(VCPUOP_is_up, 1, NULL), 0);
	check("initialise again", vcpu_start(1, second_main, (void *)8), -XEN_EEXIST);
	check("down for another", hc_vcpu_op(VCPUOP_down, 1, NULL), 0);
}

void test_main(void)
{
	if (vcpus_present() < 2)
		test_skip("this needs two vcpus");
	if (evtchn_bind_virq(VIRQ_TIMER, 0) < 0)
		test_error("cannot bind the timer");
	check_before();
	check_bring_up();
	check_ipi();
	check_flush();
	check_info();
	check_down();
}
