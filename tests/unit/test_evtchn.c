// SPDX-License-Identifier: BSD-2-Clause
/* core/evtchn.c: port allocation and moves of two tables against a naive model; FIFO links. Usage: test_evtchn [seed]. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <hv/evtchn_core.h>
#include <xen/xen.h>
#include <xen/errno.h>
#include <xen/event_channel.h>

#include "tests/unit/unit.h"

#define LIMIT 1000u
#define STEPS 20000

static unsigned int seed = 1;
static struct evtchn_domain tab[2];
static struct evtchn *chunks[4096];
static unsigned int nr_chunks;

/* The core only compares domain pointers. */
static struct domain *dom(unsigned int i)
{
	return (struct domain *)(void *)&tab[i];
}

static void setup(void)
{
	nr_chunks = 0;
	evtchn_table_init(&tab[0], LIMIT);
	evtchn_table_init(&tab[1], LIMIT);
}

static void teardown(void)
{
	while (nr_chunks)
		free(chunks[--nr_chunks]);
}

static int find(struct evtchn_domain *t, struct evtchn **c)
{
	int rc;

	while ((rc = evtchn_find_free(t, NULL, NULL, c)) == EVTCHN_GROW) {
		chunks[nr_chunks] = calloc(EVTCHN_CHUNK, sizeof(struct evtchn));
		evtchn_add_chunk(t, chunks[nr_chunks++]);
	}
	return rc;
}

START_TEST(layout)
{
	ck_assert_uint_eq(sizeof(struct evtchn), 32);
	ck_assert_uint_eq(EVTCHN_SMALL_DIR * EVTCHN_CHUNK, EVTCHN_2L_NR_CHANNELS);
	ck_assert_uint_eq(EVTCHN_BIG_DIR * EVTCHN_CHUNK, EVTCHN_FIFO_NR_CHANNELS);
}
END_TEST

START_TEST(port_0_is_reserved)
{
	struct evtchn *c;

	ck_assert_ptr_null(evtchn_chan(&tab[0], 0));
	ck_assert_int_eq(find(&tab[0], &c), 0);
	ck_assert_uint_eq(c->port, 1);
	ck_assert_uint_eq(evtchn_chan(&tab[0], 0)->state, ECS_RESERVED);
	ck_assert_ptr_null(evtchn_chan(&tab[0], EVTCHN_CHUNK));
	ck_assert_ptr_null(evtchn_chan(&tab[0], ~0u));
}
END_TEST

START_TEST(lowest_free_port_first_up_to_the_limit)
{
	struct evtchn *c;

	for (unsigned int i = 1; i < LIMIT; i++) {
		ck_assert_int_eq(find(&tab[0], &c), 0);
		ck_assert_uint_eq(c->port, i);
		evtchn_open_unbound(&tab[0], c, 7);
	}
	ck_assert_int_eq(find(&tab[0], &c), -XEN_ENOSPC);
	evtchn_set_free(&tab[0], evtchn_chan(&tab[0], 500));
	evtchn_set_free(&tab[0], evtchn_chan(&tab[0], 300));
	ck_assert_int_eq(find(&tab[0], &c), 0);
	ck_assert_uint_eq(c->port, 300);
	ck_assert(evtchn_table_check(&tab[0], dom(0)));
	ck_assert_uint_eq(tab[0].active, LIMIT - 3);
}
END_TEST

static bool port_is(uint32_t port, void *arg)
{
	return port == *(uint32_t *)arg;
}

START_TEST(busy_ports_are_passed_over_but_not_forgotten)
{
	struct evtchn *c;
	uint32_t busy = 1;

	ck_assert_int_eq(find(&tab[0], &c), 0);
	ck_assert_int_eq(evtchn_find_free(&tab[0], port_is, &busy, &c), 0);
	ck_assert_uint_eq(c->port, 2);
	evtchn_open_bound(&tab[0], c, ECS_IPI, 0);
	ck_assert_int_eq(find(&tab[0], &c), 0);
	ck_assert_uint_eq(c->port, 1);
}
END_TEST

START_TEST(big_directory_keeps_old_ports_and_reaches_all)
{
	struct evtchn **big = calloc(EVTCHN_BIG_DIR, sizeof(*big));
	struct evtchn *c, *first;

	ck_assert_int_eq(find(&tab[0], &first), 0);
	evtchn_use_big_dir(&tab[0], big);
	tab[0].limit = EVTCHN_FIFO_NR_CHANNELS;
	ck_assert_ptr_eq(evtchn_chan(&tab[0], 1), first);
	for (unsigned int i = 1; i < EVTCHN_FIFO_NR_CHANNELS; i++) {
		ck_assert_int_eq(find(&tab[0], &c), 0);
		evtchn_open_bound(&tab[0], c, ECS_IPI, 0);
	}
	ck_assert_uint_eq(c->port, EVTCHN_FIFO_NR_CHANNELS - 1);
	ck_assert_int_eq(find(&tab[0], &c), -XEN_ENOSPC);
	free(big);
}
END_TEST

START_TEST(check_finds_a_lost_peer)
{
	struct evtchn *a, *b;

	find(&tab[0], &a);
	evtchn_open_unbound(&tab[0], a, 1);
	find(&tab[1], &b);
	evtchn_connect(&tab[1], b, dom(1), a, dom(0));
	ck_assert(evtchn_table_check(&tab[0], dom(0)) && evtchn_table_check(&tab[1], dom(1)));
	b->u.remote.chan = b;
	ck_assert(!evtchn_table_check(&tab[0], dom(0)));
}
END_TEST

