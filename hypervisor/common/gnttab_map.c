// SPDX-License-Identifier: BSD-2-Clause
/*
 * Mapping others' grants.
 *
 *   map:    handle -> pin the grant -> reference (and type) on the frame -> entry in the mapper's page table
 *   unmap:  claim the handle's mapping -> clear the entry -> flush, once for a batch -> drop references, unpin, free handle
 *
 * The references that a host mapping holds pass to the page-table entry: a table that is torn down with its domain drops
 * them itself, so gnttab_release_mappings() only undoes the pins of host mappings.
 */
#include <hv/gnttab.h>
#include <hv/gnttab_table.h>
#include <hv/heap.h>
#include <hv/mm.h>
#include <hv/smp.h>
#include <hv/softirq.h>

#define UNMAP_BATCH 32

static enum gnt_use use_of(unsigned int kind, bool readonly)
{
	if (kind == GNTMAP_device_map)
		return readonly ? GNT_DEV_RO : GNT_DEV_RW;
	return readonly ? GNT_HOST_RO : GNT_HOST_RW;
}

/* The reference, and for writing the type reference, that one mapping holds. */
static int frame_take(struct domain *owner, mfn_t m, bool readonly)
{
	struct frame *f;

	if (!mfn_valid(m) || !frame_get(frame_of(m), owner))
		return GNTST_bad_page;
	f = frame_of(m);
	if (readonly || frame_get_type(f, FT_WRITABLE) == 0)
		return GNTST_okay;
	frame_put(f);
	return GNTST_general_error;
}

static void frame_drop(mfn_t m, bool readonly)
{
	if (!readonly)
		frame_put_type(frame_of(m));
	frame_put(frame_of(m));
}

/* Pin for each kind in `kinds`. */
static int pin_grant(struct domain *granter, grant_ref_t ref, unsigned int kinds, bool readonly,
		     mfn_t *out)
{
	struct grant_table *gt = granter->grant_table;
	domid_t who = current->domain->id;
	struct gnt_active *a;
	grant_entry_v1_t *e;
	int rc = GNTST_okay;

	if (!gt)
		return GNTST_bad_domain;
	spin_lock(&gt->lock);
	if (!gnttab_entry(gt, ref, &e, &a)) {
		spin_unlock(&gt->lock);
		return GNTST_bad_gntref;
	}
	if (kinds & GNTMAP_device_map)
		rc = gnt_pin(a, e, who, use_of(GNTMAP_device_map, readonly), true);
	if (!rc && (kinds & GNTMAP_host_map)) {
		rc = gnt_pin(a, e, who, use_of(GNTMAP_host_map, readonly), true);
		if (rc && (kinds & GNTMAP_device_map))
			gnt_unpin(a, e, use_of(GNTMAP_device_map, readonly));
	}
	*out = mfn(a->mfn);
	spin_unlock(&gt->lock);
	return rc;
}

static void unpin_grant(struct domain *granter, grant_ref_t ref, unsigned int kinds, bool readonly)
{
	struct grant_table *gt = granter->grant_table;
	struct gnt_active *a;
	grant_entry_v1_t *e;

	if (!gt)
		return;
	spin_lock(&gt->lock);
	if (gnttab_entry(gt, ref, &e, &a)) {
		if (kinds & GNTMAP_device_map)
			gnt_unpin(a, e, use_of(GNTMAP_device_map, readonly));
		if (kinds & GNTMAP_host_map)
			gnt_unpin(a, e, use_of(GNTMAP_host_map, readonly));
	}
	spin_unlock(&gt->lock);
}

static uint32_t handle_new(struct grant_table *gt)
{
	uint32_t h, seen;
	void *page;

	spin_lock(&gt->map_lock);
	h = maptrack_get(&gt->maptrack);
	seen = gt->maptrack.nr_pages;
	spin_unlock(&gt->map_lock);
	if (h != NO_HANDLE || seen >= gt->maptrack.max_pages)
		return h;

	page = hv_alloc_pages(0);
	if (!page)
		return NO_HANDLE;
	spin_lock(&gt->map_lock);
	if (gt->maptrack.nr_pages < gt->maptrack.max_pages) {
		maptrack_add_page(&gt->maptrack, page);
		page = NULL;
	}
	h = maptrack_get(&gt->maptrack);
	spin_unlock(&gt->map_lock);
	hv_free_pages(page, 0);
	return h;
}

static void handle_put(struct grant_table *gt, uint32_t handle)
{
	spin_lock(&gt->map_lock);
	maptrack_put(&gt->maptrack, handle);
	spin_unlock(&gt->map_lock);
}

static void handle_fill(struct grant_table *gt, uint32_t handle, const struct gnt_map *m)
{
	spin_lock(&gt->map_lock);
	*maptrack_entry(&gt->maptrack, handle) = *m;
	spin_unlock(&gt->map_lock);
}

