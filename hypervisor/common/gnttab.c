// SPDX-License-Identifier: BSD-2-Clause
/* Grant tables: their frames, set-up and questions; mapping and copying are in gnttab_map.c and gnttab_copy.c. */
#include <hv/gnttab.h>
#include <hv/gnttab_table.h>
#include <hv/heap.h>
#include <hv/hypercall.h>
#include <hv/mm.h>
#include <hv/softirq.h>

#define DEFAULT_GRANT_FRAMES	64
#define DEFAULT_MAPTRACK_FRAMES 1024
#define MOST_FRAMES		65536
#define ACTIVE_ORDER		1 /* pages of active entries for one shared page */
#define CMD_MASK		0xfffffu /* the bits above are for continuations of cache_flush */
#define CACHE_LINE		64

static uint32_t limit_of(uint32_t wanted, uint32_t standard)
{
	/* Negative numbers, and none, ask for the standard. */
	if (!wanted || wanted > INT32_MAX)
		return standard;
	return MIN(wanted, (uint32_t)MOST_FRAMES);
}

bool gnttab_entry(struct grant_table *gt, grant_ref_t ref, grant_entry_v1_t **e,
		  struct gnt_active **a)
{
	uint32_t page = ref / GRANTS_PER_FRAME, i = ref % GRANTS_PER_FRAME;

	if (page >= gt->nr_frames)
		return false;
	*e = &gt->frame[page][i];
	*a = &gt->active[page][i];
	return true;
}

/* gt->lock held: make the table nr frames long. */
static int grow(struct domain *d, struct grant_table *gt, uint32_t nr)
{
	_Static_assert(sizeof(struct gnt_active) * GRANTS_PER_FRAME == PAGE_SIZE << ACTIVE_ORDER,
		       "active entries of a frame fill their pages");
	if (nr > gt->max_frames)
		return -XEN_EINVAL;
	while (gt->nr_frames < nr) {
		uint32_t i = gt->nr_frames;

		gt->active[i] = hv_alloc_pages(ACTIVE_ORDER);
		gt->frame[i] = gt->active[i] ? hv_alloc_pages(0) : NULL;
		if (!gt->frame[i]) {
			hv_free_pages(gt->active[i], ACTIVE_ORDER);
			gt->active[i] = NULL;
			return -XEN_ENOMEM;
		}
		frame_share(gt->frame[i], d, true);
		gt->nr_frames++;
	}
	return 0;
}

static void table_free(struct domain *d, struct grant_table *gt)
{
	for (uint32_t i = 0; i < gt->nr_frames; i++) {
		frame_unshare_and_free(gt->frame[i], d);
		hv_free_pages(gt->active[i], ACTIVE_ORDER);
	}
	for (uint32_t i = 0; i < gt->maptrack.nr_pages; i++)
		hv_free_pages(gt->maptrack.page[i], 0);
	hv_free(gt->maptrack.page);
	hv_free(gt->active);
	hv_free(gt->frame);
	hv_free(gt);
}

int gnttab_init(struct domain *d, uint32_t max_grant_frames, uint32_t max_maptrack_frames)
{
	struct grant_table *gt = hv_alloc(sizeof(*gt));

	_Static_assert(MOST_FRAMES * sizeof(void *) <= 1UL << 20,
		       "pointers fit the largest object");
	if (!gt)
		return -XEN_ENOMEM;
	gt->max_frames = limit_of(max_grant_frames, DEFAULT_GRANT_FRAMES);
	gt->maptrack.max_pages = limit_of(max_maptrack_frames, DEFAULT_MAPTRACK_FRAMES);
	gt->maptrack.free = NO_HANDLE;
	gt->frame = hv_alloc(gt->max_frames * sizeof(*gt->frame));
	gt->active = hv_alloc(gt->max_frames * sizeof(*gt->active));
	gt->maptrack.page = hv_alloc(gt->maptrack.max_pages * sizeof(*gt->maptrack.page));
	if (!gt->frame || !gt->active || !gt->maptrack.page || grow(d, gt, 1)) {
		table_free(d, gt);
		return -XEN_ENOMEM;
	}
	d->grant_table = gt;
	return 0;
}

void gnttab_destroy(struct domain *d)
{
	struct grant_table *gt = d->grant_table;

	if (!gt)
		return;
	d->grant_table = NULL;
	table_free(d, gt);
}

