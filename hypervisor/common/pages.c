// SPDX-License-Identifier: BSD-2-Clause
/*
 * A domain's pages: frames handed to it, and hypervisor pages shared with it.
 *
 * A domain's own memory is counted in tot_pages and linked in page_list. As long as there is any, it holds one reference
 * on the domain's struct: frames name their owner by id and may stay in mappings of other domains after its death.
 * Hypervisor pages hold none; when such a page is taken back while somebody still maps it, it is nobody's until freed.
 */
#include <hv/domain.h>
#include <hv/heap.h>
#include <hv/mm.h>
#include <hv/smp.h>

/* page_lock held. */
static void page_link(struct domain *d, struct frame *f)
{
	uint32_t nr = (uint32_t)frame_mfn(f).v;

	f->prev = FRAME_NIL;
	f->next = d->page_list;
	if (f->next != FRAME_NIL)
		frame_of(mfn(f->next))->prev = nr;
	d->page_list = nr;
}

/* page_lock held. */
static void page_unlink(struct domain *d, struct frame *f)
{
	if (f->prev == FRAME_NIL)
		d->page_list = f->next;
	else
		frame_of(mfn(f->prev))->next = f->next;
	if (f->next != FRAME_NIL)
		frame_of(mfn(f->next))->prev = f->prev;
	f->next = FRAME_NIL;
	f->prev = FRAME_NIL;
}

/* page_lock held. */
static bool may_take(const struct domain *d, unsigned int order)
{
	return d->dying == DOM_ALIVE && (uint64_t)d->tot_pages + (1UL << order) <= d->max_pages;
}

bool domain_assign_pages(struct domain *d, mfn_t start, unsigned int order)
{
	uint32_t n = 1u << order, used;

	spin_lock(&d->page_lock);
	if (!may_take(d, order)) {
		spin_unlock(&d->page_lock);
		return false;
	}
	if (d->tot_pages == 0)
		get_domain(d);
	d->tot_pages += n;
	/* Memory that was promised is now there. */
	used = MIN(d->outstanding_claim, n);
	d->outstanding_claim -= used;
	for (uint64_t i = 0; i < n; i++) {
		struct frame *f = frame_of(mfn_add(start, i));

		f->owner = d->id;
		f->type = 0;
		page_link(d, f);
		/* From here on others may take references. */
		__atomic_store_n(&f->count, FC_ALLOCATED | 1, __ATOMIC_RELEASE);
	}
	spin_unlock(&d->page_lock);
	if (used)
		(void)heap_claim(-(int64_t)used); /* cannot fail: only growing can */
	return true;
}

mfn_t domain_alloc_pages(struct domain *d, unsigned int order, unsigned int flags)
{
	mfn_t m;
	bool ok;

	spin_lock(&d->page_lock);
	ok = may_take(d, order);
	if (d->outstanding_claim >= 1UL << order)
		flags |= HEAP_CLAIMED;
	spin_unlock(&d->page_lock);
	if (!ok)
		return MFN_NONE;
	m = heap_alloc(order, flags);
	if (mfn_eq(m, MFN_NONE))
		return MFN_NONE;
	/* Checked again: the domain may have died or grown while the frames were cleared. */
	if (!domain_assign_pages(d, m, order)) {
		heap_free(m, order);
		return MFN_NONE;
	}
	return m;
}

void domain_release_page(struct frame *f)
{
	uint32_t old = __atomic_fetch_and(&f->count, ~FC_ALLOCATED, __ATOMIC_SEQ_CST);

	if (old & FC_ALLOCATED)
		frame_put(f);
}

/* Forget the owner's mapping of f; other CPUs may hold translations, which whoever gets the frame next flushes. */
static void page_retire(struct frame *f)
{
	uint32_t stamp = tlb_clock();

	m2p_set(frame_mfn(f), INVALID_M2P_ENTRY);
	f->type = (uint64_t)(stamp ? stamp : 1) << FT_AUX_SHIFT;
}

/* The owner's books without f; the frame itself is not free yet. */
static void page_detach(struct frame *f)
{
	struct domain *d = current->domain;
	bool mine = f->owner == d->id, last;

	if (!mine) {
		d = get_domain_by_id(f->owner);
		if (!d)
			hv_panic("frame %#lx: its owner d%u is gone\n", frame_mfn(f).v, f->owner);
	}
	spin_lock(&d->page_lock);
	page_unlink(d, f);
	last = --d->tot_pages == 0;
	spin_unlock(&d->page_lock);
	if (last)
		put_domain(d);
	if (!mine)
		put_domain(d);
}

void domain_detach_page(struct frame *f)
{
	page_retire(f);
	page_detach(f);
}

void domain_free_page(struct frame *f)
{
	page_retire(f);
	if (!(f->count & FC_HVPAGE))
		page_detach(f);
	heap_free(frame_mfn(f), 0);
}

void frame_share(void *page, struct domain *d, bool writable)
{
	struct frame *f = frame_of(virt_to_mfn(page));

	spin_lock(&d->page_lock);
	d->shared_pages++;
	spin_unlock(&d->page_lock);
	f->owner = d->id;
	f->type = ((uint64_t)(writable ? FT_WRITABLE : FT_NONE) << FT_SHIFT) | FT_VALIDATED | 1;
	__atomic_store_n(&f->count, FC_HVPAGE | 1, __ATOMIC_RELEASE);
}

void frame_unshare_and_free(void *page, struct domain *d)
{
	struct frame *f;

	if (!page)
		return;
	f = frame_of(virt_to_mfn(page));
	ASSERT((f->count & FC_HVPAGE) && f->owner == d->id);
	spin_lock(&d->page_lock);
	d->shared_pages--;
	spin_unlock(&d->page_lock);
	WRITE_ONCE(f->owner, DOMID_INVALID);
	if (frame_type(f) == FT_WRITABLE)
		frame_put_type(f);
	frame_put(f);
}
