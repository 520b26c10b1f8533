// SPDX-License-Identifier: BSD-2-Clause
/*
 * The page-type checker: counts the references and type uses that tables, pins, allocations, base pointers and descriptor
 * frames account for, and compares them with the frame records.
 *
 * Fewer than counted, or a rule of hv/pgt.h broken: an error. More: others hold frames as well (event channel pages, copies under
 * way), so these are only added up, except for page tables, which nobody else uses.
 */
#include <hv/heap.h>
#include <hv/lib.h>
#include <hv/smp.h>
#include <hv/x86/cpu.h>
#include <hv/x86/mmu.h>

#define MAX_REPORTS 40

struct tally {
	uint32_t refs, uses;
};
static struct tally *tally; /* one for each frame, while a check runs */
static unsigned int errors, extra;
static bool parked;

static bool report(const struct frame *f, const char *what, uint64_t is, uint64_t want)
{
	if (errors++ < MAX_REPORTS)
		log_err("frame %#lx (d%u, type word %#lx, count %#x): %s: %#lx, should be %#lx\n",
			frame_mfn(f).v, f->owner, f->type, f->count, what, is, want);
	return false;
}

static void hold(mfn_t m, bool use)
{
	tally[m.v].refs++;
	tally[m.v].uses += use;
}

static void hold_base(uint64_t cr3)
{
	if (cr3)
		hold(mfn(cr3 >> PAGE_SHIFT), true);
}

static void hold_if(mfn_t m, bool use)
{
	if (m.v && mfn_valid(m))
		hold(m, use);
}

/* ---- what tables hold */
static void check_l1_entry(const struct frame *f, uint64_t e)
{
	mfn_t m = pte_mfn(e);
	const struct frame *page = frame_of(m);

	if (!mfn_valid(m) || page->owner == DOMID_IO)
		return;
	hold(m, e & PTE_W);
	if (!(e & PTE_U) || (e & PTE_G))
		report(f, "flags of an L1 entry", e, e | PTE_U);
	if ((e & PTE_W) && frame_type(page) != FT_WRITABLE)
		report(page, "mapped writable as type", frame_type(page), FT_WRITABLE);
}

static void check_lx_entry(const struct frame *f, unsigned int level, uint64_t e)
{
	mfn_t m = pte_mfn(e);
	const struct frame *child = frame_of(m);

	if (child == f && level == 4) {
		if (e & PTE_W)
			report(f, "writable linear map", e, e & ~PTE_W);
		return;
	}
	if (!mfn_valid(m)) {
		report(f, "entry of a table names no frame", e, 0);
		return;
	}
	hold(m, true);
	if (frame_type(child) != pgt_type(level - 1) || !(child->type & FT_VALIDATED))
		report(child, "hooked up as type", frame_type(child), pgt_type(level - 1));
	if (child->owner != f->owner)
		report(child, "hooked up in a table of domain", f->owner, child->owner);
	if (e & PGT_DISALLOW_LX)
		report(f, "flags of an entry", e, e & ~PGT_DISALLOW_LX);
}

static void check_table(const struct frame *f)
{
	unsigned int level = pgt_level(frame_type(f)), n = 0, end = 512;
	const uint64_t *table = table_of(f);

	if (f->type & FT_PARTIAL) {
		end = pgt_done(f->type);
		hold(frame_mfn(f), true);
	}
	for (unsigned int i = 0; i < end; i++) {
		uint64_t e = table[i];

		if (pgt_hv_slot(level, i)) {
			if (e != idle_l4[i] && (f->type & FT_VALIDATED))
				report(f, "hypervisor's slot", e, idle_l4[i]);
			continue;
		}
		if (!(e & PTE_P))
			continue;
		n++;
		if (level == 1)
			check_l1_entry(f, e);
		else
			check_lx_entry(f, level, e);
	}
	if (n != pgt_present(f->type))
		report(f, "present entries", pgt_present(f->type), n);
	if (f->type & FT_PINNED)
		hold(frame_mfn(f), true);
}

