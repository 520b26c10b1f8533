// SPDX-License-Identifier: BSD-2-Clause
// The store: life of connections and domains, output queues.
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <xen/io/xs_wire.h>

#include "xs_alloc.h"
#include "xs_journal.h"
#include "xs_path.h"
#include "xs_store.h"

/* Output that may wait before no further request of the connection is handled. */
#define READY_DOMAIN 4096
#define READY_SOCKET (256 * 1024)

const char *const xs_quota_name[XS_Q_NUM] = {
	"nodes",  "node-size",	      "watches",  "transactions", "transaction-nodes",
	"memory", "node-permissions", "path-max", "output",	  "outstanding",
};

static const uint64_t quota_default[XS_Q_NUM] = {
	[XS_Q_NODES] = 1000,	   [XS_Q_NODE_SIZE] = 2048,
	[XS_Q_WATCHES] = 128,	   [XS_Q_TRANSACTIONS] = 10,
	[XS_Q_TXN_NODES] = 1024,   [XS_Q_MEMORY] = 2560 * 1024,
	[XS_Q_PERMS] = 5,	   [XS_Q_PATH] = XENSTORE_REL_PATH_MAX,
	[XS_Q_OUTPUT] = 64 * 1024, [XS_Q_OUTSTANDING] = 20,
};

enum xs_quota xs_quota_find(const char *name)
{
	enum xs_quota q = 0;

	while (q < XS_Q_NUM && strcmp(name, xs_quota_name[q]))
		q++;
	return q;
}

struct xs_store *xs_store_new(const struct xs_host *host, void *ctx)
{
	static const struct xs_perm root_perm = { .domid = 0, .mode = 0 };
	struct xs_store *s = xs_alloc(sizeof(*s));
	struct xs_perms *perms = xs_perms_new(&root_perm, 1);

	if (!s || !perms)
		goto free_both;
	memset(s, 0, sizeof(*s));
	s->host = host;
	s->ctx = ctx;
	memcpy(s->quota, quota_default, sizeof(s->quota));
	s->soft[XS_Q_MEMORY] = 2 * 1024 * 1024;
	s->wroot = xs_wnode_new_root();
	s->wspecial = xs_wnode_new_root();
	if (!s->wroot || !s->wspecial || xs_tree_init(&s->tree, perms, &s->gen))
		goto free_watches;
	s->introduce_perms = xs_perms_get(perms);
	s->release_perms = perms;
	if (xs_tree_write(&s->tree, "/tool/xenstored", XS_NO_DOMID, NULL, 0) ||
	    xs_tree_write(&s->tree, "/local/domain", XS_NO_DOMID, NULL, 0)) {
		xs_store_free(s);
		return NULL;
	}
	return s;

free_watches:
	xs_wnode_free_all(s->wroot);
	xs_wnode_free_all(s->wspecial);
free_both:
	xs_perms_put(perms);
	xs_free(s);
	return NULL;
}

int xs_store_clear(struct xs_store *s)
{
	char path[XS_PATH_BUF];

	path[0] = '/';
	while (s->tree.root->nchild) {
		const struct xs_node *c = s->tree.root->child[0];

		memcpy(path + 1, c->name, c->name_len + 1u);
		if (xs_tree_rm(&s->tree, path, NULL))
			return ENOMEM;
	}
	return 0;
}

static void domain_drop(struct xs_store *s, struct xs_domain *d)
{
	struct xs_domain **p = &s->domains;
	void *ring = d->conn->host;

	while (*p != d)
		p = &(*p)->next;
	*p = d->next;
	d->conn->ring = false; /* the end of its watches needs no record of its own */
	xs_conn_free(d->conn);
	if (ring && s->host && s->host->release)
		s->host->release(s->ctx, d->domid, ring);
	xs_free(d);
}