/* References for each kind, then the page-table entry; all or nothing. */
static int map_frame(const gnttab_map_grant_ref_t *op, struct domain *granter, mfn_t m)
{
	bool readonly = op->flags & GNTMAP_readonly;
	uint64_t flags = (readonly ? 0 : PTE_W) |
			 ((uint64_t)(op->flags >> _GNTMAP_guest_avail0) & 7) << 9;
	int rc = GNTST_okay;

	if (op->flags & GNTMAP_device_map)
		rc = frame_take(granter, m, readonly);
	if (rc || !(op->flags & GNTMAP_host_map))
		return rc;
	rc = frame_take(granter, m, readonly);
	if (!rc) {
		rc = grant_map_host(op->host_addr, m, flags, op->flags & GNTMAP_contains_pte);
		if (rc)
			frame_drop(m, readonly);
	}
	if (rc && (op->flags & GNTMAP_device_map))
		frame_drop(m, readonly);
	return rc;
}

static int map_from(gnttab_map_grant_ref_t *op, struct domain *granter)
{
	struct grant_table *gt = current->domain->grant_table;
	bool readonly = op->flags & GNTMAP_readonly;
	unsigned int kinds = op->flags & GNT_MAPPED;
	uint32_t handle = handle_new(gt);
	struct gnt_map map;
	mfn_t m;
	int rc;

	if (handle == NO_HANDLE) {
		guest_trace(
			"d%u: no handle for a grant mapping; its max_maptrack_frames are used up",
			current->domain->id);
		return GNTST_no_space;
	}
	rc = pin_grant(granter, op->ref, kinds, readonly, &m);
	if (rc) {
		guest_trace("grant %u of d%u: cannot be used (status %d)", op->ref, granter->id,
			    rc);
		goto put_handle;
	}
	rc = map_frame(op, granter, m);
	if (rc) {
		guest_trace("grant %u of d%u, frame %#lx: cannot be mapped (status %d)", op->ref,
			    granter->id, m.v, rc);
		goto unpin;
	}
	map = (struct gnt_map){
		.ref = op->ref,
		.mfn = (uint32_t)m.v,
		.granter = granter->id,
		.flags = op->flags & (GNT_MAPPED | GNTMAP_readonly | GNTMAP_contains_pte),
	};
	handle_fill(gt, handle, &map);
	op->handle = handle;
	op->dev_bus_addr = m.v << PAGE_SHIFT;
	return GNTST_okay;

unpin:
	unpin_grant(granter, op->ref, kinds, readonly);
put_handle:
	handle_put(gt, handle);
	return rc;
}

static void map_one(gnttab_map_grant_ref_t *op)
{
	struct domain *granter;

	if (!(op->flags & GNT_MAPPED)) {
		op->status = GNTST_bad_gntref;
		return;
	}
	granter = get_domain_by_id(op->dom);
	if (!granter) {
		op->status = GNTST_bad_domain;
		return;
	}
	op->status = (int16_t)map_from(op, granter);
	put_domain(granter);
}

long gnttab_map_batch(guest_ptr_t ops, uint32_t count)
{
	gnttab_map_grant_ref_t op;

	for (uint32_t i = 0; i < count; i++) {
		if (i && preempt_needed())
			return i;
		if (copy_array_from_guest(&op, ops, i, 1))
			return -XEN_EFAULT;
		map_one(&op);
		if (copy_array_to_guest(ops, i, &op, 1))
			return -XEN_EFAULT;
	}
	return 0;
}

/* One unmapping between its two phases. */
struct unmap {
	uint32_t handle;
	unsigned int done; /* kinds whose entry is gone, references still held */
	struct gnt_map map; /* copy of the handle's entry */
};

/* Clear the entry. GNTST_*; u->done says what unmap_finish() is to release. */
static int unmap_begin(struct unmap *u, uint64_t host_addr, uint64_t dev_addr, uint64_t new_addr)
{
	struct grant_table *gt = current->domain->grant_table;
	unsigned int what = 0;
	struct gnt_map *m;
	int rc = GNTST_okay;

	u->done = 0;
	spin_lock(&gt->map_lock);
	m = maptrack_entry(&gt->maptrack, u->handle);
	if (!m || !(m->flags & GNT_MAPPED)) {
		spin_unlock(&gt->map_lock);
		return GNTST_bad_handle;
	}
	u->map = *m;
	if (host_addr && (m->flags & GNTMAP_host_map))
		what |= GNTMAP_host_map;
	if (dev_addr && (m->flags & GNTMAP_device_map)) {
		what |= GNTMAP_device_map;
		if (dev_addr != (uint64_t)m->mfn << PAGE_SHIFT)
			rc = GNTST_general_error;
	}
	if (!rc)
		(void)maptrack_claim(m, what); /* cannot fail: the bits were seen under the lock */
	spin_unlock(&gt->map_lock);
	if (rc || !what)
		return rc;

	if (what & GNTMAP_host_map)
		rc = grant_unmap_host(host_addr, mfn(u->map.mfn), u->map.flags & GNTMAP_readonly,
				      u->map.flags & GNTMAP_contains_pte, new_addr);
	if (!rc) {
		u->done = what;
		return GNTST_okay;
	}
	guest_trace("handle %u: no mapping of frame %#x at %#lx to undo", u->handle, u->map.mfn,
		    host_addr);
	spin_lock(&gt->map_lock);
	(void)maptrack_finish(maptrack_entry(&gt->maptrack, u->handle), what, false);
	spin_unlock(&gt->map_lock);
	return rc;
}

