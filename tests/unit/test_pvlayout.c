// SPDX-License-Identifier: BSD-2-Clause
// Start-of-day layout: the boot ABI's rules hold, and the page tables map exactly the area.
#include <stdlib.h>
#include <string.h>
#include <hv/pvlayout.h>

#include "tests/unit/unit.h"

#define PAGE 4096ULL

static struct xenelf linux_kernel(void)
{
	struct xenelf e = { 0 };

	e.virt_base = 0xffffffff80000000ULL;
	e.virt_start = 0xffffffff81000000ULL;
	e.virt_end = 0xffffffff84a00000ULL;
	e.entry = 0xffffffff830791c0ULL;
	e.hypercall_page = XENELF_NONE;
	e.init_p2m = 0x8000000000ULL;
	e.mod_start_pfn = true;
	return e;
}

static struct xenelf small_kernel(void)
{
	struct xenelf e = linux_kernel();

	e.virt_base = 0;
	e.virt_start = 0x100000;
	e.virt_end = 0x123456;
	e.entry = 0x100000;
	e.init_p2m = XENELF_NONE;
	e.mod_start_pfn = false;
	return e;
}

/* The frame that va is mapped to by the layout's tables, or -1; flags of the last entry. */
static uint64_t walk(const struct pvlayout *l, uint64_t va, uint64_t *flags)
{
	uint64_t pfn = l->main.pfn[4];
	struct pvtable t;

	for (unsigned int level = 4; level; level--) {
		uint64_t i;

		for (i = 0; i < pvlayout_nr_tables(l); i++) {
			pvlayout_table(l, i, &t);
			if (t.pfn == pfn && t.level == level)
				break;
		}
		ck_assert_uint_lt(i, pvlayout_nr_tables(l));
		if (!pvlayout_slot(l, &t, va >> (12 + 9 * (level - 1)) & 511, &pfn, flags))
			return ~0ULL;
	}
	return pfn;
}

/* Segments in the ABI's order, packed, inside [v_start, v_end) or behind; nothing overlaps. */
static void check_order(const struct pvlayout *l)
{
	const struct pvseg *in_order[] = { &l->kernel,	   &l->ramdisk,	 &l->p2m,
					   &l->start_info, &l->xenstore, &l->console,
					   &l->pagetables, &l->stack };
	const struct pvseg *behind[] = { &l->p2m, &l->ramdisk, &l->extra };
	uint64_t next = l->kernel.pfn, mapped = (l->v_end - l->v_start) / PAGE;

	for (size_t i = 0; i < 8; i++) {
		const struct pvseg *s = in_order[i];

		if (!s->pages || s->pfn >= mapped)
			continue;
		ck_assert_uint_eq(s->pfn, next);
		ck_assert_uint_eq(s->vaddr, l->v_start + s->pfn * PAGE);
		next += s->pages;
	}
	ck_assert_uint_ge(l->v_end - (l->v_start + next * PAGE), 512 << 10);
	ck_assert_uint_eq(l->v_end & ((4 << 20) - 1), 0);
	next = mapped;
	for (size_t i = 0; i < 3; i++) {
		if (!behind[i]->pages || behind[i]->pfn < mapped)
			continue;
		ck_assert_uint_eq(behind[i]->pfn, next);
		next += behind[i] == &l->p2m ? l->nr_p2m_frames : behind[i]->pages;
	}
	ck_assert_uint_eq(l->used_pages, next);
	ck_assert_uint_le(next, l->nr_pages);
}

static void check_mapping(const struct pvlayout *l)
{
	uint64_t flags;

	for (uint64_t va = l->v_start; va < l->v_end; va += 37 * PAGE) {
		uint64_t pfn = walk(l, va, &flags);
		bool table = pfn - l->pagetables.pfn < l->pagetables.pages;

		ck_assert_uint_eq(pfn, (va - l->v_start) / PAGE);
		ck_assert_uint_eq(!(flags & PVPTE_RW), table);
	}
	for (uint64_t i = 0; i < l->pagetables.pages; i++) {
		ck_assert_uint_eq(walk(l, l->pagetables.vaddr + i * PAGE, &flags),
				  l->pagetables.pfn + i);
		ck_assert_uint_eq(flags & PVPTE_RW, 0);
	}
	ck_assert_uint_eq(walk(l, l->v_end, &flags), ~0ULL);
	if (l->v_start)
		ck_assert_uint_eq(walk(l, l->v_start - PAGE, &flags), ~0ULL);
	for (uint64_t i = 0; i < l->p2m.pages; i += 13)
		ck_assert_uint_eq(walk(l, l->mfn_list + i * PAGE, &flags), l->p2m.pfn + i);
}

/* Tables are distinct frames and just those that the counts say. */
static void check_tables(const struct pvlayout *l)
{
	uint64_t n = pvlayout_nr_tables(l), extra = 0;
	struct pvtable t;

	for (uint64_t i = 0; i < n; i++) {
		pvlayout_table(l, i, &t);
		if (i < l->pagetables.pages) {
			ck_assert(!t.p2m);
			ck_assert_uint_eq(t.pfn, l->pagetables.pfn + i);
		} else {
			ck_assert(t.p2m);
			ck_assert_uint_eq(t.pfn, l->p2m.pfn + l->p2m.pages + extra++);
		}
	}
	ck_assert_uint_eq(l->nr_pt_frames, l->pagetables.pages);
	ck_assert_uint_eq(l->nr_p2m_frames, l->p2m.pages + extra);
	ck_assert_uint_eq(l->pt_base, l->v_start + l->main.pfn[4] * PAGE);
}

