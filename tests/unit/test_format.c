// SPDX-License-Identifier: BSD-2-Clause
// Formatting: every conversion gives what the C library gives, and no buffer is overrun.
#include <hv/lib.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/unit.h"

/* Both formatters on the same arguments, at a roomy and at a tight size. */
#define SAME(...)                                                         \
	do {                                                              \
		char ours[256], theirs[256];                              \
		int a, b;                                                 \
		for (size_t n = 0; n <= 128; n += n < 20 ? 1 : 108) {     \
			memset(ours, 'z', sizeof(ours));                  \
			memset(theirs, 'z', sizeof(theirs));              \
			a = hv_snprintf(n ? ours : NULL, n, __VA_ARGS__); \
			b = snprintf(n ? theirs : NULL, n, __VA_ARGS__);  \
			ck_assert_int_eq(a, b);                           \
			ck_assert_mem_eq(ours, theirs, sizeof(ours));     \
		}                                                         \
	} while (0)

/* The bounds matter here, so truncation is meant, and strange flag pairs as well. */
#pragma GCC diagnostic ignored "-Wformat-truncation"
#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-extra-args"

START_TEST(integers)
{
	SAME("%d %i %u", -1, 0, 4294967295u);
	SAME("%5d|%-5d|%05d|%+d|% d", 42, 42, 42, 42, 42);
	SAME("%x %X %#x %#X %#o %o", 255, 255, 255, 255, 8, 8);
	SAME("%08x %#010x %-8x|", 0xbeef, 0xbeef, 0xbeef);
	SAME("%ld %lu %llx %zu", -5L, 18446744073709551615UL, 1ULL << 63, sizeof(int));
	SAME("%hd %hhd %hu %hhu %hhx", -1, -1, 65535, 255, 511);
	SAME("%.3d %8.3d %-8.3d| %.0d| %08.3d", 5, 5, 5, 0, 5);
	SAME("%*d %-*d|", 6, 7, 6, 7);
	SAME("%#x %#o", 0, 0);
	SAME("%ld %lld", INT64_MIN, INT64_MIN);
}
END_TEST

START_TEST(strings)
{
	SAME("%s|%10s|%-10s|%.2s|%10.2s|%.*s", "abc", "abc", "abc", "abc", "abc", 1, "abc");
	SAME("%c%5c|%-5c|", 'x', 'y', 'z');
	SAME("100%% %s", "");
}
END_TEST

START_TEST(pointer)
{
	char buf[64];

	hv_snprintf(buf, sizeof(buf), "%p", (void *)0x1234);
	ck_assert_str_eq(buf, "0000000000001234");
}
END_TEST

START_TEST(unknown_is_shown)
{
	char buf[64];

	hv_snprintf(buf, sizeof(buf), "%q %");
	ck_assert_str_eq(buf, "%q ");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("format");
	TCase *t = tcase_create("conversions");

	tcase_add_test(t, integers);
	tcase_add_test(t, strings);
	tcase_add_test(t, pointer);
	tcase_add_test(t, unknown_is_shown);
	suite_add_tcase(s, t);
	return unit_run(s);
}
