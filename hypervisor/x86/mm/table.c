// SPDX-License-Identifier: BSD-2-Clause
/*
 * Guests' page tables: references of entries, validation and release of whole tables, changes of entries.
 *
 *   L4 --ref, use as L3--> L3 --ref, use as L2--> L2 --ref, use as L1--> L1 --ref, writable: use FT_WRITABLE--> page
 *
 * What an entry holds depends on nothing but its value (and on the frame's owner, which cannot change while it is held), so
 * whoever replaces an entry with cmpxchg knows what to drop. An L4 entry that names its own table (a linear map) holds nothing
 * and must be read-only.
 */
#include <hv/hypercall.h>
#include <hv/smp.h>
#include <hv/softirq.h>
#include <hv/x86/cpu.h>
#include <hv/x86/mmu.h>

uint64_t pt_changes = 1;

/* ---- L1 entries */
static bool may_set_caching(const struct domain *d)
{
	return d->iomem_caps && rangeset_overlaps(d->iomem_caps, 0, ~0UL);
}

/* References for a present, adjusted L1 entry in a table of d. */
static int l1_get(struct domain *d, struct domain *pg_owner, uint64_t *e)
{
	mfn_t m = pte_mfn(*e);
	struct frame *f = frame_of(m);

	if (unlikely(*e & PGT_DISALLOW_L1) && !may_set_caching(d)) {
		guest_trace("entry %#lx: caching bits are for domains with devices", *e);
		return -XEN_EINVAL;
	}
	if (unlikely(!mfn_valid(m)) || unlikely(READ_ONCE(f->owner) == DOMID_IO))
		return l1_check_io(d, pg_owner, e);
	if (unlikely(!frame_get_owned(f, pg_owner->id))) {
		guest_trace("entry %#lx: the frame is d%u's, not d%u's", *e, f->owner, pg_owner->id);
		return -XEN_EBUSY;
	}
	if ((*e & PTE_W) && unlikely(frame_get_writable(f))) {
		guest_trace("entry %#lx: the frame is in use as type %u", *e, frame_type(f));
		frame_put(f);
		return -XEN_EBUSY;
	}
	return 0;
}

/* A guest that loses sight of its LDT expects the CPU to lose it too. */
static void forget_ldt(const struct frame *f)
{
	struct vcpu *v = current;

	if (!v->is_idle && v->domain->id == f->owner)
		ldt_invalidate(v);
}

/*
 * An unprivileged guest takes away a writable mapping of another domain's frame (a grant, without unmapping it): when the frame
 * becomes a page table, only its owner's CPUs are asked to flush, so this guest's forget it now.
 */
static void flush_if_foreign(const struct frame *f)
{
	const struct domain *d = current->domain;

	if (unlikely(READ_ONCE(f->owner) != d->id) && !d->is_privileged)
		tlb_flush_mask(d->dirty_cpumask);
}

void l1_put(uint64_t e)
{
	mfn_t m = pte_mfn(e);
	struct frame *f = frame_of(m);

	if (unlikely(!mfn_valid(m)) || unlikely(READ_ONCE(f->owner) == DOMID_IO))
		return;
	if (e & PTE_W) {
		flush_if_foreign(f);
		frame_put_writable(f);
	} else if (unlikely(frame_type(f) == FT_DESC)) {
		forget_ldt(f);
	}
	frame_put(f);
}

/*
 * Store `new` in place of `old`. The CPU may set accessed and dirty bits at any time; nobody else changes the entry. cmpxchg
 * also orders the store before the reading of the TLB clock when references are dropped.
 */
static bool store(uint64_t *slot, uint64_t old, uint64_t new, enum pte_store how)
{
	for (;;) {
		uint64_t n = how == STORE_KEEP_AD ? new | (old & (PTE_A | PTE_D)) : new;
		uint64_t seen = cmpxchg(slot, old, n);

		if (likely(seen == old))
			return true;
		if (how == STORE_EXACT)
			return false;
		old = seen;
	}
}

int l1_change(struct domain *d, struct domain *pg_owner, uint64_t *slot, uint64_t old, uint64_t new,
	      enum pte_store how, int *delta)
{
	enum pgt_change change;
	int rc;

