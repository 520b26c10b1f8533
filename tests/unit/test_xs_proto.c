// SPDX-License-Identifier: BSD-2-Clause
// The wire protocol: every request, permissions, watches, transactions, quotas, out of memory.
#include "xs_test.h"

START_TEST(write_read_rm)
{
	expect(ask(dom0, XS_WRITE, 0, "/a/b/c|value"), "OK|");
	expect(ask(dom0, XS_READ, 0, "/a/b/c|"), "value");
	expect(ask(dom0, XS_READ, 0, "/a/b|"), "");
	expect(ask(dom0, XS_WRITE, 0, "/a/b/c|x|y|"), "OK|");
	expect(ask(dom0, XS_READ, 0, "/a/b/c|"), "x|y|");
	expect(ask(dom0, XS_RM, 0, "/a/b|"), "OK|");
	expect(ask(dom0, XS_READ, 0, "/a/b/c|"), "!ENOENT");
	expect(ask(dom0, XS_RM, 0, "/a/b|"), "OK|");
	expect(ask(dom0, XS_RM, 0, "/a/b/c|"), "!ENOENT");
	expect(ask(dom0, XS_RM, 0, "/|"), "!EINVAL");
	expect(ask(dom0, XS_MKDIR, 0, "/a/d|"), "OK|");
	expect(ask(dom0, XS_MKDIR, 0, "/a/d|"), "OK|");
	expect(ask(dom0, XS_DIRECTORY, 0, "/a|"), "d|");
	expect(ask(dom0, XS_DIRECTORY, 0, "/a/d|"), "");
	expect(ask(dom0, XS_WRITE, 0, "rel|1"), "OK|");
	expect(ask(dom0, XS_READ, 0, "/local/domain/0/rel|"), "1");
}
END_TEST

START_TEST(bad_requests)
{
	expect(ask(dom0, XS_READ, 0, "/a b|"), "!EINVAL");
	expect(ask(dom0, XS_READ, 0, "/a"), "!EINVAL");
	expect(ask(dom0, XS_READ, 0, ""), "!EINVAL");
	expect(ask(dom0, XS_WRITE, 0, "/a/|x"), "!EINVAL");
	expect(ask(dom0, 99, 0, "x|"), "!ENOSYS");
	expect(ask(dom0, XS_WATCH_EVENT, 0, "x|"), "!ENOSYS");
	expect(ask(dom0, 0xffff, 0, ""), "!ENOSYS");
	expect(ask(dom0, XS_READ, 12345, "/|"), "!ENOENT");
	expect(ask(dom0, XS_TRANSACTION_END, 0, "T|"), "!ENOENT");
	expect(ask(dom0, XS_TRANSACTION_END, 0, "x|"), "!EINVAL");
	expect(ask(dom0, XS_SET_PERMS, 0, "/|x0|"), "!EINVAL");
	expect(ask(dom0, XS_SET_PERMS, 0, "/|"), "!EINVAL");
	expect(ask(dom0, XS_SET_PERMS, 0, "/|n0"), "!EINVAL");
	expect(ask(dom0, XS_CONTROL, 0, "nonsense|"), "!EINVAL");
}
END_TEST

START_TEST(directory_parts)
{
	char text[64], want[64];
	const char *a;
	int i, seen = 0;
	size_t off = 0, gen;

	for (i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "/dir/node%04d|", i);
		expect(ask(dom0, XS_MKDIR, 0, text), "OK|");
	}
	expect(ask(dom0, XS_DIRECTORY, 0, "/dir|"), "!E2BIG");
	for (;;) {
		snprintf(text, sizeof(text), "/dir|%zu|", off);
		a = ask(dom0, XS_DIRECTORY_PART, 0, text);
		gen = strcspn(a, "|") + 1;
		a += gen;
		off += strlen(a);
		for (; *a && *a != '|'; a += strlen(want), seen++) {
			snprintf(want, sizeof(want), "node%04d|", seen);
			ck_assert(!strncmp(a, want, strlen(want)));
		}
		if (*a == '|')
			break;
	}
	ck_assert_int_eq(seen, 1000);
}
END_TEST

