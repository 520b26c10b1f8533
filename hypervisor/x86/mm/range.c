// SPDX-License-Identifier: BSD-2-Clause
// pte_range (hv/paravane.h): one change of many neighbouring entries of an L1 table.

#include <hv/console.h>
#include <hv/hypercall.h>
#include <hv/smp.h>
#include <hv/softirq.h>
#include <hv/x86/mmu.h>

struct range {
	uint64_t *slot; /* the next entry */
	unsigned long count; /* from there on */
	uint64_t keep, set; /* both 0: clear */
};

/* Entries between two looks at whether somebody waits for the CPU; at most 512 come at a time. */
#define STRETCH 64

/* Entries of a locked L1 table. The CPU may set accessed and dirty bits between look and store: then once more. */
static inline long change_entries(struct domain *d, struct range *r, int *delta)
{
	for (unsigned int n = 0; r->count; n++, r->slot++, r->count--) {
		uint64_t e;
		long rc;

		if (n && !(n % STRETCH) && preempt_needed())
			return -XEN_ERESTART;
		do {
			e = pte_read(r->slot);
			if (!(r->keep | r->set))
				rc = l1_change(d, d, r->slot, e, 0, STORE_PLAIN, delta);
			else if (likely(e & PTE_P))
				rc = l1_change(d, d, r->slot, e, (e & r->keep) | r->set,
					       STORE_EXACT, delta);
			else
				rc = 0;
		} while (unlikely(rc == -XEN_EAGAIN));
		if (unlikely(rc))
			return rc;
	}
	return 0;
}

/* The same for memory that is no table, so the CPU sets no bits in it. */
static long change_data(struct domain *d, struct frame *f, struct range *r)
{
	long rc = -XEN_EINVAL;

	if (!frame_get(f, d))
		return rc;
	if (!frame_get_writable(f)) {
		for (; r->count; r->slot++, r->count--) {
			uint64_t e = pte_read(r->slot);

			if (!(r->keep | r->set))
				WRITE_ONCE(*r->slot, 0);
			else if (e & PTE_P)
				WRITE_ONCE(*r->slot, (e & r->keep) | r->set);
		}
		frame_put_writable(f);
		rc = 0;
	} else
		guest_trace("frame %#lx is neither an L1 table nor writable", frame_mfn(f).v);
	frame_put(f);
	return rc;
}

long hc_pte_range(unsigned long ptr, unsigned long count, unsigned long keep, unsigned long set)
{
	mfn_t m = mfn(ptr >> PAGE_SHIFT);
	unsigned long slot = (ptr & (PAGE_SIZE - 1)) / sizeof(uint64_t);
	struct domain *d = current->domain;
	struct range r;
	struct frame *f;
	int delta = 0;
	long rc;

	if (unlikely((ptr & 7) || count > 512 - slot || !mfn_valid(m)) ||
	    unlikely((keep | set) && ((~keep | set) & ~PARAVANE_PTE_RANGE_FLAGS))) {
		guest_trace("pte_range: %lu entries at %#lx, keep %#lx, set %#lx", count, ptr, keep,
			    set);
		return -XEN_EINVAL;
	}
	r = (struct range){ (uint64_t *)mfn_to_virt(m) + slot, count, keep, set };
	f = frame_of(m);
	if (unlikely(!table_lock_l1(f, d)))
		return change_data(d, f, &r);
	rc = change_entries(d, &r, &delta);
	table_unlock(f, delta);
	current->pv.pt_count.range_entries += count - r.count;
	current->pv.pt_count.range_calls++;
	if (unlikely(rc == -XEN_ERESTART))
		return hypercall_continue(__HYPERVISOR_pte_range, 4,
					  ptr + (count - r.count) * sizeof(uint64_t), r.count, keep,
					  set);
	return rc;
}

/* Debug key 'P': how guests change their page tables. */
void pt_count_dump(void)
{
	uint64_t flags = spin_lock_irqsave(&domain_list_lock);
	struct vcpu *v;

	for (const struct domain *d = domain_list; d; d = d->next) {
		struct pt_count sum = { 0 };

		for_each_vcpu(d, v) {
			sum.trapped += v->pv.pt_count.trapped;
			sum.updates += v->pv.pt_count.updates;
			sum.range_calls += v->pv.pt_count.range_calls;
			sum.range_entries += v->pv.pt_count.range_entries;
		}
		log_info("d%u: %lu trapped writes, %lu updates by mmu_update, %lu by %lu ranges\n",
			 d->id, sum.trapped, sum.updates, sum.range_entries, sum.range_calls);
	}
	spin_unlock_irqrestore(&domain_list_lock, flags);
}
