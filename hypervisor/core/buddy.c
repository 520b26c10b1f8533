// SPDX-License-Identifier: BSD-2-Clause
/* PURE buddy allocator on frame records. */
#include <hv/buddy.h>
#include <hv/lib.h>

static unsigned int zone_of(const struct buddy *b, uint32_t f)
{
	return f >= b->split;
}

/*
 * Lists are kept as queues: what was freed first is given out first, when most TLBs have forgotten it. The first
 * block's prev is the last block, so that both ends are at hand.
 */
static void list_add(struct buddy *b, uint32_t f, unsigned int order)
{
	uint32_t *head = &b->head[zone_of(b, f)][order];
	struct frame *rec = &b->frames[f];

	rec->spare = (uint16_t)(order + 1);
	rec->next = FRAME_NIL;
	if (*head == FRAME_NIL) {
		rec->prev = f;
		*head = f;
		return;
	}
	rec->prev = b->frames[*head].prev;
	b->frames[rec->prev].next = f;
	b->frames[*head].prev = f;
}

static void list_del(struct buddy *b, uint32_t f, unsigned int order)
{
	uint32_t *head = &b->head[zone_of(b, f)][order];
	struct frame *rec = &b->frames[f];

	if (rec->next != FRAME_NIL)
		b->frames[rec->next].prev = rec->prev;
	else
		b->frames[*head].prev =
			rec->prev; /* f is the last; when it is also the first this does nothing */
	if (*head == f)
		*head = rec->next;
	else
		b->frames[rec->prev].next = rec->next;
	rec->spare = 0;
	rec->next = FRAME_NIL;
	rec->prev = FRAME_NIL;
}

void buddy_init(struct buddy *b, struct frame *frames, uint32_t limit, uint32_t split)
{
	b->frames = frames;
	b->limit = limit;
	b->split = split;
	for (unsigned int z = 0; z < BUDDY_ZONES; z++) {
		for (unsigned int o = 0; o <= BUDDY_MAX_ORDER; o++)
			b->head[z][o] = FRAME_NIL;
		b->nr_free[z] = 0;
	}
}

void buddy_free(struct buddy *b, uint32_t start, unsigned int order)
{
	uint32_t f = start;

	ASSERT(order <= BUDDY_MAX_ORDER);
	ASSERT((f & ((1u << order) - 1)) == 0);
	ASSERT((uint64_t)f + (1u << order) <= b->limit);
	ASSERT(b->frames[f].spare == 0);

	b->nr_free[zone_of(b, f)] += 1u << order;
	while (order < BUDDY_MAX_ORDER) {
		uint32_t other = f ^ (1u << order);

		/* Only the first frame of a free block has an order, so an equal order means: wholly free. */
		if (other >= b->limit || b->frames[other].spare != order + 1)
			break;
		list_del(b, other, order);
		f &= ~(1u << order);
		order++;
	}
	list_add(b, f, order);
}

void buddy_free_range(struct buddy *b, uint32_t start, uint32_t nr)
{
	uint64_t f = start, end = (uint64_t)start + nr;

	while (f < end) {
		unsigned int order = 0;

		while (order < BUDDY_MAX_ORDER && !(f & (1u << order)) && f + (2UL << order) <= end)
			order++;
		buddy_free(b, (uint32_t)f, order);
		f += 1UL << order;
	}
}

/* Take the first 2^want frames of the free block f of 2^order frames, give the rest back. */
static uint32_t take(struct buddy *b, uint32_t f, unsigned int order, unsigned int want)
{
	list_del(b, f, order);
	while (order > want) {
		order--;
		list_add(b, f + (1u << order), order);
	}
	b->nr_free[zone_of(b, f)] -= 1u << want;
	return f;
}

/* Any block of the zone, the smallest that is big enough. */
static uint32_t alloc_zone(struct buddy *b, unsigned int zone, unsigned int want)
{
	for (unsigned int o = want; o <= BUDDY_MAX_ORDER; o++)
		if (b->head[zone][o] != FRAME_NIL)
			return take(b, b->head[zone][o], o, want);
	return FRAME_NIL;
}