	if (new & PTE_P)
		new = pgt_adjust_l1(new);
	change = pgt_l1_change(old, new);
	if (change == PGT_REPLACE) {
		rc = l1_get(d, pg_owner, &new);
		if (unlikely(rc))
			return rc;
	} else if (change == PGT_GAIN_WRITE) {
		/* Device frames and other domains' frames go the long way: they hold no type use, or need a right. */
		struct frame *f = frame_of(pte_mfn(new));

		if (!mfn_valid(pte_mfn(new)) || READ_ONCE(f->owner) != pg_owner->id) {
			change = PGT_REPLACE;
			rc = l1_get(d, pg_owner, &new);
		} else
			rc = frame_get_writable(f) ? -XEN_EBUSY : 0;
		if (unlikely(rc))
			return rc;
	}
	if (unlikely(!store(slot, old, new, how))) {
		if (change == PGT_REPLACE)
			l1_put(new);
		else if (change == PGT_GAIN_WRITE)
			frame_put_writable(frame_of(pte_mfn(new)));
		return -XEN_EAGAIN;
	}
	*delta += pgt_present_delta(old, new);
	if (change == PGT_CLEAR || (change == PGT_REPLACE && (old & PTE_P)))
		l1_put(old);
	else if (change == PGT_LOSE_WRITE) {
		struct frame *f = frame_of(pte_mfn(old));

		if (mfn_valid(pte_mfn(old)) && READ_ONCE(f->owner) != DOMID_IO) {
			flush_if_foreign(f);
			frame_put_writable(f);
		}
	}
	return 0;
}

/* ---- entries of L2, L3, L4 */
static int lx_flags_ok(uint64_t e, unsigned int level, mfn_t table)
{
	if (e & PGT_DISALLOW_LX) {
		guest_trace("L%u entry %#lx: bits %#lx must be clear", level, e, e & PGT_DISALLOW_LX);
		return -XEN_EINVAL;
	}
	if (level == 4 && mfn_eq(pte_mfn(e), table) && (e & PTE_W)) {
		guest_trace("L4 entry %#lx: a linear map must be read-only", e);
		return -XEN_EINVAL;
	}
	return 0;
}

/* References for a present entry of table f, which d owns. */
static int lx_get(struct domain *d, struct frame *f, unsigned int level, uint64_t e)
{
	mfn_t m = pte_mfn(e);
	struct frame *child = frame_of(m);
	int rc = lx_flags_ok(e, level, frame_mfn(f));

	if (rc)
		return rc;
	if (child == f)
		return level == 4 ? 0 : -XEN_EINVAL;
	if (!mfn_valid(m) || !frame_get_owned(child, d->id)) {
		guest_trace("L%u entry %#lx: the frame is not d%u's", level, e, d->id);
		return -XEN_EINVAL;
	}
	rc = frame_get_type(child, pgt_type(level - 1));
	if (rc) {
		frame_put(child);
		if (rc == -XEN_EINVAL)
			guest_trace("L%u entry %#lx: no L%u table (in use as type %u)", level, e,
				    level - 1, frame_type(child));
	}
	return rc;
}

void table_put_later(struct frame *f)
{
	struct vcpu *v = current;

	if (v->is_idle || v->pv.old_table)
		frame_put_type(f);
	else if (frame_put_type_preemptible(f)) {
		v->pv.old_table = f;
		return;
	}
	frame_put(f);
}

int lx_change(struct domain *d, struct frame *f, unsigned int slot, uint64_t new, bool keep_ad, int *delta)
{
	unsigned int level = pgt_level(frame_type(f));
	uint64_t *e = &table_of(f)[slot], old = pte_read(e);
	bool same = (old & new & PTE_P) && mfn_eq(pte_mfn(old), pte_mfn(new));
	int rc = 0;

	if (pgt_hv_slot(level, slot)) {
		guest_trace("L4 slot %u is the hypervisor's", slot);
		return -XEN_EINVAL;
	}
	if (new & PTE_P) {
		rc = same ? lx_flags_ok(new, level, frame_mfn(f)) : lx_get(d, f, level, new);
		if (rc)
			return rc;
		new = pgt_adjust_lx(new);
	}
	store(e, old, new, keep_ad ? STORE_KEEP_AD : STORE_PLAIN);
	if (!same)
		atomic_inc(&pt_changes);
	*delta += pgt_present_delta(old, new);
	if ((old & PTE_P) && !same && frame_of(pte_mfn(old)) != f)
		table_put_later(frame_of(pte_mfn(old)));
	return 0;
}

