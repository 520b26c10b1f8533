// SPDX-License-Identifier: BSD-2-Clause
/*
 * Start of day: what a domain 0 kernel finds when it begins to run.
 *
 * Checks start_info, the layout rules of xen/xen.h ("Start-of-day memory layout"), the initial page
 * tables, the machine-to-physical table, the version and feature queries, and that the notes were
 * followed (this very code runs at its linked address and reached its hypercall page).
 */

#include "guest.h"

const char test_name[] = "boot";

extern char image_end[];

static void check_start_info(void)
{
	check_true("magic begins with xen-3.0", !strncmp(start_info->magic, "xen-3.0-x86_64", 14));
	check_true("domain is privileged", start_info->flags & SIF_PRIVILEGED);
	check_true("domain is the initial one", start_info->flags & SIF_INITDOMAIN);
	check_true("no initrd: mod_len is 0", start_info->mod_len == 0);
	check_true("some pages are ours", start_info->nr_pages > 1024);
	check_true("shared_info is page aligned", !(start_info->shared_info & (PAGE_SIZE - 1)));
	info("magic %s nr_pages %lu flags %x", start_info->magic, start_info->nr_pages,
	     start_info->flags);
}

static void check_layout(void)
{
	unsigned long list = start_info->mfn_list, si = UL(start_info), pt = start_info->pt_base;
	unsigned long list_end = list + start_info->nr_pages * 8;

	info("mfn_list %lx start_info %lx pt_base %lx x %lu", list, si, pt,
	     start_info->nr_pt_frames);
	check_true("p2m list lies above the image", list >= UL(image_end));
	check_true("start_info lies above the p2m list", si >= list_end);
	check_true("page tables lie above start_info", pt >= si + PAGE_SIZE);
	check_true("every part is page aligned", !((list | si | pt) & (PAGE_SIZE - 1)));
	check_true("there are page tables", start_info->nr_pt_frames >= 4);
}

static void check_translation(void)
{
	unsigned long wrong = 0;

	for (unsigned long pfn = 0; pfn < start_info->nr_pages; pfn += 37)
		if (mfn_to_pfn(pfn_to_mfn(pfn)) != pfn)
			wrong++;
	check("m2p of p2m is the identity, mismatches", (long)wrong, 0);
	check_true("the image's frame has the pfn of its address",
		   (*pte_ptr(UL(test_name), 1) & PTE_FRAME) / PAGE_SIZE == virt_to_mfn(test_name));
}

/* The initial page tables: the image writable, the tables themselves read-only. */
static void check_mappings(void)
{
	unsigned long pt = start_info->pt_base, writable = 0;

	check_true("the text is mapped writable at first", *pte_ptr(UL(check_mappings), 1) & PTE_W);
	for (unsigned long i = 0; i < start_info->nr_pt_frames; i++)
		if (*pte_ptr(pt + i * PAGE_SIZE, 1) & PTE_W)
			writable++;
	check("page tables mapped writable", (long)writable, 0);
	check_true("L1 entries carry the user bit", *pte_ptr(UL(test_name), 1) & PTE_U);
	check_true("512 KiB beyond the tables are mapped",
		   pte_ptr(pt + start_info->nr_pt_frames * PAGE_SIZE + (512 << 10) - 1, 1) &&
			   *pte_ptr(pt + start_info->nr_pt_frames * PAGE_SIZE + (512 << 10) - 1,
				    1) &
				   PTE_P);
}

static void check_shared_info(void)
{
	check("upcalls are masked on vcpu 0", shared_info.vcpu_info[0].evtchn_upcall_mask, 1);
	check("no port is masked", (long)shared_info.evtchn_mask[0], 0);
	check("no pending selector", (long)shared_info.vcpu_info[0].evtchn_pending_sel, 0);
	check_true("system time runs", shared_info.vcpu_info[0].time.tsc_to_system_mul != 0);
	check_true("wall clock is set", shared_info.wc_sec != 0);
}

static void check_version(void)
{
	struct xen_feature_info fi = { .submap_idx = 0 };
	struct xen_platform_parameters pp = { 0 };
	xen_capabilities_info_t caps;
	long v = hc_xen_version(XENVER_version, 0);

	check("version", v, 4 << 16 | 17);
	check("pagesize", hc_xen_version(XENVER_pagesize, 0), PAGE_SIZE);
	check("get_features returns", hc_xen_version(XENVER_get_features, &fi), 0);
	check("features, the whole word", fi.submap, 0x228f0);
	check_true("no feature writable_page_tables (it means unchecked ones)",
		   !(fi.submap & 1U << XENFEAT_writable_page_tables));
	check_true("feature mmu_pt_update_preserve_ad",
		   fi.submap & 1U << XENFEAT_mmu_pt_update_preserve_ad);
	check_true("feature gnttab_map_avail_bits",
		   fi.submap & 1U << XENFEAT_gnttab_map_avail_bits);
	check_true("feature dom0", fi.submap & 1U << XENFEAT_dom0);
	check_true("no feature auto_translated_physmap",
		   !(fi.submap & 1U << XENFEAT_auto_translated_physmap));
	fi.submap_idx = XENFEAT_NR_SUBMAPS;
	check("get_features of a later submap", hc_xen_version(XENVER_get_features, &fi),
	      -XEN_EINVAL);
	check("platform_parameters returns", hc_xen_version(XENVER_platform_parameters, &pp), 0);
	check_true("hypervisor hole starts at 0xffff800000000000",
		   pp.virt_start == HYPERVISOR_VIRT_START);
	check("capabilities returns", hc_xen_version(XENVER_capabilities, caps), 0);
	check_true("capabilities name xen-3.0-x86_64", !strncmp(caps, "xen-3.0-x86_64", 14));
	check("an unknown sub-operation", hc_xen_version(99, 0), -XEN_ENOSYS);
	check("an unknown hypercall", hypercall1(63, 0), -XEN_ENOSYS);
	check("xen_version into an unmapped page", hc_xen_version(XENVER_get_features, 0x1000),
	      -XEN_EFAULT);
	check("xen_version into the hypervisor",
	      hc_xen_version(XENVER_get_features, HYPERVISOR_VIRT_START + 0x1000), -XEN_EFAULT);
}

void test_main(void)
{
	check_start_info();
	check_layout();
	check_translation();
	check_mappings();
	check_shared_info();
	check_version();
}
