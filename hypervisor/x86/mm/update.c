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
	uint64_t mfn; /* NO_L1: none */
	int delta;
};
#define NO_L1 (~0UL)

static inline void unlock_l1(struct locked_l1 *l)
{
	if (l->mfn != NO_L1)
		table_unlock(frame_of(mfn(l->mfn)), l->delta);
	l->mfn = NO_L1;
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

#define ENOUGH 1 /* the request is done, but it left a big table to be released, or took long */

/* A request for another table than the last one, or for none at all. -XEN_EAGAIN: its L1 table is locked now. */
static __attribute__((noinline)) long update_first(const struct mmu_target *t, struct locked_l1 *l,
						   const struct mmu_update *u)
{
	unsigned int cmd = u->ptr & 7,
		     slot = (unsigned int)(u->ptr & (PAGE_SIZE - 1)) / sizeof(uint64_t);
	mfn_t m = mfn(u->ptr >> PAGE_SHIFT);
	long rc;

	unlock_l1(l);
	if (cmd > MMU_PT_UPDATE_NO_TRANSLATE)
		return -XEN_ENOSYS;
	if (cmd == MMU_MACHPHYS_UPDATE)
		return update_m2p(t->pg_owner, u->ptr, u->val);
	if (unlikely(!mfn_valid(m))) {
		guest_trace("no frame %#lx", m.v);
		return -XEN_EINVAL;
	}
	do {
		if (likely(table_lock_l1(frame_of(m), t->pt_owner))) {
			*l = (struct locked_l1){ m.v, 0 };
			return -XEN_EAGAIN;
		}
		rc = update_other(t, m, slot, u->val, cmd == MMU_PT_UPDATE_PRESERVE_AD);
	} while (rc == -XEN_EAGAIN);
	return !rc && unlikely(current->pv.old_table || preempt_needed()) ? ENOUGH : rc;
}

static inline long update_one(const struct mmu_target *t, struct locked_l1 *l,
			      const struct mmu_update *u)
{
	unsigned int cmd = u->ptr & 7;
	uint64_t *e;

	if (unlikely(u->ptr >> PAGE_SHIFT != l->mfn) || unlikely(cmd & ~2u)) {
		long rc = update_first(t, l, u);

		if (rc != -XEN_EAGAIN)
			return rc;
	}
	e = (uint64_t *)mfn_to_virt(mfn(0)) + u->ptr / sizeof(*e);
	return l1_change(t->pt_owner, t->pg_owner, e, pte_read(e), u->val,
			 cmd == MMU_PT_UPDATE_PRESERVE_AD ? STORE_KEEP_AD : STORE_PLAIN, &l->delta);
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

/* Requests are copied some at a time, each once. */
#define CHUNK 8

static long update_list(const struct mmu_target *t, guest_ptr_t list, uint32_t count,
			uint32_t *done)
{
	struct mmu_update u[CHUNK];
	struct locked_l1 l = { NO_L1, 0 };
	uint32_t i = 0;
	long rc = 0;

	while (i < count && !rc) {
		uint32_t n = MIN(count - i, (uint32_t)CHUNK), k;

		if (i && preempt_needed()) {
			rc = -XEN_ERESTART;
			break;
		}
		/* The list may end in a page that is not there: then one by one. */
		if (unlikely(copy_array_from_guest(u, list, i, n)) &&
		    (n = 1, copy_array_from_guest(u, list, i, n))) {
			rc = -XEN_EFAULT;
			break;
		}
		for (k = 0; k < n; k++) {
			rc = update_one(t, &l, &u[k]);
			if (unlikely(rc))
				break;
		}
		i += k;
	}
	unlock_l1(&l);
	if (rc == ENOUGH)
		rc = ++i < count ? -XEN_ERESTART : 0;
	current->pv.pt_count.updates += i;
	*done = i;
	return rc;
}

static long updates_of(unsigned long foreign, guest_ptr_t list, uint32_t count, uint32_t *done)
{
	struct mmu_target t = { NULL, NULL };
	long rc = find_target(&t, (uint32_t)foreign);

	if (!rc)
		rc = update_list(&t, list, count, done);
	put_target(&t);
	return rc;
}

/*
 * One request for an entry of an own L1 table, which is what kernels make at each page fault. False: something else, nothing is
 * done yet and the request will be read anew.
 */
static bool update_single(unsigned long at, long *rc)
{
	struct domain *d = current->domain;
	struct mmu_update u;
	int delta = 0;
	uint64_t *e;
	mfn_t m;

	_Static_assert(sizeof(u) == 16, "two words");
	if (unlikely(current->pv.old_table) || unlikely(!guest_range_ok(at, sizeof(u))) ||
	    unlikely(get_guest_16_raw(&u, at)))
		return false;
	m = mfn(u.ptr >> PAGE_SHIFT);
	if (unlikely((u.ptr & 7) != MMU_NORMAL_PT_UPDATE) || unlikely(!mfn_valid(m)) ||
	    unlikely(!table_lock_l1(frame_of(m), d)))
		return false;
	e = (uint64_t *)mfn_to_virt(mfn(0)) + u.ptr / sizeof(*e);
	*rc = l1_change(d, d, e, pte_read(e), u.val, STORE_PLAIN, &delta);
	table_unlock(frame_of(m), delta);
	current->pv.pt_count.updates++;
	return true;
}

long hc_mmu_update(unsigned long list, unsigned long count, unsigned long pdone,
		   unsigned long foreign)
{
	long rc;

	if (count == 1 && !pdone && foreign == DOMID_SELF && likely(update_single(list, &rc)))
		return rc;
	return mmu_batch(__HYPERVISOR_mmu_update, updates_of, sizeof(struct mmu_update), list,
			 count, pdone, foreign);
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
