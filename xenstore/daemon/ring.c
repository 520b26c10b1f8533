// SPDX-License-Identifier: BSD-2-Clause
// Domain rings: two circular byte streams in a page that the domain can write at any time.
//
//   req: the domain moves req_prod, we move req_cons      rsp: we move rsp_prod, the domain rsp_cons
//
// Every index is read once and checked; nothing that the domain does to the page later matters.
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

#include <xen/io/xs_wire.h>

#include "xenstore/core/xs_journal.h"
#include "xsd.h"

static uint32_t features(const struct ring *r)
{
	return xs_features(r->peer.d->store, r->domid);
}

static void ring_bad(struct ring *r, uint32_t code, const char *why)
{
	struct timespec now;

	r->bad = true;
	if (features(r) & XENSTORE_SERVER_FEATURE_ERROR)
		r->page->error = code;
	/* It may reconnect and do it again, as often as it likes. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (r->told && now.tv_sec - r->told < 60)
		return;
	r->told = now.tv_sec + 1;
	xsd_log(XSD_WARN,
		"domain %u: its xenstore ring is ignored from now on: %s; it may reconnect, or be "
		"restarted",
		r->domid, why);
}

static void copy_in(struct ring *r, uint32_t cons, char *to, uint32_t n)
{
	uint32_t at = MASK_XENSTORE_IDX(cons), first = XENSTORE_RING_SIZE - at;

	if (first > n)
		first = n;
	memcpy(to, (const char *)r->page->req + at, first);
	memcpy(to + first, (const char *)r->page->req, n - first);
}

static void copy_out(struct ring *r, uint32_t prod, const char *from, uint32_t n)
{
	uint32_t at = MASK_XENSTORE_IDX(prod), first = XENSTORE_RING_SIZE - at;

	if (first > n)
		first = n;
	memcpy((char *)r->page->rsp + at, from, first);
	memcpy((char *)r->page->rsp, from + first, n - first);
}

/*
 * Take what the domain has put into the ring. Our own position counts, not the one in the page; the page's is moved only
 * when the journal knows the bytes. Returns bytes taken.
 */
static uint32_t ring_take(struct ring *r)
{
	struct xs_conn *c = r->peer.conn;
	uint32_t n = r->page->req_prod - c->in_at;
	char buf[XENSTORE_RING_SIZE];

	if (n > XENSTORE_RING_SIZE) {
		ring_bad(r, XENSTORE_ERROR_RINGIDX,
			 "request indices are further apart than the ring is long");
		return 0;
	}
	if (!n)
		return 0;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	copy_in(r, c->in_at, buf, n);
	if (!xs_buf_add(&c->in, buf, n))
		return 0;
	c->in_at += n;
	xs_j_bytes(c, XS_J_IN, buf, n);
	return n;
}

/* Give the domain what fits. Returns bytes given. */
static uint32_t ring_give(struct ring *r)
{
	struct xs_conn *c = r->peer.conn;
	struct xs_buf *out = &c->out;
	uint32_t room = c->out_at - r->page->rsp_cons, n;

	if (!out->len)
		return 0;
	if (room > XENSTORE_RING_SIZE) {
		ring_bad(r, XENSTORE_ERROR_RINGIDX,
			 "response indices are further apart than the ring is long");
		return 0;
	}
	room = XENSTORE_RING_SIZE - room;
	n = out->len < room ? (uint32_t)out->len : room;
	if (!n)
		return 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	copy_out(r, c->out_at, out->d + out->head, n);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	r->page->rsp_prod = c->out_at + n;
	xs_conn_sent(c, n);
	return n;
}

/* The domain asks for a fresh start: forget all that was under way, say so in the page. */
static void ring_reconnect(struct ring *r)
{
	xs_conn_restart(r->peer.conn);
	xsd_journal_commit(r->peer.d);
	r->bad = false;
	r->page->req_cons = r->page->req_prod = 0;
	r->page->rsp_cons = r->page->rsp_prod = 0;
	r->page->error = XENSTORE_ERROR_NONE;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	r->page->connection = XENSTORE_CONNECTED;
}

void xsd_ring_start(struct ring *r)
{
	struct xs_conn *c = r->peer.conn;

	c->in_at = r->page->req_cons;
	c->out_at = r->page->rsp_prod;
	xs_j_pos(c);
	r->page->server_features = features(r);
	r->page->connection = XENSTORE_CONNECTED;
	r->page->error = XENSTORE_ERROR_NONE;
}

void xsd_ring_resume(struct ring *r)
{
	struct xs_conn *c = r->peer.conn;
	uint32_t given = r->page->rsp_prod - c->out_at;

	/* The page may be behind the journal by what was taken last, not more and not ahead of it. */
	if (c->in_at - r->page->req_cons > XENSTORE_RING_SIZE) {
		xsd_log(XSD_ERR,
			"domain %u: its ring has moved on since the journal was written: another "
			"daemon "
			"must have served it; its watches are lost",
			r->domid);
		xs_conn_restart(c);
		xsd_ring_start(r);
		return;
	}
	/* What we had taken is in the journal; what we had given is as far as the page says. */
	r->page->req_cons = c->in_at;
	if (given > c->out.len)
		ring_bad(r, XENSTORE_ERROR_RINGIDX,
			 "its response index does not match the journal");
	else
		xs_conn_sent(c, given);
	r->page->server_features = features(r);
}

void xsd_ring_run(struct ring *r)
{
	struct xs_conn *c = r->peer.conn;
	uint32_t moved = 0;
	bool stalled;
	ssize_t used;

	if (r->page->connection == XENSTORE_RECONNECT &&
	    features(r) & XENSTORE_SERVER_FEATURE_RECONNECTION) {
		ring_reconnect(r);
		moved = 1;
	}
	if (r->bad)
		goto tell;
	/* Requests stay in the ring while the domain does not take its answers. */
	if (c->in.len < XENSTORE_RING_SIZE + XENSTORE_PAYLOAD_MAX)
		moved += ring_take(r);
	used = xsd_requests(&r->peer, xs_buf_at(&c->in), c->in.len);
	if (used < 0) {
		ring_bad(r, r->peer.conn->broken ? XENSTORE_ERROR_COMM : XENSTORE_ERROR_PROTO,
			 r->peer.conn->broken ? "out of memory for its answers"
					      : "a request is longer than the protocol allows");
		r->peer.conn->broken = false;
		moved++;
		goto tell;
	}
	xs_buf_take(&c->in, (size_t)used);
	xs_j_used(c, (size_t)used);
	xsd_journal_commit(r->peer.d);
	r->page->req_cons = c->in_at;
	stalled = !xs_conn_ready(r->peer.conn);
	moved += ring_give(r);
	xsd_undirty(&r->peer);
	/* Came more while we worked, or is there room now for requests that were kept? One more turn, later. */
	if (!r->bad && xs_conn_ready(r->peer.conn) && (stalled || r->page->req_prod != c->in_at))
		xsd_dirty(&r->peer);
tell:
	if (moved)
		xsd_xen_notify(r->peer.d, r);
}
