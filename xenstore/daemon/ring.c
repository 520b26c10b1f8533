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

/*
 * Each look at the ring costs a token, each request done and each 16 bytes given earn some: a driver looks in again when it has
 * taken an answer. So only who makes us look without need has to live on what time brings.
 */
#define LOOKS_BURST   1000
#define LOOKS_RATE    1
#define LOOKS_REQUEST 4
#define LOOKS_BYTES   16
/* Operations of commits beyond what any driver needs: about one part in a hundred of the daemon's time. */
#define HEAVY_FREE    64
#define HEAVY_BURST   4000
#define HEAVY_RATE    50

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Not more than one line a minute. */
static bool may_tell(int64_t *told)
{
	int64_t now = (int64_t)now_ms() / 1000;

	if (*told && now - *told < 60)
		return false;
	*told = now + 1; /* never 0 */
	return true;
}

static uint32_t features(const struct ring *r)
{
	return xs_features(r->peer.d->store, r->domid);
}

static void ring_bad(struct ring *r, uint32_t code, const char *why)
{
	r->bad = true;
	if (features(r) & XENSTORE_SERVER_FEATURE_ERROR)
		r->page->error = code;
	xs_conn_quiet(r->peer.conn);
	/* It may reconnect and do it again, as often as it likes. */
	if (!may_tell(&r->told))
		return;
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

/* ---- budgets ---- */

/* Milliseconds that the domain has to wait; 0: none. */
static uint32_t wait_ms(struct ring *r)
{
	uint64_t now;
	uint32_t a, b;

	if (!r->domid)
		return 0;
	now = now_ms();
	if (!r->looks.rate) {
		xs_budget_init(&r->looks, LOOKS_BURST, LOOKS_RATE, now);
		xs_budget_init(&r->heavy, HEAVY_BURST, HEAVY_RATE, now);
	}
	a = xs_budget_wait(&r->looks, now);
	b = xs_budget_wait(&r->heavy, now);
	return a > b ? a : b;
}

static void hold(struct ring *r)
{
	if (r->held)
		return;
	if (may_tell(&r->told_held))
		xsd_log(XSD_WARN,
			"domain %u: it %s, and is served less often while it does; look at what it "
			"runs",
			r->domid,
			r->looks.left < 0 ? "sends events without requests"
					  : "commits large transactions without pause");
	r->held = true;
	r->next_held = r->peer.d->held;
	r->peer.d->held = r;
}

void xsd_ring_forget(struct ring *r)
{
	struct ring **p = &r->peer.d->held;

	if (!r->held)
		return;
	while (*p != r)
		p = &(*p)->next_held;
	*p = r->next_held;
	r->held = false;
}

int xsd_ring_timeout(struct xsd *d)
{
	uint32_t least = UINT32_MAX, ms;
	struct ring *r;

	for (r = d->held; r; r = r->next_held) {
		ms = wait_ms(r);
		least = ms < least ? ms : least;
	}
	return d->held ? (int)least : -1;
}

static void acknowledge(struct ring *r)
{
	/* Before the ring is looked at: what comes from now on makes a new event. */
	r->masked = false;
	xsd_xen_unmask(r->peer.d, r);
}

void xsd_ring_unhold(struct xsd *d)
{
	struct ring **p = &d->held, *r;

	while ((r = *p)) {
		if (wait_ms(r)) {
			p = &r->next_held;
			continue;
		}
		*p = r->next_held;
		r->held = false;
		if (r->masked)
			acknowledge(r);
		xsd_dirty(&r->peer);
	}
}

void xsd_ring_event(struct ring *r)
{
	r->masked = true;
	if (wait_ms(r)) {
		hold(r);
		return;
	}
	acknowledge(r);
	xsd_ring_run(r);
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

/* Account what one look at the ring was worth. */
static void account(struct ring *r, uint32_t requests, uint32_t given, uint32_t work)
{
	xs_budget_spend(&r->looks, 1 - (int64_t)(LOOKS_REQUEST * requests + given / LOOKS_BYTES));
	if (work > HEAVY_FREE)
		xs_budget_spend(&r->heavy, work - HEAVY_FREE);
}

void xsd_ring_run(struct ring *r)
{
	struct xs_conn *c = r->peer.conn;
	uint32_t moved = 0, given = 0, done = c->answers, work = c->work;
	bool stalled;
	ssize_t used;

	if (wait_ms(r)) {
		/* It may have what is there for it, and has to wait with the rest. */
		xsd_undirty(&r->peer);
		hold(r);
		if (!r->bad && ring_give(r))
			xsd_xen_notify(r->peer.d, r);
		return;
	}
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
	given = ring_give(r);
	moved += given;
	xsd_undirty(&r->peer);
	/* Came more while we worked, or is there room now for requests that were kept? One more turn, later. */
	if (!r->bad && xs_conn_ready(r->peer.conn) && (stalled || r->page->req_prod != c->in_at))
		xsd_dirty(&r->peer);
tell:
	account(r, c->answers - done, given, c->work - work);
	if (moved)
		xsd_xen_notify(r->peer.d, r);
}
