// SPDX-License-Identifier: BSD-2-Clause
/* core/rangeset.c against a plain array of members, with failing allocations. Usage: test_rangeset [seed]. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <hv/rangeset.h>
#include <xen/errno.h>

#include "tests/unit/unit.h"

#define NR    200u
#define STEPS 20000

static unsigned int seed = 1;
static int fail_at = -1; /* the allocation to fail, counted down */
static struct rangeset *r;

static void *counting_alloc(size_t bytes)
{
	if (fail_at >= 0 && fail_at-- == 0)
		return NULL;
	return calloc(1, bytes);
}

static void setup(void)
{
	fail_at = -1;
	rangeset_alloc = counting_alloc;
	rangeset_free = free;
	r = rangeset_new();
	ck_assert_ptr_nonnull(r);
}

static void teardown(void)
{
	rangeset_destroy(r);
}

START_TEST(neighbours_join)
{
	ck_assert_int_eq(rangeset_add(r, 10, 19), 0);
	ck_assert_int_eq(rangeset_add(r, 20, 29), 0);
	ck_assert(rangeset_contains(r, 10, 29));
	ck_assert(!rangeset_contains(r, 9, 29));
	ck_assert(!rangeset_contains(r, 10, 30));
	ck_assert(rangeset_overlaps(r, 29, 40));
	ck_assert(!rangeset_overlaps(r, 30, 40));
}
END_TEST

START_TEST(holes_split)
{
	ck_assert_int_eq(rangeset_add(r, 0, UINT64_MAX), 0);
	ck_assert_int_eq(rangeset_remove(r, 5, 5), 0);
	ck_assert(rangeset_contains(r, 0, 4));
	ck_assert(!rangeset_contains(r, 0, 5));
	ck_assert(rangeset_contains(r, 6, UINT64_MAX));
	ck_assert_int_eq(rangeset_remove(r, 0, UINT64_MAX), 0);
	ck_assert(!rangeset_overlaps(r, 0, UINT64_MAX));
}
END_TEST

START_TEST(bad_arguments)
{
	ck_assert_int_eq(rangeset_add(r, 2, 1), -XEN_EINVAL);
	ck_assert_int_eq(rangeset_remove(r, 2, 1), -XEN_EINVAL);
	ck_assert(!rangeset_contains(r, 2, 1));
	ck_assert(!rangeset_contains(NULL, 1, 2));
	rangeset_destroy(NULL);
}
END_TEST

static int count_ranges(uint64_t s, uint64_t e, void *arg)
{
	unsigned int *n = arg;

	(void)s;
	(void)e;
	return ++*n == 3 ? 77 : 0;
}

START_TEST(walk_stops)
{
	unsigned int n = 0;

	for (uint64_t i = 0; i < 10; i++)
		ck_assert_int_eq(rangeset_add(r, i * 10, i * 10 + 1), 0);
	ck_assert_int_eq(rangeset_walk(r, count_ranges, &n), 77);
	ck_assert_uint_eq(n, 3);
}
END_TEST

static void compare(const bool *in, unsigned int step)
{
	for (unsigned int i = 0; i < NR; i++)
		ck_assert_msg(rangeset_contains(r, i, i) == in[i], "seed %u step %u: %u", seed,
			      step, i);
}

START_TEST(model)
{
	bool in[NR] = { false };

	srand(seed);
	for (unsigned int step = 0; step < STEPS; step++) {
		uint64_t s = (uint64_t)rand() % NR,
			 e = s + (uint64_t)rand() % (rand() % 8 ? 4 : NR - s);
		bool add = rand() % 2, all = true, any = false;
		int rc;

		e = e < NR ? e : NR - 1;
		fail_at = rand() % 4 ? -1 : 0;
		rc = add ? rangeset_add(r, s, e) : rangeset_remove(r, s, e);
		fail_at = -1;
		ck_assert(rc == 0 || rc == -XEN_ENOMEM);
		for (uint64_t i = s; i <= e; i++) {
			if (!rc)
				in[i] = add;
			all = all && in[i];
			any = any || in[i];
		}
		ck_assert(rangeset_contains(r, s, e) == all);
		ck_assert(rangeset_overlaps(r, s, e) == any);
		if (step % 64 == 0 || rc)
			compare(in, step);
	}
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s = suite_create("rangeset");
	TCase *t = tcase_create("rangeset");

	seed = unit_seed(argc, argv, seed);
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, neighbours_join);
	tcase_add_test(t, holes_split);
	tcase_add_test(t, bad_arguments);
	tcase_add_test(t, walk_stops);
	tcase_add_test(t, model);
	suite_add_tcase(s, t);
	return unit_run(s);
}