START_TEST(guests_are_confined)
{
	struct xs_conn *g = guest(5), *h = guest(6);

	expect(ask(dom0, XS_WRITE, 0, "/local/domain/5/name|web"), "OK|");
	expect(ask(dom0, XS_SET_PERMS, 0, "/local/domain/5|n5|"), "OK|");
	expect(ask(g, XS_READ, 0, "name|"), "!EACCES");
	expect(ask(dom0, XS_SET_PERMS, 0, "/local/domain/5/name|n0|r5|"), "OK|");
	expect(ask(g, XS_READ, 0, "name|"), "web");
	expect(ask(g, XS_WRITE, 0, "name|x"), "!EACCES");
	expect(ask(h, XS_READ, 0, "/local/domain/5/name|"), "!EACCES");
	expect(ask(h, XS_READ, 0, "/local/domain/5/nothing|"), "!EACCES");
	expect(ask(g, XS_READ, 0, "nothing|"), "!ENOENT");
	expect(ask(g, XS_WRITE, 0, "data/x|1"), "OK|");
	expect(ask(g, XS_GET_PERMS, 0, "data/x|"), "n5|");
	expect(ask(g, XS_SET_PERMS, 0, "data/x|n6|"), "!EPERM");
	expect(ask(g, XS_SET_PERMS, 0, "data/x|n5|b6|"), "OK|");
	expect(ask(h, XS_WRITE, 0, "/local/domain/5/data/x|2"), "OK|");
	expect(ask(h, XS_SET_PERMS, 0, "/local/domain/5/data/x|n5|"), "!EACCES");
	expect(ask(g, XS_INTRODUCE, 0, "7|1|1|"), "!EACCES");
	expect(ask(g, XS_RELEASE, 0, "6|"), "!EACCES");
	expect(ask(g, XS_RESUME, 0, "6|"), "!EACCES");
	expect(ask(g, XS_SET_TARGET, 0, "5|6|"), "!EACCES");
	expect(ask(g, XS_CONTROL, 0, "check|"), "!EACCES");
	expect(ask(g, XS_GET_DOMAIN_PATH, 0, "9|"), "/local/domain/9|");
	expect(ask(dom0, XS_SET_TARGET, 0, "6|5|"), "OK|");
	expect(ask(h, XS_READ, 0, "/local/domain/5/name|"), "web");
}
END_TEST

START_TEST(watches)
{
	expect(ask(dom0, XS_WATCH, 0, "/a|t|"), "OK|");
	expect(next(dom0), "*/a|t|");
	expect(ask(dom0, XS_WATCH, 0, "/a|t|"), "!EEXIST");
	expect(ask(dom0, XS_WRITE, 0, "/a/b/c|1"), "OK|");
	expect(next(dom0), "*/a/b/c|t|");
	expect(ask(dom0, XS_WATCH, 0, "/a/b/c|deep|"), "OK|");
	expect(next(dom0), "*/a/b/c|deep|");
	expect(ask(dom0, XS_RM, 0, "/a/b|"), "OK|");
	expect(next(dom0), "*/a/b|t|");
	expect(next(dom0), "*/a/b/c|deep|");
	expect(next(dom0), "");
	expect(ask(dom0, XS_WRITE, 0, "/ab|1"), "OK|");
	expect(next(dom0), "");
	expect(ask(dom0, XS_WATCH, 0, "/a|shallow|1|"), "OK|");
	expect(next(dom0), "*/a|shallow|");
	expect(ask(dom0, XS_UNWATCH, 0, "/a|t|"), "OK|");
	expect(ask(dom0, XS_UNWATCH, 0, "/a|t|"), "!ENOENT");
	expect(ask(dom0, XS_WRITE, 0, "/a/x|1"), "OK|");
	expect(next(dom0), "*/a/x|shallow|");
	expect(ask(dom0, XS_WRITE, 0, "/a/x/y|1"), "OK|");
	expect(next(dom0), "");
	expect(ask(dom0, XS_WATCH, 0, "rel|r|"), "OK|");
	expect(next(dom0), "*rel|r|");
	expect(ask(dom0, XS_WRITE, 0, "/local/domain/0/rel/k|1"), "OK|");
	expect(next(dom0), "*rel/k|r|");
	expect(ask(dom0, XS_RESET_WATCHES, 0, "|"), "OK|");
	ck_assert_uint_eq(store->nwatch, 0);
}
END_TEST

