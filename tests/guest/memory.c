// SPDX-License-Identifier: BSD-2-Clause
/*
 * memory_op: sizes and limits, decrease, increase, populate, exchange, memory maps, bad arguments.
 */

#include "guest.h"

const char test_name[] = "memory";

static char page[8][PAGE_SIZE] __attribute__((aligned(4096)));

static long reservation_of(xen_pfn_t *list, unsigned long n, unsigned int order, unsigned int cmd)
{
	struct xen_memory_reservation r;

	memset(&r, 0, sizeof(r));
	set_xen_guest_handle(r.extent_start, list);
	r.nr_extents = n;
	r.extent_order = order;
	r.domid = DOMID_SELF;
	return hc_memory_op(cmd, &r);
}

static long current_pages(void)
{
	domid_t self = DOMID_SELF;

	return hc_memory_op(XENMEM_current_reservation, &self);
}

static void check_sizes(void)
{
	domid_t self = DOMID_SELF, five = 5;
	long max = hc_memory_op(XENMEM_maximum_ram_page, NULL), now = current_pages();

	info("maximum_ram_page %lx current %ld nr_pages %lu", max, now, start_info->nr_pages);
	check_true("maximum_ram_page is above our frames",
		   max >= (long)virt_to_mfn(test_name) && max < 1 << 28);
	check_true("current_reservation is at least nr_pages", now >= (long)start_info->nr_pages);
	check_true("maximum_reservation is at least the current one",
		   hc_memory_op(XENMEM_maximum_reservation, &self) >= now);
	check("maximum_gpfn is nr_pages - 1",
	      hc_memory_op(XENMEM_maximum_gpfn, &self) >= 0 ||
		      hc_memory_op(XENMEM_maximum_gpfn, &self) == -XEN_ENOSYS,
	      1);
	check("current_reservation of domain 5", hc_memory_op(XENMEM_current_reservation, &five),
	      -XEN_ESRCH);
	check("current_reservation from an unmapped page",
	      hc_memory_op(XENMEM_current_reservation, 0x1000), -XEN_EFAULT);
	check("an unknown operation", hc_memory_op(60, &self), -XEN_ENOSYS);
}

static void check_decrease(void)
{
	unsigned long mfn = virt_to_mfn(page[0]), pfn = virt_to_pfn(page[0]);
	long before = current_pages();
	xen_pfn_t list[3] = { mfn };

	check("decrease of a mapped page is counted",
	      reservation_of(list, 1, 0, XENMEM_decrease_reservation), 1);
	/* The mapping keeps the frame alive; taking it away gives the frame back. */
	((volatile char *)page[0])[0] = 1;
	check("unmap it", map_page(page[0], 0), 0);
	check("one page less", current_pages() - before, -1);
	check("map what is no longer ours", map_page(page[0], mkpte(mfn, PTE_RW)), -XEN_EBUSY);
	list[0] = pfn;
	check("populate", reservation_of(list, 1, 0, XENMEM_populate_physmap), 1);
	check("as many as before", current_pages() - before, 0);
	((unsigned long *)start_info->mfn_list)[pfn] = list[0];
	check_true("m2p was set", mfn_to_pfn(list[0]) == pfn);
	check("map the new frame", map_page(page[0], mkpte(list[0], PTE_RW)), 0);
	((volatile char *)page[0])[5] = 5;

	list[0] = virt_to_mfn(page[1]);
	list[1] = 0xfffffffffUL;
	list[2] = virt_to_mfn(page[2]);
	check("decrease stops at a bad frame",
	      reservation_of(list, 3, 0, XENMEM_decrease_reservation), 1);
	map_page(page[1], 0);
	list[0] = virt_to_mfn((void *)start_info->pt_base);
	check("decrease of the L4 in use is counted",
	      reservation_of(list, 0, 0, XENMEM_decrease_reservation), 0);
	list[0] = 0;
	check("increase by one", reservation_of(list, 1, 0, XENMEM_increase_reservation), 1);
	check_true("it names a frame", list[0]);
	check("map it", map_page(page[1], mkpte(list[0], PTE_RW)), 0);
	check_true("as many as at first", current_pages() == before);
	((unsigned long *)start_info->mfn_list)[virt_to_pfn(page[1])] = list[0];
	pt_update_cmd(list[0] << 12, virt_to_pfn(page[1]), MMU_MACHPHYS_UPDATE);
}

static void check_bad(void)
{
	struct xen_memory_reservation r;
	xen_pfn_t list[1] = { 0 };

	check("populate of none", reservation_of(list, 0, 0, XENMEM_populate_physmap), 0);
	check("list in an unmapped page",
	      reservation_of((void *)0x1000, 1, 0, XENMEM_decrease_reservation), 0);
	check("list in the hypervisor",
	      reservation_of((void *)HYPERVISOR_VIRT_START, 1, 0, XENMEM_decrease_reservation), 0);
	check("a wild order", reservation_of(list, 1, 40, XENMEM_increase_reservation), 0);
	check("a large order", reservation_of(list, 1, 19, XENMEM_increase_reservation), 0);
	check("a wild count",
	      reservation_of((void *)0x1000, 1UL << 62, 0, XENMEM_decrease_reservation), 0);
	check("argument in an unmapped page", hc_memory_op(XENMEM_decrease_reservation, 0x1000), 0);
	memset(&r, 0, sizeof(r));
	set_xen_guest_handle(r.extent_start, list);
	r.nr_extents = 1;
	r.domid = 5;
	check("domain 5", hc_memory_op(XENMEM_increase_reservation, &r), 0);
}

