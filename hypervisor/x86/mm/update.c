// SPDX-License-Identifier: BSD-2-Clause
// mmu_update and update_va_mapping: changes of single entries and of the machine-to-physical table.

#include <hv/hypercall.h>
#include <hv/smp.h>
#include <hv/softirq.h>
#include <hv/x86/mmu.h>

/* Who owns the tables that a request changes, and who the frames that new entries name. */
struct mmu_target {
	struct domain *pt_owner, *pg_owner; /* referenced */
};

/* An entry of a locked table of level 2 to 4. The table belongs to d: a frame of that owner cannot leave it while locked. */
static long change_upper(struct domain *d, struct domain *pg_owner, struct frame *f,
			 unsigned int slot, uint64_t val, bool keep_ad)
{
	int delta = 0;
	long rc = -XEN_EINVAL;

	if (pg_owner == d)
		rc = lx_change(d, f, slot, val, keep_ad, &delta);
	else
		guest_trace("a table of d%u cannot have entries for d%u", d->id, pg_owner->id);
	table_unlock(f, delta);
	return rc;
}

/* No table: plain memory, if it may be written. */
static long write_data(struct domain *d, struct frame *f, unsigned int slot, uint64_t val)
{
	long rc = -XEN_EINVAL;

	if (!frame_get(f, d))
		return rc;
	if (!frame_get_writable(f)) {
		WRITE_ONCE(table_of(f)[slot], val);
		frame_put_writable(f);
		rc = 0;
	} else
		guest_trace("frame %#lx is neither a page table nor writable", frame_mfn(f).v);
	frame_put(f);
	return rc;
}

/* A table that is only partly validated is completed first. 0: it may be locked now. */
static long complete_table(struct domain *d, struct frame *f)
{
	enum frame_type type;
	long rc = 0;

	if (!frame_get(f, d))
		return -XEN_EINVAL;
	type = frame_type(f);
	if (pgt_is_table(type)) {
		rc = frame_get_type(f, type);
		if (!rc)
			frame_put_type(f);
	}
	frame_put(f);
	return rc;
}

/* The L1 table that stays locked from one request to the next, as they mostly come in rows. */
struct locked_l1 {
	struct frame *f; /* NULL: none */
	uint64_t mfn;
	int delta;
};

static void unlock_l1(struct locked_l1 *l)
{
	if (l->f)
		table_unlock(l->f, l->delta);
	l->f = NULL;
}

/* Anything but an entry of an L1 table that is ready. */
static long update_other(const struct mmu_target *t, mfn_t m, unsigned int slot, uint64_t val,
			 bool keep_ad)
{
	struct frame *f = frame_of(m);
	long rc;

	if (unlikely(READ_ONCE(f->type) & FT_PARTIAL)) {
		rc = complete_table(t->pt_owner, f);
		if (rc == -XEN_ERESTART)
			return rc;
	}
	if (!table_lock(f))
		return write_data(t->pt_owner, f, slot, val);
	if (f->owner != t->pt_owner->id || frame_type(f) == FT_L1) {
		bool again = f->owner == t->pt_owner->id;

		table_unlock(f, 0);
		if (again)
			return -XEN_EAGAIN;
		guest_trace("frame %#lx is not d%u's", m.v, t->pt_owner->id);
		return -XEN_EINVAL;
	}
	return change_upper(t->pt_owner, t->pg_owner, f, slot, val, keep_ad);
}

static inline long update_entry(const struct mmu_target *t, struct locked_l1 *l, uint64_t ptr,
				uint64_t val, enum pte_store how)
{
	mfn_t m = mfn(ptr >> PAGE_SHIFT);
	unsigned int slot = (unsigned int)(ptr & (PAGE_SIZE - 1)) / sizeof(uint64_t);
	uint64_t *e;
	long rc;

	while (unlikely(!l->f || l->mfn != m.v)) {
		unlock_l1(l);
		if (unlikely(!mfn_valid(m))) {
			guest_trace("no frame %#lx", m.v);
			return -XEN_EINVAL;
		}
		if (likely(table_lock_l1(frame_of(m), t->pt_owner))) {
			*l = (struct locked_l1){ frame_of(m), m.v, 0 };
			break;
		}
		rc = update_other(t, m, slot, val, how == STORE_KEEP_AD);
		if (rc != -XEN_EAGAIN)
			return rc;
	}
	e = (uint64_t *)mfn_to_virt(m) + slot;
	return l1_change(t->pt_owner, t->pg_owner, e, pte_read(e), val, how, &l->delta);
}

