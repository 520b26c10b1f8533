// SPDX-License-Identifier: BSD-2-Clause
/* core/sched.c: who runs, for how long, and how shares come out over simulated time. Usage: test_sched [seed]. */
#include <stdio.h>
#include <stdlib.h>
#include <hv/sched_core.h>

#include "tests/unit/unit.h"

#define UNITS	   8u
#define SECOND	   1000000000L
#define EVENTS_MAX 200000

static unsigned int seed = 1;
static struct sched_queue q;
static struct sched_domain dom[UNITS];
static struct sched_vcpu unit[UNITS];
static s_time_t clock_now;
static struct sched_vcpu *running;
static s_time_t ran[UNITS];

static void setup(void)
{
	q = (struct sched_queue){ 0 };
	running = NULL;
	clock_now = SECOND;
	for (unsigned int i = 0; i < UNITS; i++) {
		dom[i] = (struct sched_domain){ .weight = SCHED_WEIGHT_DEFAULT };
		unit[i] = (struct sched_vcpu){ .dom = &dom[i] };
		ran[i] = 0;
	}
}

/* One pass of the scheduler at clock_now; returns when it wants to be called again (0: never). */
static s_time_t pass(bool runnable)
{
	struct sched_vcpu *old = running;
	struct sched_choice c;

	if (old)
		sched_charge(old, clock_now);
	c = sched_choose(&q, runnable ? old : NULL, clock_now);
	if (old && runnable && c.next != old)
		sched_enqueue(&q, old);
	running = c.next;
	ck_assert(sched_queue_check(&q));
	if (running)
		ck_assert(!running->queued);
	return c.again_at;
}

/* Let time pass until `end` with everybody wanting to run. */
static void run_until(s_time_t end)
{
	s_time_t again = pass(true), next;

	for (int i = 0; clock_now < end; i++) {
		ck_assert_int_lt(i, EVENTS_MAX);
		next = again && again < end ? again : end;
		ck_assert_msg(next > clock_now, "asked to be called again at once, for ever");
		if (running)
			ran[running - unit] += next - clock_now;
		clock_now = next;
		again = pass(true);
	}
}

static void add(unsigned int i)
{
	sched_enqueue(&q, &unit[i]);
}

static void about(s_time_t got, s_time_t want, const char *what)
{
	ck_assert_msg(got > want - want / 20 && got < want + want / 20, "%s: %ld, not about %ld",
		      what, got, want);
}

START_TEST(alone_needs_no_timer)
{
	add(0);
	ck_assert_int_eq(pass(false), 0);
	ck_assert_ptr_eq(running, &unit[0]);
	clock_now += SECOND;
	ck_assert_int_eq(pass(true), 0);
	ck_assert_ptr_eq(running, &unit[0]);
}
END_TEST

START_TEST(nobody_is_idle)
{
	ck_assert_int_eq(pass(false), 0);
	ck_assert_ptr_null(running);
}
END_TEST

START_TEST(equal_weights_share_equally)
{
	for (unsigned int i = 0; i < 4; i++)
		add(i);
	run_until(clock_now + 4 * SECOND);
	for (unsigned int i = 0; i < 4; i++)
		about(ran[i], SECOND, "a quarter");
}
END_TEST

START_TEST(weights_share_in_proportion)
{
	dom[0].weight = 512;
	dom[1].weight = 256;
	dom[2].weight = 128;
	for (unsigned int i = 0; i < 3; i++)
		add(i);
	run_until(clock_now + 7 * SECOND);
	about(ran[0], 4 * SECOND, "weight 512");
	about(ran[1], 2 * SECOND, "weight 256");
	about(ran[2], SECOND, "weight 128");
}
END_TEST

START_TEST(weight_may_change_while_waiting)
{
	add(0);
	add(1);
	run_until(clock_now + SECOND);
	dom[0].weight = 768;
	ran[0] = ran[1] = 0;
	run_until(clock_now + 4 * SECOND);
	about(ran[0], 3 * SECOND, "weight 768");
	about(ran[1], SECOND, "weight 256");
}
END_TEST

START_TEST(cap_limits_a_lone_domain)
{
	dom[0].cap = 25;
	add(0);
	run_until(clock_now + 4 * SECOND);
	about(ran[0], SECOND, "a cap of a quarter");
}
END_TEST

START_TEST(cap_leaves_the_rest_to_others)
{
	dom[0].cap = 10;
	add(0);
	add(1);
	run_until(clock_now + 4 * SECOND);
	about(ran[0], 4 * SECOND / 10, "a cap of a tenth");
	about(ran[1], 36 * SECOND / 10, "the other");
}
END_TEST