START_TEST(watch_needs_permission)
{
	struct xs_conn *g = guest(5);

	expect(ask(g, XS_WATCH, 0, "/secret|t|"), "OK|");
	expect(next(g), "*/secret|t|");
	expect(ask(dom0, XS_WRITE, 0, "/secret/x|1"), "OK|");
	expect(next(g), "");
	expect(ask(dom0, XS_SET_PERMS, 0, "/secret/x|n0|r5|"), "OK|");
	expect(next(g), "*/secret/x|t|");
	expect(ask(dom0, XS_WRITE, 0, "/secret/x|2"), "OK|");
	expect(next(g), "*/secret/x|t|");
	expect(ask(dom0, XS_SET_PERMS, 0, "/secret/x|n0|"), "OK|");
	expect(next(g), "*/secret/x|t|");
	expect(ask(dom0, XS_WRITE, 0, "/secret/x|3"), "OK|");
	expect(next(g), "");
}
END_TEST

START_TEST(domains_come_and_go)
{
	expect(ask(dom0, XS_WATCH, 0, "@introduceDomain|i|"), "OK|");
	expect(next(dom0), "*@introduceDomain|i|");
	expect(ask(dom0, XS_WATCH, 0, "@releaseDomain|r|1|"), "OK|");
	expect(next(dom0), "*@releaseDomain|r|");
	expect(ask(dom0, XS_IS_DOMAIN_INTRODUCED, 0, "5|"), "F|");
	expect(ask(dom0, XS_INTRODUCE, 0, "5|666|3|"), "!EINVAL");
	expect(ask(dom0, XS_INTRODUCE, 0, "5|1|3|"), "OK|");
	expect(next(dom0), "*@introduceDomain|i|");
	expect(ask(dom0, XS_INTRODUCE, 0, "5|1|4|"), "OK|");
	expect(next(dom0), "");
	expect(ask(dom0, XS_IS_DOMAIN_INTRODUCED, 0, "5|"), "T|");
	expect(ask(dom0, XS_IS_DOMAIN_INTRODUCED, 0, "32752|"), "T|");
	xs_domain_shutdown(store, 5);
	expect(next(dom0), "*@releaseDomain/5|r|");
	xs_domain_shutdown(store, 5);
	expect(next(dom0), "");
	expect(ask(dom0, XS_RESUME, 0, "5|"), "OK|");
	xs_domain_shutdown(store, 5);
	expect(next(dom0), "*@releaseDomain/5|r|");
	expect(ask(dom0, XS_WRITE, 0, "/own/x|1"), "OK|");
	expect(ask(dom0, XS_SET_PERMS, 0, "/own/x|n5|"), "OK|");
	expect(ask(dom0, XS_WRITE, 0, "/other|1"), "OK|");
	expect(ask(dom0, XS_SET_PERMS, 0, "/other|n0|r5|b6|"), "OK|");
	expect(ask(dom0, XS_RELEASE, 0, "5|"), "OK|");
	expect(next(dom0), "*@releaseDomain/5|r|");
	expect(ask(dom0, XS_READ, 0, "/own/x|"), "!ENOENT");
	expect(ask(dom0, XS_GET_PERMS, 0, "/other|"), "n0|b6|");
	expect(ask(dom0, XS_RELEASE, 0, "5|"), "!ENOENT");
}
END_TEST

START_TEST(transactions_merge)
{
	struct xs_conn *o = xs_conn_new(store, 0, NULL);
	uint32_t t = begin(dom0), u = begin(o);

	expect(ask(dom0, XS_WRITE, t, "/t/a|1"), "OK|");
	expect(ask(o, XS_WRITE, u, "/t/b|2"), "OK|");
	expect(ask(dom0, XS_READ, 0, "/t/a|"), "!ENOENT");
	expect(ask(dom0, XS_READ, t, "/t/a|"), "1");
	expect(ask(dom0, XS_TRANSACTION_END, t, "T|"), "OK|");
	expect(ask(o, XS_TRANSACTION_END, u, "T|"), "OK|");
	expect(ask(dom0, XS_DIRECTORY, 0, "/t|"), "a|b|");
}
END_TEST