/* No CPU has the translation any more: give back what the mappings held. */
static void unmap_finish(struct grant_table *gt, const struct unmap *u)
{
	bool readonly = u->map.flags & GNTMAP_readonly;
	struct domain *granter;

	if (!u->done)
		return;
	/* The granter cannot be gone: frames in use keep its struct. */
	granter = get_domain_by_id(u->map.granter);
	if (u->done & GNTMAP_device_map)
		frame_drop(mfn(u->map.mfn), readonly);
	if (u->done & GNTMAP_host_map)
		frame_drop(mfn(u->map.mfn), readonly);
	if (granter) {
		unpin_grant(granter, u->map.ref, u->done, readonly);
		put_domain(granter);
	}
	spin_lock(&gt->map_lock);
	if (maptrack_finish(maptrack_entry(&gt->maptrack, u->handle), u->done, true))
		maptrack_put(&gt->maptrack, u->handle);
	spin_unlock(&gt->map_lock);
}

static void unmap_finish_all(const struct unmap *u, unsigned int n)
{
	struct domain *d = current->domain;
	unsigned int gone = 0;

	for (unsigned int i = 0; i < n; i++)
		gone |= u[i].done;
	if (gone & GNTMAP_host_map)
		tlb_flush_mask(d->dirty_cpumask);
	for (unsigned int i = 0; i < n; i++)
		unmap_finish(d->grant_table, &u[i]);
}

/* Elements [from, from + n): phase one of each, then phase two of all. */
static long unmap_some(guest_ptr_t ops, uint32_t from, uint32_t n)
{
	struct unmap u[UNMAP_BATCH];
	gnttab_unmap_grant_ref_t op;
	long rc = 0;
	uint32_t i;

	for (i = 0; i < n; i++) {
		rc = copy_array_from_guest(&op, ops, from + i, 1);
		if (rc)
			break;
		u[i].handle = op.handle;
		op.status = (int16_t)unmap_begin(&u[i], op.host_addr, op.dev_bus_addr, 0);
		rc = copy_array_to_guest(ops, from + i, &op, 1);
		if (rc) {
			i++;
			break;
		}
	}
	unmap_finish_all(u, i);
	return rc;
}

static long unmap_replace_some(guest_ptr_t ops, uint32_t from, uint32_t n)
{
	struct unmap u[UNMAP_BATCH];
	gnttab_unmap_and_replace_t op;
	long rc = 0;
	uint32_t i;

	for (i = 0; i < n; i++) {
		rc = copy_array_from_guest(&op, ops, from + i, 1);
		if (rc)
			break;
		u[i].handle = op.handle;
		op.status = (int16_t)unmap_begin(&u[i], op.host_addr, 0, op.new_addr);
		rc = copy_array_to_guest(ops, from + i, &op, 1);
		if (rc) {
			i++;
			break;
		}
	}
	unmap_finish_all(u, i);
	return rc;
}

static long in_batches(guest_ptr_t ops, uint32_t count,
		       long (*some)(guest_ptr_t, uint32_t, uint32_t))
{
	for (uint32_t i = 0; i < count;) {
		uint32_t n = MIN(count - i, (uint32_t)UNMAP_BATCH);
		long rc;

		if (i && preempt_needed())
			return i;
		rc = some(ops, i, n);
		if (rc)
			return rc;
		i += n;
	}
	return 0;
}

long gnttab_unmap_batch(guest_ptr_t ops, uint32_t count)
{
	return in_batches(ops, count, unmap_some);
}

long gnttab_unmap_replace_batch(guest_ptr_t ops, uint32_t count)
{
	return in_batches(ops, count, unmap_replace_some);
}

/* One handle of a dying domain. Its host mappings' references belong to its page tables. */
static void release_handle(struct grant_table *gt, uint32_t handle)
{
	struct gnt_map *m = maptrack_entry(&gt->maptrack, handle), copy;
	unsigned int kinds = m->flags & GNT_MAPPED;
	struct domain *granter;

	if (!kinds)
		return;
	copy = *m;
	granter = get_domain_by_id(copy.granter);
	if (kinds & GNTMAP_device_map)
		frame_drop(mfn(copy.mfn), copy.flags & GNTMAP_readonly);
	if (granter) {
		unpin_grant(granter, copy.ref, kinds, copy.flags & GNTMAP_readonly);
		put_domain(granter);
	}
	handle_put(gt, handle);
}

int gnttab_release_mappings(struct domain *d)
{
	struct grant_table *gt = d->grant_table;

	/* d's vcpus do not run any more, so nobody else uses its handles. */
	while (gt && gt->release_next < gt->maptrack.nr_pages * MAPS_PER_PAGE) {
		release_handle(gt, gt->release_next++);
		if (gt->release_next % MAPS_PER_PAGE == 0 && preempt_needed())
			return -XEN_ERESTART;
	}
	return 0;
}
