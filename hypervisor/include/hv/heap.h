/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Machine memory: a buddy allocator over all RAM (core/buddy.c is PURE; common/heap.c the glue), and small objects.
 * All RAM is in the direct map, so a frame number is also a pointer: mfn_to_virt().
 */
#ifndef HV_HEAP_H
#define HV_HEAP_H

#include <hv/types.h>

struct domain;

#define HEAP_BELOW_4G	  BIT(0) /* frames below 4 GiB only */
#define HEAP_NO_SCRUB	  BIT(1) /* contents do not matter; default: memory is given out zeroed */
#define HEAP_ADDR_BITS(n) ((n) << 8) /* frames below 2^n bytes only */
#define HEAP_CLAIMED	  BIT(2) /* for the holder of a claim: may use memory that is claimed */

void heap_init(void); /* small data only, from the boot allocator */
void heap_add(mfn_t start, uint64_t nr); /* RAM that is free from now on */
/* 2^order frames naturally aligned, owner none, count 0. MFN_NONE when there are none. */
mfn_t heap_alloc(unsigned int order, unsigned int flags);
void heap_free(mfn_t start, unsigned int order);
/*
 * One small step of clearing free memory, for a CPU that has nothing else to do: looks at a few frames, clears one at most.
 * False: there is nothing to clear, or somebody else is at it. Interrupts on, no lock held.
 */
bool heap_scrub(void);
uint64_t heap_dirty_pages(void); /* free ones that are cleared when they are given out, or before */
uint64_t heap_free_pages(void);
uint64_t heap_free_low_pages(void); /* of these, below 4 GiB */
/* Frames promised to domains but not yet taken. +n fails with -XEN_ENOMEM when the free ones do not suffice. */
int heap_claim(int64_t n);
uint64_t heap_claimed_pages(void);
uint64_t heap_total_pages(void);
void heap_dump(void); /* debug keys m, H */

/* Hypervisor pages: zeroed, 2^order; NULL when out of memory. */
void *hv_alloc_pages(unsigned int order);
void hv_free_pages(void *p, unsigned int order);
/* Small objects: zeroed, 16-byte aligned; any size up to 1 MiB. NULL when out of memory. */
void *hv_alloc(size_t bytes);
void hv_free(void *p); /* NULL is fine */

/* ---- a domain's pages (common/memory.c) */
/*
 * Give d 2^order fresh frames (flags: HEAP_*), each with owner d, count 1 (PGC_ALLOCATED), linked into d's list.
 * MFN_NONE: out of memory, over d->max_pages, or d is dying.
 */
mfn_t domain_alloc_pages(struct domain *d, unsigned int order, unsigned int flags);
/* The frames of one block already taken from the heap become d's. False: over its limit or d is dying. */
bool domain_assign_pages(struct domain *d, mfn_t start, unsigned int order);
/* A dying domain takes no memory any more: what was promised to it (XENMEM_claim_pages) is free for others. */
void domain_drop_claim(struct domain *d);
/* Give up the reference that stands for the allocation, if it is still there; frees at the last reference. */
struct frame;
void domain_release_page(struct frame *f);
/* Called by frame_put() when the last reference is gone (count is 0 but for flags): unlink from the owner, free. */
void domain_free_page(struct frame *f);
/* The first half of that, for a frame of the domain's own memory: heap_free() follows. */
void domain_detach_page(struct frame *f);
/*
 * Share a hypervisor page (hv_alloc_pages(0)) with d (shared_info, grant frames): the frame gets owner d, FC_HVPAGE and one
 * reference for the hypervisor, and d may map it, writable or not. Its type is kept at FT_WRITABLE, or FT_NONE when it
 * must not be written, by one validated type reference. unshare_and_free drops both; waits for nothing: the page goes back
 * to the heap with the last reference.
 */
void frame_share(void *page, struct domain *d, bool writable);
void frame_unshare_and_free(void *page, struct domain *d); /* page NULL: nothing */

#endif