void xs_store_free(struct xs_store *s)
{
	s->journal = false;
	while (s->domains)
		domain_drop(s, s->domains);
	while (s->conns)
		xs_conn_free(s->conns);
	while (s->features)
		xs_features_set(s, s->features->domid, XS_FEATURES); /* frees it */
	xs_tree_free(&s->tree);
	xs_buf_free(&s->jlog);
	xs_wnode_free_all(s->wroot);
	xs_wnode_free_all(s->wspecial);
	xs_perms_put(s->introduce_perms);
	xs_perms_put(s->release_perms);
	xs_free(s);
}

/* ---- connections ---- */

struct xs_conn *xs_conn_new(struct xs_store *s, uint16_t domid, void *host)
{
	struct xs_conn *c = xs_alloc(sizeof(*c));

	if (!c)
		return NULL;
	memset(c, 0, sizeof(*c));
	c->store = s;
	c->domid = domid;
	c->target = XS_NO_DOMID;
	c->host = host;
	c->next = s->conns;
	if (s->conns)
		s->conns->prev = c;
	s->conns = c;
	s->nconn++;
	return c;
}

void xs_conn_quiet(struct xs_conn *c)
{
	struct xs_txn *done;

	while (c->watch)
		xs_watch_del(c->watch);
	while (c->txn)
		xs_txn_end(c->txn, false, &done); /* cannot fail: aborting needs nothing */
}

void xs_conn_free(struct xs_conn *c)
{
	struct xs_store *s = c->store;

	xs_conn_quiet(c);
	*(c->prev ? &c->prev->next : &s->conns) = c->next;
	if (c->next)
		c->next->prev = c->prev;
	s->nconn--;
	xs_buf_free(&c->in);
	xs_buf_free(&c->out);
	xs_free(c);
}

void xs_conn_restart(struct xs_conn *c)
{
	bool ring = c->ring;

	c->ring = false; /* one record for all */
	xs_conn_quiet(c);
	c->ring = ring;
	xs_buf_free(&c->in);
	xs_buf_free(&c->out);
	c->in_at = c->out_at = c->unread = 0;
	xs_j_reset(c);
}

bool xs_conn_ready(const struct xs_conn *c)
{
	if (xs_conn_priv(c))
		return c->out.len < READY_SOCKET;
	return c->out.len < READY_DOMAIN && c->unread < xs_limit(c, XS_Q_OUTSTANDING);
}

void xs_conn_sent(struct xs_conn *c, size_t n)
{
	struct xs_watch *w;

	xs_buf_take(&c->out, n);
	c->out_at += (uint32_t)n;
	if (!c->out.len)
		c->unread = 0;
	if (!c->nlost || c->out.len > READY_DOMAIN)
		return;
	for (w = c->watch; w && c->nlost; w = w->next_own) {
		if (!w->lost)
			continue;
		w->lost = false;
		c->nlost--;
		xs_j_watch(w, XS_J_LOST);
		xs_watch_event(w, NULL);
	}
}

void xs_conn_send(struct xs_conn *c, uint32_t type, uint32_t req_id, uint32_t tx_id, const void *a,
		  size_t alen, const void *b, size_t blen)
{
	struct xsd_sockmsg h = { .type = type, .req_id = req_id, .tx_id = tx_id };
	bool was_empty = !c->out.len;
	char *to;

	if (c->store->replay)
		return;
	h.len = (uint32_t)(alen + blen);
	if (c->broken || !xs_buf_reserve(&c->out, sizeof(h) + alen + blen)) {
		c->broken = true;
		return;
	}
	to = c->out.d + c->out.head + c->out.len;
	memcpy(to, &h, sizeof(h));
	if (alen)
		memcpy(to + sizeof(h), a, alen);
	if (blen)
		memcpy(to + sizeof(h) + alen, b, blen);
	c->out.len += sizeof(h) + h.len;
	c->unread += type != XS_WATCH_EVENT;
	c->answers += type != XS_WATCH_EVENT;
	if (c->ring)
		xs_j_bytes(c, XS_J_OUT, to, sizeof(h) + h.len);
	if (was_empty && c->wake)
		c->wake(c);
}