START_TEST(transactions_conflict)
{
	struct xs_conn *o = xs_conn_new(store, 0, NULL);
	uint32_t t, u;

	expect(ask(dom0, XS_WRITE, 0, "/n|1"), "OK|");
	t = begin(dom0);
	u = begin(o);
	expect(ask(dom0, XS_READ, t, "/n|"), "1");
	expect(ask(o, XS_READ, u, "/n|"), "1");
	expect(ask(dom0, XS_WRITE, t, "/n|2"), "OK|");
	expect(ask(o, XS_WRITE, u, "/n|2"), "OK|");
	expect(ask(o, XS_TRANSACTION_END, u, "T|"), "OK|");
	expect(ask(dom0, XS_TRANSACTION_END, t, "T|"), "!EAGAIN");
	/* It saw a name missing, and the name came. */
	t = begin(dom0);
	expect(ask(dom0, XS_READ, t, "/new|"), "!ENOENT");
	expect(ask(dom0, XS_WRITE, t, "/n|3"), "OK|");
	expect(ask(o, XS_MKDIR, 0, "/new|"), "OK|");
	expect(ask(dom0, XS_TRANSACTION_END, t, "T|"), "!EAGAIN");
	/* It listed a directory, and the list changed. */
	t = begin(dom0);
	expect(ask(dom0, XS_DIRECTORY, t, "/new|"), "");
	expect(ask(dom0, XS_WRITE, t, "/n|3"), "OK|");
	expect(ask(o, XS_MKDIR, 0, "/new/x|"), "OK|");
	expect(ask(dom0, XS_TRANSACTION_END, t, "T|"), "!EAGAIN");
	/* It read a value; that the list of children changed is no conflict. */
	t = begin(dom0);
	expect(ask(dom0, XS_READ, t, "/new|"), "");
	expect(ask(dom0, XS_WRITE, t, "/n|4"), "OK|");
	expect(ask(o, XS_MKDIR, 0, "/new/y|"), "OK|");
	expect(ask(dom0, XS_TRANSACTION_END, t, "T|"), "OK|");
	expect(ask(dom0, XS_READ, 0, "/n|"), "4");
	/* Only looking never fails, and sees one state. */
	t = begin(dom0);
	expect(ask(dom0, XS_READ, t, "/n|"), "4");
	expect(ask(o, XS_WRITE, 0, "/n|5"), "OK|");
	expect(ask(dom0, XS_READ, t, "/n|"), "4");
	expect(ask(dom0, XS_TRANSACTION_END, t, "T|"), "OK|");
}
END_TEST

START_TEST(transactions_fire_at_commit)
{
	struct xs_conn *o = xs_conn_new(store, 0, NULL);
	uint32_t t;

	expect(ask(dom0, XS_WRITE, 0, "/w/old|1"), "OK|");
	expect(ask(o, XS_WATCH, 0, "/w|t|"), "OK|");
	expect(next(o), "*/w|t|");
	t = begin(dom0);
	expect(ask(dom0, XS_WRITE, t, "/w/a|1"), "OK|");
	expect(ask(dom0, XS_WRITE, t, "/w/a|2"), "OK|");
	expect(ask(dom0, XS_RM, t, "/w/old|"), "OK|");
	expect(next(o), "");
	expect(ask(dom0, XS_TRANSACTION_START, t, "|"), "!EBUSY");
	expect(ask(dom0, XS_TRANSACTION_END, t, "T|"), "OK|");
	expect(next(o), "*/w/a|t|");
	expect(next(o), "*/w/old|t|");
	expect(next(o), "");
	t = begin(dom0);
	expect(ask(dom0, XS_WRITE, t, "/w/b|1"), "OK|");
	expect(ask(dom0, XS_TRANSACTION_END, t, "F|"), "OK|");
	expect(next(o), "");
	expect(ask(dom0, XS_READ, 0, "/w/b|"), "!ENOENT");
}
END_TEST

