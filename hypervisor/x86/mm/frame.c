// SPDX-License-Identifier: BSD-2-Clause
// References and types of frames: hv/frame.h, moves by core/pgt.c.

#include <hv/domain.h>
#include <hv/heap.h>
#include <hv/smp.h>
#include <hv/softirq.h>
#include <hv/x86/cpu.h>
#include <hv/x86/mmu.h>

struct domain *frame_owner(const struct frame *f)
{
	struct domain *d = current->domain;
	uint16_t id = READ_ONCE(f->owner);

	if (d && d->id == id && !d->is_idle) {
		get_domain(d);
		return d;
	}
	return get_domain_by_id(id);
}

bool frame_get_owned(struct frame *f, uint16_t owner)
{
	uint32_t c = READ_ONCE(f->count), seen;

	if (unlikely(READ_ONCE(f->owner) != owner))
		return false;
	for (;;) {
		if (unlikely(!(c & FC_COUNT) || (c & FC_COUNT) == FC_COUNT))
			return false;
		seen = cmpxchg(&f->count, c, c + 1);
		if (likely(seen == c))
			break;
		c = seen;
	}
	/* It may have gone from one owner to another between the two looks. */
	if (likely(READ_ONCE(f->owner) == owner))
		return true;
	frame_put(f);
	return false;
}

bool frame_get(struct frame *f, const struct domain *d)
{
	if (unlikely(f >= frame_of(mfn(max_frame))))
		return false;
	return frame_get_owned(f, d->id);
}

void frame_ref(struct frame *f)
{
	atomic_inc(&f->count);
}

void frame_put(struct frame *f)
{
	uint32_t c = __atomic_sub_fetch(&f->count, 1, __ATOMIC_SEQ_CST);

	if (unlikely(!(c & FC_COUNT)))
		domain_free_page(f);
}

/* Before a frame changes its use: no CPU may know it by the old one. `w` is the word it had when unused. */
static void flush_for_change(const struct frame *f, uint64_t w)
{
	struct domain *d = frame_owner(f);
	cpumask_t set = d ? d->dirty_cpumask : cpu_online;

	set = tlb_filter(set, (uint32_t)(w >> FT_AUX_SHIFT));
	if (set.bits)
		tlb_flush_mask(set);
	if (d)
		put_domain(d);
}

static bool descriptors_valid(struct frame *f)
{
	uint64_t *desc = table_of(f);

	for (unsigned int i = 0; i < PAGE_SIZE / sizeof(*desc); i++)
		if (!descriptor_fix(&desc[i])) {
			guest_trace("frame %#lx: descriptor %u is a system descriptor",
				    frame_mfn(f).v, i);
			return false;
		}
	return true;
}

static void set_word(struct frame *f, uint64_t w)
{
	__atomic_store_n(&f->type, w, __ATOMIC_SEQ_CST);
}

/* f is locked with word w; the caller's use is counted in it. */
static int validate_locked(struct frame *f, uint64_t w, enum frame_type t)
{
	unsigned int present = 0;
	uint64_t partial = 0;
	int rc;

	if (t == FT_DESC)
		rc = descriptors_valid(f) ? 0 : -XEN_EINVAL;
	else
		rc = table_validate(f, w, &present, &partial);
	if (rc == -XEN_ERESTART) {
		/* The caller's use becomes the table's own. */
		frame_ref(f);
		set_word(f, partial);
	} else
		set_word(f, rc ? pgt_unused(FT_NONE, 0) : pgt_valid(t, present));
	return rc;
}

/* Go on with a partial table that was just locked; its own use becomes the caller's. */
static int resume_locked(struct frame *f, uint64_t w, enum frame_type t)
{
	uint64_t partial = 0;
	int rc;

	if (pgt_error(w)) {
		rc = table_release(f, w, true, &partial);
		if (rc) {
			set_word(f, partial);
			return rc;
		}
		rc = -pgt_error(w);
		set_word(f, pgt_unused(FT_NONE, 0));
	} else {
		rc = validate_locked(f, w, t);
	}
	/* A table that is still partial took a second reference for itself. */
	frame_put(f);
	return rc;
}

static int get_type_locked(struct frame *f, uint64_t w, struct pgt_step s, enum frame_type t)
{
	if (s.act == PGT_RESUME)
		return resume_locked(f, s.next, t);
	if (s.flush)
		flush_for_change(f, w);
	if (s.act == PGT_VALIDATE)
		return validate_locked(f, s.next, t);
	set_word(f, pgt_valid(t, 0));
	return 0;
}

int frame_get_type(struct frame *f, enum frame_type t)
{
	for (;;) {
		uint64_t w = READ_ONCE(f->type);
		struct pgt_step s = pgt_get(w, t);

		if (unlikely(s.act == PGT_REFUSED))
			return -XEN_EINVAL;
		if (unlikely(s.act == PGT_FULL))
			return -XEN_EBUSY;
		if (unlikely(s.act == PGT_WAIT || cmpxchg(&f->type, w, s.next) != w)) {
			cpu_relax();
			continue;
		}
		return likely(s.act == PGT_OK) ? 0 : get_type_locked(f, w, s, t);
	}
}

static int release_locked(struct frame *f, uint64_t w, bool preempt)
{
	enum frame_type t = (enum frame_type)((w & FT_MASK) >> FT_SHIFT);
	uint64_t partial = 0;
	int rc = table_release(f, w, preempt, &partial);

	set_word(f, rc ? partial : pgt_unused(t, tlb_clock()));
	return rc;
}

static int put_type(struct frame *f, bool preempt)
{
	for (;;) {
		uint64_t w = READ_ONCE(f->type);
		struct pgt_step s = pgt_put(w, tlb_clock());
		int rc = 0;

		BUG_ON(s.act == PGT_REFUSED);
		if (unlikely(s.act == PGT_WAIT || cmpxchg(&f->type, w, s.next) != w)) {
			cpu_relax();
			continue;
		}
		if (likely(s.act == PGT_OK))
			return 0;
		/* The table's own reference, should it become partial; taken while it cannot go away. */
		frame_ref(f);
		rc = release_locked(f, s.next, preempt);
		if (!rc)
			frame_put(f);
		return rc;
	}
}

void frame_put_type(struct frame *f)
{
	(void)put_type(f, false); /* 0: it was not to be preempted */
}

int frame_put_type_preemptible(struct frame *f)
{
	return put_type(f, true);
}

int frame_finish_release(struct frame *f, bool preempt)
{
	for (;;) {
		uint64_t w = READ_ONCE(f->type);
		struct pgt_step s = pgt_resume(w);
		int rc;

		if (s.act == PGT_REFUSED || !(w & FT_COUNT))
			return 0;
		if (s.act == PGT_WAIT || cmpxchg(&f->type, w, s.next) != w) {
			cpu_relax();
			continue;
		}
		rc = release_locked(f, s.next, preempt);
		if (!rc)
			frame_put(f);
		return rc;
	}
}