/* ---- domains ---- */

struct xs_domain *xs_domain_find(struct xs_store *s, uint16_t domid)
{
	struct xs_domain *d;

	for (d = s->domains; d; d = d->next)
		if (d->domid == domid)
			return d;
	return NULL;
}

int xs_domain_add(struct xs_store *s, uint16_t domid, uint64_t mfn, uint32_t port, void *ring,
		  struct xs_conn **conn)
{
	struct xs_domain *d = xs_alloc(sizeof(*d)), **end = &s->domains;

	if (!d)
		return ENOMEM;
	memset(d, 0, sizeof(*d));
	d->conn = xs_conn_new(s, domid, ring);
	if (!d->conn) {
		xs_free(d);
		return ENOMEM;
	}
	d->conn->ring = true;
	d->conn->domain = d;
	d->domid = domid;
	d->mfn = mfn;
	d->port = port;
	while (*end)
		end = &(*end)->next;
	*end = d;
	*conn = d->conn;
	xs_j_domain(s, d);
	return 0;
}

uint32_t xs_features(const struct xs_store *s, uint16_t domid)
{
	const struct xs_features *f;

	for (f = s->features; f; f = f->next)
		if (f->domid == domid)
			return f->bits;
	return XS_FEATURES;
}

int xs_features_set(struct xs_store *s, uint16_t domid, uint32_t bits)
{
	struct xs_features **p = &s->features, *f;

	while (*p && (*p)->domid != domid)
		p = &(*p)->next;
	f = *p;
	if (!f && bits == XS_FEATURES)
		return 0;
	if (f && bits == XS_FEATURES) {
		*p = f->next;
		xs_free(f);
	} else {
		if (!f) {
			f = xs_alloc(sizeof(*f));
			if (!f)
				return ENOMEM;
			f->next = NULL;
			f->domid = domid;
			*p = f;
		}
		f->bits = bits;
	}
	xs_j_features(s, domid, bits);
	return 0;
}

void xs_domain_shutdown(struct xs_store *s, uint16_t domid)
{
	struct xs_domain *d = xs_domain_find(s, domid);

	if (!d || d->shutdown)
		return;
	d->shutdown = true;
	xs_j_state(s, d);
	xs_watch_fire_special(s, "@releaseDomain", domid);
}

void xs_domain_gone(struct xs_store *s, uint16_t domid)
{
	struct xs_domain *d = xs_domain_find(s, domid);
	struct xs_conn *c;

	if (!d)
		return;
	domain_drop(s, d);
	xs_features_set(s, domid, XS_FEATURES); /* cannot fail: it frees */
	s->rules++;
	xs_j_gone(s, domid);
	for (c = s->conns; c; c = c->next)
		if (c->target == domid)
			c->target = XS_NO_DOMID;
	if (xs_tree_forget(&s->tree, domid) && s->host && s->host->log)
		s->host->log(s->ctx, "out of memory while removing the nodes of a dead domain; "
				     "the rest stay until they are removed by hand");
	xs_watch_fire_special(s, "@releaseDomain", domid);
}

/* ---- consistency ---- */

const char *xs_store_check(const struct xs_store *s)
{
	uint32_t conns = 0, watches = 0;
	const struct xs_conn *c;

	for (c = s->conns; c; c = c->next) {
		uint32_t nw = 0, nt = 0, lost = 0;
		const struct xs_watch *w;
		const struct xs_txn *t;

		conns++;
		for (w = c->watch; w; w = w->next_own) {
			nw++;
			lost += w->lost;
			if (w->conn != c || !w->at)
				return "a watch is in the wrong list";
		}
		for (t = c->txn; t; t = t->next)
			nt++;
		if (nw != c->nwatch || nt != c->ntxn || lost != c->nlost)
			return "the counters of a connection are wrong";
		watches += nw;
	}
	if (conns != s->nconn || watches != s->nwatch)
		return "the counters of the store are wrong";
	return xs_tree_check(&s->tree, NULL);
}