START_TEST(failed_commit_changes_nothing)
{
	struct xs_conn *g = guest(5);
	uint32_t t;

	expect(ask(dom0, XS_MKDIR, 0, "/local/domain/5|"), "OK|");
	expect(ask(dom0, XS_SET_PERMS, 0, "/local/domain/5|n5|"), "OK|");
	expect(ask(dom0, XS_MKDIR, 0, "/shared|"), "OK|");
	expect(ask(dom0, XS_SET_PERMS, 0, "/shared|n0|b5|"), "OK|");
	t = begin(g);
	expect(ask(g, XS_WRITE, t, "mine|1"), "OK|");
	expect(ask(g, XS_WRITE, t, "/shared/x|1"), "OK|");
	expect(ask(dom0, XS_SET_PERMS, 0, "/shared|n0|r5|"), "OK|");
	expect(ask(g, XS_TRANSACTION_END, t, "T|"), "!EAGAIN");
	expect(ask(g, XS_READ, 0, "mine|"), "!ENOENT");
	ck_assert_int_eq(xs_acct_of(&store->tree.acct, 5).nodes, 1);
}
END_TEST

START_TEST(quotas)
{
	struct xs_conn *g = guest(5);
	char text[4000];
	int i;

	expect(ask(dom0, XS_MKDIR, 0, "/local/domain/5|"), "OK|");
	expect(ask(dom0, XS_SET_PERMS, 0, "/local/domain/5|n5|"), "OK|");
	expect(ask(dom0, XS_CONTROL, 0, "quota|set|nodes|10|"), "OK|");
	for (i = 0; i < 9; i++) {
		snprintf(text, sizeof(text), "n%d|", i);
		expect(ask(g, XS_MKDIR, 0, text), "OK|");
	}
	expect(ask(g, XS_MKDIR, 0, "more|"), "!ENOSPC");
	expect(ask(g, XS_WRITE, 0, "a/b/c|"), "!ENOSPC");
	expect(ask(g, XS_RM, 0, "n0|"), "OK|");
	expect(ask(g, XS_MKDIR, 0, "more|"), "OK|");
	memset(text, 'x', 3000);
	memcpy(text, "n1|", 3);
	text[3000] = '\0';
	expect(ask(g, XS_WRITE, 0, text), "!ENOSPC");
	for (i = 0; i < 10; i++)
		ck_assert_str_ne(ask(g, XS_TRANSACTION_START, 0, "|"), "!ENOSPC");
	expect(ask(g, XS_TRANSACTION_START, 0, "|"), "!ENOSPC");
	for (i = 0; i < 128; i++) {
		snprintf(text, sizeof(text), "w|%d|", i);
		expect(ask(g, XS_WATCH, 0, text), "OK|");
		next(g);
	}
	expect(ask(g, XS_WATCH, 0, "w|x|"), "!E2BIG");
	expect(ask(g, XS_SET_PERMS, 0, "n1|n5|r1|r2|r3|r4|r6|"), "!ENOSPC");
}
END_TEST

/* Values that a transaction has to remember count, also those that it removed again; these twice, as change and as node. */
START_TEST(transactions_cost_memory)
{
	struct xs_conn *g = guest(5);
	char body[2100] = "v|";
	size_t total = 0;
	uint32_t t;
	int i, k;

	expect(ask(dom0, XS_MKDIR, 0, "/local/domain/5|"), "OK|");
	expect(ask(dom0, XS_SET_PERMS, 0, "/local/domain/5|n5|"), "OK|");
	expect(ask(dom0, XS_CONTROL, 0, "quota|set|memory|200000|"), "OK|");
	memset(body + 2, 'x', 2000);
	for (i = 0; i < 10; i++) {
		t = begin(g);
		for (k = 0; k < 100; k++) {
			if (strcmp(ask(g, XS_WRITE, t, body), "OK|"))
				break;
			total += 2000;
			expect(ask(g, XS_RM, t, "v|"), "OK|");
		}
	}
	ck_assert_uint_gt(total, 75000);
	ck_assert_uint_le(total, 200000);
	expect(ask(g, XS_RESET_WATCHES, 0, "|"), "OK|");
	expect(ask(g, XS_WRITE, 0, body), "OK|");
}
END_TEST

