// SPDX-License-Identifier: BSD-2-Clause
/*
 * A domain's pages: frames handed to it, and hypervisor pages shared with it.
 *
 * Every frame a domain owns is counted in tot_pages (its own memory, linked in page_list) or in shared_pages (hypervisor
 * pages). As long as one of the two is not zero the domain's struct stays: together they hold one reference on it,
 * because frames name their owner by id and may outlive it in mappings of other domains.
 */
#include <hv/domain.h>
#include <hv/heap.h>
#include <hv/mm.h>
#include <hv/smp.h>

/* page_lock held: count n more frames; the first ones take the reference on d. */
static void count_more(struct domain *d, uint32_t *counter, uint32_t n)
{
	if (d->tot_pages + d->shared_pages == 0)
		get_domain(d);
	*counter += n;
}

/* page_lock held: true when the caller is to put_domain() after unlocking. */
static bool count_less(struct domain *d, uint32_t *counter, uint32_t n)
{
	ASSERT(*counter >= n);
	*counter -= n;
	return d->tot_pages + d->shared_pages == 0;
}

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
	count_more(d, &d->tot_pages, n);
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

void domain_free_page(struct frame *f)
{
	struct domain *d = current->domain;
	mfn_t m = frame_mfn(f);
	bool mine = f->owner == d->id, last;
	uint32_t stamp;

	if (!mine) {
		d = get_domain_by_id(f->owner);
		if (!d)
			hv_panic("frame %#lx: owner d%u is gone\n", m.v, f->owner);
	}
	m2p_set(m, INVALID_M2P_ENTRY);
	/* Other CPUs may hold translations; whoever gets the frame next flushes them. */
	stamp = tlb_clock();
	f->type = (uint64_t)(stamp ? stamp : 1) << FT_AUX_SHIFT;

	spin_lock(&d->page_lock);
	if (f->count & FC_HVPAGE) {
		last = count_less(d, &d->shared_pages, 1);
	} else {
		page_unlink(d, f);
		last = count_less(d, &d->tot_pages, 1);
	}
	spin_unlock(&d->page_lock);
	heap_free(m, 0);
	if (last)
		put_domain(d);
	if (!mine)
		put_domain(d);
}

void frame_share(void *page, struct domain *d, bool writable)
{
	struct frame *f = frame_of(virt_to_mfn(page));

	spin_lock(&d->page_lock);
	count_more(d, &d->shared_pages, 1);
	f->owner = d->id;
	f->type = ((uint64_t)(writable ? FT_WRITABLE : FT_NONE) << FT_SHIFT) | FT_VALIDATED | 1;
	__atomic_store_n(&f->count, FC_HVPAGE | 1, __ATOMIC_RELEASE);
	spin_unlock(&d->page_lock);
}

void frame_unshare_and_free(void *page)
{
	struct frame *f = frame_of(virt_to_mfn(page));

	if (!page)
		return;
	ASSERT(f->count & FC_HVPAGE);
	if (frame_type(f) == FT_WRITABLE)
		frame_put_type(f);
	frame_put(f);
}
