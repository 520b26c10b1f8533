// SPDX-License-Identifier: BSD-2-Clause
// Base pointers of vcpus, walks of their tables, releases that were preempted, and pinning.

#include <hv/guest_access.h>
#include <hv/smp.h>
#include <hv/softirq.h>
#include <hv/x86/cpu.h>
#include <hv/x86/mmu.h>

void l4_init_hv_slots(uint64_t *l4)
{
	for (unsigned int i = HV_L4_FIRST; i <= HV_L4_LAST; i++)
		WRITE_ONCE(l4[i], idle_l4[i]);
}

/*
 * ---- walks. Nothing is held: tables may be released and filled with anything meanwhile, so a frame is read only if it is RAM. Who
 * acts on the entry found locks its table and looks again whose and what it is.
 */
static inline bool is_ram(mfn_t m)
{
	return likely(mfn_valid(m)) && likely(READ_ONCE(frame_of(m)->owner) != DOMID_IO);
}

uint64_t *guest_l1e_ptr(mfn_t root, uint64_t va)
{
	mfn_t m = root;

#pragma GCC unroll 3
	for (unsigned int level = 4; level > 1; level--) {
		uint64_t e = pte_read((uint64_t *)mfn_to_virt(m) + pt_index(va, level));

		m = pte_mfn(e);
		if (unlikely((e & (PTE_P | PTE_PS)) != PTE_P || !is_ram(m)))
			return NULL;
	}
	return (uint64_t *)mfn_to_virt(m) + pt_index(va, 1);
}

uint64_t guest_l1e(uint64_t va)
{
	const struct vcpu *v = current;
	uint64_t cr3 = v->pv.kernel_mode ? v->pv.cr3_kernel : v->pv.cr3_user;
	const uint64_t *e = cr3 ? guest_l1e_ptr(mfn(cr3 >> PAGE_SHIFT), va) : NULL;

	return e ? pte_read(e) : 0;
}

/* ---- releases that were preempted */
int finish_old_table(struct vcpu *v)
{
	struct frame *f = v->pv.old_table;
	int rc;

	if (likely(!f))
		return 0;
	rc = frame_finish_release(f, true);
	if (rc)
		return rc;
	v->pv.old_table = NULL;
	frame_put(f);
	return 0;
}

/* Drop an L4 of v. v is current, or not running. */
static int put_base(struct vcpu *v, uint64_t cr3)
{
	struct frame *f = frame_of(mfn(cr3 >> PAGE_SHIFT));

	if (!cr3)
		return 0;
	/* Mostly it is pinned, or in use by others: not the last use. */
	if (!type_put_short(f) && frame_put_type_preemptible(f)) {
		v->pv.old_table = f;
		return -XEN_ERESTART;
	}
	frame_put_short(f);
	return 0;
}

static int get_base(struct vcpu *v, mfn_t l4)
{
	struct frame *f = frame_of(l4);
	int rc;

	if (!mfn_valid(l4) || !frame_get_short(f, v->domain->id)) {
		guest_trace("base frame %#lx is not d%u's", l4.v, v->domain->id);
		return -XEN_EINVAL;
	}
	if (likely(type_get_short(f, FT_L4)))
		return 0;
	rc = frame_get_type(f, FT_L4);
	if (rc)
		frame_put(f);
	return rc;
}

int vcpu_set_kernel_cr3(struct vcpu *v, mfn_t l4)
{
	uint64_t old = v->pv.cr3_kernel, cr3 = l4.v << PAGE_SHIFT;
	int rc = finish_old_table(v);

	if (rc)
		return rc;
	if (old == cr3 && cr3) {
		if (v == current)
			tlb_write_cr3(cr3);
		return 0;
	}
	rc = get_base(v, l4);
	if (rc)
		return rc;
	v->pv.cr3_kernel = cr3;
	atomic_inc(&pt_changes);
	if (v == current && v->pv.kernel_mode) {
		if (v->pv.ldt_mapped)
			ldt_invalidate(v);
		tlb_write_cr3(cr3);
	}
	/* The new one is in use: a preempted release of the old one is only work that is left. */
	return put_base(v, old);
}

int vcpu_set_user_cr3(struct vcpu *v, mfn_t l4)
{
	uint64_t old = v->pv.cr3_user, cr3 = l4.v << PAGE_SHIFT;
	int rc = finish_old_table(v);

	if (rc)
		return rc;
	if (old == cr3)
		return 0;
	rc = cr3 ? get_base(v, l4) : 0;
	if (rc)
		return rc;
	v->pv.cr3_user = cr3;
	return put_base(v, old);
}

int vcpu_drop_cr3(struct vcpu *v)
{
	uint64_t cr3;
	int rc = finish_old_table(v);

	if (rc)
		return rc;
	cr3 = v->pv.cr3_user;
	v->pv.cr3_user = 0;
	rc = put_base(v, cr3);
	if (rc)
		return rc;
	cr3 = v->pv.cr3_kernel;
	v->pv.cr3_kernel = 0;
	return put_base(v, cr3);
}

/* ---- pins */
int pin_table(struct domain *d, mfn_t m, unsigned int level)
{
	struct frame *f = frame_of(m);
	int rc;

	if (!mfn_valid(m) || !frame_get(f, d)) {
		guest_trace("pin L%u: frame %#lx is not d%u's", level, m.v, d->id);
		return -XEN_EINVAL;
	}
	rc = frame_get_type(f, pgt_type(level));
	if (rc) {
		if (rc != -XEN_ERESTART)
			guest_trace("pin L%u: frame %#lx: error %d", level, m.v, rc);
		frame_put(f);
		return rc;
	}
	if (__atomic_fetch_or(&f->type, FT_PINNED, __ATOMIC_SEQ_CST) & FT_PINNED) {
		guest_trace("pin L%u: frame %#lx is pinned already", level, m.v);
		table_put_later(f);
		return -XEN_EINVAL;
	}
	/* A domain that began to die meanwhile does not look at this frame again. */
	if (unlikely(d->dying != DOM_ALIVE) &&
	    (__atomic_fetch_and(&f->type, ~FT_PINNED, __ATOMIC_SEQ_CST) & FT_PINNED))
		table_put_later(f);
	return 0;
}

/* ---- sets of CPUs */
int vcpumask_to_cpus(const struct domain *d, uint64_t bitmap_va, cpumask_t *out)
{
	unsigned int bytes = DIV_ROUND_UP(d->max_vcpus, 8);
	uint64_t bits = 0;

	out->bits = 0;
	if (copy_from_guest(&bits, guest_ptr(bitmap_va), bytes))
		return -XEN_EFAULT;
	for (; bits; bits &= bits - 1) {
		unsigned int id = (unsigned int)__builtin_ctzl(bits);

		if (id < d->max_vcpus && d->vcpu[id])
			out->bits |= BIT(READ_ONCE(d->vcpu[id]->processor));
	}
	return 0;
}