static void check_exchange(void)
{
	struct xen_memory_exchange x;
	xen_pfn_t in[2] = { virt_to_mfn(page[4]), virt_to_mfn(page[5]) };
	xen_pfn_t out[2] = { virt_to_pfn(page[4]), virt_to_pfn(page[5]) };
	unsigned long old = in[0];
	long before = current_pages();

	memset(&x, 0, sizeof(x));
	map_page(page[4], 0);
	map_page(page[5], 0);
	x.in.nr_extents = 2;
	x.in.domid = DOMID_SELF;
	x.out = x.in;
	set_xen_guest_handle(x.in.extent_start, in);
	set_xen_guest_handle(x.out.extent_start, out);
	check("exchange", hc_memory_op(XENMEM_exchange, &x), 0);
	check("both were exchanged", (long)x.nr_exchanged, 2);
	check_true("for others", out[0] != old && out[0] != out[1]);
	check("as many as before", current_pages() - before, 0);
	check_true("m2p was set", mfn_to_pfn(out[0]) == virt_to_pfn(page[4]));
	check("map the first", map_page(page[4], mkpte(out[0], PTE_RW)), 0);
	check("map the second", map_page(page[5], mkpte(out[1], PTE_RW)), 0);
	check("the old one is not ours", map_page(page[5], mkpte(old, PTE_RW)), -XEN_EBUSY);
	x.nr_exchanged = 0;
	x.in.nr_extents = 1;
	check("unequal sizes", hc_memory_op(XENMEM_exchange, &x), -XEN_EINVAL);
	x.in.nr_extents = 2;
	x.nr_exchanged = 3;
	check("more exchanged than there are", hc_memory_op(XENMEM_exchange, &x), -XEN_EINVAL);
	x.nr_exchanged = 0;
	x.out.domid = 0;
	check("unequal domains", hc_memory_op(XENMEM_exchange, &x), -XEN_EINVAL);
	x.out.domid = DOMID_SELF;
	in[0] = 0xfffffffffUL;
	check("a bad frame", hc_memory_op(XENMEM_exchange, &x), -XEN_EINVAL);
	check("none was exchanged", (long)x.nr_exchanged, 0);
}

/* An entry as the BIOS call that the interface names gives it. */
struct e820 {
	uint64_t start, size;
	uint32_t type;
} __attribute__((packed));

static void check_maps(void)
{
	static struct e820 map[128];
	struct xen_memory_map m = { .nr_entries = ARRAY_SIZE(map) };
	struct xen_machphys_mapping mm;
	xen_pfn_t frames[600];
	struct xen_machphys_mfn_list list = { .max_extents = ARRAY_SIZE(frames) };
	uint64_t ram = 0;

	set_xen_guest_handle(m.buffer, (void *)map);
	check("memory_map before anybody set one", hc_memory_op(XENMEM_memory_map, &m),
	      -XEN_ENOSYS);
	check("machine_memory_map", hc_memory_op(XENMEM_machine_memory_map, &m), 0);
	info("machine map of %u entries", m.nr_entries);
	check_true("it has entries", m.nr_entries >= 3 && m.nr_entries < ARRAY_SIZE(map));
	for (unsigned int i = 0; i < m.nr_entries; i++)
		if (map[i].type == 1)
			ram += map[i].size;
	check_true("RAM is at least what we have", ram / PAGE_SIZE >= start_info->nr_pages);
	check_true("the first starts at 0", map[0].start == 0);
	m.nr_entries = 1;
	check("machine_memory_map into one entry", hc_memory_op(XENMEM_machine_memory_map, &m),
	      -XEN_EINVAL);
	set_xen_guest_handle(m.buffer, (void *)0x1000);
	m.nr_entries = ARRAY_SIZE(map);
	check("machine_memory_map into an unmapped page",
	      hc_memory_op(XENMEM_machine_memory_map, &m), -XEN_EFAULT);
	check("machphys_mapping", hc_memory_op(XENMEM_machphys_mapping, &mm), 0);
	check_true("it starts where it must", mm.v_start == MACH2PHYS_VIRT_START);
	check_true("it ends where it must", mm.v_end == MACH2PHYS_VIRT_END);
	check_true("max_mfn fits", mm.max_mfn < (mm.v_end - mm.v_start) / 8);
	set_xen_guest_handle(list.extent_start, frames);
	check("machphys_mfn_list", hc_memory_op(XENMEM_machphys_mfn_list, &list), 0);
	check_true("it has extents", list.nr_extents >= 1);
	set_xen_guest_handle(list.extent_start, (void *)0x1000);
	check("machphys_mfn_list into an unmapped page",
	      hc_memory_op(XENMEM_machphys_mfn_list, &list), -XEN_EFAULT);
}

void test_main(void)
{
	check_sizes();
	check_decrease();
	check_bad();
	check_exchange();
	check_maps();
}
