/* SPDX-License-Identifier: BSD-2-Clause */
/* Page tables: the hypervisor's own, and the guests' under the rules of core/pgt.h. */
#ifndef HV_MM_H
#define HV_MM_H

#include <hv/types.h>
#include <hv/frame.h>
#include <xen/xen.h>

struct domain;
struct vcpu;

#define PTE_P	     BIT(0)
#define PTE_W	     BIT(1)
#define PTE_U	     BIT(2)
#define PTE_PWT	     BIT(3)
#define PTE_PCD	     BIT(4)
#define PTE_A	     BIT(5)
#define PTE_D	     BIT(6)
#define PTE_PS	     BIT(7)
#define PTE_PAT	     BIT(7)
#define PTE_G	     BIT(8)
#define PTE_AVAIL    (BIT(9) | BIT(10) | BIT(11))
#define PTE_NX	     BIT(63)
#define PTE_MFN_MASK 0x000ffffffffff000UL

static inline mfn_t pte_mfn(uint64_t e)
{
	return mfn((e & PTE_MFN_MASK) >> PAGE_SHIFT);
}
static inline uint64_t pte_make(mfn_t m, uint64_t flags)
{
	return (m.v << PAGE_SHIFT) | flags;
}
static inline unsigned int pt_index(uint64_t va, unsigned int level) /* level 1..4 */
{
	return (va >> (PAGE_SHIFT + 9 * (level - 1))) & 511;
}

/* ---- the hypervisor's own tables (x86/boot/paging.c) */
extern uint64_t
	idle_l4[512]; /* the table of idle CPUs; slots 256..271 are the model for all others */
/* Map [pa, pa+bytes) into the vmap area, uncached when asked. Never unmapped by devices. NULL: no room. */
void *ioremap(uint64_t pa, uint64_t bytes, bool uncached);
void iounmap(void *va, uint64_t bytes);
/* Address space of the vmap area without mappings, for hv_map_page(). Aligned to `align`; 0: no room. */
uint64_t vmap_reserve(uint64_t bytes, uint64_t align);
/* Change one 4 KiB mapping of the hypervisor's own slots (flags 0 unmaps); no flush. 0 or -XEN_ENOMEM. */
int hv_map_page(uint64_t va, mfn_t m, uint64_t flags);
/* PTE of a descriptor window page of this CPU; always present in the tables. */
uint64_t *desc_window_pte(unsigned int cpu, unsigned int page);

/* ---- guests' tables (x86/mm/) */
/* Fill the hypervisor's slots of an L4 table. */
void l4_init_hv_slots(uint64_t *l4);
/* The entry that maps va in the current guest tables at L1, as stored; 0 when not present on the way. Lock-free read. */
uint64_t guest_l1e(uint64_t va);
/* Pointer (direct map) to the L1 entry that maps va in tables rooted at `root`, NULL when a level is absent or large. */
uint64_t *guest_l1e_ptr(mfn_t root, uint64_t va);
/*
 * Writable page tables: a page fault from the guest kernel on a write to a page that is a page table. Decodes and
 * carries out the instruction at regs->rip. True when done (return to the guest), false when this is not such a write.
 */
struct cpu_user_regs;
bool ptwr_fault(struct vcpu *v, uint64_t addr, struct cpu_user_regs *regs);

/*
 * Grant mappings. Map frame `m` (reference and, for a writable mapping, FT_WRITABLE already held by the caller; I/O
 * frames too) at host_addr of the current domain: by virtual address, or (contains_pte) by machine address of the entry.
 * The entry gets `flags` besides P|U|A|D. What was there before is released. 0 or a GNTST_* (negative).
 */
int grant_map_host(uint64_t host_addr, mfn_t m, uint64_t flags, bool contains_pte);
/* Undo: the entry must map m (and be writable unless ro). Replaced by `new_addr`'s entry when not 0 (unmap_and_replace). */
int grant_unmap_host(uint64_t host_addr, mfn_t m, bool ro, bool contains_pte, uint64_t new_addr);

/* New current page-table base for v: validated L4, reference taken; the old one is released. For MMUEXT_NEW_BASEPTR
 * and setvcpucontext. 0, -XEN_EINVAL, -XEN_ERESTART. */
int vcpu_set_kernel_cr3(struct vcpu *v, mfn_t l4);
int vcpu_set_user_cr3(struct vcpu *v, mfn_t l4); /* MFN 0 unsets */
/* Drop both; 0 or -XEN_ERESTART. v is not running. */
int vcpu_drop_cr3(struct vcpu *v);
/* Release the pins and contents of d's page tables, then its pages. 0 or -XEN_ERESTART. */
int domain_relinquish_memory(struct domain *d);
/* Drop dead pages' list etc. */
void mm_init(void); /* frame records, M2P, special domains */
/* Let d have machine frames without records, or DOMID_IO's (devices): also uses d->iomem_caps. */
bool iomem_allowed(const struct domain *d, mfn_t m);
extern struct domain *dom_io, *dom_xen;

/* Pin as the guest would with MMUEXT_PIN_L<level>; used by the dom0 builder. */
int pin_table(struct domain *d, mfn_t m, unsigned int level);

#endif
