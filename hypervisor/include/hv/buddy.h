/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PURE buddy allocator on frame records. It owns no memory but its list heads: a free block of 2^order frames keeps
 * its order in the first frame's `spare` and its place in a list in `next` and `prev`. Caller locks.
 *
 *   frame number   0        split (4 GiB)            limit
 *                  | zone 0 | zone 1                  |
 *
 * Blocks are naturally aligned; two free halves of a block are always joined. spare is 0 in every other frame.
 */
#ifndef HV_BUDDY_H
#define HV_BUDDY_H

#include <hv/frame.h>

#define BUDDY_MAX_ORDER 18
#define BUDDY_ZONES	2

struct buddy {
	struct frame *frames; /* record of frame 0 */
	uint32_t limit; /* one past the last frame with a record */
	uint32_t split; /* first frame of zone 1; a multiple of the largest block */
	uint32_t head[BUDDY_ZONES][BUDDY_MAX_ORDER + 1];
	uint64_t nr_free[BUDDY_ZONES]; /* frames */
};

/* No frame is free yet. All records have spare 0. split: see struct. */
void buddy_init(struct buddy *b, struct frame *frames, uint32_t limit, uint32_t split);
/* The block of 2^order frames at `start` (aligned to its size, not free) becomes free. */
void buddy_free(struct buddy *b, uint32_t start, unsigned int order);
/* nr frames from start on, any alignment, become free. */
void buddy_free_range(struct buddy *b, uint32_t start, uint32_t nr);
/*
 * A block of 2^order frames that ends at or below frame `end`; from the higher zone when that is possible, so that
 * low memory lasts for those who need it. FRAME_NIL: there is none.
 */
uint32_t buddy_alloc(struct buddy *b, unsigned int order, uint32_t end);
/*
 * Among `max` frames from *at (below the limit) on, the first that is free and not marked FC_CLEAN; FRAME_NIL: none of them is.
 * *at becomes where to go on: behind the frame found, or behind those looked at.
 */
uint32_t buddy_find_dirty(const struct buddy *b, uint32_t *at, uint32_t max);
/* Walk all lists; number of broken rules (0: sound). */
unsigned int buddy_check(const struct buddy *b);

#endif
