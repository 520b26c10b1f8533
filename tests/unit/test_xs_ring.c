// SPDX-License-Identifier: BSD-2-Clause
// Rings of domains: the protocol, and death of the daemon at any instant.
//
// The daemon's ring code runs here on a page of ours. "Death" is a jump out of it at a random allocation, before or after a
// commit, or at a notification; everything but the page and the journal is dropped, and a new daemon starts from those two.
// The domain must get every answer and every event, once, in order.
//
// XS_SEED and XS_STEPS in the environment repeat or lengthen a run.
#include <setjmp.h>
#include <stdarg.h>

#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/io/xs_wire.h>

#include "xenstore/core/xs_alloc.h"
#include "xenstore/core/xs_journal.h"
#include "xenstore/daemon/xsd.h"

/* The code under test is the daemon's, not PURE, so it is no part of the library of the unit tests. */
#include "xenstore/daemon/peer.c"
#include "xenstore/daemon/ring.c"

/* ---- memory that dies with the daemon ---- */

struct block {
	struct block *next, *prev;
};

static struct block blocks = { &blocks, &blocks };
static jmp_buf death;
static long die_in = -1; /* steps until death; negative: never */
static unsigned int notified;

static void step_of_life(void)
{
	if (die_in >= 0 && die_in-- == 0)
		longjmp(death, 1);
}

void *xs_alloc(size_t size)
{
	struct block *b;

	step_of_life();
	b = malloc(sizeof(*b) + size);
	ck_assert_ptr_nonnull(b);
	b->next = blocks.next;
	b->prev = &blocks;
	b->next->prev = b;
	blocks.next = b;
	return b + 1;
}

void xs_free(void *mem)
{
	struct block *b = mem ? (struct block *)mem - 1 : NULL;

	if (!b)
		return;
	b->prev->next = b->next;
	b->next->prev = b->prev;
	free(b);
}

void *xs_realloc(void *old, size_t size)
{
	struct block *b = old ? (struct block *)old - 1 : NULL, *moved;

	if (!b)
		return xs_alloc(size);
	step_of_life();
	b->prev->next = b->next;
	b->next->prev = b->prev;
	moved = realloc(b, sizeof(*b) + size);
	ck_assert_ptr_nonnull(moved);
	b = moved;
	b->next = blocks.next;
	b->prev = &blocks;
	b->next->prev = b;
	blocks.next = b;
	return b + 1;
}

/* ---- the daemon's surroundings ---- */

static struct {
	uint32_t len[400000];
	uint32_t num;
	char *data;
	size_t size, cap;
} file;

static struct xsd daemon_state;
static struct ring ring;
static struct xenstore_domain_interface page;

static bool to_file(void *arg, const void *group, size_t len)
{
	if (file.size + len > file.cap) {
		file.cap = (file.size + len) * 2;
		file.data = realloc(file.data, file.cap);
	}
	memcpy(file.data + file.size, group, len);
	file.size += len;
	file.len[file.num++] = (uint32_t)len;
	return true;
}

void xsd_journal_commit(struct xsd *d)
{
	struct xs_buf *log = &d->store->jlog;

	step_of_life();
	if (log->len)
		to_file(NULL, xs_buf_at(log), log->len);
	xs_buf_take(log, log->len);
	step_of_life();
}

void xsd_xen_unmask(struct xsd *d, struct ring *r)
{
}

void xsd_xen_notify(struct xsd *d, struct ring *r)
{
	step_of_life();
	notified++;
}

void xsd_log(enum xsd_level level, const char *fmt, ...)
{
}

void xsd_access(const struct xs_conn *c, const struct xsd_sockmsg *h, const char *body)
{
}

void xsd_sock_flush(struct xsd *d, struct peer *const *p, uint32_t n)
{
}

static void attach(struct xs_conn *c)
{
	memset(&ring, 0, sizeof(ring));
	ring.peer.d = &daemon_state;
	ring.peer.ring = &ring;
	ring.peer.src.fd = -1;
	ring.peer.conn = c;
	ring.page = &page;
	ring.domid = 5;
	c->host = &ring.peer;
	c->wake = xsd_wake;
}

