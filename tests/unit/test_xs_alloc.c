// SPDX-License-Identifier: BSD-2-Clause
// The daemon's allocator: random allocations keep their content, and memory comes back.
#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Part of the daemon, not PURE, so it is no part of the library of the unit tests. */
#include "xenstore/daemon/alloc.c"

#define NUM 20000

static struct {
	unsigned char *p;
	size_t len;
	unsigned char mark;
} held[NUM];

static uint64_t seed_state = 20261120;

static unsigned int rnd(unsigned int below)
{
	seed_state = seed_state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned int)(seed_state >> 33) % below;
}

static void check_one(unsigned int i, size_t len)
{
	size_t k;

	for (k = 0; k < len && held[i].p[k] == held[i].mark; k++)
		;
	ck_assert_uint_eq(k, len);
}

static size_t random_size(void)
{
	return rnd(10) ? 1 + rnd(300) : 1 + rnd(5000);
}

START_TEST(content_stays)
{
	unsigned int step, i;
	size_t len;

	for (step = 0; step < 400000; step++) {
		i = rnd(NUM);
		if (!held[i].p) {
			held[i].len = random_size();
			held[i].p = xs_alloc(held[i].len);
			ck_assert_ptr_nonnull(held[i].p);
			ck_assert_uint_eq((uintptr_t)held[i].p % GRAIN, 0);
		} else if (rnd(3)) {
			check_one(i, held[i].len);
			xs_free(held[i].p);
			held[i].p = NULL;
			continue;
		} else {
			len = random_size();
			held[i].p = xs_realloc(held[i].p, len);
			check_one(i, len < held[i].len ? len : held[i].len);
			held[i].len = len;
		}
		held[i].mark = (unsigned char)rnd(256);
		memset(held[i].p, held[i].mark, held[i].len);
	}
	for (i = 0; i < NUM; i++) {
		if (held[i].p)
			check_one(i, held[i].len);
		xs_free(held[i].p);
		held[i].p = NULL;
	}
	/* At most one arena of each class is kept. */
	ck_assert_uint_ge(nempty + NUM_CLASSES, num_arenas);
}
END_TEST

START_TEST(arenas_are_used_again)
{
	static void *p[100000];
	uint32_t before, round, i;

	for (round = 0, before = 0; round < 5; round++) {
		for (i = 0; i < 100000; i++)
			p[i] = xs_alloc(40);
		for (i = 0; i < 100000; i++)
			xs_free(p[i]);
		ck_assert(!before || num_arenas == before);
		before = num_arenas;
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("xs_alloc");
	TCase *t = tcase_create("xs_alloc");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, content_stays);
	tcase_add_test(t, arenas_are_used_again);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
