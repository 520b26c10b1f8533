// SPDX-License-Identifier: BSD-2-Clause
/*
 * Grant tables, version 1, of a domain granting to itself: map, unmap, copy, read-only, bad
 * references, handles and addresses, transfer, and the table's own set-up and size.
 */

#include "guest.h"

const char test_name[] = "grants";

static struct grant_entry_v1 *table;
static char window[PAGE_SIZE] __attribute__((aligned(4096)));
static char window2[PAGE_SIZE] __attribute__((aligned(4096)));
static char granted[PAGE_SIZE] __attribute__((aligned(4096)));
static char other[PAGE_SIZE] __attribute__((aligned(4096)));

static void grant(unsigned int ref, domid_t to, const void *page, uint16_t flags)
{
	table[ref].domid = to;
	table[ref].frame = (uint32_t)virt_to_mfn(page);
	barrier();
	table[ref].flags = flags;
}

static long last_handle;
static uint64_t last_bus;

/* Map a reference; the value is the operation's status, or the call's error. */
static long map_ref(domid_t dom, unsigned int ref, const void *va, uint32_t flags)
{
	struct gnttab_map_grant_ref op;
	long ret;

	memset(&op, 0, sizeof(op));
	op.host_addr = UL(va);
	op.flags = flags;
	op.ref = ref;
	op.dom = dom;
	ret = hc_grant_table_op(GNTTABOP_map_grant_ref, &op, 1);
	last_handle = op.handle;
	last_bus = op.dev_bus_addr;
	return ret ? ret : op.status;
}

static long unmap_ref(long handle, const void *va)
{
	struct gnttab_unmap_grant_ref op;
	long ret;

	memset(&op, 0, sizeof(op));
	op.host_addr = UL(va);
	op.handle = (grant_handle_t)handle;
	ret = hc_grant_table_op(GNTTABOP_unmap_grant_ref, &op, 1);
	return ret ? ret : op.status;
}

static void check_setup(void)
{
	struct gnttab_query_size q;
	struct gnttab_setup_table s;
	struct gnttab_get_version v;
	struct gnttab_set_version sv;
	xen_pfn_t frames[4] = { 0 };

	memset(&q, 0, sizeof(q));
	q.dom = DOMID_SELF;
	check("query_size", hc_grant_table_op(GNTTABOP_query_size, &q, 1), 0);
	check("query_size status", q.status, GNTST_okay);
	info("nr_frames %u max %u", q.nr_frames, q.max_nr_frames);
	check_true("some frames are allowed", q.max_nr_frames >= 4);
	q.dom = 5;
	hc_grant_table_op(GNTTABOP_query_size, &q, 1);
	check("query_size of domain 5", q.status, GNTST_bad_domain);
	memset(&s, 0, sizeof(s));
	s.dom = DOMID_SELF;
	s.nr_frames = 4;
	set_xen_guest_handle(s.frame_list, frames);
	check("setup_table of 4", hc_grant_table_op(GNTTABOP_setup_table, &s, 1), 0);
	check("setup_table status", s.status, GNTST_okay);
	check_true("4 different frames", frames[0] && frames[3] && frames[0] != frames[3]);
	s.nr_frames = 100000;
	check("setup_table of too many", hc_grant_table_op(GNTTABOP_setup_table, &s, 1), 0);
	check("its status", s.status, GNTST_general_error);
	s.nr_frames = 1;
	s.dom = 5;
	check("setup_table of domain 5", hc_grant_table_op(GNTTABOP_setup_table, &s, 1), 0);
	check("its status", s.status, GNTST_bad_domain);
	s.dom = DOMID_SELF;
	check("setup_table of two at once", hc_grant_table_op(GNTTABOP_setup_table, &s, 2),
	      -XEN_EINVAL);
	set_xen_guest_handle(s.frame_list, (xen_pfn_t *)0x1000);
	check("setup_table into an unmapped page",
	      hc_grant_table_op(GNTTABOP_setup_table, &s, 1) ?: s.status, GNTST_bad_virt_addr);
	memset(&v, 0, sizeof(v));
	v.dom = DOMID_SELF;
	check("get_version", hc_grant_table_op(GNTTABOP_get_version, &v, 1), 0);
	check("version", v.version, 1);
	sv.version = 3;
	check("set_version 3", hc_grant_table_op(GNTTABOP_set_version, &sv, 1), -XEN_EINVAL);
	sv.version = 1;
	check("set_version 1", hc_grant_table_op(GNTTABOP_set_version, &sv, 1), 0);
	check("unknown operation", hc_grant_table_op(99, &v, 1), -XEN_ENOSYS);
	check("no elements", hc_grant_table_op(GNTTABOP_map_grant_ref, &v, 0), 0);
	check("from an unmapped page", hc_grant_table_op(GNTTABOP_map_grant_ref, 0x1000, 1),
	      -XEN_EFAULT);
}