static void new_life(void)
{
	memset(&daemon_state, 0, sizeof(daemon_state));
	daemon_state.dirty_tail = &daemon_state.dirty;
	daemon_state.store = xs_store_new(NULL, NULL);
}

/* The first daemon: a domain that owns its directory. */
static void first_life(void)
{
	struct xs_perm p = { .domid = 5 };
	struct xs_perms *l;
	struct xs_conn *c;

	memset(&page, 0, sizeof(page));
	file.num = 0;
	file.size = 0;
	new_life();
	daemon_state.store->journal = true;
	xs_tree_write(&daemon_state.store->tree, "/local/domain/5", XS_NO_DOMID, NULL, 0);
	l = xs_perms_new(&p, 1);
	xs_tree_set_perms(&daemon_state.store->tree, "/local/domain/5", l);
	xs_perms_put(l);
	xs_domain_add(daemon_state.store, 5, 1, 1, NULL, &c);
	attach(c);
	xsd_ring_start(&ring);
	xs_j_snapshot(daemon_state.store, to_file, NULL);
}

static void next_life(void)
{
	size_t at = 0;
	uint32_t i;

	die_in = -1;
	while (blocks.next != &blocks)
		xs_free(blocks.next + 1);
	new_life();
	for (i = 0; i < file.num; at += file.len[i++]) {
		const char *bad = xs_j_apply(daemon_state.store, file.data + at, file.len[i]);

		ck_assert_msg(!bad, "%s", bad);
	}
	daemon_state.store->journal = true;
	attach(xs_domain_find(daemon_state.store, 5)->conn);
	/* As the daemon does, begin with a new snapshot. */
	file.num = 0;
	file.size = 0;
	xs_j_snapshot(daemon_state.store, to_file, NULL);
	xsd_ring_resume(&ring);
	xsd_dirty(&ring.peer);
}

static void last_life(void)
{
	ck_assert_ptr_null(xs_store_check(daemon_state.store));
	xs_store_free(daemon_state.store);
	ck_assert_ptr_eq(blocks.next, &blocks);
}

/* The daemon has the processor for a while; it may die. */
static void daemon_turn(void)
{
	if (setjmp(death)) {
		next_life();
		return;
	}
	xsd_ring_run(&ring);
	xsd_flush(&daemon_state);
}

/* ---- the domain ---- */

static uint64_t seed_state;

static unsigned int rnd(unsigned int below)
{
	seed_state = seed_state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned int)(seed_state >> 33) % below;
}

static char sending[8192];
static size_t send_len, send_at;
static char got[8192];
static size_t got_len;

static void queue_request(uint32_t type, uint32_t id, const char *body, size_t len)
{
	struct xsd_sockmsg h = { .type = type, .req_id = id, .len = (uint32_t)len };

	memmove(sending, sending + send_at, send_len - send_at);
	send_len -= send_at;
	send_at = 0;
	ck_assert_uint_le(send_len + sizeof(h) + len, sizeof(sending));
	memcpy(sending + send_len, &h, sizeof(h));
	memcpy(sending + send_len + sizeof(h), body, len);
	send_len += sizeof(h) + len;
}

/* Move some bytes both ways, at most `most` each. */
static void domain_turn(uint32_t most)
{
	while (most-- && send_at < send_len && page.req_prod - page.req_cons < XENSTORE_RING_SIZE)
		page.req[MASK_XENSTORE_IDX(page.req_prod++)] = sending[send_at++];
	while (page.rsp_cons != page.rsp_prod && got_len < sizeof(got))
		got[got_len++] = page.rsp[MASK_XENSTORE_IDX(page.rsp_cons++)];
}

/* Take one whole message, if there is one. */
static bool take(struct xsd_sockmsg *h, char *body)
{
	if (got_len < sizeof(*h))
		return false;
	memcpy(h, got, sizeof(*h));
	ck_assert_uint_le(h->len, XENSTORE_PAYLOAD_MAX);
	if (got_len < sizeof(*h) + h->len)
		return false;
	memcpy(body, got + sizeof(*h), h->len);
	body[h->len] = '\0';
	got_len -= sizeof(*h) + h->len;
	memmove(got, got + sizeof(*h) + h->len, got_len);
	return true;
}

