// SPDX-License-Identifier: BSD-2-Clause
/*
 * A dying domain's memory, in two passes over its frames: pins and half-finished tables go first, so that all tables are
 * released; then the allocations. A frame that others still map stays on the list until they drop it.
 */
#include <hv/heap.h>
#include <hv/softirq.h>
#include <hv/x86/mmu.h>

enum { PASS_TABLES, PASS_PAGES, PASS_DONE };

/* First frame from number `nr` on in the list that is not just being freed, referenced; NULL: the end. page_lock held. */
static struct frame *hold_from(struct domain *d, uint32_t nr)
{
	while (nr != FRAME_NIL) {
		struct frame *f = frame_of(mfn(nr));

		if (frame_get(f, d))
			return f;
		nr = f->next;
	}
	return NULL;
}

static struct frame *first_frame(struct domain *d)
{
	struct frame *f;

	spin_lock(&d->page_lock);
	f = hold_from(d, d->page_list);
	spin_unlock(&d->page_lock);
	return f;
}

static struct frame *frame_after(struct domain *d, struct frame *at)
{
	struct frame *f;

	spin_lock(&d->page_lock);
	f = hold_from(d, at->next);
	spin_unlock(&d->page_lock);
	return f;
}

static int release_tables(struct frame *f)
{
	int rc = 0;

	if (__atomic_fetch_and(&f->type, ~FT_PINNED, __ATOMIC_SEQ_CST) & FT_PINNED) {
		rc = frame_put_type_preemptible(f);
		frame_put(f);
	}
	if (!rc && (READ_ONCE(f->type) & FT_PARTIAL))
		rc = frame_finish_release(f, true);
	return rc;
}

/* One pass; goes on at the frame kept in d->pv. */
static int walk(struct domain *d, uint8_t pass)
{
	struct frame *f, *next;
	int rc = 0;

	f = d->pv.relinquish_next ? frame_of(mfn(d->pv.relinquish_next - 1)) : first_frame(d);
	d->pv.relinquish_next = 0;
	while (f) {
		if (pass == PASS_TABLES)
			rc = release_tables(f);
		if (!rc) {
			next = frame_after(d, f);
			if (pass == PASS_PAGES)
				domain_release_page(f);
			frame_put(f);
			f = next;
		}
		if (f && (rc || preempt_needed())) {
			d->pv.relinquish_next = (uint32_t)frame_mfn(f).v + 1;
			return -XEN_ERESTART;
		}
	}
	return 0;
}

int domain_relinquish_memory(struct domain *d)
{
	while (d->pv.relinquish_pass != PASS_DONE) {
		int rc = walk(d, d->pv.relinquish_pass);

		if (rc)
			return rc;
		d->pv.relinquish_pass++;
	}
	return 0;
}
