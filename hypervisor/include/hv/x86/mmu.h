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
	uint64_t w = READ_ONCE(f->type);

	if (likely((w & FT_COUNT) > 1 && cmpxchg(&f->type, w, w - 1) == w))
		return;
	frame_put_type(f);
}

/* frame_get_owned() and frame_put(), short. */
static inline bool frame_get_short(struct frame *f, uint16_t owner)
{
	uint32_t c = READ_ONCE(f->count);

	/* A second look at the owner is needed: the frame may have been freed and given away between the two. */
	if (likely(READ_ONCE(f->owner) == owner) && likely((c + 1) & (FC_COUNT - 1)) &&
	    likely(cmpxchg(&f->count, c, c + 1) == c) && likely(READ_ONCE(f->owner) == owner))
		return true;
	return frame_get_slow(f, owner, c);
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
 * Replace *slot, which was `old`, by `new` in a locked L1 table that belongs to d. New frames must be pg_owner's.
 * 0, and *delta changes by the difference in present entries; -XEN_EINVAL, -XEN_EBUSY, -XEN_EPERM: nothing changed.
 */
int l1_change(struct domain *d, struct domain *pg_owner, uint64_t *slot, uint64_t old, uint64_t new,
	      enum pte_store how, int *delta);
/* The same for d's own frames and STORE_EXACT; short when the references do not change. */
static inline int l1_change_exact(struct domain *d, uint64_t *slot, uint64_t old, uint64_t new, int *delta)
{
	const uint64_t same = PTE_MFN_MASK | PTE_P | PTE_W | PTE_U | PTE_CACHE_L1 | PTE_G;

	if (likely((old & PTE_P) && !((old ^ new) & same)))
		return likely(cmpxchg(slot, old, new) == old) ? 0 : -XEN_EAGAIN;
	return l1_change(d, d, slot, old, new, STORE_EXACT, delta);
}
/* The same for a locked table f of level 2..4. -XEN_ERESTART: nothing changed yet, call again. */
int lx_change(struct domain *d, struct frame *f, unsigned int slot, uint64_t new, bool keep_ad, int *delta);
/* Drop what a present L1 entry holds. */
void l1_put(uint64_t e);
/* May d have frame m, which has no owner but DOMID_IO, or no record? 0 or -XEN_E*; *e may lose its W bit. */
int l1_check_io(const struct domain *d, const struct domain *pg_owner, uint64_t *e);
/* Drop a use of a table that was taken out of the current vcpu's reach, and the reference; goes on later when preempted. */
void table_put_later(struct frame *f);

/* ---- base.c */
/* Release of a table that an earlier operation of the current vcpu left: 0 or -XEN_ERESTART. */
int finish_old_table(struct vcpu *v);
/* CPUs to flush for a bitmap of v's domain's vcpus in guest memory. 0 or -XEN_EFAULT. */
int vcpumask_to_cpus(const struct domain *d, uint64_t bitmap_va, cpumask_t *out);

/* ---- owner.c: the domains that a hypercall names */
/* DOMID_IO, DOMID_XEN, DOMID_SELF, or another domain, referenced; NULL: none such. */
struct domain *get_pg_owner(domid_t id);
void put_pg_owner(struct domain *d);

#define MMU_UPDATE_PREEMPTED 0x80000000u

#endif