START_TEST(features_and_quotas_by_domain)
{
	struct xs_conn *g = guest(5), *h = guest(6);

	expect(ask(dom0, 23, 0, ""), "7|");
	expect(ask(dom0, 23, 0, "5|"), "7|");
	expect(ask(dom0, 23, 0, "32752|"), "!EINVAL");
	expect(ask(g, 23, 0, ""), "!EACCES");
	expect(ask(dom0, 24, 0, "5|8|"), "!EINVAL");
	expect(ask(dom0, 24, 0, "5|1|"), "!EBUSY");
	expect(ask(dom0, 24, 0, "0|1|"), "!EINVAL");
	/* They hold from the domain's introduction until its end. */
	expect(ask(dom0, 24, 0, "9|1|"), "OK|");
	expect(ask(dom0, 23, 0, "9|"), "1|");
	expect(ask(dom0, XS_INTRODUCE, 0, "9|1|1|"), "OK|");
	ck_assert_uint_eq(xs_features(store, 9), 1);
	expect(ask(dom0, XS_RELEASE, 0, "9|"), "OK|");
	expect(ask(dom0, 23, 0, "9|"), "7|");
	ck_assert_ptr_null(store->features);
	ck_assert_ptr_nonnull(strstr(ask(dom0, 25, 0, ""), "nodes"));
	expect(ask(dom0, 25, 0, "watches|"), "128|");
	expect(ask(dom0, 25, 0, "nonsense|"), "!EINVAL");
	expect(ask(dom0, 26, 0, "5|watches|1|"), "OK|");
	expect(ask(dom0, 25, 0, "5|watches|"), "1|");
	expect(ask(dom0, 25, 0, "6|watches|"), "128|");
	expect(ask(dom0, 26, 0, "watches|2|"), "OK|");
	expect(ask(g, XS_WATCH, 0, "a|t|"), "OK|");
	next(g);
	expect(ask(g, XS_WATCH, 0, "b|t|"), "!E2BIG");
	expect(ask(h, XS_WATCH, 0, "a|t|"), "OK|");
	next(h);
	expect(ask(h, XS_WATCH, 0, "b|t|"), "OK|");
	next(h);
	expect(ask(h, XS_WATCH, 0, "c|t|"), "!E2BIG");
	expect(ask(dom0, XS_CONTROL, 0, "quota-soft|set|nodes|1|"), "OK|");
	expect(ask(dom0, XS_CONTROL, 0, "quota-soft|set|path-max|1|"), "!EINVAL");
}
END_TEST

/* Snapshots keep no more than what was replaced since the oldest: beyond the quota that one ends with EAGAIN. */
START_TEST(old_snapshots_end)
{
	static char body[2100] = "/big\0";
	struct xs_conn *g = guest(5);
	char old[16], young[16];
	unsigned int i;

	snprintf(old, sizeof(old), "%s", ask(g, XS_TRANSACTION_START, 0, "|"));
	for (i = 0; i < 2000; i++) {
		expect(ask(dom0, XS_WRITE, 0, i % 2 ? "/a/b|1" : "/a/b|2"), "OK|");
		if (i == 1990)
			snprintf(young, sizeof(young), "%s", ask(g, XS_TRANSACTION_START, 0, "|"));
	}
	/* So far one node was replaced again and again; one old copy of it was kept. */
	ck_assert(!g->txn->doomed && !g->txn->next->doomed);
	for (i = 0; i < 3 * 1024 * 1024 / 2048; i++) {
		snprintf(body, sizeof(body), "/big%u", i);
		send_raw(dom0, XS_WRITE, 0, body, sizeof(body));
		expect(next(dom0), "OK|");
	}
	expect(ask(g, XS_TRANSACTION_START, 0, "|"), "3|");
	expect(ask(dom0, XS_RM, 0, "/big0|"), "OK|");
	for (i = 1; i < 3 * 1024 * 1024 / 2048; i++) {
		snprintf(body, sizeof(body), "/big%u", i);
		send_raw(dom0, XS_RM, 0, body, strlen(body) + 1);
		expect(next(dom0), "OK|");
	}
	ck_assert(g->txn->doomed && g->txn->next->doomed && g->txn->next->next->doomed);
	expect(ask(g, XS_TRANSACTION_END, (uint32_t)strtoul(old, NULL, 10), "T|"), "!EAGAIN");
	expect(ask(g, XS_TRANSACTION_END, (uint32_t)strtoul(young, NULL, 10), "F|"), "OK|");
}
END_TEST

