/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside x86/mm: locked tables and changes of their entries, on the rules of hv/pgt.h.
 *
 * The lock of a valid table is FT_LOCKED in its type word: only its holder changes entries (the CPU itself sets accessed and
 * dirty bits), and its last use cannot go meanwhile. Holding it one may lock tables of lower levels only.
 */
#ifndef HV_X86_MMU_H
#define HV_X86_MMU_H

#include <hv/domain.h>
#include <hv/heap.h>
#include <hv/hypercall.h>
#include <hv/mm.h>
#include <hv/pgt.h>

/* Read of one entry of a table that others may be changing. */
static inline uint64_t pte_read(const uint64_t *e)
{
	return READ_ONCE(*e);
}
static inline uint64_t *table_of(const struct frame *f)
{
	return mfn_to_virt(frame_mfn(f));
}

/* ---- frame.c */
/* The domain that owns f, referenced; NULL when it is gone or f has none. */
struct domain *frame_owner(const struct frame *f);

/* One more use of a frame that is valid as type t, and one less that is not the last. False: nothing is done, go the long way. */
static inline bool type_get_short(struct frame *f, enum frame_type t)
{
	uint64_t w = READ_ONCE(f->type);

	return likely((w & (FT_MASK | FT_VALIDATED)) == (pgt_word(t) | FT_VALIDATED)) &&
	       likely((w & FT_COUNT) && (w & FT_COUNT) < FT_COUNT) &&
	       likely(cmpxchg(&f->type, w, w + 1) == w);
}
static inline bool type_put_short(struct frame *f)
{
	uint64_t w = READ_ONCE(f->type);

	return likely((w & FT_COUNT) > 1) && likely(cmpxchg(&f->type, w, w - 1) == w);
}

/* frame_get_type() and frame_put_type() of FT_WRITABLE, short for the usual cases. */
static inline int frame_get_writable(struct frame *f)
{
	uint64_t w = READ_ONCE(f->type), next = pgt_word(FT_WRITABLE) | FT_VALIDATED | 1;

	if (w & FT_VALIDATED)
		next = w + 1;
	if (likely((w & FT_COUNT) < FT_COUNT &&
		   ((w & (FT_MASK | FT_VALIDATED)) == (pgt_word(FT_WRITABLE) | FT_VALIDATED) ||
		    (!(w & FT_COUNT) && (w & FT_MASK) <= pgt_word(FT_WRITABLE))) &&
		   cmpxchg(&f->type, w, next) == w))
		return 0;
	return frame_get_type(f, FT_WRITABLE);
}
static inline void frame_put_writable(struct frame *f)
{
	if (!type_put_short(f))
		frame_put_type(f);
}

/* frame_get_owned() and frame_put(), short. */
static inline bool frame_get_short(struct frame *f, uint16_t owner)
{
	uint32_t c = READ_ONCE(f->count);

	if (unlikely(READ_ONCE(f->owner) != owner) || unlikely(((c + 1) & FC_COUNT) <= 1) ||
	    unlikely(cmpxchg(&f->count, c, c + 1) != c))
		return frame_get_owned(f, owner);
	/* It may have gone from one owner to another between the two looks. */
	if (likely(READ_ONCE(f->owner) == owner))
		return true;
	frame_put(f);
	return false;
}
static inline void frame_put_short(struct frame *f)
{
	if (unlikely(!(__atomic_sub_fetch(&f->count, 1, __ATOMIC_SEQ_CST) & FC_COUNT)))
		domain_free_page(f);
}

/* ---- table.c: whole tables and single entries */
/*
 * Check and reference all entries of table f (type word w, locked, progress in it). 0 with the number of present entries
 * in *present; -XEN_ERESTART with the word to store in *partial; else an error, and everything is dropped again.
 */
int table_validate(struct frame *f, uint64_t w, unsigned int *present, uint64_t *partial);
/* Drop what the entries hold. 0, or -XEN_ERESTART as above when preemption is allowed. */
int table_release(struct frame *f, uint64_t w, bool preempt, uint64_t *partial);

