// SPDX-License-Identifier: BSD-2-Clause
/* core/buddy.c against a map of free frames. Usage: test_buddy [seed]. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <hv/buddy.h>

#include "tests/unit/unit.h"

#define NR    6000u
#define SPLIT 4096u
#define STEPS 20000

static unsigned int seed = 1;
static struct frame frames[NR];
static struct buddy b;
static bool is_free[NR]; /* the model */

static void setup(void)
{
	memset(frames, 0, sizeof(frames));
	memset(is_free, 0, sizeof(is_free));
	buddy_init(&b, frames, NR, SPLIT);
}

static void give_range(uint32_t start, uint32_t nr)
{
	buddy_free_range(&b, start, nr);
	for (uint32_t i = 0; i < nr; i++)
		is_free[start + i] = true;
}

static uint64_t model_free(uint32_t end)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < end; i++)
		n += is_free[i];
	return n;
}

/* Is there an aligned free block of this order that ends at or below `end`? */
static bool model_has(unsigned int order, uint32_t end)
{
	uint32_t size = 1u << order;

	for (uint32_t f = 0; f + size <= NR && f + size <= end; f += size) {
		uint32_t i = 0;

		while (i < size && is_free[f + i])
			i++;
		if (i == size)
			return true;
	}
	return false;
}

START_TEST(empty_gives_nothing)
{
	ck_assert_uint_eq(buddy_alloc(&b, 0, FRAME_NIL), FRAME_NIL);
	ck_assert_uint_eq(buddy_check(&b), 0);
}
END_TEST

START_TEST(blocks_are_aligned_and_join)
{
	uint32_t got[16];

	give_range(16, 16);
	for (unsigned int i = 0; i < 16; i++) {
		got[i] = buddy_alloc(&b, 0, FRAME_NIL);
		ck_assert_uint_ne(got[i], FRAME_NIL);
	}
	ck_assert_uint_eq(buddy_alloc(&b, 0, FRAME_NIL), FRAME_NIL);
	for (unsigned int i = 0; i < 16; i++)
		buddy_free(&b, got[(i * 7) % 16], 0);
	ck_assert_uint_eq(buddy_check(&b), 0);
	ck_assert_uint_eq(buddy_alloc(&b, 4, FRAME_NIL), 16);
}
END_TEST

START_TEST(high_memory_goes_first)
{
	give_range(0x100, 1);
	give_range(SPLIT + 7, 1);
	ck_assert_uint_eq(buddy_alloc(&b, 0, FRAME_NIL), SPLIT + 7);
	ck_assert_uint_eq(buddy_alloc(&b, 0, FRAME_NIL), 0x100);
}
END_TEST

START_TEST(bound_holds)
{
	give_range(1024, 1024);
	ck_assert_uint_eq(buddy_alloc(&b, 0, 1024), FRAME_NIL);
	ck_assert_uint_eq(buddy_alloc(&b, 3, 1031), FRAME_NIL);
	ck_assert_uint_eq(buddy_alloc(&b, 3, 1032), 1024);
	ck_assert_uint_eq(buddy_alloc(&b, BUDDY_MAX_ORDER + 1, FRAME_NIL), FRAME_NIL);
}
END_TEST

START_TEST(freed_last_comes_last)
{
	uint32_t a, c;

	give_range(2, 1);
	give_range(4, 1);
	a = buddy_alloc(&b, 0, FRAME_NIL);
	buddy_free(&b, a, 0);
	c = buddy_alloc(&b, 0, FRAME_NIL);
	ck_assert_uint_ne(a, c);
	ck_assert_uint_eq(buddy_alloc(&b, 0, FRAME_NIL), a);
}
END_TEST

START_TEST(checker_sees_damage)
{
	give_range(0, 64);
	frames[0].spare++;
	ck_assert_uint_ne(buddy_check(&b), 0);
	frames[0].spare--;
	ck_assert_uint_eq(buddy_check(&b), 0);
	frames[5].spare = 1;
	ck_assert_uint_ne(buddy_check(&b), 0);
	frames[5].spare = 0;
	b.nr_free[0]++;
	ck_assert_uint_ne(buddy_check(&b), 0);
}
END_TEST

struct held {
	uint32_t f;
	unsigned int order;
};

