// SPDX-License-Identifier: BSD-2-Clause
/* core/gnttab.c: pins and the shared entry's flags, handles; model tests. Usage: test_gnttab [seed]. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <hv/gnttab_core.h>

#include "tests/unit/unit.h"

#define STEPS 100000
#define PAGES 3
#define ME    7
#define OTHER 8

static unsigned int seed = 1;
static struct gnt_active a;
static grant_entry_v1_t e;

static void setup(void)
{
	memset(&a, 0, sizeof(a));
	e = (grant_entry_v1_t){ .flags = GTF_permit_access, .domid = ME, .frame = 0x1234 };
}

START_TEST(first_pin_takes_the_frame)
{
	ck_assert_int_eq(gnt_pin(&a, &e, ME, GNT_HOST_RO, true), GNTST_okay);
	ck_assert_uint_eq(a.mfn, 0x1234);
	ck_assert_uint_eq(e.flags, GTF_permit_access | GTF_reading);
	e.frame = 0x9999; /* the granter plays tricks */
	ck_assert_int_eq(gnt_pin(&a, &e, ME, GNT_HOST_RW, true), GNTST_okay);
	ck_assert_uint_eq(a.mfn, 0x1234);
	ck_assert_uint_eq(e.flags, GTF_permit_access | GTF_reading | GTF_writing);
	gnt_unpin(&a, &e, GNT_HOST_RW);
	ck_assert_uint_eq(e.flags, GTF_permit_access | GTF_reading);
	gnt_unpin(&a, &e, GNT_HOST_RO);
	ck_assert_uint_eq(e.flags, GTF_permit_access);
}
END_TEST

START_TEST(refusals_change_nothing)
{
	static const uint16_t flags[] = {
		GTF_invalid,
		GTF_accept_transfer,
		GTF_transitive,
		GTF_permit_access | GTF_sub_page,
		GTF_permit_access | GTF_readonly,
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++) {
		e.flags = flags[i];
		ck_assert_int_eq(gnt_pin(&a, &e, ME, GNT_HOST_RW, true), GNTST_general_error);
		ck_assert_uint_eq(e.flags, flags[i]);
		ck_assert(!gnt_pinned(&a));
	}
	e.flags = GTF_permit_access;
	ck_assert_int_eq(gnt_pin(&a, &e, OTHER, GNT_HOST_RO, true), GNTST_general_error);
	ck_assert_uint_eq(e.flags, GTF_permit_access);
}
END_TEST

START_TEST(a_copy_may_use_a_sub_page_flag)
{
	e.flags = GTF_permit_access | GTF_sub_page;
	ck_assert_int_eq(gnt_pin(&a, &e, ME, GNT_HOST_RO, false), GNTST_okay);
}
END_TEST

START_TEST(one_user_at_a_time)
{
	ck_assert_int_eq(gnt_pin(&a, &e, ME, GNT_DEV_RO, true), GNTST_okay);
	e.domid = OTHER; /* granted anew while in use */
	ck_assert_int_eq(gnt_pin(&a, &e, OTHER, GNT_HOST_RO, true), GNTST_general_error);
	/* A use more of the same kind needs nothing from the entry; writing does. */
	ck_assert_int_eq(gnt_pin(&a, &e, ME, GNT_HOST_RO, true), GNTST_okay);
	ck_assert_int_eq(gnt_pin(&a, &e, ME, GNT_HOST_RW, true), GNTST_general_error);
}
END_TEST

START_TEST(uses_are_bounded)
{
	for (unsigned int i = 0; i < GNT_USES_MAX; i++)
		ck_assert_int_eq(gnt_pin(&a, &e, ME, GNT_HOST_RO, true), GNTST_okay);
	ck_assert_int_eq(gnt_pin(&a, &e, ME, GNT_HOST_RO, true), GNTST_general_error);
	ck_assert_uint_eq(a.uses[GNT_HOST_RO], GNT_USES_MAX);
	ck_assert_uint_eq(gnt_check(&a, &e), 0);
}
END_TEST

START_TEST(checker_sees_damage)
{
	ck_assert_int_eq(gnt_pin(&a, &e, ME, GNT_HOST_RW, true), GNTST_okay);
	ck_assert_uint_eq(gnt_check(&a, &e), 0);
	e.flags &= (uint16_t)~GTF_reading;
	ck_assert_uint_ne(gnt_check(&a, &e), 0);
}
END_TEST