static void check_map(void)
{
	long handle;

	granted[10] = 77;
	grant(10, DOMID_SELF, granted, GTF_permit_access);
	check("map of a grant to DOMID_SELF", map_ref(0, 10, window, GNTMAP_host_map),
	      GNTST_general_error);
	grant(10, 0, granted, GTF_permit_access);
	check("map from DOMID_SELF", map_ref(DOMID_SELF, 10, window, GNTMAP_host_map),
	      GNTST_bad_domain);
	check("map", map_ref(0, 10, window, GNTMAP_host_map), GNTST_okay);
	handle = last_handle;
	check_true("bus address", last_bus == virt_to_mfn(granted) << 12);
	check("contents", window[10], 77);
	window[11] = 5;
	barrier();
	check("write goes through", granted[11], 5);
	check("in use for reading and writing", table[10].flags,
	      GTF_permit_access | GTF_reading | GTF_writing);
	check("map it a second time", map_ref(0, 10, window2, GNTMAP_host_map | GNTMAP_readonly),
	      GNTST_okay);
	check("write to the read-only mapping", FAULT("movb $1, (%0)", "r"(window2)).vector,
	      VEC_PF);
	check("a plain change of a granted mapping", map_page(window2, 0), 0);
	check("unmap the second", unmap_ref(last_handle, window2), GNTST_general_error);
	check("still in use", table[10].flags & (GTF_reading | GTF_writing),
	      GTF_reading | GTF_writing);
	check("unmap with the wrong address", unmap_ref(handle, window2), GNTST_general_error);
	check("unmap", unmap_ref(handle, window), GNTST_okay);
	check("the address is empty", FAULT("movb (%0), %%al", "r"(window)).vector, VEC_PF);
	check("unmap again", unmap_ref(handle, window), GNTST_bad_handle);
	check("unmap a wild handle", unmap_ref(0x12345678, window), GNTST_bad_handle);
	check("flags after all that", table[10].flags & GTF_permit_access, GTF_permit_access);
}

static void check_readonly(void)
{
	grant(11, 0, granted, GTF_permit_access | GTF_readonly);
	check("read-only grant mapped writable", map_ref(0, 11, window, GNTMAP_host_map),
	      GNTST_general_error);
	check("flags", table[11].flags, GTF_permit_access | GTF_readonly);
	check("read-only grant mapped read-only",
	      map_ref(0, 11, window, GNTMAP_host_map | GNTMAP_readonly), GNTST_okay);
	check("flags while mapped", table[11].flags,
	      GTF_permit_access | GTF_readonly | GTF_reading);
	check("write", FAULT("movb $1, (%0)", "r"(window)).vector, VEC_PF);
	check("unmap", unmap_ref(last_handle, window), GNTST_okay);
	check("flags when unmapped", table[11].flags, GTF_permit_access | GTF_readonly);
}

