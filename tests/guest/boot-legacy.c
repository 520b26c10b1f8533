// SPDX-License-Identifier: BSD-2-Clause
/*
 * A kernel image without notes, with the legacy section that NetBSD still has: physical addresses equal
 * to virtual ones, a page number for the hypercall page, and its symbol table loaded after it.
 */

#include "guest.h"

const char test_name[] = "boot-legacy";

extern char image_end[], virt_base[];

static unsigned int data = 0x600d;
static unsigned int zeroes[3000];

void test_main(void)
{
	unsigned long pt = start_info->pt_base, end = pt + start_info->nr_pt_frames * PAGE_SIZE;
	unsigned int dirt = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(zeroes); i++)
		dirt |= zeroes[i];
	check("initialised data", *(volatile unsigned int *)&data, 0x600d);
	check("bss is empty", dirt, 0);
	check("version", hc_xen_version(XENVER_version, 0), 4 << 16 | 17);
	check_true("privileged", start_info->flags & SIF_PRIVILEGED);
	check_true("frame list above the image", start_info->mfn_list >= UL(image_end));
	check_true("start_info above the list", UL(start_info) > start_info->mfn_list);
	check_true("page tables above start_info", pt > UL(start_info));
	check_true("an address is its frame from the base on",
		   (*pte_ptr(UL(&data), 1) & PTE_FRAME) / PAGE_SIZE == virt_to_mfn(&data));
	check_true("mapped to 512 KiB beyond the tables", pte_ptr(end + (512 << 10) - 1, 1));
	check("exceptions work", FAULT("ud2").vector, VEC_UD);
	check("mappings can be changed", set_page_flags(page_alloc(), PTE_RO), 0);
	info("base %lx image end %lx list %lx start_info %lx tables %lx x %lu", UL(virt_base),
	     UL(image_end), start_info->mfn_list, UL(start_info), pt, start_info->nr_pt_frames);
}