static long update_m2p(struct domain *d, uint64_t ptr, uint64_t val)
{
	mfn_t m = mfn(ptr >> PAGE_SHIFT);

	if (!mfn_valid(m) || !frame_get(frame_of(m), d)) {
		guest_trace("machine-to-physical entry of frame %#lx, which is not d%u's", m.v,
			    d->id);
		return -XEN_EINVAL;
	}
	m2p_set(m, val);
	frame_put(frame_of(m));
	return 0;
}

static inline long update_one(const struct mmu_target *t, struct locked_l1 *l,
			      const struct mmu_update *u)
{
	switch (u->ptr & 7) {
	case MMU_NORMAL_PT_UPDATE:
	case MMU_PT_UPDATE_NO_TRANSLATE:
		return update_entry(t, l, u->ptr, u->val, STORE_PLAIN);
	case MMU_PT_UPDATE_PRESERVE_AD:
		return update_entry(t, l, u->ptr & ~7UL, u->val, STORE_KEEP_AD);
	case MMU_MACHPHYS_UPDATE:
		return update_m2p(t->pg_owner, u->ptr, u->val);
	default:
		return -XEN_ENOSYS;
	}
}

/* ---- who may */
static long find_target(struct mmu_target *t, uint32_t foreign)
{
	struct domain *d = current->domain;
	uint16_t pt = (uint16_t)(foreign >> 16);

	if (likely(foreign == DOMID_SELF)) {
		*t = (struct mmu_target){ d, d };
		return 0;
	}
	if (pt) {
		t->pt_owner = get_domain_by_id((domid_t)(pt - 1));
		if (!t->pt_owner)
			return -XEN_ESRCH;
		if (t->pt_owner == d) /* holds itself */
			put_domain(d);
	} else
		t->pt_owner = d;
	t->pg_owner = get_pg_owner((domid_t)foreign);
	if (!t->pg_owner)
		return -XEN_ESRCH;
	if (!d->is_privileged && (t->pt_owner != d || (t->pg_owner != d && t->pg_owner != dom_io)))
		return -XEN_EPERM;
	return 0;
}

static void put_target(struct mmu_target *t)
{
	if (likely(t->pg_owner == t->pt_owner && t->pg_owner == current->domain))
		return;
	put_pg_owner(t->pg_owner);
	put_pg_owner(t->pt_owner);
}

/* Report progress: pdone may be null; a bad pointer is the guest's own loss. */
static void report_done(unsigned long pdone, uint32_t done)
{
	if (pdone)
		(void)copy_to_guest(guest_ptr(pdone), &done, sizeof(done));
}

/* Requests are copied some at a time, each once. */
#define CHUNK 8

static long update_list(const struct mmu_target *t, guest_ptr_t list, uint32_t count,
			uint32_t *done)
{
	struct mmu_update u[CHUNK];
	struct locked_l1 l = { NULL, 0, 0 };
	uint32_t first = 0, have = 0, i;
	long rc = 0;

	for (i = 0; i < count; i++) {
		if (unlikely(current->pv.old_table) || (i && preempt_needed())) {
			rc = -XEN_ERESTART;
			break;
		}
		if (i == have) {
			uint32_t n = MIN(count - i, (uint32_t)CHUNK);

			/* The list may end in a page that is not there: then one by one. */
			if (unlikely(copy_array_from_guest(u, list, i, n)) &&
			    (n = 1, copy_array_from_guest(u, list, i, n))) {
				rc = -XEN_EFAULT;
				break;
			}
			first = i;
			have = i + n;
		}
		rc = update_one(t, &l, &u[i - first]);
		if (unlikely(rc))
			break;
	}
	unlock_l1(&l);
	*done = i;
	return rc;
}

