// SPDX-License-Identifier: BSD-2-Clause
// mmuext_op: pins, base pointers, TLB and cache flushes, LDT, clearing and copying of pages.

#include <hv/hypercall.h>
#include <hv/smp.h>
#include <hv/softirq.h>
#include <hv/x86/cpu.h>
#include <hv/x86/mmu.h>

#define MAX_LDT_ENTRIES 8192u

static long op_pin(struct domain *pg_owner, const struct mmuext_op *op)
{
	return pin_table(pg_owner, mfn(op->arg1.mfn), op->cmd - MMUEXT_PIN_L1_TABLE + 1);
}

static long op_unpin(struct domain *pg_owner, const struct mmuext_op *op)
{
	mfn_t m = mfn(op->arg1.mfn);
	struct frame *f = frame_of(m);

	if (!mfn_valid(m) || !frame_get(f, pg_owner)) {
		guest_trace("unpin: frame %#lx is not d%u's", m.v, pg_owner->id);
		return -XEN_EINVAL;
	}
	if (!(__atomic_fetch_and(&f->type, ~FT_PINNED, __ATOMIC_SEQ_CST) & FT_PINNED)) {
		frame_put(f);
		guest_trace("unpin: frame %#lx is not pinned", m.v);
		return -XEN_EINVAL;
	}
	frame_put(f);
	table_put_later(f); /* the pin's use and reference */
	return 0;
}

/* What only the caller's own address space can be asked for. */
static long op_base(struct vcpu *v, const struct mmuext_op *op)
{
	mfn_t m = mfn(op->arg1.mfn);

	return op->cmd == MMUEXT_NEW_BASEPTR ? vcpu_set_kernel_cr3(v, m) : vcpu_set_user_cr3(v, m);
}

static long op_set_ldt(struct vcpu *v, const struct mmuext_op *op)
{
	unsigned int n = op->arg2.nr_ents;
	uint64_t base = n ? op->arg1.linear_addr : 0;

	if ((base & (PAGE_SIZE - 1)) || !guest_addr_ok(base) || n > MAX_LDT_ENTRIES) {
		guest_trace("LDT at %#lx with %u entries", base, n);
		return -XEN_EINVAL;
	}
	if (v->pv.ldt_base == base && v->pv.ldt_ents == n)
		return 0;
	ldt_invalidate(v);
	v->pv.ldt_base = base;
	v->pv.ldt_ents = n;
	ldt_load(v);
	return 0;
}

static long op_flush(struct domain *d, const struct mmuext_op *op)
{
	uint64_t va = op->arg1.linear_addr;
	cpumask_t cpus;

	if (op->cmd == MMUEXT_TLB_FLUSH_LOCAL) {
		tlb_flush_local();
		return 0;
	}
	if (op->cmd == MMUEXT_INVLPG_LOCAL) {
		if (guest_addr_ok(va)) /* the hypervisor's own mappings are none of its business */
			tlb_flush_local_va(va);
		return 0;
	}
	if (op->cmd == MMUEXT_TLB_FLUSH_ALL || op->cmd == MMUEXT_INVLPG_ALL)
		cpus = d->dirty_cpumask;
	else if (vcpumask_to_cpus(d, (uint64_t)op->arg2.vcpumask.p, &cpus))
		return -XEN_EINVAL;
	if (op->cmd == MMUEXT_TLB_FLUSH_ALL || op->cmd == MMUEXT_TLB_FLUSH_MULTI)
		tlb_flush_mask(cpus);
	else if (guest_addr_ok(va))
		tlb_flush_mask_va(cpus, va);
	return 0;
}

static void write_back_caches(void *unused)
{
	asm volatile("wbinvd" ::: "memory");
}

static long op_flush_cache(struct domain *d, const struct mmuext_op *op)
{
	cpumask_t cpus = { BIT(smp_cpu()) };

	if (!d->iomem_caps || !rangeset_overlaps(d->iomem_caps, 0, ~0UL)) {
		guest_trace("cache flush by a domain without devices");
		return -XEN_EACCES;
	}
	if (op->cmd == MMUEXT_FLUSH_CACHE_GLOBAL)
		cpus = cpu_online;
	smp_call(cpus, write_back_caches, NULL, true);
	return 0;
}

/* A page of pg_owner that may be written, referenced. */
static struct frame *get_writable(struct domain *pg_owner, mfn_t m)
{
	if (mfn_valid(m) && frame_get_and_type(frame_of(m), pg_owner, FT_WRITABLE))
		return frame_of(m);
	guest_trace("frame %#lx of d%u may not be written", m.v, pg_owner->id);
	return NULL;
}

