// SPDX-License-Identifier: BSD-2-Clause
// The journal: a store rebuilt from a snapshot and the groups after it equals the original; damage is noticed.
//
// XS_SEED and XS_STEPS in the environment repeat or lengthen a run.
#include "xs_test.h"

#include "xenstore/core/xs_journal.h"
#include "xenstore/core/xs_state.h"

#define NGUEST 3

static uint64_t seed_state;

static unsigned int rnd(unsigned int below)
{
	seed_state = seed_state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned int)(seed_state >> 33) % below;
}

/* Groups, each behind its length. */
static struct xs_buf file;

static bool emit(void *arg, const void *group, size_t len)
{
	uint32_t n = (uint32_t)len;

	return xs_buf_add(arg, &n, sizeof(n)) && xs_buf_add(arg, group, len);
}

static void capture(void)
{
	ck_assert(!store->jbroken);
	if (store->jlog.len)
		ck_assert(emit(&file, store->jlog.d + store->jlog.head, store->jlog.len));
	xs_buf_take(&store->jlog, store->jlog.len);
}

static const char *load(struct xs_store *s, const char *data, size_t len)
{
	const char *bad = NULL;
	uint32_t n;

	while (len && !bad) {
		memcpy(&n, data, sizeof(n));
		bad = xs_j_apply(s, data + sizeof(n), n);
		data += sizeof(n) + n;
		len -= sizeof(n) + n;
	}
	return bad;
}

/* A snapshot as one string of bytes, without the generation. */
static void flatten(struct xs_store *s, struct xs_buf *b)
{
	bool was = s->journal;

	s->journal = true;
	ck_assert(xs_j_snapshot(s, emit, b));
	s->journal = was;
	xs_buf_take(b, sizeof(uint32_t) + 9);
}

static void compare(void)
{
	struct xs_store *copy = xs_store_new(&fake_host, NULL);
	struct xs_buf a = { 0 }, b = { 0 };
	const char *bad = load(copy, file.d + file.head, file.len);
	const struct xs_domain *d;
	const struct xs_conn *o;

	ck_assert_msg(!bad, "%s", bad);
	ck_assert_ptr_null(xs_store_check(copy));
	/* What a domain has taken of the answers is known from its ring. */
	for (d = copy->domains; d; d = d->next) {
		o = xs_domain_find(store, d->domid)->conn;
		xs_conn_sent(d->conn, o->out_at - d->conn->out_at);
	}
	flatten(store, &a);
	flatten(copy, &b);
	ck_assert_uint_eq(a.len, b.len);
	ck_assert(!memcmp(a.d + a.head, b.d + b.head, a.len));
	xs_buf_free(&a);
	xs_buf_free(&b);
	xs_store_free(copy);
}

static uint32_t channel(void *ctx, const struct xs_conn *c)
{
	return 5;
}

static int take_socket(void *ctx, struct xs_conn *c, int fd)
{
	return fd == 5 ? 0 : EINVAL;
}

static int take_ring(void *ctx, struct xs_domain *d, uint32_t port)
{
	return port == 5 ? 0 : EINVAL;
}

/* The same by the stream of a live update. */
static void compare_state(void)
{
	struct xs_state_io io = {
		.global = { 3, 4 }, .channel = channel, .socket = take_socket, .ring = take_ring
	};
	struct xs_store *copy = xs_store_new(&fake_host, NULL);
	struct xs_buf stream = { 0 }, a = { 0 }, b = { 0 };
	const char *bad;

	ck_assert(xs_state_write(store, &io, &stream));
	memset(&io.global, 0, sizeof(io.global));
	bad = xs_state_read(copy, &io, stream.d + stream.head, stream.len);
	ck_assert_msg(!bad, "%s", bad);
	ck_assert_int_eq(io.global.socket_fd, 3);
	ck_assert_int_eq(io.global.evtchn_fd, 4);
	ck_assert_uint_eq(copy->nconn, store->nconn);
	ck_assert_uint_eq(copy->nwatch, store->nwatch);
	ck_assert_ptr_null(xs_store_check(copy));
	flatten(store, &a);
	flatten(copy, &b);
	ck_assert_uint_eq(a.len, b.len);
	ck_assert(!memcmp(a.d + a.head, b.d + b.head, a.len));
	xs_buf_free(&stream);
	xs_buf_free(&a);
	xs_buf_free(&b);
	xs_store_free(copy);
}

static void restart_file(void)
{
	capture();
	xs_buf_free(&file);
	ck_assert(xs_j_snapshot(store, emit, &file));
}

static void random_path(char *body)
{
	static const char *const top[] = { "/s", "x", "/local/domain/1", "/local/domain/2",
					   "/s/t" };

	sprintf(body, "%s/n%u|", top[rnd(5)], rnd(4));
}

static void random_request(struct xs_conn *c, uint32_t tx)
{
	static const uint32_t types[] = { XS_WRITE, XS_WRITE,	XS_MKDIR, XS_RM,       XS_SET_PERMS,
					  XS_WATCH, XS_UNWATCH, XS_READ,  XS_DIRECTORY };
	uint32_t type = types[rnd(9)];
	char body[128];

	random_path(body);
	if (type == XS_WRITE)
		sprintf(body + strlen(body), "value %u", rnd(1000));
	if (type == XS_SET_PERMS)
		sprintf(body + strlen(body), "%c%u|%c%u|", "nrwb"[rnd(4)], c -> domid,
			"nrwb"[rnd(4)], rnd(5));
	if (type == XS_WATCH || type == XS_UNWATCH)
		sprintf(body + strlen(body), "t%u|", rnd(3));
	ask(c, type, tx, body);
}

