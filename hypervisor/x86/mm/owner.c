// SPDX-License-Identifier: BSD-2-Clause
// The special owners DOMID_IO and DOMID_XEN, frames without RAM, and the frame records at start.

#include <hv/boot.h>
#include <hv/console.h>
#include <hv/x86/cpu.h>
#include <hv/x86/mmu.h>

#define LOW_FRAMES \
	0x100UL /* the first MiB: BIOS, legacy devices, the start-up code of other CPUs */

static struct domain special_io = { .id = DOMID_IO };
static struct domain special_xen = { .id = DOMID_XEN };
struct domain *dom_io = &special_io, *dom_xen = &special_xen;

struct domain *get_pg_owner(domid_t id)
{
	struct domain *d = current->domain;

	if (likely(id == DOMID_SELF))
		return d; /* it cannot go while its vcpu is here */
	if (id == d->id) {
		guest_trace("d%u named itself as the foreign domain", id);
		return NULL;
	}
	if (id == DOMID_IO)
		return dom_io;
	if (id == DOMID_XEN)
		return dom_xen;
	return get_domain_by_id(id);
}

void put_pg_owner(struct domain *d)
{
	if (unlikely(d != current->domain) && d && d != dom_io && d != dom_xen)
		put_domain(d);
}

bool iomem_allowed(const struct domain *d, mfn_t m)
{
	return d->iomem_caps && rangeset_contains(d->iomem_caps, m.v, m.v);
}

/* Registers that the hypervisor uses itself: guests may look. */
static bool is_read_only(mfn_t m)
{
	if (m.v == acpi.hpet_base >> PAGE_SHIFT)
		return true;
	for (unsigned int i = 0; i < acpi.nr_ioapics; i++)
		if (m.v == acpi.ioapic[i].addr >> PAGE_SHIFT)
			return true;
	return false;
}

int l1_check_io(const struct domain *d, const struct domain *pg_owner, uint64_t *e)
{
	mfn_t m = pte_mfn(*e);
	const struct domain *of = pg_owner == dom_io ? current->domain : pg_owner;

	if (m.v >> (cpu.phys_bits - PAGE_SHIFT) || !iomem_allowed(of, m) ||
	    (of != d && !iomem_allowed(d, m))) {
		guest_trace("entry %#lx: frame %#lx is no memory and not among d%u's devices", *e,
			    m.v, d->id);
		/* The largest frame number stands for "none". */
		return m.v == PTE_MFN_MASK >> PAGE_SHIFT ? -XEN_EINVAL : -XEN_EPERM;
	}
	if ((*e & PTE_W) && is_read_only(m))
		*e &= ~PTE_W;
	return 0;
}

static __init void set_records(uint64_t from, uint64_t to, uint16_t owner, uint32_t count)
{
	for (uint64_t m = from; m < MIN(to, max_frame); m++)
		*frame_of(mfn(m)) = (struct frame){
			.owner = owner, .count = count, .next = FRAME_NIL, .prev = FRAME_NIL
		};
}

/* Frames of the table at RW_M2P_VIRT, in large pages: DOMID_XEN's, for reading. */
static __init void own_m2p(void)
{
	const uint64_t *l3 = table_of(frame_of(pte_mfn(idle_l4[pt_index(RW_M2P_VIRT, 4)])));
	uint64_t bytes = max_frame * sizeof(uint64_t), large = 512UL << PAGE_SHIFT;

	for (uint64_t at = 0; at < bytes; at += large) {
		uint64_t va = RW_M2P_VIRT + at;
		const uint64_t *l2 = mfn_to_virt(pte_mfn(l3[pt_index(va, 3)]));
		uint64_t first = pte_mfn(l2[pt_index(va, 2)]).v;

		for (uint64_t m = first; m < first + 512 && m < max_frame; m++) {
			set_records(m, m + 1, DOMID_XEN, FC_HVPAGE | 1);
			/* A use that no writable mapping can join. */
			frame_of(mfn(m))->type = pgt_word(FT_DESC) | FT_VALIDATED | 1;
		}
	}
}

static void check_key(void)
{
	unsigned int errors = frame_check_all();

	log_info("page types: %u errors\n", errors);
}

__init void mm_init(void)
{
	set_records(0, max_frame, DOMID_IO, FC_BROKEN);
	for (unsigned int i = 0; i < boot_info.nr_e820; i++) {
		const struct e820_entry *e = &boot_info.e820[i];
		uint64_t start = DIV_ROUND_UP(e->addr, PAGE_SIZE),
			 end = (e->addr + e->size) >> PAGE_SHIFT;

		if (e->type == E820_RAM)
			set_records(MAX(start, LOW_FRAMES), end, DOMID_INVALID, 0);
	}
	own_m2p();
	keyhandler_register('V', check_key, "check all frames and page tables");
	keyhandler_register('P', pt_count_dump, "changes of page tables, counted");
}