static void start(void)
{
	die_in = -1;
	send_len = send_at = got_len = 0;
	notified = 0;
	first_life();
}

/* Send one request and wait for its answer. */
static const char *ask(uint32_t type, const char *body, size_t len)
{
	static char text[XENSTORE_PAYLOAD_MAX + 1];
	struct xsd_sockmsg h;
	int i;

	queue_request(type, 1, body, len);
	for (i = 0; i < 100; i++) {
		domain_turn(4096);
		daemon_turn();
		domain_turn(4096);
		if (take(&h, text))
			return text;
	}
	return "(no answer)";
}

/* ---- tests ---- */

START_TEST(death_at_any_instant)
{
	const char *s = getenv("XS_SEED"), *n = getenv("XS_STEPS");
	uint64_t seed = s ? strtoull(s, NULL, 0) : 20261120;
	long steps = n ? strtol(n, NULL, 0) : 25000, i, deaths = 0;
	uint32_t sent = 0, answered = 0, written = 0, events = 0;
	char body[XENSTORE_PAYLOAD_MAX + 1], value[16];
	struct xsd_sockmsg h;

	seed_state = seed;
	start();
	queue_request(XS_WATCH, sent++, "k\0token", 8);
	for (i = 0; i < steps; i++) {
		if (send_len - send_at < 4096 && sent - answered < 30) {
			/* Even numbers write, odd ones read back; some are large, so that they do not fit the ring. */
			int len = sprintf(body, "k") + 1;

			if (sent % 2) {
				size_t pad = rnd(20) ? 0 : 1500;

				len += sprintf(body + len, "%u", sent);
				memset(body + len, 'x', pad);
				queue_request(XS_WRITE, sent++, body, (size_t)len + pad);
			} else {
				queue_request(XS_READ, sent++, body, (size_t)len);
			}
		}
		domain_turn(1 + rnd(300));
		die_in = rnd(3) ? -1 : (long)rnd(40);
		deaths += die_in >= 0;
		daemon_turn();
		deaths -= die_in >= 0;
		die_in = -1;
		domain_turn(0);
		while (take(&h, body)) {
			if (h.type == XS_WATCH_EVENT) {
				ck_assert_str_eq(body, "k");
				events++;
				continue;
			}
			ck_assert_msg(h.req_id == answered, "answer to %u, not to %u", h.req_id,
				      answered);
			if (h.type == XS_READ && answered > 1) {
				sprintf(value, "%u", answered - 1);
				ck_assert_msg(!strncmp(body, value, strlen(value)),
					      "read '%.12s', not %s", body, value);
			}
			written += h.type == XS_WRITE;
			answered++;
		}
		/* One for the watch itself, then one for each write; the one of the last write may be on its way. */
		ck_assert_uint_le(events, written + 2);
		ck_assert_uint_ge(events + 2, written);
	}
	printf("seed %llu: %ld deaths, %u requests answered\n", (unsigned long long)seed, deaths,
	       answered);
	ck_assert_int_gt(deaths, 100);
	ck_assert_uint_gt(answered, 1000);
	last_life();
	free(file.data);
	file.data = NULL;
	file.cap = 0;
}
END_TEST