static void random_step(void)
{
	struct xs_domain *d = store->domains;
	struct xs_conn *c = dom0;
	char text[64];
	unsigned int k;

	for (k = rnd(NGUEST + 1); d && k; k--, d = d->next)
		c = d->conn;
	switch (rnd(16)) {
	case 0:
		snprintf(text, sizeof(text), "%u|1|%u|", 1 + rnd(NGUEST), 1 + rnd(9));
		ask(dom0, XS_INTRODUCE, 0, text);
		break;
	case 1:
		snprintf(text, sizeof(text), "%u|", 1 + rnd(NGUEST));
		ask(dom0, rnd(8) ? XS_RESUME : XS_RELEASE, 0, text);
		break;
	case 2:
		snprintf(text, sizeof(text), "/local/domain/%u|n%u|", 1 + rnd(NGUEST),
			 1 + rnd(NGUEST));
		ask(dom0, XS_SET_PERMS, 0, text);
		break;
	case 3:
		if (c->txn) {
			snprintf(text, sizeof(text), "%c|", "TF"[rnd(2)]);
			ask(c, XS_TRANSACTION_END, c->txn->id, text);
		} else {
			begin(c);
		}
		break;
	case 4:
		if (c->ring && rnd(2) && xs_buf_add(&c->in, "0123456789", 10)) {
			c->in_at += 10;
			xs_j_bytes(c, XS_J_IN, "0123456789", 10);
		} else if (c->ring && c->in.len >= 5) {
			xs_buf_take(&c->in, 5);
			xs_j_used(c, 5);
		}
		break;
	case 5:
		if (!rnd(10) && c->ring)
			xs_conn_restart(c);
		else
			xs_domain_shutdown(store, (uint16_t)(1 + rnd(NGUEST)));
		break;
	default:
		random_request(c, c->txn && rnd(2) ? c->txn->id : 0);
	}
}

START_TEST(rebuilt_store_is_equal)
{
	const char *s = getenv("XS_SEED"), *n = getenv("XS_STEPS");
	uint64_t seed = s ? strtoull(s, NULL, 0) : 20261120;
	long steps = n ? strtol(n, NULL, 0) : 20000, i;

	seed_state = seed;
	store->journal = true;
	restart_file();
	for (i = 0; i < steps; i++) {
		random_step();
		capture();
		if (rnd(50) == 0)
			compare();
		if (rnd(50) == 0)
			compare_state();
		if (rnd(1000) == 0)
			restart_file();
	}
	compare();
	printf("seed %llu: %ld steps\n", (unsigned long long)seed, steps);
	xs_buf_free(&file);
}
END_TEST

/* Any one byte changed, or the end missing: an error or another state, never a crash or a broken tree. */
START_TEST(damage_is_survived)
{
	uint32_t i, k;

	seed_state = 7;
	store->journal = true;
	for (i = 0; i < 60; i++)
		random_step();
	restart_file();
	for (i = 4; i < file.len; i++) {
		for (k = 0; k < 3; k++) {
			struct xs_store *copy = xs_store_new(&fake_host, NULL);
			char keep = file.d[file.head + i];
			uint32_t n;

			memcpy(&n, file.d + file.head, sizeof(n));
			if (i >= sizeof(n) + n) {
				xs_store_free(copy);
				break;
			}
			file.d[file.head + i] = (char)(keep + (k == 0 ? 1 : k == 1 ? 128 : 37));
			if (!xs_j_apply(copy, file.d + file.head + 4, k == 2 ? i - 4 : n))
				ck_assert_ptr_null(xs_store_check(copy));
			file.d[file.head + i] = keep;
			xs_store_free(copy);
		}
	}
	xs_buf_free(&file);
}
END_TEST

/* A transaction that was open goes on by name, and ends with EAGAIN. */
START_TEST(open_transactions_end_with_eagain)
{
	struct xs_store *copy = xs_store_new(&fake_host, NULL);
	struct xs_conn *g;
	uint32_t t;

	store->journal = true;
	restart_file();
	expect(ask(dom0, XS_INTRODUCE, 0, "5|1|2|"), "OK|");
	expect(ask(dom0, XS_WRITE, 0, "/local/domain/5/x|1"), "OK|");
	expect(ask(dom0, XS_SET_PERMS, 0, "/local/domain/5|n5|"), "OK|");
	expect(ask(dom0, XS_SET_PERMS, 0, "/local/domain/5/x|n5|"), "OK|");
	g = xs_domain_find(store, 5)->conn;
	t = begin(g);
	expect(ask(g, XS_WRITE, t, "x|2"), "OK|");
	capture();
	ck_assert_ptr_null(load(copy, file.d + file.head, file.len));
	g = xs_domain_find(copy, 5)->conn;
	/* The answers that the ring has not taken are still there. */
	ck_assert_str_ne(next(g), "");
	expect(next(g), "OK|");
	expect(ask(g, XS_READ, t, "x|"), "1");
	expect(ask(g, XS_TRANSACTION_END, t, "T|"), "!EAGAIN");
	expect(ask(g, XS_TRANSACTION_END, t, "T|"), "!ENOENT");
	expect(ask(g, XS_WRITE, 0, "x|3"), "OK|");
	xs_store_free(copy);
	xs_buf_free(&file);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		rebuilt_store_is_equal,
		damage_is_survived,
		open_transactions_end_with_eagain,
	};

	return RUN("xs_journal", tests);
}