START_TEST(yield_lets_the_other_go)
{
	add(0);
	add(1);
	pass(false);
	ck_assert_ptr_eq(running, &unit[0]);
	running->yielded = 1;
	clock_now += 1000;
	pass(true);
	ck_assert_ptr_eq(running, &unit[1]);
	ck_assert(unit[0].queued);
}
END_TEST

START_TEST(sleeper_preempts_a_hog_but_saves_little)
{
	add(0);
	add(1);
	run_until(clock_now + SECOND);
	/* Take 1 away for long, as if blocked. */
	if (running == &unit[1])
		pass(false);
	if (unit[1].queued)
		sched_dequeue(&q, &unit[1]);
	ck_assert_ptr_eq(running, &unit[0]);
	run_until(clock_now + SECOND);
	add(1);
	ck_assert(sched_preempts(&unit[1], &unit[0], clock_now));
	ran[0] = ran[1] = 0;
	run_until(clock_now + SECOND);
	/* The bonus is a few ms in a second: shares are about even again. */
	about(ran[0], SECOND / 2, "the hog");
	about(ran[1], SECOND / 2, "the sleeper");
}
END_TEST

START_TEST(moving_carries_the_lag_over)
{
	struct sched_queue other = { .clock = 77 * SECOND };

	add(0);
	pass(false);
	q.clock = 5 * SECOND;
	unit[0].vtime = q.clock + 1000;
	sched_enqueue(&other, &unit[0]);
	ck_assert_int_eq(unit[0].vtime, other.clock + 1000);
	sched_dequeue(&other, &unit[0]);
	ck_assert_uint_eq(other.nr, 0);
	ck_assert_uint_eq(other.weight, 0);
}
END_TEST

START_TEST(balance_moves_only_when_it_helps)
{
	ck_assert(sched_should_move(256, 512, 0));
	ck_assert(sched_should_move(256, 512, 256)); /* turns: three on two CPUs */
	ck_assert(!sched_should_move(256, 512, 512));
	ck_assert(!sched_should_move(512, 768, 512));
	ck_assert(!sched_should_move(256, 256, 256));
}
END_TEST

START_TEST(check_finds_disorder)
{
	add(0);
	add(1);
	ck_assert(sched_queue_check(&q));
	q.first->vtime += SECOND;
	ck_assert(!sched_queue_check(&q));
}
END_TEST

/* Vcpus block, wake, yield, change weight and cap at random: the queue stays right, and nobody runnable starves. */
START_TEST(random_load_starves_nobody)
{
	s_time_t since[UNITS], again = 0;
	bool awake[UNITS] = { false };

	srandom(seed);
	for (int step = 0; step < 40000; step++) {
		unsigned int i = (unsigned int)random() % UNITS;

		if (!awake[i]) {
			awake[i] = true;
			since[i] = clock_now;
			add(i);
		} else if (running == &unit[i] && random() % 4 == 0) {
			awake[i] = false;
			again = pass(false);
		} else if (running == &unit[i] && random() % 4 == 0) {
			unit[i].yielded = 1;
		} else if (random() % 64 == 0) {
			dom[i].weight = (uint16_t)(64 + random() % 512);
			dom[i].cap = random() % 2 ? (uint16_t)(20 + random() % 50) : 0;
		}
		if (!running || again <= clock_now || random() % 2)
			again = pass(running && awake[running - unit]);
		clock_now += 1 + random() % 4000000;
		for (i = 0; i < UNITS; i++) {
			if (running == &unit[i])
				since[i] = clock_now;
			if (awake[i])
				ck_assert_msg(clock_now - since[i] < 2 * SECOND,
					      "step %d: %u starves", step, i);
			ck_assert_msg(awake[i] == (running == &unit[i] || unit[i].queued),
				      "step %d: %u lost", step, i);
		}
	}
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s = suite_create("sched");
	TCase *t = tcase_create("sched");

	seed = unit_seed(argc, argv, seed);
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, alone_needs_no_timer);
	tcase_add_test(t, nobody_is_idle);
	tcase_add_test(t, equal_weights_share_equally);
	tcase_add_test(t, weights_share_in_proportion);
	tcase_add_test(t, weight_may_change_while_waiting);
	tcase_add_test(t, cap_limits_a_lone_domain);
	tcase_add_test(t, cap_leaves_the_rest_to_others);
	tcase_add_test(t, yield_lets_the_other_go);
	tcase_add_test(t, sleeper_preempts_a_hog_but_saves_little);
	tcase_add_test(t, moving_carries_the_lag_over);
	tcase_add_test(t, balance_moves_only_when_it_helps);
	tcase_add_test(t, check_finds_disorder);
	tcase_add_test(t, random_load_starves_nobody);
	suite_add_tcase(s, t);
	return unit_run(s);
}