/* ---- what domains hold */
static void count_vcpu(const struct vcpu *v)
{
	hold_base(v->pv.cr3_kernel);
	hold_base(v->pv.cr3_user);
	if (v->pv.old_table)
		hold(frame_mfn(v->pv.old_table), false);
	for (unsigned int i = 0; i < DIV_ROUND_UP(v->pv.gdt_ents, 512); i++)
		hold_if(v->pv.gdt_frame[i], true);
	for (unsigned int i = 0; i < ARRAY_SIZE(v->pv.ldt_frame); i++)
		if (v->pv.ldt_mapped & BIT(i))
			hold_if(v->pv.ldt_frame[i], true);
	if (!mfn_eq(v->vcpu_info_mfn, MFN_NONE))
		hold_if(v->vcpu_info_mfn, true);
}

static void count_domain(const struct domain *d)
{
	uint32_t n = 0, at = d->page_list;
	const struct vcpu *v;

	for (; at != FRAME_NIL && n <= d->tot_pages; at = frame_of(mfn(at))->next, n++)
		if (frame_of(mfn(at))->owner != d->id)
			report(frame_of(mfn(at)), "in the list of domain", d->id,
			       frame_of(mfn(at))->owner);
	if (n != d->tot_pages && errors++ < MAX_REPORTS)
		log_err("d%u: %u pages in its list, tot_pages %u\n", d->id, n, d->tot_pages);
	for_each_vcpu(d, v)
		count_vcpu(v);
	if (d->pv.relinquish_next)
		hold(mfn(d->pv.relinquish_next - 1), false);
}

static void count_frame(const struct frame *f)
{
	const char *why = pgt_check(f->type, f->count);
	enum frame_type t = frame_type(f);

	if (!(f->count & FC_COUNT))
		return; /* free, a hole, or the hypervisor's */
	if (why)
		report(f, why, f->type, 0);
	if (f->count & (FC_ALLOCATED | FC_HVPAGE))
		hold(frame_mfn(f), (f->count & FC_HVPAGE) && (t == FT_WRITABLE || t == FT_DESC));
	if (pgt_is_table(t) && !(f->type & FT_LOCKED))
		check_table(f);
}

static void compare(const struct frame *f)
{
	const struct tally *t = &tally[frame_mfn(f).v];
	uint32_t refs = f->count & FC_COUNT, uses = (uint32_t)(f->type & FT_COUNT);

	if (refs < t->refs)
		report(f, "references", refs, t->refs);
	else if (uses < t->uses)
		report(f, "type uses", uses, t->uses);
	else if (pgt_is_table(frame_type(f)) && uses != t->uses)
		report(f, "type uses of a table", uses, t->uses);
	else
		extra += refs - t->refs;
}

/* ---- the world stands still meanwhile */
static void park(void *unused)
{
	while (__atomic_load_n(&parked, __ATOMIC_ACQUIRE))
		cpu_relax();
}

unsigned int frame_check_all(void)
{
	cpumask_t others = { cpu_online.bits & ~BIT(smp_cpu()) };
	unsigned int order = 0;

	while ((PAGE_SIZE << order) < max_frame * sizeof(*tally))
		order++;
	tally = hv_alloc_pages(order);
	if (!tally) {
		log_warn("page types: not checked, no memory for %lu counters\n", max_frame);
		return 0;
	}
	__atomic_store_n(&parked, true, __ATOMIC_RELEASE);
	if (others.bits)
		smp_call(others, park, NULL, false);
	errors = 0;
	extra = 0;
	for (const struct domain *d = domain_list; d; d = d->next)
		count_domain(d);
	for (uint64_t m = 0; m < max_frame; m++)
		count_frame(frame_of(mfn(m)));
	for (uint64_t m = 0; m < max_frame; m++)
		if (frame_of(mfn(m))->count & FC_COUNT)
			compare(frame_of(mfn(m)));
		else if (tally[m].refs)
			report(frame_of(mfn(m)), "free, but referenced", 0, tally[m].refs);
	__atomic_store_n(&parked, false, __ATOMIC_RELEASE);
	hv_free_pages(tally, order);
	log_info("page types: %lu frames checked, %u references held by others\n", max_frame,
		 extra);
	return errors;
}
