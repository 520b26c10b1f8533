// SPDX-License-Identifier: BSD-2-Clause
// What is fuzzed of the xenstore daemon; see xs_fuzz.h.
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/io/xs_wire.h>

#include "xenstore/core/xs_alloc.h"
#include "xenstore/core/xs_journal.h"
#include "xenstore/core/xs_state.h"
#include "xenstore/core/xs_store.h"
#include "xs_fuzz.h"

/* The reader of the file is one of the targets. */
#include "xenstore/daemon/journal.c"

static long alloc_fail_in = -1;

/* ---- what the parts under test need ---- */

void *xs_alloc(size_t size)
{
	return alloc_fail_in >= 0 && alloc_fail_in-- == 0 ? NULL : malloc(size);
}

void *xs_realloc(void *old, size_t size)
{
	return alloc_fail_in >= 0 && alloc_fail_in-- == 0 ? NULL : realloc(old, size);
}

void xs_free(void *mem)
{
	free(mem);
}

void xsd_log(enum xsd_level level, const char *fmt, ...)
{
}

void xsd_access(const struct xs_conn *c, const struct xsd_sockmsg *h, const char *body)
{
}

void xsd_xen_notify(struct xsd *d, struct ring *r)
{
}

void xsd_xen_unmask(struct xsd *d, struct ring *r)
{
}

void xsd_sock_flush(struct xsd *d, struct peer *const *p, uint32_t n)
{
}

static int introduce(void *ctx, uint16_t domid, uint64_t mfn, uint32_t port, void **ring)
{
	return mfn % 3 ? EINVAL : 0;
}

static void release(void *ctx, uint16_t domid, void *ring)
{
}

static const struct xs_host host = { .introduce = introduce, .release = release };

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "xs_fuzz: %s\n", what);
	abort();
}

/* ---- targets ---- */

static struct xs_store *new_store(struct xs_conn *c[4])
{
	struct xs_store *s = xs_store_new(&host, NULL);
	static const char perms[] = "/local/domain/1\0n1";
	struct xsd_sockmsg h = { .type = XS_MKDIR, .len = 16 };

	s->journal = true;
	c[0] = xs_conn_new(s, 0, NULL);
	xs_domain_add(s, 1, 1, 1, NULL, &c[1]);
	xs_domain_add(s, 2, 1, 1, NULL, &c[2]);
	c[3] = xs_conn_new(s, 0, NULL);
	xs_handle(c[0], &h, "/local/domain/1");
	h.type = XS_SET_PERMS;
	h.len = sizeof(perms);
	xs_handle(c[0], &h, perms);
	xs_buf_take(&c[0]->out, c[0]->out.len);
	return s;
}

/* Every message in out is whole and within the limit; take them all. */
static void drain(struct xs_conn *c, bool want_answer)
{
	struct xsd_sockmsg h;
	bool answered = false;

	while (c->out.len) {
		need(c->out.len >= sizeof(h), "half a header is queued");
		memcpy(&h, c->out.d + c->out.head, sizeof(h));
		need(h.len <= XENSTORE_PAYLOAD_MAX, "a message is too long");
		need(c->out.len >= sizeof(h) + h.len, "half a message is queued");
		answered |= h.type != XS_WATCH_EVENT;
		xs_conn_sent(c, sizeof(h) + h.len);
	}
	need(answered || !want_answer, "a request has no answer");
}

/* Input: connection, type, transaction, length, body; and so on. */
static void fuzz_wire(const uint8_t *in, size_t len)
{
	struct xs_conn *c[4];
	struct xs_store *s = new_store(c);
	static char body[XENSTORE_PAYLOAD_MAX];
	unsigned int i;

	while (len >= 4) {
		struct xsd_sockmsg h = { .type = in[1] % 28, .tx_id = in[2] % 6 };
		struct xs_conn *to = c[in[0] % 4];

		h.len = in[3] * (in[0] & 64 ? 16u : 1u);
		if (in[0] & 128)
			alloc_fail_in = in[2];
		in += 4;
		len -= 4;
		memset(body, 'a', sizeof(body));
		memcpy(body, in, h.len < len ? h.len : len);
		xs_handle(to, &h, body);
		alloc_fail_in = -1;
		if (to->broken || s->jbroken)
			break;
		if (!xs_domain_find(s, 1) || !xs_domain_find(s, 2))
			break; /* released: its connection is gone */
		drain(to, true);
		for (i = 0; i < 4; i++)
			drain(c[i], false);
		in += h.len < len ? h.len : len;
		len -= h.len < len ? h.len : len;
	}
	need(!xs_store_check(s), "the store is inconsistent");
	xs_store_free(s);
}

/* Give each group of a file, as far as their lengths make sense, the checksum that it should have. */
static void fix_checksums(char *file, size_t at, size_t size)
{
	struct group g;

	while (at + sizeof(g) <= size) {
		memcpy(&g, file + at, sizeof(g));
		if (g.len == SKIP) {
			at = (at / WINDOW + 1) * WINDOW;
			continue;
		}
		if (!g.len || g.len > size - at - sizeof(g))
			return;
		g.crc = crc32c(file + at + sizeof(g), g.len);
		memcpy(file + at, &g, sizeof(g));
		at += sizeof(g) + round_up(g.len, ALIGN);
	}
}

/*
 * Input: flags, where the second window's bytes begin (two bytes), the bytes of the file behind its header.
 */
