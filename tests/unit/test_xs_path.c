// SPDX-License-Identifier: BSD-2-Clause
// Paths, numbers, permission lists.
#include "xs_test.h"

START_TEST(valid_paths)
{
	static const char *const good[] = { "/", "/a", "/a/b", "/A-z_0@9/x" };
	static const char *const bad[] = { "",	    "a",    "/a/",  "//",
					   "/a//b", "/a b", "/a.b", "/\xc3\xa9" };
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_msg(xs_path_valid(good[i]), "%s", good[i]);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!xs_path_valid(bad[i]), "%s", bad[i]);
}
END_TEST

START_TEST(length_limits)
{
	char path[XS_PATH_MAX + 2], out[XS_PATH_BUF];

	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[XS_PATH_MAX] = '\0';
	ck_assert(xs_path_valid(path));
	ck_assert_int_eq(xs_path_canon(out, 0, path, NULL), 0);
	path[XS_PATH_MAX] = 'a';
	path[XS_PATH_MAX + 1] = '\0';
	ck_assert(!xs_path_valid(path));
	ck_assert_int_eq(xs_path_canon(out, 0, path, NULL), EINVAL);
	path[0] = 'a';
	path[XENSTORE_REL_PATH_MAX] = '\0';
	ck_assert_int_eq(xs_path_canon(out, 9, path, NULL), 0);
	path[XENSTORE_REL_PATH_MAX] = 'a';
	path[XENSTORE_REL_PATH_MAX + 1] = '\0';
	ck_assert_int_eq(xs_path_canon(out, 9, path, NULL), EINVAL);
}
END_TEST

START_TEST(relative_paths)
{
	char out[XS_PATH_BUF];
	size_t rel;

	ck_assert_int_eq(xs_path_canon(out, 17, "device/vbd", &rel), 0);
	ck_assert_str_eq(out, "/local/domain/17/device/vbd");
	ck_assert_uint_eq(rel, strlen("/local/domain/17/"));
	ck_assert_int_eq(xs_path_canon(out, 17, "/x", &rel), 0);
	ck_assert_uint_eq(rel, 0);
	ck_assert_int_eq(xs_path_canon(out, 17, "", &rel), EINVAL);
}
END_TEST

START_TEST(parents)
{
	ck_assert_uint_eq(xs_path_parent_len("/"), 0);
	ck_assert_uint_eq(xs_path_parent_len("/a"), 1);
	ck_assert_uint_eq(xs_path_parent_len("/a/bc"), 2);
}
END_TEST

START_TEST(numbers)
{
	char text[XS_NUM_MAX];
	uint64_t n;

	ck_assert_uint_eq(xs_num_fmt(text, UINT64_MAX), 20);
	ck_assert_str_eq(text, "18446744073709551615");
	ck_assert(xs_num_parse(text, UINT64_MAX, &n) && n == UINT64_MAX);
	ck_assert(!xs_num_parse("18446744073709551616", UINT64_MAX, &n));
	ck_assert(xs_num_parse("5", 5, &n) && n == 5);
	ck_assert(!xs_num_parse("6", 5, &n));
	ck_assert(!xs_num_parse("", 5, &n));
	ck_assert(!xs_num_parse("1x", 5, &n));
	ck_assert(!xs_num_parse("-1", UINT64_MAX, &n));
}
END_TEST

START_TEST(permission_rules)
{
	static const struct xs_perm p[] = { { 3, XS_R }, { 4, XS_W }, { 5, 0 } };
	struct xs_perms *l = xs_perms_new(p, 3);

	ck_assert_uint_eq(xs_perms_allow(l, 0, XS_NO_DOMID), XS_R | XS_W | XS_OWNER);
	ck_assert_uint_eq(xs_perms_allow(l, 3, XS_NO_DOMID), XS_R | XS_W | XS_OWNER);
	ck_assert_uint_eq(xs_perms_allow(l, 4, XS_NO_DOMID), XS_W);
	ck_assert_uint_eq(xs_perms_allow(l, 5, XS_NO_DOMID), 0);
	ck_assert_uint_eq(xs_perms_allow(l, 6, XS_NO_DOMID), XS_R);
	ck_assert_uint_eq(xs_perms_allow(l, 6, 4), XS_W);
	ck_assert_uint_eq(xs_perms_allow(l, 6, 3), XS_R | XS_W | XS_OWNER);
	xs_perms_put(l);
}
END_TEST

START_TEST(queue_keeps_order)
{
	struct xs_buf b = { 0 };
	unsigned char want = 0, put = 0;
	int i, k;

	for (i = 0; i < 5000; i++) {
		for (k = 0; k < i % 7; k++, put++)
			ck_assert(xs_buf_add(&b, &put, 1));
		for (k = 0; k < i % 5 && b.len; k++, want++) {
			ck_assert_uint_eq((unsigned char)b.d[b.head], want);
			xs_buf_take(&b, 1);
		}
	}
	xs_buf_free(&b);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		valid_paths, length_limits,    relative_paths,	  parents,
		numbers,     permission_rules, queue_keeps_order,
	};

	return RUN("xs_path", tests);
}
