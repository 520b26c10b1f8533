// SPDX-License-Identifier: BSD-2-Clause
// The initial memory layout of a 64-bit PV domain: segments, page tables, start_info values.
#include <hv/pvlayout.h>
#include <hv/string.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE  (1ULL << PAGE_SHIFT)
#define PADDING	   (512ULL << 10)
#define END_ALIGN  (4ULL << 20)
#define MAX_PAGES  (1ULL << 36) /* 2^48 bytes */

/* L4 slots 256 to 271 are the hypervisor's. */
#define HV_START 0xffff800000000000ULL
#define HV_END	 0xffff880000000000ULL
#define LOW_END	 0x0000800000000000ULL

static uint64_t pages_of(uint64_t bytes)
{
	return (bytes + PAGE_SIZE - 1) >> PAGE_SHIFT;
}

/* Address bits that one entry of a level covers: level 1 a page, level 4 512 GiB. */
static unsigned int level_shift(unsigned int level)
{
	return PAGE_SHIFT + 9 * (level - 1);
}

/* Tables of a level that [start, end) touches; each covers what one entry of the next level does. */
static uint64_t tables_for(uint64_t start, uint64_t end, unsigned int level)
{
	unsigned int shift = level_shift(level + 1);

	return ((end - 1) >> shift) - (start >> shift) + 1;
}

/* A virtual range a guest may have: canonical, no wrap, outside the hypervisor's slots. */
static bool range_ok(uint64_t start, uint64_t end)
{
	if (end <= start)
		return false;
	return end <= LOW_END || start >= HV_END;
}

struct alloc {
	uint64_t v_start, next_pfn;
};

static struct pvseg seg_mapped(struct alloc *a, uint64_t pages)
{
	struct pvseg s = { a->v_start + (a->next_pfn << PAGE_SHIFT), a->next_pfn, pages };

	a->next_pfn += pages;
	return s;
}

static struct pvseg seg_unmapped(struct alloc *a, uint64_t pages)
{
	struct pvseg s = { PVSEG_UNMAPPED, a->next_pfn, pages };

	a->next_pfn += pages;
	return s;
}

/* Give each level its frames: highest level first, as pt_base must be the first page of all. */
static void number_tables(struct pvtables *t, unsigned int top, uint64_t pfn)
{
	for (unsigned int level = top; level >= 1; level--) {
		t->pfn[level] = pfn;
		pfn += t->nr[level];
	}
}

/*
 * Page tables, stack and padding are part of what the page tables map, so their number depends on itself; it only
 * grows with the end of the area, which settles after a round or two.
 */
static void place_tables(struct pvlayout *l, struct alloc *a)
{
	struct pvtables *t = &l->main;
	uint64_t before, need = 4;

	do {
		before = need;
		l->v_end = a->v_start + ((a->next_pfn + need + 1) << PAGE_SHIFT) + PADDING;
		l->v_end = (l->v_end + END_ALIGN - 1) & ~(END_ALIGN - 1);
		need = 0;
		for (unsigned int level = 1; level <= 4; level++) {
			t->nr[level] = level == 4 ? 1 : tables_for(l->v_start, l->v_end, level);
			need += t->nr[level];
		}
	} while (need > before);
	l->pagetables = seg_mapped(a, need);
	l->stack = seg_mapped(a, 1);
	t->start = l->v_start;
	t->end = l->v_end;
	number_tables(t, 4, l->pagetables.pfn);
}

/* The list at INIT_P2M: after the main area in frames, with page tables of its own below the common L4. */
static const char *place_p2m_outside(struct pvlayout *l, struct alloc *a, uint64_t va,
				     uint64_t pages)
{
	struct pvtables *t = &l->p2m_tables;
	uint64_t tables = 0;

	t->start = va;
	t->end = va + (pages << PAGE_SHIFT);
	if (!range_ok(t->start, t->end))
		return "kernel image: the list at INIT_P2M does not fit where it wants to be";
	if (t->start >> level_shift(4) <= (l->v_end - 1) >> level_shift(4) &&
	    l->v_start >> level_shift(4) <= (t->end - 1) >> level_shift(4))
		return "kernel image: INIT_P2M lies in the same 512 GiB as the kernel";
	for (unsigned int level = 1; level <= 3; level++) {
		t->nr[level] = tables_for(t->start, t->end, level);
		tables += t->nr[level];
	}
	l->p2m = seg_unmapped(a, pages);
	l->p2m.vaddr = va;
	number_tables(t, 3, a->next_pfn);
	a->next_pfn += tables;
	l->nr_p2m_frames = pages + tables;
	return NULL;
}

static void fill_start_values(struct pvlayout *l, const struct pvlayout_in *in)
{
	l->pt_base = l->pagetables.vaddr;
	l->nr_pt_frames = l->pagetables.pages;
	l->mfn_list = l->p2m.vaddr;
	l->first_p2m_pfn = l->p2m.pfn;
	if (in->ramdisk_size) {
		l->mod_is_pfn = l->ramdisk.vaddr == PVSEG_UNMAPPED;
		l->mod_start = l->mod_is_pfn ? l->ramdisk.pfn : l->ramdisk.vaddr;
		l->mod_len = in->ramdisk_size;
	}
	l->entry = in->elf->entry;
	l->stack_top = l->stack.vaddr + PAGE_SIZE;
	l->start_info_va = l->start_info.vaddr;
}