/* ---- model: an array of states and peers per domain */
struct entry {
	int state;
	uint16_t unbound_for;
	uint32_t peer; /* in the other domain */
};
static struct entry model[2][LIMIT];

static uint32_t model_free(unsigned int d)
{
	for (uint32_t p = 1; p < LIMIT; p++)
		if (model[d][p].state == ECS_FREE)
			return p;
	return 0;
}

static void model_close(unsigned int d, uint32_t p)
{
	struct entry *e = &model[d][p];

	if (e->state == ECS_INTERDOMAIN) {
		model[!d][e->peer].state = ECS_UNBOUND;
		model[!d][e->peer].unbound_for = (uint16_t)d;
	}
	e->state = ECS_FREE;
}

static void close_port(unsigned int d, struct evtchn *c)
{
	if (c->state == ECS_INTERDOMAIN)
		evtchn_peer_closed(c->u.remote.chan, (uint16_t)d);
	evtchn_set_free(&tab[d], c);
}

static void compare(int step)
{
	for (unsigned int d = 0; d < 2; d++) {
		ck_assert_msg(evtchn_table_check(&tab[d], dom(d)), "step %d: table of d%u broken",
			      step, d);
		for (uint32_t p = 1; p < MIN(tab[d].nr_ports, LIMIT); p++) {
			struct evtchn *c = evtchn_chan(&tab[d], p);
			struct entry *e = &model[d][p];

			ck_assert_msg(c->state == e->state, "step %d: d%u port %u: %u, not %d",
				      step, d, p, c->state, e->state);
			if (e->state == ECS_UNBOUND)
				ck_assert_uint_eq(c->u.unbound_for, e->unbound_for);
			if (e->state == ECS_INTERDOMAIN)
				ck_assert_uint_eq(c->u.remote.chan->port, e->peer);
		}
	}
}

START_TEST(random_moves)
{
	memset(model, 0, sizeof(model));
	srandom(seed);
	for (int step = 0; step < STEPS; step++) {
		/* Grow in some stretches, shrink in others. */
		bool grow = (step / 2000) % 2 == 0 ? random() % 8 != 0 : random() % 8 == 0;
		unsigned int d = random() % 2;
		uint32_t p = (uint32_t)random() % LIMIT, want = model_free(d);
		struct evtchn *c, *other;

		if (!grow) {
			c = evtchn_chan(&tab[d], p);
			if (p && c && model[d][p].state != ECS_FREE) {
				close_port(d, c);
				model_close(d, p);
			}
		} else if (find(&tab[d], &c) != 0) {
			ck_assert_msg(want == 0, "step %d: no port though %u is free", step, want);
		} else {
			ck_assert_msg(c->port == want, "step %d: port %u, not %u", step, c->port,
				      want);
			other = evtchn_chan(&tab[!d], p);
			if (other && other->state == ECS_UNBOUND && other->u.unbound_for == d) {
				evtchn_connect(&tab[d], c, dom(d), other, dom(!d));
				model[d][want] = (struct entry){ ECS_INTERDOMAIN, 0, p };
				model[!d][p] = (struct entry){ ECS_INTERDOMAIN, 0, want };
			} else if (random() % 3) {
				evtchn_open_unbound(&tab[d], c, (uint16_t)!d);
				model[d][want] = (struct entry){ ECS_UNBOUND, (uint16_t)!d, 0 };
			} else {
				evtchn_open_bound(&tab[d], c, ECS_VIRQ, 3);
				model[d][want].state = ECS_VIRQ;
			}
		}
		if (step % 32 == 0)
			compare(step);
	}
	compare(STEPS);
}
END_TEST

START_TEST(fifo_link_only_to_a_linked_tail)
{
	uint32_t w = (1u << EVTCHN_FIFO_PENDING) | (1u << EVTCHN_FIFO_MASKED) | 5;

	ck_assert(!evtchn_fifo_link(&w, 9));
	ck_assert_uint_eq(w & EVTCHN_FIFO_LINK_MASK, 5);
	w |= 1u << EVTCHN_FIFO_LINKED;
	ck_assert(evtchn_fifo_link(&w, 0x1ffff));
	ck_assert_uint_eq(w & EVTCHN_FIFO_LINK_MASK, 0x1ffff);
	ck_assert(evtchn_fifo_link(&w, 9));
	ck_assert_uint_eq(w, (1u << EVTCHN_FIFO_PENDING) | (1u << EVTCHN_FIFO_MASKED) |
				     (1u << EVTCHN_FIFO_LINKED) | 9);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s = suite_create("evtchn");
	TCase *t = tcase_create("evtchn");

	seed = unit_seed(argc, argv, seed);
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, layout);
	tcase_add_test(t, port_0_is_reserved);
	tcase_add_test(t, lowest_free_port_first_up_to_the_limit);
	tcase_add_test(t, busy_ports_are_passed_over_but_not_forgotten);
	tcase_add_test(t, big_directory_keeps_old_ports_and_reaches_all);
	tcase_add_test(t, check_finds_a_lost_peer);
	tcase_add_test(t, random_moves);
	tcase_add_test(t, fifo_link_only_to_a_linked_tail);
	suite_add_tcase(s, t);
	return unit_run(s);
}