int gnttab_get_frame(struct domain *d, uint32_t idx, mfn_t *out)
{
	struct grant_table *gt = d->grant_table;
	int rc = 0;

	if (!gt || idx >= gt->max_frames)
		return -XEN_EINVAL;
	spin_lock(&gt->lock);
	if (idx >= gt->nr_frames)
		rc = d->dying == DOM_ALIVE ? grow(d, gt, idx + 1) : -XEN_EINVAL;
	if (!rc)
		*out = virt_to_mfn(gt->frame[idx]);
	spin_unlock(&gt->lock);
	return rc;
}

uint32_t gnttab_max_frames(const struct domain *d)
{
	return d->grant_table ? d->grant_table->max_frames : 0;
}

struct domain *gnttab_subject(domid_t id, int16_t *status)
{
	struct domain *d = get_domain_or_self(id);

	if (!d || !d->grant_table) {
		*status = GNTST_bad_domain;
	} else if (d != current->domain && !current_is_privileged() &&
		   current->domain->target != d) {
		*status = GNTST_permission_denied;
	} else {
		*status = GNTST_okay;
		return d;
	}
	if (d)
		put_domain(d);
	return NULL;
}

/* Fill op.frame_list; the table is long enough afterwards. */
static int16_t setup_frames(struct domain *d, const struct gnttab_setup_table *op)
{
	struct grant_table *gt = d->grant_table;
	int rc;

	if (op->nr_frames > gt->max_frames) {
		guest_trace("d%u: %u grant frames asked for, at most %u allowed", d->id,
			    op->nr_frames, gt->max_frames);
		return GNTST_general_error;
	}
	spin_lock(&gt->lock);
	rc = grow(d, gt, op->nr_frames);
	spin_unlock(&gt->lock);
	if (rc)
		return GNTST_general_error;
	/* Frames are never taken away from a living table, so the lock is not needed for reading. */
	for (uint32_t i = 0; i < op->nr_frames; i++) {
		xen_pfn_t nr = virt_to_mfn(gt->frame[i]).v;

		if (copy_array_to_guest(guest_handle(op->frame_list), i, &nr, 1))
			return GNTST_bad_virt_addr;
	}
	return GNTST_okay;
}

static long setup_table(guest_ptr_t arg, uint32_t count)
{
	struct gnttab_setup_table op;
	struct domain *d;

	if (count != 1)
		return -XEN_EINVAL;
	if (copy_from_guest(&op, arg, sizeof(op)))
		return -XEN_EFAULT;
	d = gnttab_subject(op.dom, &op.status);
	if (d) {
		op.status = setup_frames(d, &op);
		put_domain(d);
	}
	return copy_to_guest(arg, &op, sizeof(op));
}

static long query_size(guest_ptr_t arg, uint32_t count)
{
	struct gnttab_query_size op;
	struct domain *d;

	if (count != 1)
		return -XEN_EINVAL;
	if (copy_from_guest(&op, arg, sizeof(op)))
		return -XEN_EFAULT;
	d = gnttab_subject(op.dom, &op.status);
	if (d) {
		op.nr_frames = READ_ONCE(d->grant_table->nr_frames);
		op.max_nr_frames = d->grant_table->max_frames;
		put_domain(d);
	}
	return copy_to_guest(arg, &op, sizeof(op));
}

/* Version 2 is answered as by a hypervisor from before there were versions; guests then stay with 1. */
static long set_version(guest_ptr_t arg, uint32_t count)
{
	gnttab_set_version_t op;

	if (count != 1)
		return -XEN_EINVAL;
	if (copy_from_guest(&op, arg, sizeof(op)))
		return -XEN_EFAULT;
	if (op.version != 1 && op.version != 2)
		return -XEN_EINVAL;
	if (op.version == 2)
		return -XEN_ENOSYS;
	return copy_to_guest(arg, &op, sizeof(op));
}

static long get_version(guest_ptr_t arg, uint32_t count)
{
	gnttab_get_version_t op;
	struct domain *d;
	int16_t status;

	if (count != 1)
		return -XEN_EINVAL;
	if (copy_from_guest(&op, arg, sizeof(op)))
		return -XEN_EFAULT;
	d = gnttab_subject(op.dom, &status);
	if (!d)
		return status == GNTST_bad_domain ? -XEN_ESRCH : -XEN_EPERM;
	put_domain(d);
	op.version = 1;
	return copy_to_guest(arg, &op, sizeof(op));
}

