// SPDX-License-Identifier: BSD-2-Clause
/* core/timer.c against a plain array searched for its least element. Usage: test_timer [seed]. */
#include <stdio.h>
#include <stdlib.h>
#include <hv/timer_core.h>

#include "tests/unit/unit.h"

#define NODES 300u
#define STEPS 30000

static unsigned int seed = 1;
static struct timer_queue q;
static struct timer_node node[NODES];

static void setup(void)
{
	q = (struct timer_queue){ 0 };
	for (unsigned int i = 0; i < NODES; i++)
		node[i] = (struct timer_node){ 0 };
}

START_TEST(first_is_reported)
{
	node[0].expires = 20;
	node[1].expires = 10;
	node[2].expires = 15;
	ck_assert(timerq_insert(&q, &node[0]));
	ck_assert(timerq_insert(&q, &node[1]));
	ck_assert(!timerq_insert(&q, &node[2]));
	ck_assert_ptr_eq(timerq_first(&q), &node[1]);
	ck_assert(timerq_queued(&node[2]));
	timerq_remove(&q, &node[1]);
	ck_assert(!timerq_queued(&node[1]));
	ck_assert_ptr_eq(timerq_first(&q), &node[2]);
	ck_assert(timerq_check(&q));
}
END_TEST

START_TEST(pop_gives_only_what_is_due)
{
	node[0].expires = 5;
	node[1].expires = 6;
	timerq_insert(&q, &node[0]);
	timerq_insert(&q, &node[1]);
	ck_assert_ptr_null(timerq_pop_due(&q, 4));
	ck_assert_ptr_eq(timerq_pop_due(&q, 5), &node[0]);
	ck_assert_ptr_null(timerq_pop_due(&q, 5));
	ck_assert_ptr_eq(timerq_pop_due(&q, 100), &node[1]);
	ck_assert_ptr_null(timerq_pop_due(&q, 100));
	ck_assert_uint_eq(q.count, 0);
}
END_TEST

START_TEST(check_finds_disorder)
{
	for (unsigned int i = 0; i < 8; i++) {
		node[i].expires = i;
		timerq_insert(&q, &node[i]);
	}
	ck_assert(timerq_check(&q));
	q.root->expires = 100;
	ck_assert(!timerq_check(&q));
	q.root->expires = 0;
	q.count++;
	ck_assert(!timerq_check(&q));
}
END_TEST

/* Least expiry among the queued, by looking at all. */
static struct timer_node *least(void)
{
	struct timer_node *best = NULL;

	for (unsigned int i = 0; i < NODES; i++)
		if (timerq_queued(&node[i]) && (!best || node[i].expires < best->expires))
			best = &node[i];
	return best;
}

START_TEST(model)
{
	s_time_t time = 0;
	struct timer_node *n, *expect;

	srandom(seed);
	for (int step = 0; step < STEPS; step++) {
		n = &node[(unsigned long)random() % NODES];
		switch (random() % 4) {
		case 0:
		case 1:
			if (timerq_queued(n))
				timerq_remove(&q, n);
			n->expires = time + random() % 1000;
			timerq_insert(&q, n);
			break;
		case 2:
			if (timerq_queued(n))
				timerq_remove(&q, n);
			break;
		default:
			time += random() % 20;
			expect = least();
			n = timerq_pop_due(&q, time);
			ck_assert_msg(!n == !(expect && expect->expires <= time), "step %d", step);
			if (n)
				ck_assert_msg(n->expires <= expect->expires && !timerq_queued(n),
					      "step %d: not the least", step);
			break;
		}
		expect = least();
		ck_assert_msg(!expect == !timerq_first(&q), "step %d", step);
		if (expect)
			ck_assert_msg(timerq_first(&q)->expires == expect->expires, "step %d",
				      step);
		if (step % 16 == 0)
			ck_assert_msg(timerq_check(&q), "step %d: broken queue", step);
	}
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s = suite_create("timer");
	TCase *t = tcase_create("timer");

	seed = unit_seed(argc, argv, seed);
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, first_is_reported);
	tcase_add_test(t, pop_gives_only_what_is_due);
	tcase_add_test(t, check_finds_disorder);
	tcase_add_test(t, model);
	suite_add_tcase(s, t);
	return unit_run(s);
}