static const char *check_input(const struct pvlayout_in *in)
{
	const struct xenelf *e = in->elf;

	if (!in->nr_pages || in->nr_pages > MAX_PAGES)
		return "domain memory: no pages, or more than 256 TiB";
	if (in->ramdisk_size >> PAGE_SHIFT > MAX_PAGES || in->extra_pages > MAX_PAGES)
		return "ramdisk: larger than any memory";
	if (!range_ok(e->virt_base, e->virt_end) || e->virt_start < e->virt_base)
		return "kernel image: it wants to be where no PV kernel can be (VIRT_BASE)";
	return NULL;
}

const char *pvlayout_compute(struct pvlayout *l, const struct pvlayout_in *in, uint64_t *need)
{
	const struct xenelf *e = in->elf;
	const char *err = check_input(in);
	uint64_t ramdisk = pages_of(in->ramdisk_size), p2m = pages_of(in->nr_pages * 8);
	struct alloc a = { .v_start = e->virt_base };
	bool p2m_outside = e->init_p2m != XENELF_NONE;

	memset(l, 0, sizeof(*l));
	if (need)
		*need = 0;
	if (err)
		return err;
	l->v_start = e->virt_base;
	l->nr_pages = in->nr_pages;

	l->kernel.pfn = (e->virt_start - e->virt_base) >> PAGE_SHIFT;
	l->kernel.vaddr = l->v_start + (l->kernel.pfn << PAGE_SHIFT);
	l->kernel.pages = pages_of(e->virt_end - l->kernel.vaddr);
	a.next_pfn = l->kernel.pfn + l->kernel.pages;
	if (!e->mod_start_pfn)
		l->ramdisk = seg_mapped(&a, ramdisk);
	if (!p2m_outside) {
		l->p2m = seg_mapped(&a, p2m);
		l->nr_p2m_frames = p2m;
	}
	l->start_info = seg_mapped(&a, 1);
	if (!in->dom0) {
		l->xenstore = seg_mapped(&a, 1);
		l->console = seg_mapped(&a, 1);
	}
	place_tables(l, &a);
	if (!range_ok(l->v_start, l->v_end))
		return "kernel image: kernel and ramdisk do not fit between VIRT_BASE and the end "
		       "of "
		       "the address space";

	a.next_pfn = (l->v_end - l->v_start) >> PAGE_SHIFT;
	if (p2m_outside) {
		err = place_p2m_outside(l, &a, e->init_p2m, p2m);
		if (err)
			return err;
	}
	if (e->mod_start_pfn)
		l->ramdisk = seg_unmapped(&a, ramdisk);
	l->extra = seg_unmapped(&a, in->extra_pages);
	l->used_pages = a.next_pfn;
	if (l->used_pages > in->nr_pages) {
		if (need)
			*need = l->used_pages;
		return "domain memory: too small for kernel, ramdisk and start-up tables";
	}
	fill_start_values(l, in);
	return NULL;
}

static uint64_t count_tables(const struct pvtables *t)
{
	return t->nr[1] + t->nr[2] + t->nr[3] + t->nr[4];
}

uint64_t pvlayout_nr_tables(const struct pvlayout *l)
{
	return count_tables(&l->main) + count_tables(&l->p2m_tables);
}

void pvlayout_table(const struct pvlayout *l, uint64_t i, struct pvtable *t)
{
	const struct pvtables *from = &l->main;
	unsigned int level, shift;

	t->p2m = i >= count_tables(from);
	if (t->p2m) {
		i -= count_tables(from);
		from = &l->p2m_tables;
	}
	for (level = 4; level > 1 && i >= from->nr[level]; level--)
		i -= from->nr[level];
	t->level = level;
	t->pfn = from->pfn[level] + i;
	shift = level_shift(level + 1);
	/* The L4 maps everything; its base is 0 and addresses are taken modulo 2^48. */
	t->base = level == 4 ? 0 : ((from->start >> shift) + i) << shift;
}

/* The entry for [va, va + size of one slot) from the tables of one area. */
static bool slot_of_area(const struct pvlayout *l, const struct pvtables *t, unsigned int level,
			 uint64_t va, uint64_t *pfn, uint64_t *flags)
{
	unsigned int shift = level_shift(level);
	uint64_t index;

	if (!t->nr[1] || va >> shift < t->start >> shift || va >> shift > (t->end - 1) >> shift)
		return false;
	index = (va >> shift) - (t->start >> shift);
	*flags = PVPTE_PRESENT | PVPTE_RW | PVPTE_USER | PVPTE_ACCESSED;
	if (level > 1) {
		*pfn = t->pfn[level - 1] + index;
		return true;
	}
	*pfn = index + (t == &l->main ? 0 : l->p2m.pfn);
	*flags |= PVPTE_DIRTY;
	if (t == &l->main && *pfn >= l->pagetables.pfn &&
	    *pfn - l->pagetables.pfn < l->pagetables.pages)
		*flags &= ~(uint64_t)(PVPTE_RW | PVPTE_DIRTY);
	return true;
}

bool pvlayout_slot(const struct pvlayout *l, const struct pvtable *t, unsigned int slot,
		   uint64_t *pfn, uint64_t *flags)
{
	uint64_t va = t->base + ((uint64_t)slot << level_shift(t->level));

	if (t->level < 4)
		return slot_of_area(l, t->p2m ? &l->p2m_tables : &l->main, t->level, va, pfn,
				    flags);
	if (slot >= 256)
		va |= 0xffff000000000000ULL;
	return slot_of_area(l, &l->main, 4, va, pfn, flags) ||
	       slot_of_area(l, &l->p2m_tables, 4, va, pfn, flags);
}
