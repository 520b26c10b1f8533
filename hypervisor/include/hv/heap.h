/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Machine memory: a buddy allocator over all RAM (core/buddy.c is PURE; common/heap.c the glue), and small objects.
 * All RAM is in the direct map, so a frame number is also a pointer: mfn_to_virt().
 */
#ifndef HV_HEAP_H
#define HV_HEAP_H

#include <hv/types.h>

struct domain;

#define HEAP_BELOW_4G BIT(0) /* frames below 4 GiB only */
#define HEAP_NO_SCRUB BIT(1) /* contents do not matter; default: free memory is given out zeroed */

void heap_init(void); /* small data only, from the boot allocator */
void heap_add(mfn_t start, uint64_t nr); /* RAM that is free from now on */
/* 2^order frames naturally aligned, owner none, count 0. MFN_NONE when there are none. */
mfn_t heap_alloc(unsigned int order, unsigned int flags);
void heap_free(mfn_t start, unsigned int order);
uint64_t heap_free_pages(void);
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
 * Give d 2^order fresh zeroed frames, each with owner d, count 1 (PGC_ALLOCATED), linked into d's list.
 * MFN_NONE: out of memory, over d->max_pages, or d is dying.
 */
mfn_t domain_alloc_pages(struct domain *d, unsigned int order, unsigned int flags);
/* Called by put_page() when the last reference is gone: unlink from the owner, free. */
struct frame;
void domain_free_page(struct frame *f);
/*
 * Share a hypervisor page with d (shared_info, grant frames): the frame gets owner d, PGC_HVPAGE,
 * and d may map it, writable or not. unshare waits for nothing: the page is freed by the caller when
 * frame_unshare() returns true (no references left), else by the last put_page.
 */
void frame_share(void *page, struct domain *d, bool writable);
void frame_unshare_and_free(void *page);

#endif