/* Lock table f to change entries. False: no valid page table. */
static inline bool table_lock(struct frame *f)
{
	for (;;) {
		uint64_t w = READ_ONCE(f->type);
		struct pgt_step s = pgt_lock(w);

		if (s.act == PGT_REFUSED)
			return false;
		if (s.act == PGT_OK && cmpxchg(&f->type, w, s.next) == w)
			return true;
		asm volatile("pause");
	}
}
/* Lock f if it is an L1 table of d; then it can change neither its type nor its owner. */
static inline bool table_lock_l1(struct frame *f, const struct domain *d)
{
	uint64_t w = READ_ONCE(f->type);

	if (unlikely((w & (FT_MASK | FT_VALIDATED | FT_LOCKED)) !=
		     (pgt_word(FT_L1) | FT_VALIDATED)) ||
	    unlikely(cmpxchg(&f->type, w, w | FT_LOCKED) != w)) {
		if (!table_lock(f))
			return false;
		w = READ_ONCE(f->type);
	}
	if (likely(f->owner == d->id) && likely((w & FT_MASK) == pgt_word(FT_L1)))
		return true;
	__atomic_fetch_sub(&f->type, FT_LOCKED, __ATOMIC_SEQ_CST);
	return false;
}
/* Unlock; the number of present entries changed by delta. */
static inline void table_unlock(struct frame *f, int delta)
{
	__atomic_fetch_add(&f->type, (uint64_t)(int64_t)delta * PGT_PRESENT_ONE - FT_LOCKED,
			   __ATOMIC_SEQ_CST);
}

/* Counts changes of entries of L2, L3 and L4 tables and of base pointers: walks found before one may be out of date. */
extern uint64_t pt_changes;
/* How the new entry is stored. */
enum pte_store {
	STORE_PLAIN, /* accessed and dirty bits as in the new entry */
	STORE_KEEP_AD, /* those of the old entry stay */
	STORE_EXACT, /* only if the entry is still `old`, else -XEN_EAGAIN */
};
/*
 * Store `new` in place of `old`. The CPU may set accessed and dirty bits at any time; nobody else changes the entry. cmpxchg
 * also orders the store before the reading of the TLB clock when references are dropped.
 */
static inline bool pte_store(uint64_t *slot, uint64_t old, uint64_t new, enum pte_store how)
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
/* Drop what a present L1 entry holds, when its frame's type is FT_DESC or such: the rest of l1_put(). */
void l1_put_slow(uint64_t e);
/*
 * An entry for a frame that is not the current domain's is going. False: a device's, nothing is held. A writable one that an
 * unprivileged guest takes away (a grant, without unmapping it) is flushed at once: later changes of the frame's use ask
 * only the CPUs of its owner.
 */
bool l1_put_foreign(const struct frame *f, uint64_t e);
/* Drop what a present L1 entry holds. */
static inline void l1_put(uint64_t e)
{
	struct frame *f = frame_of(pte_mfn(e));

	if (unlikely(!mfn_valid(pte_mfn(e))))
		return;
	if (unlikely(READ_ONCE(f->owner) != current->domain->id) && !l1_put_foreign(f, e))
		return;
	if (e & PTE_W)
		frame_put_writable(f);
	else if (unlikely((READ_ONCE(f->type) & FT_MASK) == pgt_word(FT_DESC)))
		l1_put_slow(e);
	frame_put_short(f);
}
/* References for a present, adjusted L1 entry in a table of d; *e may lose its W bit (device frames). 0 or -XEN_E*. */
int l1_get_slow(struct domain *d, struct domain *pg_owner, uint64_t *e);
static inline int l1_get(struct domain *d, struct domain *pg_owner, uint64_t *e)
{
	struct frame *f = frame_of(pte_mfn(*e));

	if (unlikely(*e & PGT_DISALLOW_L1) || unlikely(!mfn_valid(pte_mfn(*e))) ||
	    unlikely(!frame_get_short(f, pg_owner->id)))
		return l1_get_slow(d, pg_owner, e);
	if (!(*e & PTE_W) || likely(!frame_get_writable(f)))
		return 0;
	frame_put(f);
	return l1_get_slow(d, pg_owner, e);
}
/* l1_change() with nothing left out. */
int l1_replace(struct domain *d, struct domain *pg_owner, uint64_t *slot, uint64_t old,
	       uint64_t new, enum pte_store how, int *delta);
/*
 * Replace *slot, which was `old`, by `new` in a locked L1 table that belongs to d. New frames must be pg_owner's.
 * 0, and *delta changes by the difference in present entries; -XEN_EINVAL, -XEN_EBUSY, -XEN_EPERM: nothing changed.
 */
