// SPDX-License-Identifier: BSD-2-Clause
/*
 * Host mappings of grants: entries of the current domain's L1 tables that name another domain's frame.
 *
 * The caller holds what the entry will hold (a reference, and a type use when it is writable) and hands it over. An entry that
 * the guest overwrites by other means drops it like any other; unmapping then fails, and has nothing left to drop.
 */
#include <hv/hypercall.h>
#include <hv/x86/mmu.h>
#include <xen/grant_table.h>

/* The table of the entry at host_addr, locked, and the entry. NULL: none. */
static struct frame *lock_entry(uint64_t host_addr, bool contains_pte, uint64_t **slot)
{
	struct vcpu *v = current;
	struct frame *f;
	mfn_t m = mfn(host_addr >> PAGE_SHIFT);

	if (contains_pte) {
		if ((host_addr & 7) || !mfn_valid(m))
			return NULL;
		*slot = (uint64_t *)((char *)mfn_to_virt(m) + (host_addr & (PAGE_SIZE - 1)));
	} else {
		if (!guest_addr_ok(host_addr))
			return NULL;
		*slot = guest_l1e_ptr(mfn(v->pv.cr3_kernel >> PAGE_SHIFT), host_addr);
		if (!*slot)
			return NULL;
	}
	f = frame_of(virt_to_mfn(*slot));
	if (!table_lock(f))
		return NULL;
	if (f->owner == v->domain->id && frame_type(f) == FT_L1)
		return f;
	table_unlock(f, 0);
	return NULL;
}

/* Store an entry whose references change hands elsewhere. Returns the old one. */
static uint64_t swap_entry(uint64_t *slot, uint64_t new, int *delta)
{
	uint64_t old = atomic_xchg(slot, new);

	*delta = pgt_present_delta(old, new);
	return old;
}

int grant_map_host(uint64_t host_addr, mfn_t m, uint64_t flags, bool contains_pte)
{
	uint64_t *slot, old, new = pte_make(m, flags | PTE_P | PTE_U | PTE_A | PTE_D);
	struct frame *f = lock_entry(host_addr, contains_pte, &slot);
	int delta;

	if (!f) {
		guest_trace("grant: no L1 entry at %#lx", host_addr);
		return GNTST_general_error;
	}
	old = swap_entry(slot, pgt_adjust_l1(new), &delta);
	if (old & PTE_P)
		l1_put(old);
	table_unlock(f, delta);
	return GNTST_okay;
}

/* Take the entry out of new_addr's mapping, references and all: 0 with it in *e, or a GNTST_*. */
static int take_entry(uint64_t new_addr, uint64_t *e)
{
	uint64_t *slot;
	struct frame *f;
	int delta;

	*e = 0;
	if (!new_addr)
		return GNTST_okay;
	f = lock_entry(new_addr, false, &slot);
	if (!f) {
		guest_trace("grant: no L1 entry for %#lx", new_addr);
		return GNTST_general_error;
	}
	*e = swap_entry(slot, 0, &delta);
	table_unlock(f, delta);
	return GNTST_okay;
}

static bool maps(uint64_t e, mfn_t m, bool ro)
{
	/* The reference of the type goes with PTE_W: the entry must hold exactly what the caller will drop. */
	return (e & PTE_P) && mfn_eq(pte_mfn(e), m) && !(e & PTE_W) == ro;
}

int grant_unmap_host(uint64_t host_addr, mfn_t m, bool ro, bool contains_pte, uint64_t new_addr)
{
	uint64_t *slot, new = 0;
	struct frame *f;
	int delta = 0, rc = take_entry(new_addr, &new);

	if (rc)
		return rc;
	f = lock_entry(host_addr, contains_pte, &slot);
	if (f && maps(pte_read(slot), m, ro)) {
		swap_entry(slot, new, &delta);
		table_unlock(f, delta);
		return GNTST_okay;
	}
	if (f)
		table_unlock(f, 0);
	guest_trace("grant: the entry at %#lx does not map frame %#lx", host_addr, m.v);
	/* The replacement is lost with its mapping; nothing may stay referenced by no entry. */
	if (new &PTE_P)
		l1_put(new);
	return GNTST_general_error;
}