/* ---- whole tables */
static int entry_get(struct domain *d, struct frame *f, unsigned int level, uint64_t *slot, uint64_t e)
{
	uint64_t n;
	int rc;

	if (level == 1) {
		n = pgt_adjust_l1(e);
		rc = l1_get(d, d, &n);
	} else {
		n = pgt_adjust_lx(e);
		rc = lx_get(d, f, level, e);
	}
	/* Nobody writes to the page now: it is not mapped writable, and not yet in use as a table. */
	if (!rc && n != e)
		WRITE_ONCE(*slot, n);
	return rc;
}

/* Validation failed in slot `bad`: drop what the slots below hold, and say so for the caller. */
static int undo(struct frame *f, unsigned int level, unsigned int present, unsigned int bad, int rc,
		uint64_t *partial)
{
	enum frame_type t = pgt_type(level);
	uint64_t w = pgt_word(t) | FT_LOCKED | 1 | pgt_progress(present, bad, -rc);

	return table_release(f, w, true, partial) ? -XEN_ERESTART : rc;
}

int table_validate(struct frame *f, uint64_t w, unsigned int *present, uint64_t *partial)
{
	enum frame_type t = (enum frame_type)((w & FT_MASK) >> FT_SHIFT);
	unsigned int level = pgt_level(t), n = pgt_present(w), i;
	uint64_t *table = table_of(f);
	struct domain *d = frame_owner(f);
	int rc = 0;

	if (!d)
		return -XEN_EINVAL;
	for (i = pgt_done(w); i < 512; i++) {
		uint64_t e = pte_read(&table[i]);

		if (!(i & 7) && pgt_eight_empty(&table[i])) {
			i += 7;
			continue;
		}
		if (!(e & PTE_P) || pgt_hv_slot(level, i))
			continue;
		if (level > 1 && i > pgt_done(w) && !current->is_idle && preempt_needed())
			rc = -XEN_ERESTART;
		else
			rc = entry_get(d, f, level, &table[i], e);
		if (rc)
			break;
		n++;
	}
	put_domain(d);
	if (rc == -XEN_ERESTART)
		*partial = pgt_partial(t, n, i, 0);
	else if (rc)
		rc = undo(f, level, n, i, rc, partial);
	else if (level == 4)
		l4_init_hv_slots(table);
	*present = n;
	return rc;
}

/* Drop what a present entry holds. -XEN_ERESTART: dropped, but the table below is partly released. */
static int entry_put(struct frame *f, unsigned int level, uint64_t e, bool preempt)
{
	struct frame *child = frame_of(pte_mfn(e));
	int rc = 0;

	if (level == 1) {
		l1_put(e);
		return 0;
	}
	if (child == f)
		return 0;
	if (preempt && level > 2)
		rc = frame_put_type_preemptible(child);
	else
		frame_put_type(child);
	frame_put(child);
	return rc;
}

/* The release of the table in slot `i` was preempted; it holds itself. Go on with it if it is still so. */
static int finish_child(struct frame *f, unsigned int level, unsigned int i, bool preempt)
{
	uint64_t e = i < 512 && !pgt_hv_slot(level, i) ? pte_read(&table_of(f)[i]) : 0;
	struct frame *child = frame_of(pte_mfn(e));
	int rc = 0;

	if (level < 3 || !(e & PTE_P) || child == f || !mfn_valid(pte_mfn(e)) ||
	    !frame_get_owned(child, f->owner))
		return 0;
	if (frame_type(child) == pgt_type(level - 1))
		rc = frame_finish_release(child, preempt);
	frame_put(child);
	return rc;
}

int table_release(struct frame *f, uint64_t w, bool preempt, uint64_t *partial)
{
	enum frame_type t = (enum frame_type)((w & FT_MASK) >> FT_SHIFT);
	unsigned int level = pgt_level(t), n = pgt_present(w), i = pgt_done(w);
	uint64_t *table = table_of(f);
	int rc = finish_child(f, level, i, preempt);

	if (!i && !rc)
		i = 512; /* a valid table: no progress kept; or all is released and n is 0 */
	while (n && i && !rc) {
		uint64_t e;

		if (!(i & 7) && pgt_eight_empty(&table[i - 8])) {
			i -= 8;
			continue;
		}
		i--;
		e = pte_read(&table[i]);
		if (!(e & PTE_P) || pgt_hv_slot(level, i))
			continue;
		n--;
		rc = entry_put(f, level, e, preempt);
		if (!rc && n && level > 1 && preempt && !current->is_idle && preempt_needed())
			rc = -XEN_ERESTART;
	}
	if (rc)
		*partial = pgt_partial(t, n, i, pgt_error(w));
	return rc;
}
