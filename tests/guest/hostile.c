// SPDX-License-Identifier: BSD-2-Clause
/*
 * Random hypercalls from a fixed seed (run.py --args seed=HEX gives another): the hypervisor must
 * survive each, and so must this domain.
 *
 * Arguments come from a pool of values that go wrong in interesting ways: pointers that are bad,
 * unaligned, at the end of a page or in the hypervisor, frames that are page tables, foreign or not
 * there, numbers at the edges of their types, and structures filled with more of the same. Calls
 * that would rightly stop the domain (shut down, block for ever, empty its trap table) are made with
 * bad pointers only. Results are counted, not compared; what is checked is that all still works.
 *
 * run: cpus=2 time=120
 */

#include "guest.h"

const char test_name[] = "hostile";

#define CALLS 15000

static uint64_t seed[2] = { 0x5eed0001, 0x5eed0002 }; /* of each vcpu */
/* Structures are in the first page; the second is unmapped, so that no array goes further. */
static uint64_t arenas[2][1024] __attribute__((aligned(4096)));
#define arena (arenas[this_vcpu()])
static char target[4][PAGE_SIZE] __attribute__((aligned(4096)));
static char readonly[2 * PAGE_SIZE] __attribute__((aligned(4096)));
static unsigned long xen_mfn, max_mfn;

/* Another seed may come by the command line, as seed=HEX. */
static void take_seed(void)
{
	const char *c = (const char *)start_info->cmd_line;
	uint64_t v = 0;

	while (*c && strncmp(c, "seed=", 5))
		c++;
	if (!*c)
		return;
	for (c += 5; (*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'f'); c++)
		v = v << 4 | (uint64_t)(*c <= '9' ? *c - '0' : *c - 'a' + 10);
	for (unsigned int i = 0; v && i < ARRAY_SIZE(seed); i++)
		seed[i] = (v + i) * 0x9e3779b97f4a7c15UL;
}