static void fuzz_journal(const uint8_t *in, size_t len)
{
	static char file[WINDOW + FUZZ_INPUT_MAX];
	size_t at = sizeof(struct header), first, size;
	struct xsd d = { 0 };

	if (len < 3)
		return;
	first = in[0] & 2 ? (in[1] | (size_t)in[2] << 8) % len : len - 3;
	first = first < len - 3 ? first : len - 3;
	memcpy(file + at, in + 3, first);
	size = at + first;
	if (in[0] & 2) {
		memset(file + size, 0, WINDOW - size);
		memcpy(file + WINDOW, in + 3 + first, len - 3 - first);
		size = WINDOW + len - 3 - first;
	}
	if (in[0] & 1)
		fix_checksums(file, at, size);
	d.store = xs_store_new(&host, &d);
	if (!apply_all(&d, file, size, &at))
		need(!xs_tree_check(&d.store->tree, NULL), "the tree is inconsistent");
	xs_store_free(d.store);
}

static int take_socket(void *ctx, struct xs_conn *c, int fd)
{
	return 0;
}

static int take_ring(void *ctx, struct xs_domain *d, uint32_t port)
{
	return 0;
}

static uint32_t channel(void *ctx, const struct xs_conn *c)
{
	return 3;
}

static struct xs_state_io state_io = { .channel = channel,
				       .socket = take_socket,
				       .ring = take_ring };

static void fuzz_state(const uint8_t *in, size_t len)
{
	struct xs_store *s = xs_store_new(&host, NULL);

	if (!xs_state_read(s, &state_io, in, len))
		need(!xs_store_check(s), "the store is inconsistent");
	xs_store_free(s);
}

/* Input: what the domain does to its page between two runs of the daemon. */
static void fuzz_ring(const uint8_t *in, size_t len)
{
	static struct xenstore_domain_interface page;
	struct xsd d = { 0 };
	struct xs_conn *c[4];
	struct ring r = { .domid = 1, .page = &page };

	memset(&page, 0, sizeof(page));
	d.store = new_store(c);
	d.dirty_tail = &d.dirty;
	r.peer.d = &d;
	r.peer.ring = &r;
	r.peer.src.fd = -1;
	r.peer.conn = c[1];
	c[1]->host = &r.peer;
	c[1]->wake = xsd_wake;
	xsd_ring_start(&r);
	while (len >= 4) {
		uint32_t v = in[1] | (uint32_t)in[2] << 8, i, n;

		switch (in[0] % 8) {
		case 0:
		case 1:
		case 2: /* a request, as a good domain sends it */
			for (i = 0, n = in[3] % 64; i < sizeof(struct xsd_sockmsg) + n; i++) {
				struct xsd_sockmsg h = { .type = in[1] % 24, .len = n };
				const char *from = i < sizeof(h) ? (char *)&h + i
						   : i - sizeof(h) + 4 < len
							   ? (const char *)in + 4 + i - sizeof(h)
							   : "";

				page.req[MASK_XENSTORE_IDX(page.req_prod)] = *from;
				page.req_prod++;
			}
			break;
		case 3: /* taking answers */
			page.rsp_cons += page.rsp_prod - page.rsp_cons < v
						 ? page.rsp_prod - page.rsp_cons
						 : v;
			break;
		case 4: /* any bytes anywhere */
			((uint8_t *)&page)[v % sizeof(page)] = in[3];
			break;
		case 5:
			page.connection = in[3] & 1;
			break;
		case 6:
			page.req_prod += v % 1100;
			break;
		case 7:
			page.rsp_cons = page.rsp_prod - v % 1100;
			break;
		}
		if (in[3] & 1)
			xsd_ring_run(&r);
		xsd_flush(&d);
		xs_buf_take(&d.store->jlog, d.store->jlog.len);
		need(c[1]->out.len < d.store->quota[XS_Q_OUTPUT] + 2 * 4112,
		     "output is not bounded");
		need(c[1]->in.len < 2 * 4112 + 1024, "input is not bounded");
		in += 4;
		len -= 4;
	}
	need(!xs_store_check(d.store), "the store is inconsistent");
	xs_store_free(d.store);
}

void xs_fuzz(const char *target, const uint8_t *in, size_t len)
{
	if (!strcmp(target, "wire"))
		fuzz_wire(in, len);
	else if (!strcmp(target, "journal"))
		fuzz_journal(in, len);
	else if (!strcmp(target, "state"))
		fuzz_state(in, len);
	else
		fuzz_ring(in, len);
}

/* Groups as fuzz_journal() expects them. */
struct groups {
	uint8_t *d;
	size_t len, max;
};

static bool emit_group(void *arg, const void *data, size_t len)
{
	struct group g = { .len = (uint32_t)len };
	struct groups *to = arg;

	if (to->len + 2 * sizeof(g) + round_up(len, ALIGN) > to->max)
		return true;
	memcpy(to->d + to->len, &g, sizeof(g));
	memcpy(to->d + to->len + sizeof(g), data, len);
	to->len += sizeof(g) + round_up(len, ALIGN);
	return true;
}

size_t xs_fuzz_seed(const char *target, uint8_t *in, size_t max)
{
	struct groups g = { .d = in, .max = max };
	struct xs_conn *c[4];
	struct xs_store *s;
	struct xs_watch *w;

	struct xs_buf b = { 0 };

	if (strcmp(target, "journal") && strcmp(target, "state"))
		return 0;
	s = new_store(c);
	xs_watch_add(c[1], "/local/domain/1/x", 16, "token", -1, &w);
	if (!strcmp(target, "journal")) {
		memcpy(in, "\1\0", 3);
		g.len = 3;
		xs_j_snapshot(s, emit_group, &g);
		memset(in + g.len, 0, sizeof(struct group)); /* the end; max leaves room */
		g.len += sizeof(struct group);
	} else if (xs_state_write(s, &state_io, &b) && b.len <= max) {
		memcpy(in, b.d + b.head, b.len);
		g.len = b.len;
	}
	xs_buf_free(&b);
	xs_store_free(s);
	return g.len;
}
