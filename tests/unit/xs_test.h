/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Help for the xenstore suites: an allocator that can be told to fail, a store with connections, requests as text.
 * Included by exactly one .c file of each test program.
 */
#ifndef XS_TEST_H
#define XS_TEST_H

#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/io/xs_wire.h>

#include "xenstore/core/xs_alloc.h"
#include "xenstore/core/xs_path.h"
#include "xenstore/core/xs_store.h"

/* Allocations until one fails (once); negative: never. live counts blocks, for leak checks. */
static long alloc_fail_in = -1;
static long alloc_live;

void *xs_alloc(size_t size)
{
	void *p;

	if (alloc_fail_in >= 0 && alloc_fail_in-- == 0)
		return NULL;
	p = malloc(size);
	alloc_live += p != NULL;
	return p;
}

void *xs_realloc(void *old, size_t size)
{
	void *p;

	if (alloc_fail_in >= 0 && alloc_fail_in-- == 0)
		return NULL;
	p = realloc(old, size);
	alloc_live += p && !old;
	return p;
}

void xs_free(void *mem)
{
	alloc_live -= mem != NULL;
	free(mem);
}

static int fake_introduce(void *ctx, uint16_t domid, uint64_t mfn, uint32_t port, void **ring)
{
	static int rings;

	if (mfn == 666)
		return EINVAL;
	if (!*ring)
		*ring = &rings;
	return 0;
}

static const struct xs_host fake_host = { .introduce = fake_introduce };

static struct xs_store *store;
static struct xs_conn *dom0;

static inline void setup(void)
{
	alloc_fail_in = -1;
	alloc_live = 0;
	store = xs_store_new(&fake_host, NULL);
	ck_assert_ptr_nonnull(store);
	dom0 = xs_conn_new(store, 0, NULL);
}

static inline void teardown(void)
{
	ck_assert_ptr_null(xs_store_check(store));
	xs_store_free(store);
	ck_assert_int_eq(alloc_live, 0);
}

/* An introduced domain's connection. */
static inline struct xs_conn *guest(uint16_t domid)
{
	struct xs_conn *c;

	ck_assert_int_eq(xs_domain_add(store, domid, 1, 1, NULL, &c), 0);
	return c;
}

/*
 * Take the next message of c as text: the payload with NULs written as '|', errors as "!ENOENT", events as
 * "*path|token|", nothing waiting as "". Static storage, two results live at a time.
 */
static inline const char *next(struct xs_conn *c)
{
	static char text[2][3 * XENSTORE_PAYLOAD_MAX];
	static int turn;
	char *o = text[turn ^= 1], *start = o;
	struct xsd_sockmsg h;
	uint32_t i;

	if (c->out.len < sizeof(h))
		return "";
	memcpy(&h, c->out.d + c->out.head, sizeof(h));
	ck_assert_uint_le(h.len, XENSTORE_PAYLOAD_MAX);
	ck_assert_uint_ge(c->out.len, sizeof(h) + h.len);
	if (h.type == XS_ERROR)
		*o++ = '!';
	if (h.type == XS_WATCH_EVENT)
		*o++ = '*';
	for (i = 0; i < h.len; i++) {
		char b = c->out.d[c->out.head + sizeof(h) + i];

		*o++ = b ? b : '|';
	}
	if (h.type == XS_ERROR)
		o--;
	*o = '\0';
	xs_conn_sent(c, sizeof(h) + h.len);
	return start;
}

static inline void send_raw(struct xs_conn *c, uint32_t type, uint32_t tx, const void *body,
			    size_t len)
{
	struct xsd_sockmsg h = { .type = type, .req_id = 7, .tx_id = tx, .len = (uint32_t)len };

	xs_handle(c, &h, body);
}

/* Send a request whose body is text with '|' for NUL; the answer, or first event, as next() gives it. */
static inline const char *ask(struct xs_conn *c, uint32_t type, uint32_t tx, const char *text)
{
	char body[XENSTORE_PAYLOAD_MAX + 1];
	size_t len = strlen(text), i;

	for (i = 0; i < len; i++)
		body[i] = text[i] == '|' ? '\0' : text[i];
	send_raw(c, type, tx, body, len);
	return next(c);
}

static inline uint32_t begin(struct xs_conn *c)
{
	return (uint32_t)strtoul(ask(c, XS_TRANSACTION_START, 0, "|"), NULL, 10);
}

#define expect(call, text) ck_assert_str_eq(call, text)

/* Run one suite of one test case list; the usual main(). */
static inline int run_suite(const char *name, const TTest *const *tests, size_t num)
{
	Suite *s = suite_create(name);
	TCase *t = tcase_create(name);
	SRunner *r;
	size_t i;
	int failed;

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	for (i = 0; i < num; i++)
		tcase_add_test(t, tests[i]);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}

#define RUN(name, tests) run_suite(name, tests, sizeof(tests) / sizeof((tests)[0]))

#endif