static void check_all(const struct pvlayout_in *in)
{
	static struct pvlayout l;
	uint64_t need;
	const char *why = pvlayout_compute(&l, in, &need);

	ck_assert_msg(!why, "%s", why);
	check_order(&l);
	check_tables(&l);
	check_mapping(&l);
	ck_assert_uint_eq(l.p2m.pages, (in->nr_pages * 8 + PAGE - 1) / PAGE);
	ck_assert_uint_eq(!l.xenstore.pages, in->dom0);
}

START_TEST(linux_guest)
{
	struct xenelf e = linux_kernel();
	struct pvlayout_in in = { .elf = &e, .ramdisk_size = 1234567, .nr_pages = 65536 };
	struct pvlayout l;

	check_all(&in);
	ck_assert_ptr_null(pvlayout_compute(&l, &in, NULL));
	ck_assert_uint_eq(l.v_end, 0xffffffff84c00000ULL);
	ck_assert_uint_eq(l.mfn_list, 0x8000000000ULL);
	ck_assert(l.mod_is_pfn);
	ck_assert_uint_eq(l.mod_start, l.ramdisk.pfn);
	ck_assert_uint_eq(l.mod_len, 1234567);
}
END_TEST

START_TEST(small_guest_maps_everything)
{
	struct xenelf e = small_kernel();
	struct pvlayout_in in = { .elf = &e, .ramdisk_size = 5000, .nr_pages = 8192 };
	struct pvlayout l;

	check_all(&in);
	ck_assert_ptr_null(pvlayout_compute(&l, &in, NULL));
	ck_assert(!l.mod_is_pfn);
	ck_assert_uint_eq(l.ramdisk.vaddr, 0x124000);
	ck_assert_uint_eq(l.ramdisk.pages, 2);
	ck_assert_uint_eq(l.mfn_list, 0x126000);
}
END_TEST

START_TEST(dom0_has_no_rings)
{
	struct xenelf e = linux_kernel();
	struct pvlayout_in in = { .elf = &e,
				  .ramdisk_size = 30 << 20,
				  .nr_pages = 400000,
				  .dom0 = true,
				  .extra_pages = 7 };

	check_all(&in);
}
END_TEST

/* Sizes around every boundary: the end of a table, of the padding, of the alignment. */
START_TEST(many_sizes)
{
	struct xenelf e = small_kernel();
	struct pvlayout_in in = { .elf = &e, .nr_pages = 400000 };

	for (uint64_t grow = 0; grow < 9 << 20; grow += 71 * PAGE + 123) {
		e.virt_end = 0x123456 + grow;
		in.ramdisk_size = grow / 3;
		check_all(&in);
	}
	e = linux_kernel();
	for (in.nr_pages = 30000; in.nr_pages < 1UL << 22; in.nr_pages = in.nr_pages * 3 + 17)
		check_all(&in);
}
END_TEST

START_TEST(too_little_memory)
{
	struct xenelf e = linux_kernel();
	struct pvlayout_in in = { .elf = &e, .ramdisk_size = 10 << 20, .nr_pages = 10000 };
	struct pvlayout l;
	uint64_t need;
	const char *why = pvlayout_compute(&l, &in, &need);

	ck_assert(why && strstr(why, "too small"));
	ck_assert_uint_gt(need, in.nr_pages);
	in.nr_pages = need + 64;
	ck_assert_ptr_null(pvlayout_compute(&l, &in, &need));
}
END_TEST

START_TEST(impossible_places)
{
	struct xenelf e = linux_kernel();
	struct pvlayout_in in = { .elf = &e, .nr_pages = 1 << 20 };
	struct pvlayout l;

	e.init_p2m = 0xffff800000000000ULL;
	ck_assert_ptr_nonnull(pvlayout_compute(&l, &in, NULL));
	e.init_p2m = 0xffffffffc0000000ULL;
	ck_assert_ptr_nonnull(pvlayout_compute(&l, &in, NULL));
	e.init_p2m = ~0xfffULL;
	ck_assert_ptr_nonnull(pvlayout_compute(&l, &in, NULL));
	e = small_kernel();
	e.virt_base = 0xffff800000000000ULL;
	e.virt_start = e.virt_base;
	e.virt_end = e.virt_base + 4096;
	ck_assert_ptr_nonnull(pvlayout_compute(&l, &in, NULL));
	e.virt_base = 0xffffffffffc00000ULL;
	e.virt_start = e.virt_base;
	e.virt_end = e.virt_base + 4096;
	in.ramdisk_size = 4 << 20;
	ck_assert_ptr_nonnull(pvlayout_compute(&l, &in, NULL));
	e = linux_kernel();
	in.nr_pages = 0;
	ck_assert_ptr_nonnull(pvlayout_compute(&l, &in, NULL));
	in.nr_pages = 1 << 20;
	in.ramdisk_size = ~0ULL;
	ck_assert_ptr_nonnull(pvlayout_compute(&l, &in, NULL));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		linux_guest, small_guest_maps_everything, dom0_has_no_rings,
		many_sizes,  too_little_memory,		  impossible_places
	};
	Suite *s = suite_create("pvlayout");
	TCase *t = tcase_create("pvlayout");

	tcase_set_timeout(t, 30);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(t, tests[i]);
	suite_add_tcase(s, t);
	return unit_run(s);
}