static long op_clear_page(struct domain *pg_owner, const struct mmuext_op *op)
{
	struct frame *f = get_writable(pg_owner, mfn(op->arg1.mfn));

	if (!f)
		return -XEN_EINVAL;
	memset(mfn_to_virt(mfn(op->arg1.mfn)), 0, PAGE_SIZE);
	frame_put_and_type(f);
	return 0;
}

static long op_copy_page(struct domain *pg_owner, const struct mmuext_op *op)
{
	mfn_t from = mfn(op->arg2.src_mfn), to = mfn(op->arg1.mfn);
	struct frame *f;

	if (!mfn_valid(from) || !frame_get(frame_of(from), pg_owner)) {
		guest_trace("copy: frame %#lx is not d%u's", from.v, pg_owner->id);
		return -XEN_EINVAL;
	}
	f = get_writable(pg_owner, to);
	if (f) {
		memcpy(mfn_to_virt(to), mfn_to_virt(from), PAGE_SIZE);
		frame_put_and_type(f);
	}
	frame_put(frame_of(from));
	return f ? 0 : -XEN_EINVAL;
}

static long do_op(struct domain *pg_owner, const struct mmuext_op *op)
{
	struct vcpu *v = current;
	bool own = pg_owner == v->domain;

	switch (op->cmd) {
	case MMUEXT_PIN_L1_TABLE:
	case MMUEXT_PIN_L2_TABLE:
	case MMUEXT_PIN_L3_TABLE:
	case MMUEXT_PIN_L4_TABLE:
		return op_pin(pg_owner, op);
	case MMUEXT_UNPIN_TABLE:
		return op_unpin(pg_owner, op);
	case MMUEXT_NEW_BASEPTR:
	case MMUEXT_NEW_USER_BASEPTR:
		return own ? op_base(v, op) : -XEN_EPERM;
	case MMUEXT_TLB_FLUSH_LOCAL:
	case MMUEXT_INVLPG_LOCAL:
	case MMUEXT_TLB_FLUSH_MULTI:
	case MMUEXT_INVLPG_MULTI:
	case MMUEXT_TLB_FLUSH_ALL:
	case MMUEXT_INVLPG_ALL:
		return own ? op_flush(pg_owner, op) : -XEN_EPERM;
	case MMUEXT_FLUSH_CACHE:
	case MMUEXT_FLUSH_CACHE_GLOBAL:
		return own ? op_flush_cache(pg_owner, op) : -XEN_EPERM;
	case MMUEXT_SET_LDT:
		return own ? op_set_ldt(v, op) : -XEN_EPERM;
	case MMUEXT_CLEAR_PAGE:
		return op_clear_page(pg_owner, op);
	case MMUEXT_COPY_PAGE:
		return op_copy_page(pg_owner, op);
	case MMUEXT_MARK_SUPER:
	case MMUEXT_UNMARK_SUPER:
		return -XEN_EOPNOTSUPP;
	default:
		return -XEN_ENOSYS;
	}
}

static long do_list(struct domain *pg_owner, guest_ptr_t list, uint32_t count, uint32_t *i)
{
	struct mmuext_op op;
	long rc;

	for (*i = 0; *i < count; ++*i) {
		if (current->pv.old_table || (*i && preempt_needed()))
			return -XEN_ERESTART;
		if (copy_array_from_guest(&op, list, *i, 1))
			return -XEN_EFAULT;
		rc = do_op(pg_owner, &op);
		if (rc)
			return rc;
	}
	return 0;
}

static long ops_of(unsigned long foreign, guest_ptr_t list, uint32_t count, uint32_t *i)
{
	struct domain *d = current->domain, *pg_owner = get_pg_owner((domid_t)foreign);
	long rc = -XEN_EPERM;

	if (!pg_owner)
		return -XEN_ESRCH;
	if (pg_owner == d || d->is_privileged)
		rc = do_list(pg_owner, list, count, i);
	put_pg_owner(pg_owner);
	return rc;
}

long hc_mmuext_op(unsigned long list, unsigned long count, unsigned long pdone,
		  unsigned long foreign)
{
	return mmu_batch(__HYPERVISOR_mmuext_op, ops_of, sizeof(struct mmuext_op), list, count,
			 pdone, foreign);
}