static void check_bad_map(void)
{
	unsigned long l4 = virt_to_mfn((void *)start_info->pt_base);

	grant(12, 3, granted, GTF_permit_access);
	check("grant to somebody else", map_ref(0, 12, window, GNTMAP_host_map),
	      GNTST_general_error);
	check("an empty entry", map_ref(0, 20, window, GNTMAP_host_map), GNTST_general_error);
	check("a reference beyond the table", map_ref(0, 1 << 20, window, GNTMAP_host_map),
	      GNTST_bad_gntref);
	check("domain 5", map_ref(5, 10, window, GNTMAP_host_map), GNTST_bad_domain);
	check("neither host nor device", map_ref(0, 10, window, 0), GNTST_bad_gntref);
	check("device map only", map_ref(0, 10, 0, GNTMAP_device_map), GNTST_okay);
	unmap_ref(last_handle, 0);
	check("an address without page tables",
	      map_ref(0, 10, (void *)0x10000000000UL, GNTMAP_host_map), GNTST_general_error);
	check("a hypervisor address",
	      map_ref(0, 10, (void *)HYPERVISOR_VIRT_START, GNTMAP_host_map), GNTST_general_error);
	check("a non-canonical address",
	      map_ref(0, 10, (void *)0x8000000000000000UL, GNTMAP_host_map), GNTST_general_error);
	check("no reference was kept", table[10].flags & (GTF_reading | GTF_writing),
	      GTF_reading | GTF_writing);
	table[13].domid = 0;
	table[13].frame = (uint32_t)l4;
	table[13].flags = GTF_permit_access;
	check("a page table, writable", map_ref(0, 13, window, GNTMAP_host_map),
	      GNTST_general_error);
	check("a page table, read-only", map_ref(0, 13, window, GNTMAP_host_map | GNTMAP_readonly),
	      GNTST_okay);
	check("unmap it", unmap_ref(last_handle, window), GNTST_okay);
	table[14].domid = 0;
	table[14].frame = 0xffffffff;
	table[14].flags = GTF_permit_access;
	check("no frame", map_ref(0, 14, window, GNTMAP_host_map), GNTST_bad_page);
	table[14].flags = GTF_accept_transfer;
	check("a transfer entry", map_ref(0, 14, window, GNTMAP_host_map), GNTST_general_error);
	check("no user mapping", map_ref(0, 10, window, GNTMAP_host_map | GNTMAP_application_map),
	      GNTST_okay);
	check("unmap it", unmap_ref(last_handle, window), GNTST_okay);
}

/* Mapping by the machine address of the entry instead of by virtual address. */
static void check_pte_map(void)
{
	uint64_t entry = pte_maddr(UL(window), 1);
	uint32_t flags = GNTMAP_host_map | GNTMAP_contains_pte;

	granted[1] = 99;
	check("map by entry", map_ref(0, 10, (void *)entry, flags), GNTST_okay);
	check("contents", window[1], 99);
	check("unmap by entry", unmap_ref(last_handle, (void *)entry), GNTST_okay);
	check("gone", FAULT("movb (%0), %%al", "r"(window)).vector, VEC_PF);
	check("entry in a data page", map_ref(0, 10, (void *)(virt_to_mfn(other) << 12), flags),
	      GNTST_general_error);
	check("entry beyond all memory", map_ref(0, 10, (void *)0xfffffffff000UL, flags),
	      GNTST_general_error);
	check("entry not aligned", map_ref(0, 10, (void *)(entry + 4), flags), GNTST_general_error);
}

static long copy(struct gnttab_copy *c)
{
	long ret = hc_grant_table_op(GNTTABOP_copy, c, 1);

	return ret ? ret : c->status;
}

