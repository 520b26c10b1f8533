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

/* Device frames, caching bits, and why an entry is refused. */
int l1_get_slow(struct domain *d, struct domain *pg_owner, uint64_t *e)
{
	mfn_t m = pte_mfn(*e);
	struct frame *f = frame_of(m);

	if ((*e & PGT_DISALLOW_L1) && !may_set_caching(d)) {
		guest_trace("entry %#lx: caching bits are for domains with devices", *e);
		return -XEN_EINVAL;
	}
	if (!mfn_valid(m) || READ_ONCE(f->owner) == DOMID_IO)
		return l1_check_io(d, pg_owner, e);
	if (!frame_get_owned(f, pg_owner->id)) {
		guest_trace("entry %#lx: the frame is d%u's, not d%u's", *e, f->owner,
			    pg_owner->id);
		return -XEN_EBUSY;
	}
	if ((*e & PTE_W) && frame_get_writable(f)) {
		guest_trace("entry %#lx: the frame is in use as type %u", *e, frame_type(f));
		frame_put(f);
		return -XEN_EBUSY;
	}
	return 0;
}

/* A guest that loses sight of its LDT expects the CPU to lose it too. */
void l1_put_slow(uint64_t e)
{
	const struct frame *f = frame_of(pte_mfn(e));
	struct vcpu *v = current;

	if (frame_type(f) == FT_DESC && !v->is_idle && v->domain->id == f->owner)
		ldt_invalidate(v);
}

bool l1_put_foreign(const struct frame *f, uint64_t e)
{
	const struct domain *d = current->domain;

	if (READ_ONCE(f->owner) == DOMID_IO)
		return false;
	if ((e & PTE_W) && !d->is_privileged && !d->is_idle)
		tlb_flush_mask(d->dirty_cpumask);
	return true;
}

int l1_replace(struct domain *d, struct domain *pg_owner, uint64_t *slot, uint64_t old,
	       uint64_t new, enum pte_store how, int *delta)
{
	int rc = l1_get(d, pg_owner, &new);

	if (unlikely(rc))
		return rc;
	if (unlikely(!pte_store(slot, old, new, how))) {
		l1_put(new);
		return -XEN_EAGAIN;
	}
	*delta += pgt_present_delta(old, new);
	if (old & PTE_P)
		l1_put(old);
	return 0;
}

/* ---- entries of L2, L3, L4 */
static int lx_flags_ok(uint64_t e, unsigned int level, mfn_t table)
{
	if (e & PGT_DISALLOW_LX) {
		guest_trace("L%u entry %#lx: bits %#lx must be clear", level, e,
			    e & PGT_DISALLOW_LX);
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

int lx_change(struct domain *d, struct frame *f, unsigned int slot, uint64_t new, bool keep_ad,
	      int *delta)
{
	unsigned int level = pgt_level(frame_type(f));
	uint64_t *e = &table_of(f)[slot], old = pte_read(e);
	bool same = (old & new &PTE_P) && mfn_eq(pte_mfn(old), pte_mfn(new));
	int rc = 0;

	if (pgt_hv_slot(level, slot)) {
		guest_trace("L4 slot %u is the hypervisor's", slot);
		return -XEN_EINVAL;
	}
	if (new &PTE_P) {
		rc = same ? lx_flags_ok(new, level, frame_mfn(f)) : lx_get(d, f, level, new);
		if (rc)
			return rc;
		new = pgt_adjust_lx(new);
	}
	pte_store(e, old, new, keep_ad ? STORE_KEEP_AD : STORE_PLAIN);
	if (!same)
		atomic_inc(&pt_changes);
	*delta += pgt_present_delta(old, new);
	if ((old & PTE_P) && !same && frame_of(pte_mfn(old)) != f)
		table_put_later(frame_of(pte_mfn(old)));
	return 0;
}

/* ---- whole tables */
static int entry_get(struct domain *d, struct frame *f, unsigned int level, uint64_t *slot,
		     uint64_t e)
{
	uint64_t n = pgt_adjust_lx(e);
	int rc = lx_get(d, f, level, e);

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

/* An L1 table is checked in one go. Stops at *i, with *n entries referenced. */
static int validate_l1(struct domain *d, uint64_t *table, unsigned int *i, unsigned int *n)
{
	for (uint64_t *at = table; at < table + 512; at += 8) {
		if (pgt_eight_empty(at))
			continue;
		for (uint64_t *slot = at; slot < at + 8; slot++) {
			uint64_t e = pte_read(slot), new;
			int rc;

			if (!(e & PTE_P))
				continue;
			new = pgt_adjust_l1(e);
			rc = l1_get(d, d, &new);
			if (unlikely(rc)) {
				*i = (unsigned int)(slot - table);
				return rc;
			}
			if (new != e)
				WRITE_ONCE(*slot, new);
			++*n;
		}
	}
	return 0;
}

static void release_l1(const uint64_t *table, unsigned int end, unsigned int n)
{
	for (const uint64_t *at = table; n && at < table + end; at += 8) {
		if (pgt_eight_empty(at))
			continue;
		for (const uint64_t *slot = at; slot < at + 8 && slot < table + end; slot++) {
			uint64_t e = pte_read(slot);

			if (!(e & PTE_P))
				continue;
			l1_put(e);
			n--;
		}
	}
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
	i = pgt_done(w);
	if (level == 1)
		rc = validate_l1(d, table, &i, &n);
	for (; level > 1 && i < 512; i++) {
		uint64_t e;

		if (!(i & 7) && (i = pgt_skip_up(table, i)) == 512)
			break;
		e = pte_read(&table[i]);
		if (!(e & PTE_P) || pgt_hv_slot(level, i))
			continue;
		if (i > pgt_done(w) && !current->is_idle && preempt_needed())
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
	int rc;

	if (level == 1) {
		release_l1(table, i ? i : 512, n);
		return 0;
	}
	rc = finish_child(f, level, i, preempt);
	if (!i && !rc)
		i = 512; /* a valid table: no progress kept; or all is released and n is 0 */
	while (n && i && !rc) {
		uint64_t e;

		if (!(i & 7) && !(i = pgt_skip_down(table, i)))
			break;
		i--;
		e = pte_read(&table[i]);
		if (!(e & PTE_P) || pgt_hv_slot(level, i))
			continue;
		n--;
		rc = entry_put(f, level, e, preempt);
		if (!rc && n && preempt && !current->is_idle && preempt_needed())
			rc = -XEN_ERESTART;
	}
	if (rc)
		*partial = pgt_partial(t, n, i, pgt_error(w));
	return rc;
}
