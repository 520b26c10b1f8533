// SPDX-License-Identifier: BSD-2-Clause
// Budgets of domains: bursts pass, a flood gets the rate and no more, a debt is paid by time.
#include "xenstore/core/xs_budget.h"

#include "unit.h"

START_TEST(burst_then_wait)
{
	struct xs_budget b;
	int i;

	xs_budget_init(&b, 100, 2, 5000);
	for (i = 0; i < 100; i++) {
		ck_assert_uint_eq(xs_budget_wait(&b, 5000), 0);
		xs_budget_spend(&b, 1);
	}
	ck_assert_uint_eq(xs_budget_wait(&b, 5000), 0);
	xs_budget_spend(&b, 1);
	ck_assert_uint_eq(xs_budget_wait(&b, 5000), 1);
	ck_assert_uint_eq(xs_budget_wait(&b, 5001), 0);
}
END_TEST

/* Whoever spends whenever there is no debt gets the rate, whatever the size of the pieces. */
START_TEST(flood_gets_the_rate)
{
	static const int64_t piece[] = { 1, 7, 100, 900 };
	uint64_t now;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		struct xs_budget b;
		int64_t spent = 0;

		xs_budget_init(&b, 200, 10, 0);
		for (now = 0; now < 100000; now++)
			while (!xs_budget_wait(&b, now)) {
				xs_budget_spend(&b, piece[i]);
				spent += piece[i];
			}
		ck_assert_int_ge(spent, 100000 * 10);
		ck_assert_int_le(spent, 100000 * 10 + 200 + 2 * piece[i]);
	}
}
END_TEST

/* Who gives back as much as he spends never waits. */
START_TEST(earned)
{
	struct xs_budget b;
	int i;

	xs_budget_init(&b, 10, 1, 0);
	for (i = 0; i < 100000; i++) {
		xs_budget_spend(&b, -4);
		xs_budget_spend(&b, 1);
		xs_budget_spend(&b, 3);
		ck_assert_uint_eq(xs_budget_wait(&b, 0), 0);
	}
}
END_TEST

START_TEST(debt_is_bounded)
{
	struct xs_budget b;

	xs_budget_init(&b, 10, 3, 7);
	xs_budget_spend(&b, INT64_MAX / 2);
	ck_assert_uint_eq(xs_budget_wait(&b, 7), 1000);
	ck_assert_uint_eq(xs_budget_wait(&b, 1006), 1);
	ck_assert_uint_eq(xs_budget_wait(&b, UINT64_MAX / 2), 0);
	ck_assert_int_eq(b.left, 10);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("xs_budget");
	TCase *c = tcase_create("xs_budget");

	tcase_add_test(c, burst_then_wait);
	tcase_add_test(c, flood_gets_the_rate);
	tcase_add_test(c, earned);
	tcase_add_test(c, debt_is_bounded);
	suite_add_tcase(s, c);
	return unit_run(s);
}