/* A guest that takes no events costs bounded memory, and learns afterwards that something changed. */
START_TEST(events_not_taken)
{
	struct xs_conn *g = guest(5);
	int i;

	expect(ask(dom0, XS_MKDIR, 0, "/local/domain/5|"), "OK|");
	expect(ask(dom0, XS_SET_PERMS, 0, "/local/domain/5|n5|"), "OK|");
	expect(ask(g, XS_WATCH, 0, "w|t|"), "OK|");
	next(g);
	for (i = 0; i < 20000; i++) {
		send_raw(dom0, XS_WRITE, 0, "/local/domain/5/w/x\0001", 21);
		next(dom0);
	}
	ck_assert_uint_lt(g->out.len, 70000);
	ck_assert_uint_eq(g->nlost, 1);
	while (g->nlost)
		expect(next(g), "*w/x|t|");
	while (g->out.len > 30)
		next(g);
	expect(next(g), "*w|t|");
}
END_TEST

/* Each allocation of a run of requests fails once: answers are ENOMEM, nothing leaks or is half done. */
START_TEST(out_of_memory)
{
	static const char *const walk[][2] = {
		{ "w", "/m/a/b|12345" }, { "W", "/m/a|tok|" },	{ "w", "/m/a/c|6" },
		{ "p", "/m/a|n0|r5|" },	 { "d", "/m/a|" },	{ "m", "/m/q/r/s|" },
		{ "r", "/m/a/b|" },	 { "c", "memreport|" },
	};
	static const char kind[] = "wWpdmrc";
	static const uint32_t type[] = { XS_WRITE, XS_WATCH, XS_SET_PERMS, XS_DIRECTORY,
					 XS_MKDIR, XS_RM,    XS_CONTROL };
	long n;
	size_t i;

	for (n = 0; n < 120; n++) {
		struct xs_conn *c = xs_conn_new(store, 0, NULL);
		uint32_t t = begin(c);
		const char *a;

		alloc_fail_in = n;
		for (i = 0; i < sizeof(walk) / sizeof(walk[0]) && !c->broken; i++) {
			uint32_t ty = type[strchr(kind, walk[i][0][0]) - kind];
			bool in_txn = n % 2 && ty != XS_WATCH && ty != XS_CONTROL && ty != XS_RM;

			a = ask(c, ty, in_txn ? t : 0, walk[i][1]);
			if (a[0] == '!')
				ck_assert_msg(!strcmp(a, "!ENOMEM") || !strcmp(a, "!ENOENT"), "%s",
					      a);
			while (*next(c))
				;
		}
		if (!c->broken)
			ask(c, XS_TRANSACTION_END, t, "T|");
		alloc_fail_in = -1;
		ck_assert_ptr_null(xs_store_check(store));
		xs_conn_free(c);
		expect(ask(dom0, XS_RM, 0, "/m|"), "OK|");
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		write_read_rm,
		bad_requests,
		directory_parts,
		guests_are_confined,
		watches,
		watch_needs_permission,
		domains_come_and_go,
		transactions_merge,
		transactions_conflict,
		transactions_fire_at_commit,
		failed_commit_changes_nothing,
		quotas,
		transactions_cost_memory,
		features_and_quotas_by_domain,
		old_snapshots_end,
		events_not_taken,
		out_of_memory,
	};

	return RUN("xs_proto", tests);
}
