// SPDX-License-Identifier: BSD-2-Clause
/* GNTTABOP_copy: bytes between two frames, each the caller's own or granted to it. */
#include <hv/gnttab_table.h>
#include <hv/mm.h>
#include <hv/softirq.h>

/* One side of a copy, kept for the next element when that names the same frame. */
struct side {
	struct domain *d; /* NULL: nothing held */
	struct gnttab_copy_ptr key; /* offset not used */
	bool by_ref, write;
	struct frame *f;
};

static enum gnt_use side_use(const struct side *s)
{
	return s->write ? GNT_HOST_RW : GNT_HOST_RO;
}

static void side_unpin(struct side *s)
{
	struct grant_table *gt = s->d->grant_table;
	struct gnt_active *a;
	grant_entry_v1_t *e;

	if (!gt)
		return;
	spin_lock(&gt->lock);
	if (gnttab_entry(gt, s->key.u.ref, &e, &a))
		gnt_unpin(a, e, side_use(s));
	spin_unlock(&gt->lock);
}

static void side_release(struct side *s)
{
	if (!s->d)
		return;
	if (s->write)
		frame_put_type(s->f);
	frame_put(s->f);
	if (s->by_ref)
		side_unpin(s);
	put_domain(s->d);
	s->d = NULL;
}

static int side_pin(struct side *s, mfn_t *m)
{
	struct grant_table *gt = s->d->grant_table;
	struct gnt_active *a;
	grant_entry_v1_t *e;
	int rc = GNTST_bad_gntref;

	if (!gt)
		return GNTST_bad_domain;
	spin_lock(&gt->lock);
	if (gnttab_entry(gt, s->key.u.ref, &e, &a)) {
		rc = gnt_pin(a, e, current->domain->id, side_use(s), false);
		*m = mfn(a->mfn);
	}
	spin_unlock(&gt->lock);
	return rc;
}

/* s->d and the key are set: pin, then take the frame. */
static int side_take(struct side *s)
{
	mfn_t m = mfn(s->key.u.gmfn);
	int rc = s->by_ref ? side_pin(s, &m) : GNTST_okay;

	if (rc)
		return rc;
	if (!mfn_valid(m) || !frame_get(frame_of(m), s->d)) {
		rc = GNTST_bad_page;
		goto unpin;
	}
	s->f = frame_of(m);
	if (!s->write || frame_get_type(s->f, FT_WRITABLE) == 0)
		return GNTST_okay;
	rc = GNTST_general_error;
	frame_put(s->f);
unpin:
	if (s->by_ref)
		side_unpin(s);
	return rc;
}

static bool side_same(const struct side *s, const struct gnttab_copy_ptr *p, bool by_ref)
{
	if (!s->d || s->by_ref != by_ref || s->key.domid != p->domid)
		return false;
	return by_ref ? s->key.u.ref == p->u.ref : s->key.u.gmfn == p->u.gmfn;
}

static int side_set(struct side *s, const struct gnttab_copy_ptr *p, bool by_ref)
{
	int rc;

	if (side_same(s, p, by_ref))
		return GNTST_okay;
	side_release(s);
	s->d = get_domain_or_self(p->domid);
	if (!s->d)
		return GNTST_bad_domain;
	s->key = *p;
	s->by_ref = by_ref;
	/* Others' frames only by grant; one's own by frame only under the name of DOMID_SELF. */
	rc = by_ref || p->domid == DOMID_SELF ? side_take(s) : GNTST_permission_denied;
	if (rc) {
		put_domain(s->d);
		s->d = NULL;
	}
	return rc;
}

static int copy_one(const gnttab_copy_t *op, struct side *src, struct side *dst)
{
	int rc = side_set(src, &op->source, op->flags & GNTCOPY_source_gref);

	if (!rc)
		rc = side_set(dst, &op->dest, op->flags & GNTCOPY_dest_gref);
	if (rc)
		return rc;
	if (op->source.offset + op->len > PAGE_SIZE || op->dest.offset + op->len > PAGE_SIZE)
		return GNTST_bad_copy_arg;
	memmove((char *)mfn_to_virt(frame_mfn(dst->f)) + op->dest.offset,
		(const char *)mfn_to_virt(frame_mfn(src->f)) + op->source.offset, op->len);
	return GNTST_okay;
}

long gnttab_copy_batch(guest_ptr_t ops, uint32_t count)
{
	struct side src = { .write = false }, dst = { .write = true };
	gnttab_copy_t op;
	long rc = 0;

	for (uint32_t i = 0; i < count; i++) {
		guest_ptr_t status =
			guest_ptr(ops.va + i * sizeof(op) + offsetof(gnttab_copy_t, status));

		if (i && preempt_needed()) {
			rc = i;
			break;
		}
		if (copy_array_from_guest(&op, ops, i, 1)) {
			rc = -XEN_EFAULT;
			break;
		}
		op.status = (int16_t)copy_one(&op, &src, &dst);
		if (op.status)
			guest_trace("copy refused with status %d", op.status);
		if (copy_to_guest(status, &op.status, sizeof(op.status))) {
			rc = -XEN_EFAULT;
			break;
		}
	}
	side_release(&src);
	side_release(&dst);
	return rc;
}