START_TEST(bad_indices_are_refused)
{
	start();
	page.req_prod = 2000;
	daemon_turn();
	ck_assert_uint_eq(page.error, XENSTORE_ERROR_RINGIDX);
	ck_assert(ring.bad);
	/* It asks for a fresh start, and is served again. */
	page.connection = XENSTORE_RECONNECT;
	daemon_turn();
	ck_assert_uint_eq(page.connection, XENSTORE_CONNECTED);
	ck_assert_uint_eq(page.error, XENSTORE_ERROR_NONE);
	ck_assert_uint_eq(page.req_prod, 0);
	ck_assert_str_eq(ask(XS_WRITE, "a\0001", 3), "OK");
	/* A domain that breaks the rules loses its watches and transactions at once. */
	ck_assert_str_eq(ask(XS_TRANSACTION_START, "", 1), "1");
	ck_assert_str_eq(ask(XS_WATCH, "k\0t", 4), "OK");
	ck_assert_uint_eq(ring.peer.conn->nwatch, 1);
	page.rsp_cons = page.rsp_prod + 5;
	queue_request(XS_READ, 1, "a", 2);
	domain_turn(100);
	page.rsp_cons = page.rsp_prod + 5;
	daemon_turn();
	ck_assert_uint_eq(page.error, XENSTORE_ERROR_RINGIDX);
	ck_assert_uint_eq(ring.peer.conn->nwatch, 0);
	ck_assert_uint_eq(ring.peer.conn->ntxn, 0);
	last_life();
}
END_TEST

START_TEST(long_requests_are_refused)
{
	struct xsd_sockmsg h = { .type = XS_WRITE, .len = XENSTORE_PAYLOAD_MAX + 1 };

	start();
	memcpy(sending, &h, sizeof(h));
	send_len = sizeof(h);
	domain_turn(100);
	daemon_turn();
	ck_assert_uint_eq(page.error, XENSTORE_ERROR_PROTO);
	last_life();
}
END_TEST

/* A domain that takes no answers has its requests left in the ring, and gets them all when it goes on. */
START_TEST(answers_not_taken)
{
	struct xsd_sockmsg h;
	char body[XENSTORE_PAYLOAD_MAX + 1];
	uint32_t i, answers = 0;

	start();
	for (i = 0; i < 100; i++)
		queue_request(XS_GET_DOMAIN_PATH, i, "5", 2);
	for (i = 0; i < 50; i++) {
		uint32_t cons = page.rsp_cons;
		size_t had = got_len;

		domain_turn(4096);
		page.rsp_cons = cons;
		got_len = had;
		daemon_turn();
	}
	ck_assert_uint_eq(ring.peer.conn->unread, daemon_state.store->quota[XS_Q_OUTSTANDING]);
	ck_assert_uint_lt(ring.peer.conn->out.len, 8192);
	ck_assert_uint_lt(ring.peer.conn->in.len, 8192);
	for (i = 0; i < 200; i++) {
		domain_turn(4096);
		daemon_turn();
		while (take(&h, body))
			ck_assert_uint_eq(h.req_id, answers++);
	}
	ck_assert_uint_eq(answers, 100);
	last_life();
}
END_TEST

/* Features that a domain is not offered have no effect. */
START_TEST(features_held_back)
{
	start();
	xs_features_set(daemon_state.store, 5, 0);
	xsd_ring_start(&ring);
	ck_assert_uint_eq(page.server_features, 0);
	page.req_prod = 2000;
	daemon_turn();
	ck_assert(ring.bad);
	ck_assert_uint_eq(page.error, XENSTORE_ERROR_NONE);
	page.connection = XENSTORE_RECONNECT;
	daemon_turn();
	ck_assert_uint_eq(page.connection, XENSTORE_RECONNECT);
	ck_assert(ring.bad);
	xs_features_set(daemon_state.store, 5, XS_FEATURES);
	last_life();
}
END_TEST

START_TEST(notified_when_something_moved)
{
	start();
	daemon_turn();
	ck_assert_uint_eq(notified, 0);
	ask(XS_READ, "none", 5);
	ck_assert_uint_gt(notified, 0);
	ck_assert_uint_eq(page.server_features & 3, 3);
	last_life();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { death_at_any_instant,	  bad_indices_are_refused,
				       long_requests_are_refused, answers_not_taken,
				       features_held_back,	  notified_when_something_moved };
	Suite *s = suite_create("xs_ring");
	TCase *t = tcase_create("xs_ring");
	SRunner *r = srunner_create(s);
	size_t i;
	int failed;

	tcase_set_timeout(t, 120);
	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(t, tests[i]);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