long hc_mmu_update(unsigned long list, unsigned long count_arg, unsigned long pdone,
		   unsigned long foreign)
{
	uint32_t count = (uint32_t)count_arg, done = 0, i = 0;
	struct mmu_target t = { NULL, NULL };
	long rc;

	if (unlikely(current->pv.old_table) && finish_old_table(current))
		return hypercall_continue(__HYPERVISOR_mmu_update, 4, list, count_arg, pdone,
					  foreign);
	/* Only the release of an old table was left; the result waits in the last argument. */
	if (unlikely(count == MMU_UPDATE_PREEMPTED) && !list)
		return (int)foreign;
	if (unlikely(count & MMU_UPDATE_PREEMPTED)) {
		count &= ~MMU_UPDATE_PREEMPTED;
		if (pdone)
			(void)copy_from_guest(&done, guest_ptr(pdone), sizeof(done));
	}
	if (!guest_range_ok(list, (uint64_t)count * sizeof(struct mmu_update)))
		return -XEN_EFAULT;
	rc = find_target(&t, (uint32_t)foreign);
	if (!rc) {
		rc = update_list(&t, guest_ptr(list), count, &i);
		report_done(pdone, done + i);
	}
	put_target(&t);
	if (rc == -XEN_ERESTART)
		return hypercall_continue(__HYPERVISOR_mmu_update, 4,
					  list + i * sizeof(struct mmu_update),
					  (unsigned long)((count - i) | MMU_UPDATE_PREEMPTED),
					  pdone, foreign);
	if (unlikely(current->pv.old_table))
		return hypercall_continue(__HYPERVISOR_mmu_update, 4, 0UL,
					  (unsigned long)MMU_UPDATE_PREEMPTED, 0UL,
					  (unsigned long)rc);
	return rc;
}

/* ---- one mapping of the current address space */
static long va_flush(uint64_t va, unsigned long flags)
{
	unsigned long which = flags & ~UVMF_FLUSHTYPE_MASK, type = flags & UVMF_FLUSHTYPE_MASK;
	const struct domain *d = current->domain;
	cpumask_t cpus = { BIT(smp_cpu()) };

	if (type != UVMF_TLB_FLUSH && type != UVMF_INVLPG)
		return 0;
	if (which == UVMF_ALL)
		cpus = d->dirty_cpumask;
	else if (which != UVMF_LOCAL && vcpumask_to_cpus(d, which, &cpus))
		return -XEN_EFAULT;
	if (type == UVMF_TLB_FLUSH)
		tlb_flush_mask(cpus);
	else
		tlb_flush_mask_va(cpus, va);
	return 0;
}

static long update_va(unsigned long va, uint64_t val, unsigned long flags, struct domain *pg_owner)
{
	struct domain *d = current->domain;
	uint64_t *e;
	struct frame *f;
	int delta = 0;
	long rc;

	if (unlikely(!guest_addr_ok(va) || (va > 0x7fffffffffffUL && va < HV_VIRT_START)))
		return -XEN_EINVAL;
	e = guest_l1e_ptr(mfn(current->pv.cr3_kernel >> PAGE_SHIFT), va);
	if (unlikely(!e)) {
		guest_trace("no L1 table for %#lx", va);
		return -XEN_EINVAL;
	}
	f = frame_of(virt_to_mfn(e));
	if (unlikely(!table_lock_l1(f, d)))
		return -XEN_EINVAL;
	rc = l1_change(d, pg_owner, e, pte_read(e), val, STORE_PLAIN, &delta);
	table_unlock(f, delta);
	return unlikely(rc) ? rc : va_flush(va, flags);
}

long hc_update_va_mapping(unsigned long va, unsigned long val, unsigned long flags)
{
	if (unlikely(current->pv.old_table) && finish_old_table(current))
		return hypercall_continue(__HYPERVISOR_update_va_mapping, 3, va, val, flags);
	return update_va(va, val, flags, current->domain);
}

long hc_update_va_mapping_otherdomain(unsigned long va, unsigned long val, unsigned long flags,
				      unsigned long domid)
{
	struct domain *d = current->domain, *pg_owner = get_pg_owner((domid_t)domid);
	long rc;

	if (!pg_owner)
		return -XEN_ESRCH;
	if (pg_owner != d && pg_owner != dom_io && !d->is_privileged)
		rc = -XEN_EPERM;
	else
		rc = update_va(va, val, flags, pg_owner);
	put_pg_owner(pg_owner);
	return rc;
}