static long get_status_frames(guest_ptr_t arg, uint32_t count)
{
	gnttab_get_status_frames_t op;
	struct domain *d;

	if (count != 1)
		return -XEN_EINVAL;
	if (copy_from_guest(&op, arg, sizeof(op)))
		return -XEN_EFAULT;
	d = gnttab_subject(op.dom, &op.status);
	if (d) {
		put_domain(d);
		/* Version 1 has no status frames. */
		op.status = GNTST_general_error;
	}
	return copy_to_guest(arg, &op, sizeof(op));
}

/* What a transfer would fail with anyway; GNTST_general_error for one that could be done. */
static int16_t transfer_status(const struct gnttab_transfer *op)
{
	struct domain *d = current->domain, *to;
	int16_t status = GNTST_bad_page;
	struct frame *f;

	if (!mfn_valid(mfn(op->mfn)))
		return GNTST_bad_page;
	f = frame_of(mfn(op->mfn));
	if (!frame_get(f, d))
		return GNTST_bad_page;
	if (READ_ONCE(f->count) == (FC_ALLOCATED | 2)) {
		to = get_domain_by_id(op->domid);
		status = to ? GNTST_general_error : GNTST_bad_domain;
		if (to)
			put_domain(to);
	}
	frame_put(f);
	return status;
}

/* Giving frames away is not supported: nobody does it since there is GNTTABOP_copy. */
static long transfer_refused(guest_ptr_t arg, uint32_t count)
{
	struct gnttab_transfer op;

	for (uint32_t i = 0; i < count; i++) {
		if (i && preempt_needed())
			return i;
		if (copy_array_from_guest(&op, arg, i, 1))
			return -XEN_EFAULT;
		op.status = transfer_status(&op);
		if (copy_array_to_guest(arg, i, &op, 1))
			return -XEN_EFAULT;
	}
	return 0;
}

static int16_t swap_one(struct grant_table *gt, grant_ref_t ref_a, grant_ref_t ref_b)
{
	struct gnt_active *active_a, *active_b;
	grant_entry_v1_t *a, *b, copy;

	if (!gnttab_entry(gt, ref_a, &a, &active_a) || !gnttab_entry(gt, ref_b, &b, &active_b))
		return GNTST_bad_gntref;
	if (ref_a == ref_b)
		return GNTST_okay;
	if (gnt_pinned(active_a) || gnt_pinned(active_b))
		return GNTST_eagain;
	copy = *a;
	*a = *b;
	*b = copy;
	return GNTST_okay;
}

static long swap_batch(guest_ptr_t arg, uint32_t count)
{
	struct grant_table *gt = current->domain->grant_table;
	gnttab_swap_grant_ref_t op;

	for (uint32_t i = 0; i < count; i++) {
		if (i && preempt_needed())
			return i;
		if (copy_array_from_guest(&op, arg, i, 1))
			return -XEN_EFAULT;
		spin_lock(&gt->lock);
		op.status = swap_one(gt, op.ref_a, op.ref_b);
		spin_unlock(&gt->lock);
		if (copy_array_to_guest(arg, i, &op, 1))
			return -XEN_EFAULT;
	}
	return 0;
}

/* Write back (and drop) the cache lines of a part of one of the caller's own frames. */
static long flush_one(const gnttab_cache_flush_t *op)
{
	mfn_t m = mfn(op->a.dev_bus_addr >> PAGE_SHIFT);
	const char *p;

	if (op->offset >= PAGE_SIZE || op->length > PAGE_SIZE ||
	    op->offset + op->length > PAGE_SIZE)
		return -XEN_EINVAL;
	if (!op->length || !op->op)
		return 0;
	if (op->op & ~(GNTTAB_CACHE_INVAL | GNTTAB_CACHE_CLEAN))
		return -XEN_EOPNOTSUPP;
	if (!mfn_valid(m) || !frame_get(frame_of(m), current->domain))
		return -XEN_EPERM;
	p = mfn_to_virt(m);
	for (unsigned int o = op->offset & ~(CACHE_LINE - 1u); o < op->offset + op->length;
	     o += CACHE_LINE)
		asm volatile("clflush %0" ::"m"(p[o]) : "memory");
	frame_put(frame_of(m));
	return 0;
}

