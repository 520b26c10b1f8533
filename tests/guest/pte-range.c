// SPDX-License-Identifier: BSD-2-Clause
/*
 * pte_range, which only Paravane offers: many entries of a table change in one call, by the rules that hold for one,
 * and no argument reaches beyond the table or beyond the bits that may change.
 *
 * run: on=paravane time=60
 */
#include "guest.h"

#include <hv/paravane.h>

const char test_name[] = "pte-range";

#define HOLE  (GUEST_VIRT_BASE + (512UL << 20))
#define N     8
#define ALL   (~0UL)
#define NO(b) (ALL & ~(b))

static uint64_t *l1, *page, *plain;

static long pte_range(uint64_t maddr, unsigned long count, uint64_t keep, uint64_t set)
{
	return hypercall4(__HYPERVISOR_pte_range, maddr, count, keep, set);
}

static unsigned int with(uint64_t bits)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < 512; i++)
		n += (l1[i] & bits) == bits;
	return n;
}

static void check_feature(void)
{
	struct xen_feature_info fi = { .submap_idx = PARAVANE_FEATURES };

	check("features of Paravane",
	      hypercall2(__HYPERVISOR_xen_version, XENVER_get_features, &fi), 0);
	check("pte_range is among them", fi.submap >> PARAVANE_FEAT_pte_range & 1, 1);
}

static void check_changes(void)
{
	struct fault f;

	for (unsigned int i = 0; i < N; i += 2)
		pt_update(table_maddr(l1, i), mkpte(virt_to_mfn(page), PTE_RW));
	check("write-protect", pte_range(table_maddr(l1, 0), N, NO(PTE_W), 0), 0);
	check("no entry is writable", with(PTE_P | PTE_W), 0);
	check("accessed and dirty bits stay", with(PTE_P | PTE_A | PTE_D), N / 2);
	check("entries that are not present stay so", l1[1] == 0 && l1[3] == 0, true);
	(void)hc_update_va_mapping(HOLE, l1[0], UVMF_INVLPG);
	f = FAULT("movb $1, (%0)", "r"(HOLE));
	check("a write faults", f.vector, 14);
	check("the last use as writable page is gone: the page can be a table",
	      set_page_flags(page, PTE_RO) || pin_table(1, page), 0);
	check("so an entry may not become writable", pte_range(table_maddr(l1, 0), N, ALL, PTE_W),
	      -XEN_EBUSY);
	check("and does not", with(PTE_P | PTE_W), 0);
	check("unpin", unpin_table(page), 0);
	check("now it may", pte_range(table_maddr(l1, 0), N, ALL, PTE_W), 0);
	check("all do", with(PTE_P | PTE_W), N / 2);
	check("young bits go", pte_range(table_maddr(l1, 0), N, NO(PTE_A), 0), 0);
	check("dirty ones stay", with(PTE_P | PTE_D), N / 2);
	check("clear", pte_range(table_maddr(l1, 0), 512, 0, 0), 0);
	check("the table is empty", with(PTE_P), 0);
	check("the page is nobody's", set_page_flags(page, PTE_RW), 0);
}

static void check_bounds(void)
{
	uint64_t at = table_maddr(l1, 0), e = mkpte(virt_to_mfn(page), PTE_RO);

	pt_update(at, e);
	check("one beyond the end", pte_range(table_maddr(l1, 511), 2, ALL, 0), -XEN_EINVAL);
	check("a count that wraps", pte_range(at, ALL, ALL, 0), -XEN_EINVAL);
	check("a count of 2^32", pte_range(at, 1UL << 32, ALL, 0), -XEN_EINVAL);
	check("between entries", pte_range(at + 4, 1, ALL, 0), -XEN_EINVAL);
	check("no such frame", pte_range(1UL << 50, 1, ALL, 0), -XEN_EINVAL);
	check("the address of another frame", pte_range(at, 1, NO(1UL << 12), 0), -XEN_EINVAL);
	check("the same, set", pte_range(at, 1, ALL, 1UL << 20), -XEN_EINVAL);
	check("present", pte_range(at, 1, NO(PTE_P), 0), -XEN_EINVAL);
	check("user", pte_range(at, 1, NO(PTE_U), 0), -XEN_EINVAL);
	check("caching", pte_range(at, 1, ALL, 1UL << 4), -XEN_EINVAL);
	check("nothing", pte_range(at, 0, 0, 0), 0);
	check("a table of level 4", pte_range(pte_maddr(HOLE, 4), 1, NO(PTE_W), 0), -XEN_EINVAL);
	check("the hypervisor's first frame", pte_range(0x1000, 1, 0, 0), -XEN_EINVAL);
	check("the entry is as it was", (long)l1[0], (long)e);
	check("clear it", pte_range(at, 1, 0, 0), 0);
}

static void check_plain(void)
{
	uint64_t at = virt_to_mfn(plain) << 12;

	plain[0] = 0xfff0000000000067;
	plain[1] = 0x66;
	check("memory that is no table", pte_range(at, 2, NO(PTE_W), 0), 0);
	check("a present word changes", (long)plain[0], (long)0xfff0000000000065);
	check("another one does not", (long)plain[1], 0x66);
	check("clear it", pte_range(at, 512, 0, 0), 0);
	check("it is clear", (plain[0] | plain[1]) == 0, true);
}

void test_main(void)
{
	l1 = page_alloc();
	page = page_alloc();
	plain = page_alloc();
	if (set_page_flags(l1, PTE_RO) ||
	    pt_update(pte_maddr(HOLE, 2), mkpte(virt_to_mfn(l1), PTE_RW)))
		test_error("cannot hook up a table");
	check_feature();
	check_changes();
	check_bounds();
	check_plain();
	check("unhook the table", pt_update(pte_maddr(HOLE, 2), 0), 0);
	check("it is an ordinary page again", set_page_flags(l1, PTE_RW), 0);
}