static void take_one(struct held *h, unsigned int *nr)
{
	static const uint32_t ends[] = { FRAME_NIL, SPLIT, 3000, 1500, NR, 4500 };
	unsigned int order = (unsigned int)rand() % 9;
	uint32_t end = ends[(unsigned int)rand() % 6], f = buddy_alloc(&b, order, end);

	if (f == FRAME_NIL) {
		/* Joined blocks: whatever could be had is had. A bound inside a bigger block's tail is no exception. */
		ck_assert_msg(!model_has(order, end), "order %u below %u refused", order, end);
		return;
	}
	ck_assert_uint_eq(f % (1u << order), 0);
	ck_assert(end == FRAME_NIL || f + (1u << order) <= end);
	for (uint32_t i = 0; i < 1u << order; i++) {
		ck_assert(is_free[f + i]);
		is_free[f + i] = false;
		frames[f + i].count = 1;
	}
	h[(*nr)++] = (struct held){ f, order };
}

/* A few steps of clearing: each frame found is free and was not clean, and those passed over are not so. */
static void clear_some(uint32_t *at, unsigned int steps)
{
	while (steps--) {
		uint32_t from = *at, max = 1 + (uint32_t)rand() % 300, f;

		f = buddy_find_dirty(&b, at, max);
		ck_assert_uint_ge(*at, from);
		ck_assert_uint_le(*at, MIN(from + max, NR));
		for (uint32_t i = from; i < *at; i++)
			ck_assert_msg((i == f) == (is_free[i] && !(frames[i].count & FC_CLEAN)),
				      "frame %u, from %u", i, from);
		if (f != FRAME_NIL)
			frames[f].count |= FC_CLEAN;
		if (*at == NR)
			*at = 0;
	}
}

START_TEST(all_dirty_frames_are_found)
{
	uint32_t at = 0, n = 0, f;

	give_range(3, 2000);
	give_range(SPLIT - 5, 5);
	give_range(NR - 1, 1);
	frames[64].count = frames[NR - 1].count = FC_CLEAN;
	while (at < NR)
		if ((f = buddy_find_dirty(&b, &at, 100)) != FRAME_NIL)
			frames[f].count |= FC_CLEAN, n++;
	ck_assert_uint_eq(n, 2004);
	/* From within a block, too. */
	frames[1500].count = 0;
	at = 1400;
	ck_assert_uint_eq(buddy_find_dirty(&b, &at, 300), 1500);
}
END_TEST

START_TEST(model)
{
	static struct held held[NR];
	unsigned int nr = 0;
	uint32_t at = 0;

	srand(seed);
	give_range(1, 700);
	give_range(1000, SPLIT - 1000 + 900);
	give_range(SPLIT + 901, NR - SPLIT - 901);
	for (unsigned int step = 0; step < STEPS; step++) {
		if (nr == 0 || rand() % 5 < 3) {
			take_one(held, &nr);
		} else {
			unsigned int i = (unsigned int)rand() % nr;

			buddy_free(&b, held[i].f, held[i].order);
			for (uint32_t j = 0; j < 1u << held[i].order; j++) {
				is_free[held[i].f + j] = true;
				frames[held[i].f + j].count = 0;
			}
			held[i] = held[--nr];
		}
		clear_some(&at, 3);
		if (step % 16 == 0)
			ck_assert_msg(buddy_check(&b) == 0, "seed %u step %u", seed, step);
		ck_assert_uint_eq(b.nr_free[0], model_free(SPLIT));
		ck_assert_uint_eq(b.nr_free[0] + b.nr_free[1], model_free(NR));
	}
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s = suite_create("buddy");
	TCase *t = tcase_create("buddy");

	seed = unit_seed(argc, argv, seed);
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, empty_gives_nothing);
	tcase_add_test(t, blocks_are_aligned_and_join);
	tcase_add_test(t, high_memory_goes_first);
	tcase_add_test(t, bound_holds);
	tcase_add_test(t, freed_last_comes_last);
	tcase_add_test(t, checker_sees_damage);
	tcase_add_test(t, all_dirty_frames_are_found);
	tcase_add_test(t, model);
	suite_add_tcase(s, t);
	return unit_run(s);
}