/* The same with a bound inside the zone: the first frames of a block must lie below `end`. Rare, so it walks lists. */
static uint32_t alloc_bounded(struct buddy *b, unsigned int zone, unsigned int want, uint32_t end)
{
	for (unsigned int o = want; o <= BUDDY_MAX_ORDER; o++)
		for (uint32_t f = b->head[zone][o]; f != FRAME_NIL; f = b->frames[f].next)
			if ((uint64_t)f + (1u << want) <= end)
				return take(b, f, o, want);
	return FRAME_NIL;
}

uint32_t buddy_alloc(struct buddy *b, unsigned int order, uint32_t end)
{
	uint32_t f = FRAME_NIL;

	if (order > BUDDY_MAX_ORDER)
		return FRAME_NIL;
	if (end >= b->limit)
		f = alloc_zone(b, 1, order);
	else if (end > b->split)
		f = alloc_bounded(b, 1, order, end);
	if (f != FRAME_NIL)
		return f;
	if (end >= b->split || end >= b->limit)
		return alloc_zone(b, 0, order);
	return alloc_bounded(b, 0, order, end);
}

/* One past the end of the free block that f lies in; f itself when it is not free. */
static uint32_t free_end(const struct buddy *b, uint32_t f)
{
	for (unsigned int o = 0; o <= BUDDY_MAX_ORDER; o++) {
		uint32_t head = f & ~((1u << o) - 1), spare = b->frames[head].spare;

		if (spare && head + (1u << (spare - 1)) > f)
			return head + (1u << (spare - 1));
	}
	return f;
}

uint32_t buddy_find_dirty(const struct buddy *b, uint32_t *at, uint32_t max)
{
	uint32_t f = *at, stop = f + MIN(max, b->limit - f), end = free_end(b, f);

	for (; f < stop; f++) {
		if (f >= end) {
			/* Behind a block, or a frame in use, nothing but the first frame of another can be free. */
			if (!b->frames[f].spare)
				continue;
			end = f + (1u << (b->frames[f].spare - 1));
		}
		if (!(b->frames[f].count & FC_CLEAN)) {
			*at = f + 1;
			return f;
		}
	}
	*at = f;
	return FRAME_NIL;
}

/* One free block: number of broken rules. */
static unsigned int check_block(const struct buddy *b, uint32_t f, unsigned int zone,
				unsigned int order, uint32_t prev)
{
	uint32_t other = f ^ (1u << order);
	unsigned int bad = 0;

	bad += b->frames[f].spare != order + 1;
	bad += prev != FRAME_NIL && b->frames[f].prev != prev;
	bad += (f & ((1u << order) - 1)) != 0;
	bad += zone_of(b, f) != zone;
	bad += (uint64_t)f + (1u << order) > b->limit;
	bad += order < BUDDY_MAX_ORDER && other < b->limit && b->frames[other].spare == order + 1;
	for (uint32_t i = 1; i < 1u << order; i++)
		bad += b->frames[f + i].spare != 0;
	return bad;
}

unsigned int buddy_check(const struct buddy *b)
{
	unsigned int bad = 0;

	for (unsigned int z = 0; z < BUDDY_ZONES; z++) {
		uint64_t sum = 0;

		for (unsigned int o = 0; o <= BUDDY_MAX_ORDER; o++) {
			uint32_t prev = FRAME_NIL;

			for (uint32_t f = b->head[z][o]; f != FRAME_NIL; f = b->frames[f].next) {
				if (f >= b->limit || sum > b->limit)
					return bad + 1;
				bad += check_block(b, f, z, o, prev);
				sum += 1u << o;
				prev = f;
			}
			bad += prev != FRAME_NIL && b->frames[b->head[z][o]].prev != prev;
		}
		bad += sum != b->nr_free[z];
	}
	return bad;
}