static inline int l1_change(struct domain *d, struct domain *pg_owner, uint64_t *slot, uint64_t old,
			    uint64_t new, enum pte_store how, int *delta)
{
	enum pgt_change change;
	struct frame *f;

	if (new &PTE_P)
		new = pgt_adjust_l1(new);
	change = pgt_l1_change(old, new);
	if (change == PGT_SAME_REFS)
		return likely(pte_store(slot, old, new, how)) ? 0 : -XEN_EAGAIN;
	if (change == PGT_CLEAR) {
		if (unlikely(!pte_store(slot, old, new, how)))
			return -XEN_EAGAIN;
		--*delta;
		l1_put(old);
		return 0;
	}
	f = frame_of(pte_mfn(old));
	/* Device frames and other domains' frames go the long way: they hold no type use, or need a right. */
	if (unlikely(change == PGT_REPLACE) || unlikely(!mfn_valid(pte_mfn(old))) ||
	    unlikely(READ_ONCE(f->owner) != d->id) || unlikely(pg_owner != d))
		return l1_replace(d, pg_owner, slot, old, new, how, delta);
	if (change == PGT_GAIN_WRITE) {
		if (unlikely(frame_get_writable(f)))
			return -XEN_EBUSY;
		if (likely(pte_store(slot, old, new, how)))
			return 0;
	} else if (unlikely(!pte_store(slot, old, new, how)))
		return -XEN_EAGAIN;
	frame_put_writable(f);
	return change == PGT_GAIN_WRITE ? -XEN_EAGAIN : 0;
}
/* The same for a locked table f of level 2..4. -XEN_ERESTART: nothing changed yet, call again. */
int lx_change(struct domain *d, struct frame *f, unsigned int slot, uint64_t new, bool keep_ad,
	      int *delta);
/* May d have frame m, which has no owner but DOMID_IO, or no record? 0 or -XEN_E*; *e may lose its W bit. */
int l1_check_io(const struct domain *d, const struct domain *pg_owner, uint64_t *e);
/* Drop a use of a table that was taken out of the current vcpu's reach, and the reference; goes on later when preempted. */
void table_put_later(struct frame *f);

/* ---- base.c */
/* Release of a table that an earlier operation of the current vcpu left: 0 or -XEN_ERESTART. */
int finish_old_table(struct vcpu *v);
/* CPUs to flush for a bitmap of v's domain's vcpus in guest memory. 0 or -XEN_EFAULT. */
int vcpumask_to_cpus(const struct domain *d, uint64_t bitmap_va, cpumask_t *out);

/* ---- range.c */
void pt_count_dump(void);

/* ---- owner.c: the domains that a hypercall names */
/* DOMID_IO, DOMID_XEN, DOMID_SELF, or another domain, referenced; NULL: none such. */
struct domain *get_pg_owner(domid_t id);
void put_pg_owner(struct domain *d);

/* ---- lists of requests: mmu_update, mmuext_op */
/*
 * Carry out requests of `list` in order for the domains that `foreign` names; *done of them are done, or it is left alone when
 * the domains were refused. 0 or -XEN_E*.
 */
typedef long (*mmu_batch_fn)(unsigned long foreign, guest_ptr_t list, uint32_t count,
			     uint32_t *done);

#define MMU_PREEMPTED 0x80000000u /* in the number of requests: *pdone counts those done before */

/*
 * The frame around such a list: progress, preemption, and the release of a big table that one of the requests left. pdone may be
 * null; a bad pointer there is the guest's own loss.
 */
static inline long mmu_batch(unsigned long op, mmu_batch_fn fn, size_t size, unsigned long list,
			     unsigned long count_arg, unsigned long pdone, unsigned long foreign)
{
	uint32_t count = (uint32_t)count_arg, before = 0, done = UINT32_MAX;
	long rc;

	if (unlikely(current->pv.old_table) && finish_old_table(current))
		return hypercall_continue(op, 4, list, count_arg, pdone, foreign);
	/* Only the release of an old table was left; the result waits in the last argument. */
	if (unlikely(count == MMU_PREEMPTED) && !list)
		return (int)foreign;
	if (unlikely(count & MMU_PREEMPTED)) {
		count &= ~MMU_PREEMPTED;
		if (pdone)
			(void)copy_from_guest(&before, guest_ptr(pdone), sizeof(before));
	}
	if (!guest_range_ok(list, count * size))
		return -XEN_EFAULT;
	rc = fn(foreign, guest_ptr(list), count, &done);
	if (pdone && done != UINT32_MAX) {
		before += done;
		(void)copy_to_guest(guest_ptr(pdone), &before, sizeof(before));
	}
	if (rc == -XEN_ERESTART)
		return hypercall_continue(op, 4, list + done * size,
					  (unsigned long)((count - done) | MMU_PREEMPTED), pdone,
					  foreign);
	if (unlikely(current->pv.old_table))
		return hypercall_continue(op, 4, 0UL, (unsigned long)MMU_PREEMPTED, 0UL,
					  (unsigned long)rc);
	return rc;
}

#endif