START_TEST(pin_model)
{
	unsigned int uses[GNT_USES] = { 0 };

	srand(seed);
	for (unsigned int step = 0; step < STEPS; step++) {
		enum gnt_use u = (enum gnt_use)(rand() % GNT_USES);

		if (rand() % 2) {
			domid_t who = rand() % 8 ? ME : OTHER;
			bool ok = gnt_pin(&a, &e, who, u, true) == GNTST_okay;

			ck_assert(ok == (who == ME));
			uses[u] += ok;
		} else if (uses[u]) {
			gnt_unpin(&a, &e, u);
			uses[u]--;
		}
		ck_assert(!(e.flags & GTF_writing) == !(uses[GNT_HOST_RW] + uses[GNT_DEV_RW]));
		ck_assert(!(e.flags & GTF_reading) == !(uses[0] + uses[1] + uses[2] + uses[3]));
		for (unsigned int i = 0; i < GNT_USES; i++)
			ck_assert_uint_eq(a.uses[i], uses[i]);
		ck_assert_uint_eq(gnt_check(&a, &e), 0);
	}
}
END_TEST

START_TEST(claims)
{
	struct gnt_map m = { .flags = GNTMAP_host_map | GNTMAP_device_map | GNTMAP_readonly };

	ck_assert(maptrack_claim(&m, GNTMAP_host_map));
	ck_assert(!maptrack_claim(&m, GNTMAP_host_map)); /* somebody is at it */
	ck_assert(maptrack_claim(&m, GNTMAP_device_map));
	ck_assert(!maptrack_finish(&m, GNTMAP_host_map, false)); /* put back */
	ck_assert(!maptrack_finish(&m, GNTMAP_device_map, true));
	ck_assert(maptrack_claim(&m, GNTMAP_host_map));
	ck_assert(maptrack_finish(&m, GNTMAP_host_map, true));
}
END_TEST

START_TEST(handle_model)
{
	struct gnt_map *pages[PAGES] = { NULL };
	struct maptrack t = { .page = pages, .max_pages = PAGES, .free = NO_HANDLE };
	static bool used[PAGES * MAPS_PER_PAGE];
	unsigned int nr = 0;

	memset(used, 0, sizeof(used));
	srand(seed);
	ck_assert_uint_eq(maptrack_get(&t), NO_HANDLE);
	for (unsigned int step = 0; step < STEPS; step++) {
		if (rand() % 3) {
			uint32_t h = maptrack_get(&t);

			if (h == NO_HANDLE) {
				ck_assert_uint_eq(nr, t.nr_pages * MAPS_PER_PAGE);
				if (t.nr_pages == PAGES)
					continue;
				maptrack_add_page(&t, calloc(1, PAGE_SIZE));
				continue;
			}
			ck_assert_uint_lt(h, t.nr_pages * MAPS_PER_PAGE);
			ck_assert(!used[h]);
			used[h] = true;
			nr++;
			ck_assert_uint_eq(maptrack_entry(&t, h)->flags, 0);
			maptrack_entry(&t, h)->flags = GNTMAP_host_map;
		} else if (t.nr_pages) {
			uint32_t h = (uint32_t)rand() % (uint32_t)(t.nr_pages * MAPS_PER_PAGE);

			if (used[h]) {
				maptrack_put(&t, h);
				used[h] = false;
				nr--;
			}
		}
		ck_assert_uint_eq(t.used, nr);
	}
	ck_assert_ptr_null(maptrack_entry(&t, PAGES * MAPS_PER_PAGE));
	ck_assert_ptr_null(maptrack_entry(&t, NO_HANDLE));
	for (unsigned int i = 0; i < PAGES; i++)
		free(pages[i]);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s = suite_create("gnttab");
	TCase *t = tcase_create("gnttab");

	seed = unit_seed(argc, argv, seed);
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, first_pin_takes_the_frame);
	tcase_add_test(t, refusals_change_nothing);
	tcase_add_test(t, a_copy_may_use_a_sub_page_flag);
	tcase_add_test(t, one_user_at_a_time);
	tcase_add_test(t, uses_are_bounded);
	tcase_add_test(t, checker_sees_damage);
	tcase_add_test(t, pin_model);
	tcase_add_test(t, claims);
	tcase_add_test(t, handle_model);
	suite_add_tcase(s, t);
	return unit_run(s);
}