static uint64_t random64(void)
{
	uint64_t *s = &seed[this_vcpu()];

	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static unsigned long below(unsigned long n)
{
	return random64() % n;
}

/* Pointers that name no memory of ours. */
static unsigned long wild_pointer(void)
{
	static const unsigned long fixed[] = {
		0,
		1,
		0x1000,
		0x7fffffffffffUL,
		0x7ffffffff000UL,
		0x800000000000UL,
		0x8000000000000000UL,
		0xffff7fffffffffffUL,
		0xffff8000000000f0UL,
		0xffff804000000000UL,
		0xffff830000000000UL,
		0xffff87fffffffff8UL,
		0xffff880000000000UL,
		0xffffffffffffffffUL,
		0xfffffffffffffff8UL,
		0xfffffffffffff000UL,
	};

	return fixed[below(ARRAY_SIZE(fixed))];
}

/* The same, or somewhere in a page that can be read and holds nothing but ones. */
static unsigned long bad_pointer(void)
{
	return below(16) ? wild_pointer() : UL(readonly) + below(PAGE_SIZE);
}

/* Whether @mfn is a frame of ours that the test itself stands on. */
static bool precious(unsigned long mfn)
{
	unsigned long pfn;

	if (mfn > max_mfn)
		return false;
	pfn = mfn_to_pfn(mfn);
	if (pfn >= start_info->nr_pages || pfn_to_mfn(pfn) != mfn)
		return false;
	for (unsigned int i = 0; i < ARRAY_SIZE(target); i++)
		if (mfn == virt_to_mfn(target[i]))
			return false;
	return true;
}

static uint64_t any_value(void)
{
	switch (below(12)) {
	case 0:
		return below(16);
	case 1:
		return below(300);
	case 2:
		return 1UL << below(64);
	case 3:
		return (1UL << below(64)) - 1;
	case 4:
		return ~0UL - below(16);
	case 5:
		return virt_to_mfn(target[below(4)]);
	case 6:
		return xen_mfn + below(4);
	case 7:
		return UL(target[below(4)]) + below(PAGE_SIZE);
	case 8:
		return bad_pointer();
	case 9:
		return DOMID_SELF + below(8);
	case 10:
		return mkpte(virt_to_mfn(target[below(4)]), below(4096));
	default:
		return random64();
	}
}

/* A value for a field or an argument: a number, a frame, a page-table entry, a pointer. */
static uint64_t value(void)
{
	uint64_t v = any_value();

	return precious(v) || precious((v & PTE_FRAME) >> 12) ? ~0UL : v;
}

static void fill_arena(unsigned int words)
{
	for (unsigned int i = 0; i < words; i++)
		arena[i] = below(4) ? value() : value() << 32 | (value() & 0xffffffff);
}

/* Calls whose structures may be anything: nothing they can ask for takes our own feet away. */
static bool harmless(unsigned int nr, unsigned long op)
{
	switch (nr) {
	case __HYPERVISOR_xen_version:
	case __HYPERVISOR_grant_table_op:
	case __HYPERVISOR_event_channel_op:
	case __HYPERVISOR_set_gdt:
		return true;
	case __HYPERVISOR_memory_op:
		/* All but those that take or move memory by frame number, which may be ours. */
		return op == XENMEM_current_reservation || op == XENMEM_maximum_ram_page ||
		       op == XENMEM_memory_map || op == XENMEM_machine_memory_map ||
		       op == XENMEM_machphys_mapping || op == XENMEM_machphys_mfn_list ||
		       op > XENMEM_maximum_gpfn;
	case __HYPERVISOR_vcpu_op:
		return op == VCPUOP_is_up || op == VCPUOP_get_runstate_info ||
		       op == VCPUOP_set_periodic_timer || op == VCPUOP_stop_periodic_timer ||
		       op == VCPUOP_set_singleshot_timer || op == VCPUOP_stop_singleshot_timer ||
		       op == VCPUOP_get_physid || op > VCPUOP_register_vcpu_time_memory_area;
	case __HYPERVISOR_physdev_op:
		return op == PHYSDEVOP_irq_status_query || op == PHYSDEVOP_eoi ||
		       op == PHYSDEVOP_get_free_pirq;
	default:
		return false;
	}
}

/* Numbers that are left out: they end or replace the running context whatever their arguments. */
static bool left_out(unsigned int nr, unsigned long op)
{
	return nr == __HYPERVISOR_iret || nr == __HYPERVISOR_set_callbacks ||
	       nr == __HYPERVISOR_set_trap_table || nr == __HYPERVISOR_set_debugreg ||
	       nr == __HYPERVISOR_kexec_op ||
	       ((nr == __HYPERVISOR_sched_op || nr == __HYPERVISOR_sched_op_compat) &&
		(op == SCHEDOP_block || op == SCHEDOP_shutdown || op == SCHEDOP_shutdown_code)) ||
	       (nr == __HYPERVISOR_vcpu_op && (op == VCPUOP_down || op == VCPUOP_send_nmi));
}

static long results[2][3]; /* of each vcpu: done, refused, not known */

static void count(long ret)
{
	results[this_vcpu()][ret >= 0 ? 0 : ret == -XEN_ENOSYS ? 2 : 1]++;
}

static void random_call(void)
{
	unsigned int nr = below(8) ? (unsigned int)below(56) : (unsigned int)random64() & 0xffffff;
	unsigned long op = below(4) ? below(32) : value();
	unsigned long pointer;

	/* The hypercall page ends after 128 entries; beyond that the number goes in by hand. */
	if (left_out(nr, op))
		return;
	fill_arena(64);
	pointer = harmless(nr, op) && below(3) ? UL(arena) + (below(4) ? 0 : below(PAGE_SIZE))
					       : bad_pointer();
	switch (nr) {
	case __HYPERVISOR_mmu_update:
	case __HYPERVISOR_mmuext_op:
	case __HYPERVISOR_multicall:
		/* List first, then count: the structures of these have their own generators. */
		count(hypercall(nr, bad_pointer(), value() | 1, bad_pointer(), value(), 0));
		return;
	case __HYPERVISOR_update_va_mapping:
	case __HYPERVISOR_update_va_mapping_otherdomain:
		count(hypercall(nr, below(2) ? UL(target[below(4)]) : wild_pointer(), value(),
				below(8), value(), 0));
		return;
	case __HYPERVISOR_vcpu_op:
		count(hypercall(nr, op, below(3), pointer, value(), value()));
		return;
	case __HYPERVISOR_set_gdt:
		count(hypercall(nr, pointer, value(), 0, 0, 0));
		return;
	case __HYPERVISOR_update_descriptor:
		count(hypercall(nr, virt_to_mfn(target[0]) << 12 | below(PAGE_SIZE), random64(), 0,
				0, 0));
		return;
	case __HYPERVISOR_console_io:
		count(hypercall(nr, op, value(), bad_pointer(), 0, 0));
		return;
	default:
		if (nr < 128) {
			count(hypercall(nr, op, pointer, below(2) ? value() : below(4), value(),
					value()));
		} else {
			long ret;

			asm volatile("syscall"
				     : "=a"(ret)
				     : "0"((uint64_t)nr), "D"(op), "S"(pointer), "d"(0UL)
				     : "rcx", "r11", "memory");
			count(ret);
		}
	}
}

/* Lists for the two page-table calls: targets and frames that are not ours, any command. */
static void random_tables(void)
{
	struct mmu_update u[4];
	struct mmuext_op op[4];

	for (unsigned int i = 0; i < 4; i++) {
		unsigned long mfn = below(3)   ? virt_to_mfn(target[below(4)])
				    : below(2) ? xen_mfn + below(4)
					       : value();

		u[i].ptr = mfn << 12 | below(PAGE_SIZE);
		u[i].val = value();
		op[i].cmd = (unsigned int)(below(4) ? below(24) : value());
		op[i].arg1.mfn = below(2) ? mfn : value();
		op[i].arg2.src_mfn = value();
		/*
		 * A base pointer or an LDT that is not refused would be ours to live with: a target of zeros that
		 * the other vcpu has just unmapped is a good top-level table.
		 */
		if (op[i].cmd == MMUEXT_SET_LDT || op[i].cmd == MMUEXT_NEW_BASEPTR ||
		    op[i].cmd == MMUEXT_NEW_USER_BASEPTR)
			op[i].cmd = MMUEXT_TLB_FLUSH_LOCAL;
	}
	count(hc_mmu_update(u, below(5), below(2) ? bad_pointer() : UL(arena),
			    below(4) ? DOMID_SELF : value()));
	count(hc_mmuext_op(op, below(5), below(2) ? bad_pointer() : UL(arena),
			   below(4) ? DOMID_SELF : value()));
	/* What became of the targets: back to plain pages where that is still possible. */
	for (unsigned int i = 0; i < 4; i++) {
		mmuext1(MMUEXT_UNPIN_TABLE, virt_to_mfn(target[i]), 0);
		set_page_flags(target[i], PTE_RW);
		pt_update_cmd(virt_to_mfn(target[i]) << 12, virt_to_pfn(target[i]),
			      MMU_MACHPHYS_UPDATE);
	}
}

static void check_alive(void)
{
	struct evtchn_reset reset = { .dom = DOMID_SELF };
	struct fault f;
	char *fresh = page_alloc();

	hc_set_gdt(NULL, 0);
	hc_fpu_taskswitch(0);
	hc_stack_switch(FLAT_KERNEL_SS, guest_stacks + STACK_SIZE / 2);
	f = FAULT("int3");
	check("exceptions still work", f.vector, VEC_BP);
	check("version still answers", hc_xen_version(XENVER_version, 0), 4 << 16 | 17);
	check("mapping still works", set_page_flags(fresh, PTE_RO), 0);
	check("it is read-only", FAULT("movb $1, (%0)", "r"(fresh)).vector, VEC_PF);
	check("a table can still be pinned", pin_table(1, fresh), 0);
	check("and unpinned", unpin_table(fresh), 0);
	check("event channels can be reset", hc_event_channel_op(EVTCHNOP_reset, &reset), 0);
	check_true("and allocated", evtchn_alloc_unbound(DOMID_SELF) > 0);
	check_true("frames are where they were",
		   mfn_to_pfn(virt_to_mfn(fresh)) == virt_to_pfn(fresh));
}

static volatile unsigned int second_done;

static void many_calls(void *arg)
{
	for (unsigned int i = 0; i < CALLS; i++) {
		random_call();
		if (!(i & 7))
			random_tables();
	}
	if (this_vcpu())
		second_done = 1;
}

void test_main(void)
{
	struct xen_machphys_mfn_list list = { .max_extents = 1 };
	bool two = vcpus_present() > 1;
	xen_pfn_t mfn = 0;
	uint64_t end;

	set_xen_guest_handle(list.extent_start, &mfn);
	if (hc_memory_op(XENMEM_machphys_mfn_list, &list))
		test_error("machphys_mfn_list gave no frame");
	xen_mfn = mfn;
	max_mfn = UL(hc_memory_op(XENMEM_maximum_ram_page, NULL));
	for (unsigned int i = 0; i < 2; i++)
		map_page(arenas[i] + 512, 0);
	map_page(readonly + PAGE_SIZE, 0);
	memset(readonly, 0xff, PAGE_SIZE);
	set_page_flags(readonly, PTE_RO);
	take_seed();
	info("seed %lx, %u calls on each of %d vcpus", seed[0], CALLS, 1 + two);
	if (two)
		check("start vcpu 1", vcpu_start(1, many_calls, NULL), 0);
	many_calls(NULL);
	end = system_time() + 60000000000UL;
	while (two && !second_done && system_time() < end)
		hc_sched_op(SCHEDOP_yield, 0);
	check("vcpu 1 made its calls", second_done, two);
	for (unsigned int i = 0; i < 2; i++)
		info("vcpu %u: done %ld, refused %ld, not known %ld", i, results[i][0],
		     results[i][1], results[i][2]);
	check_alive();
}