static void check_copy(void)
{
	struct gnttab_copy c;

	memset(&c, 0, sizeof(c));
	memcpy(other, "copy me around", 15);
	grant(15, 0, granted, GTF_permit_access);
	c.source.u.gmfn = virt_to_mfn(other);
	c.source.domid = DOMID_SELF;
	c.dest.u.ref = 15;
	c.dest.domid = DOMID_SELF;
	c.dest.offset = 100;
	c.len = 15;
	c.flags = GNTCOPY_dest_gref;
	check("copy to a grant", copy(&c), GNTST_okay);
	check("it arrived", !memcmp(granted + 100, "copy me around", 15), 1);
	check("entry is free again", table[15].flags, GTF_permit_access);
	c.dest.offset = 4090;
	check("copy across the end of the destination", copy(&c), GNTST_bad_copy_arg);
	c.dest.offset = 0;
	c.source.offset = 4090;
	check("copy across the end of the source", copy(&c), GNTST_bad_copy_arg);
	c.source.offset = 0;
	c.dest.u.ref = 11;
	check("copy to a read-only grant", copy(&c), GNTST_general_error);
	c.dest.u.ref = 20;
	check("copy to an empty entry", copy(&c), GNTST_general_error);
	c.dest.u.ref = 1 << 20;
	check("copy to a reference beyond the table", copy(&c), GNTST_bad_gntref);
	c.dest.u.ref = 15;
	c.dest.domid = 5;
	check("copy to domain 5", copy(&c), GNTST_bad_domain);
	c.dest.domid = DOMID_SELF;
	c.source.u.gmfn = 0xfffffffff;
	check("copy from no frame", copy(&c), GNTST_bad_page);
	c.source.u.ref = 11;
	c.source.offset = 100;
	c.dest.u.gmfn = virt_to_mfn(other);
	c.dest.offset = 200;
	c.flags = GNTCOPY_source_gref;
	check("copy from a read-only grant", copy(&c), GNTST_okay);
	check("it arrived", !memcmp(other + 200, "copy me around", 15), 1);
	c.dest.u.gmfn = virt_to_mfn((void *)start_info->pt_base);
	check("copy into a page table", copy(&c), GNTST_general_error);
	c.dest.u.gmfn = virt_to_mfn(other);
	c.dest.domid = 5;
	check("copy by frame to another domain", copy(&c), GNTST_bad_domain);
	c.flags = 0;
	c.dest.domid = DOMID_SELF;
	c.source.u.gmfn = virt_to_mfn(granted);
	check("copy frame to frame", copy(&c), GNTST_okay);
	c.len = 0;
	check("copy of nothing", copy(&c), GNTST_okay);
}

static void check_rest(void)
{
	struct gnttab_transfer t;
	struct gnttab_unmap_and_replace r;
	struct gnttab_swap_grant_ref s;

	memset(&t, 0, sizeof(t));
	t.mfn = 0xfffffffff;
	t.domid = DOMID_SELF;
	t.ref = 14;
	check("transfer of no frame", hc_grant_table_op(GNTTABOP_transfer, &t, 1), 0);
	check("its status", t.status, GNTST_bad_page);
	t.mfn = virt_to_mfn(other);
	t.domid = 5;
	check("transfer to domain 5", hc_grant_table_op(GNTTABOP_transfer, &t, 1), 0);
	check("its status", t.status, GNTST_bad_page);
	check("map for replace", map_ref(0, 10, window, GNTMAP_host_map), GNTST_okay);
	memset(&r, 0, sizeof(r));
	r.host_addr = UL(window);
	r.new_addr = UL(window2);
	r.handle = (grant_handle_t)last_handle;
	set_page_flags(window2, PTE_RW);
	window2[3] = 42;
	check("unmap and replace", hc_grant_table_op(GNTTABOP_unmap_and_replace, &r, 1), 0);
	check("its status", r.status, GNTST_okay);
	check("the replacement is there", FAULT("cmpb $42, 3(%0)", "r"(window)).vector, VEC_NONE);
	s.ref_a = 10;
	s.ref_b = 30;
	check("swap with one that is mapped", hc_grant_table_op(GNTTABOP_swap_grant_ref, &s, 1), 0);
	check("its status", s.status, GNTST_eagain);
	s.ref_a = 15;
	check("swap of two references", hc_grant_table_op(GNTTABOP_swap_grant_ref, &s, 1), 0);
	check("its status", s.status, GNTST_okay);
	check("swapped", table[30].frame == virt_to_mfn(granted), 1);
	s.ref_b = 1 << 20;
	check("swap with one beyond the table", hc_grant_table_op(GNTTABOP_swap_grant_ref, &s, 1),
	      0);
	check("its status", s.status, GNTST_bad_gntref);
}

void test_main(void)
{
	table = grants_init();
	check_setup();
	check_map();
	check_readonly();
	check_bad_map();
	check_pte_map();
	check_copy();
	check_rest();
}