static long flush_batch(guest_ptr_t arg, uint32_t count)
{
	gnttab_cache_flush_t op;

	if (!current->domain->is_hardware)
		return -XEN_EPERM;
	for (uint32_t i = 0; i < count; i++) {
		long rc;

		if (i && preempt_needed())
			return i;
		if (copy_array_from_guest(&op, arg, i, 1))
			return -XEN_EFAULT;
		rc = flush_one(&op);
		if (rc)
			return rc;
	}
	return 0;
}

struct grant_op {
	long (*fn)(guest_ptr_t arg, uint32_t count);
	uint64_t size; /* of one element, bytes */
};

static const struct grant_op grant_ops[] = {
	[GNTTABOP_map_grant_ref] = { gnttab_map_batch, sizeof(gnttab_map_grant_ref_t) },
	[GNTTABOP_unmap_grant_ref] = { gnttab_unmap_batch, sizeof(gnttab_unmap_grant_ref_t) },
	[GNTTABOP_setup_table] = { setup_table, sizeof(gnttab_setup_table_t) },
	[GNTTABOP_transfer] = { transfer_refused, sizeof(gnttab_transfer_t) },
	[GNTTABOP_copy] = { gnttab_copy_batch, sizeof(gnttab_copy_t) },
	[GNTTABOP_query_size] = { query_size, sizeof(gnttab_query_size_t) },
	[GNTTABOP_unmap_and_replace] = { gnttab_unmap_replace_batch,
					 sizeof(gnttab_unmap_and_replace_t) },
	[GNTTABOP_set_version] = { set_version, sizeof(gnttab_set_version_t) },
	[GNTTABOP_get_status_frames] = { get_status_frames, sizeof(gnttab_get_status_frames_t) },
	[GNTTABOP_get_version] = { get_version, sizeof(gnttab_get_version_t) },
	[GNTTABOP_swap_grant_ref] = { swap_batch, sizeof(gnttab_swap_grant_ref_t) },
	[GNTTABOP_cache_flush] = { flush_batch, sizeof(gnttab_cache_flush_t) },
};

long hc_grant_table_op(unsigned long cmd_word, unsigned long arg, unsigned long count_word)
{
	uint32_t cmd = (uint32_t)cmd_word, count = (uint32_t)count_word;
	const struct grant_op *op;
	long rc;

	if (count > INT32_MAX || (cmd & ~CMD_MASK))
		return -XEN_EINVAL;
	if (cmd >= ARRAY_SIZE(grant_ops) || !grant_ops[cmd].fn)
		return -XEN_ENOSYS;
	op = &grant_ops[cmd];
	if (!guest_range_ok(arg, count * op->size))
		return -XEN_EFAULT;
	if (!current->domain->grant_table)
		return -XEN_EINVAL;
	rc = op->fn(guest_ptr(arg), count);
	if (rc > 0)
		return hypercall_continue(__HYPERVISOR_grant_table_op, 3, (unsigned long)cmd,
					  (unsigned long)(arg + (uint64_t)rc * op->size),
					  (unsigned long)(count - (uint32_t)rc));
	return rc;
}

static void dump_domain(const struct domain *d)
{
	struct grant_table *gt = d->grant_table;
	unsigned int used = 0;

	for (uint32_t ref = 0; ref < gt->nr_frames * GRANTS_PER_FRAME; ref++) {
		grant_entry_v1_t *e;
		struct gnt_active *a;

		if (!gnttab_entry(gt, ref, &e, &a) || !gnt_pinned(a))
			continue;
		used++;
		log_info("  d%u grant %u: frame %#x used by d%u: host ro %u rw %u, device ro %u rw "
			 "%u%s\n",
			 d->id, ref, a->mfn, a->who, a->uses[GNT_HOST_RO], a->uses[GNT_HOST_RW],
			 a->uses[GNT_DEV_RO], a->uses[GNT_DEV_RW],
			 gnt_check(a, e) ? " (flags differ)" : "");
	}
	log_info("d%u: %u of %u grant frames, %u grants in use, %u handles held\n", d->id,
		 gt->nr_frames, gt->max_frames, used, gt->maptrack.used);
}

void gnttab_dump(void)
{
	uint64_t flags = spin_lock_irqsave(&domain_list_lock);

	for (const struct domain *d = domain_list; d; d = d->next)
		if (d->grant_table)
			dump_domain(d);
	spin_unlock_irqrestore(&domain_list_lock, flags);
}
