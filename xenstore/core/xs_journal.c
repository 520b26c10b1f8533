// SPDX-License-Identifier: BSD-2-Clause
// The journal: writing, snapshot, reading.
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <xen/io/xs_wire.h>

#include "xs_alloc.h"
#include "xs_journal.h"
#include "xs_path.h"

/* A snapshot hands out a group when it has grown to this. */
#define GROUP_BYTES 65536

/* ---- writing ---- */

static void put(struct xs_store *s, const void *data, size_t len)
{
	if (!xs_buf_add(&s->jlog, data, len))
		s->jbroken = true;
}

static void put8(struct xs_store *s, uint8_t v)
{
	put(s, &v, sizeof(v));
}

static void put16(struct xs_store *s, uint16_t v)
{
	put(s, &v, sizeof(v));
}

static void put32(struct xs_store *s, uint32_t v)
{
	put(s, &v, sizeof(v));
}

static void put64(struct xs_store *s, uint64_t v)
{
	put(s, &v, sizeof(v));
}

static void put_bytes(struct xs_store *s, const void *data, size_t len)
{
	put32(s, (uint32_t)len);
	put(s, data, len);
}

/* Texts keep their NUL, so that a reader can use them in place. */
static void put_text(struct xs_store *s, const char *text)
{
	put_bytes(s, text, strlen(text) + 1);
}

static void put_perms(struct xs_store *s, const struct xs_perms *l)
{
	unsigned int i;

	put16(s, l->num);
	for (i = 0; i < l->num; i++) {
		put16(s, l->p[i].domid);
		put8(s, l->p[i].mode);
	}
}

static void put_node(struct xs_store *s, const char *path, const struct xs_node *n)
{
	put8(s, XS_J_NODE);
	put_text(s, path);
	put_perms(s, n->perms);
	put_bytes(s, n->value ? n->value->d : NULL, n->value ? n->value->len : 0);
}

void xs_j_write(struct xs_store *s, uint16_t owner, const char *path, const void *data, size_t len)
{
	if (!s->journal)
		return;
	put8(s, XS_J_WRITE);
	put16(s, owner);
	put_text(s, path);
	put_bytes(s, data, len);
}

void xs_j_rm(struct xs_store *s, const char *path)
{
	if (!s->journal)
		return;
	put8(s, XS_J_RM);
	put_text(s, path);
}

void xs_j_perms(struct xs_store *s, const char *path, const struct xs_perms *perms)
{
	if (!s->journal)
		return;
	put8(s, XS_J_PERMS);
	put_text(s, path);
	put_perms(s, perms);
}

void xs_j_special(struct xs_store *s, bool release)
{
	if (!s->journal)
		return;
	put8(s, XS_J_SPECIAL);
	put8(s, release);
	put_perms(s, release ? s->release_perms : s->introduce_perms);
}

void xs_j_quota(struct xs_store *s, enum xs_quota q)
{
	if (!s->journal)
		return;
	put8(s, XS_J_QUOTA);
	put8(s, (uint8_t)q);
	put64(s, s->quota[q]);
}

void xs_j_soft(struct xs_store *s, enum xs_quota q)
{
	if (!s->journal)
		return;
	put8(s, XS_J_SOFT);
	put8(s, (uint8_t)q);
	put64(s, s->soft[q]);
}

void xs_j_own_quota(struct xs_store *s, const struct xs_domain *d, enum xs_quota q)
{
	if (!s->journal)
		return;
	put8(s, XS_J_OWN);
	put16(s, d->domid);
	put8(s, (uint8_t)q);
	put64(s, d->quota[q]);
}

void xs_j_features(struct xs_store *s, uint16_t domid, uint32_t bits)
{
	if (!s->journal)
		return;
	put8(s, XS_J_FEATURES);
	put16(s, domid);
	put32(s, bits);
}

/* What is neither nodes nor domains. */
static void put_settings(struct xs_store *s)
{
	const struct xs_features *f;
	unsigned int q;

	for (q = 0; q < XS_Q_NUM; q++) {
		xs_j_quota(s, q);
		xs_j_soft(s, q);
	}
	for (f = s->features; f; f = f->next)
		xs_j_features(s, f->domid, f->bits);
	xs_j_special(s, false);
	xs_j_special(s, true);
}

void xs_j_domain(struct xs_store *s, const struct xs_domain *d)
{
	if (!s->journal)
		return;
	put8(s, XS_J_DOMAIN);
	put16(s, d->domid);
	put64(s, d->mfn);
	put32(s, d->port);
}

void xs_j_port(struct xs_store *s, const struct xs_domain *d)
{
	if (!s->journal)
		return;
	put8(s, XS_J_PORT);
	put16(s, d->domid);
	put64(s, d->mfn);
	put32(s, d->port);
}

void xs_j_state(struct xs_store *s, const struct xs_domain *d)
{
	if (!s->journal)
		return;
	put8(s, XS_J_STATE);
	put16(s, d->domid);
	put8(s, d->shutdown);
	put16(s, d->conn->target);
}

void xs_j_gone(struct xs_store *s, uint16_t domid)
{
	if (!s->journal)
		return;
	put8(s, XS_J_GONE);
	put16(s, domid);
}

/* Is there a journal, and does this connection belong into it? */
static bool kept(const struct xs_conn *c)
{
	return c->store->journal && c->ring;
}

void xs_j_watch(const struct xs_watch *w, enum xs_j kind)
{
	struct xs_store *s = w->conn->store;

	if (!kept(w->conn))
		return;
	put8(s, (uint8_t)kind);
	put16(s, w->conn->domid);
	put32(s, (uint32_t)w->rel);
	if (kind == XS_J_WATCH)
		put32(s, (uint32_t)w->depth);
	if (kind == XS_J_LOST)
		put8(s, w->lost);
	put_text(s, w->path);
	put_text(s, w->token);
}

void xs_j_txn(const struct xs_conn *c, uint32_t id, bool open)
{
	if (!kept(c))
		return;
	put8(c->store, XS_J_TXN);
	put16(c->store, c->domid);
	put32(c->store, id);
	put8(c->store, open);
}

void xs_j_bytes(const struct xs_conn *c, enum xs_j kind, const void *data, size_t len)
{
	if (!kept(c) || !len)
		return;
	put8(c->store, (uint8_t)kind);
	put16(c->store, c->domid);
	put_bytes(c->store, data, len);
}

void xs_j_used(const struct xs_conn *c, size_t n)
{
	if (!kept(c) || !n)
		return;
	put8(c->store, XS_J_USED);
	put16(c->store, c->domid);
	put32(c->store, (uint32_t)n);
}

void xs_j_reset(const struct xs_conn *c)
{
	if (!kept(c))
		return;
	put8(c->store, XS_J_RESET);
	put16(c->store, c->domid);
}

void xs_j_pos(const struct xs_conn *c)
{
	if (!kept(c))
		return;
	put8(c->store, XS_J_POS);
	put16(c->store, c->domid);
	put32(c->store, c->in_at - (uint32_t)c->in.len);
	put32(c->store, c->out_at);
	put32(c->store, c->next_txn);
}

/* ---- snapshot ---- */

struct snap {
	struct xs_store *s;
	bool (*emit)(void *arg, const void *group, size_t len);
	void *arg;
};

/* Hand out what has been collected, if it is enough. */
static bool snap_flush(struct snap *p, size_t at_least)
{
	struct xs_buf *b = &p->s->jlog;

	if (p->s->jbroken)
		return false;
	if (!b->len || b->len < at_least)
		return true;
	if (!p->emit(p->arg, b->d + b->head, b->len))
		return false;
	xs_buf_take(b, b->len);
	return true;
}

/* path is a buffer of XS_PATH_BUF bytes with len in use: 0 for the root. */
static bool snap_nodes(struct snap *p, const struct xs_node *n, char *path, size_t len)
{
	uint32_t i;

	put_node(p->s, len ? path : "/", n);
	if (!snap_flush(p, GROUP_BYTES))
		return false;
	path[len] = '/';
	for (i = 0; i < n->nchild; i++) {
		const struct xs_node *c = n->child[i];

		memcpy(path + len + 1, c->name, c->name_len + 1u);
		if (!snap_nodes(p, c, path, len + 1 + c->name_len))
			return false;
		path[len] = '/';
	}
	path[len] = '\0';
	return true;
}

static bool snap_domain(struct snap *p, const struct xs_domain *d)
{
	const struct xs_conn *c = d->conn;
	const struct xs_watch *w;
	const struct xs_txn *t;
	unsigned int q;

	xs_j_domain(p->s, d);
	xs_j_state(p->s, d);
	for (q = 0; q < XS_Q_NUM; q++)
		if (d->own_quota & 1u << q)
			xs_j_own_quota(p->s, d, q);
	for (w = c->watch; w; w = w->next_own) {
		xs_j_watch(w, XS_J_WATCH);
		if (w->lost)
			xs_j_watch(w, XS_J_LOST);
		if (!snap_flush(p, GROUP_BYTES))
			return false;
	}
	for (t = c->txn; t; t = t->next)
		xs_j_txn(c, t->id, true);
	xs_j_pos(c);
	if (c->in.len)
		xs_j_bytes(c, XS_J_IN, c->in.d + c->in.head, c->in.len);
	if (c->out.len)
		xs_j_bytes(c, XS_J_OUT, c->out.d + c->out.head, c->out.len);
	return snap_flush(p, GROUP_BYTES);
}

bool xs_j_snapshot(struct xs_store *s, bool (*emit)(void *arg, const void *group, size_t len),
		   void *arg)
{
	struct snap p = { .s = s, .emit = emit, .arg = arg };
	char path[XS_PATH_BUF];
	const struct xs_domain *d;

	/* What was not yet durable is part of the state that is written now. */
	xs_buf_take(&s->jlog, s->jlog.len);
	s->jbroken = false;
	put8(s, XS_J_START);
	put64(s, s->gen);
	put_settings(s);
	if (!snap_nodes(&p, s->tree.root, path, 0))
		return false;
	for (d = s->domains; d; d = d->next)
		if (!snap_domain(&p, d))
			return false;
	return snap_flush(&p, 1);
}

bool xs_j_extra(struct xs_store *s)
{
	bool was = s->journal;
	const struct xs_domain *d;
	const struct xs_watch *w;
	unsigned int q;

	xs_buf_take(&s->jlog, s->jlog.len);
	s->jbroken = false;
	s->journal = true;
	put8(s, XS_J_GEN);
	put64(s, s->gen);
	put_settings(s);
	for (d = s->domains; d; d = d->next) {
		xs_j_port(s, d);
		xs_j_state(s, d);
		for (q = 0; q < XS_Q_NUM; q++)
			if (d->own_quota & 1u << q)
				xs_j_own_quota(s, d, q);
		for (w = d->conn->watch; w; w = w->next_own)
			if (w->lost)
				xs_j_watch(w, XS_J_LOST);
		xs_j_pos(d->conn);
	}
	s->journal = was;
	return !s->jbroken;
}

/* ---- reading ---- */

struct in {
	const char *p, *end;
	bool bad;
};

static const void *get(struct in *in, size_t len)
{
	const void *p = in->p;

	if ((size_t)(in->end - in->p) < len) {
		in->bad = true;
		return NULL;
	}
	in->p += len;
	return p;
}

static uint64_t get_num(struct in *in, size_t len)
{
	const void *p = get(in, len);
	uint64_t v = 0;

	if (p)
		memcpy(&v, p, len);
	return v;
}

static const char *get_bytes(struct in *in, size_t *len)
{
	*len = (size_t)get_num(in, 4);
	return get(in, *len);
}

/* A text, or "" and in->bad. */
static const char *get_text(struct in *in)
{
	size_t len;
	const char *t = get_bytes(in, &len);

	if (t && len && !t[len - 1] && strlen(t) == len - 1)
		return t;
	in->bad = true;
	return "";
}

static const char *get_path(struct in *in)
{
	const char *t = get_text(in);

	if (!xs_path_valid(t))
		in->bad = true;
	return t;
}

static struct xs_perms *get_perms(struct in *in)
{
	unsigned int num = (unsigned int)get_num(in, 2), i;
	const char *raw = get(in, num * 3u);
	struct xs_perms *l = NULL;
	struct xs_perm *p;

	if (!raw || !num || num > XENSTORE_PAYLOAD_MAX) {
		in->bad = true;
		return NULL;
	}
	p = xs_alloc(num * sizeof(*p));
	for (i = 0; p && i < num; i++) {
		memcpy(&p[i].domid, raw + i * 3, 2);
		p[i].mode = (uint8_t)raw[i * 3 + 2] & (XS_R | XS_W);
	}
	if (p)
		l = xs_perms_new(p, num);
	xs_free(p);
	if (!l)
		in->bad = true;
	return l;
}

static const char *apply_node(struct xs_store *s, struct in *in)
{
	const char *path = get_path(in), *value;
	struct xs_perms *l = get_perms(in);
	const struct xs_node *n;
	const char *bad = NULL;
	size_t len;

	value = get_bytes(in, &len);
	if (in->bad || xs_tree_write(&s->tree, path, XS_NO_DOMID, value, len)) {
		xs_perms_put(l);
		return "a node";
	}
	n = xs_tree_find(s->tree.root, path);
	if (!xs_perms_equal(n->perms, l) && xs_tree_set_perms(&s->tree, path, l))
		bad = "the permissions of a node";
	xs_perms_put(l);
	return bad;
}

static const char *apply_write(struct xs_store *s, struct in *in)
{
	uint16_t owner = (uint16_t)get_num(in, 2);
	const char *path = get_path(in), *value;
	size_t len;

	value = get_bytes(in, &len);
	if (in->bad || xs_tree_write(&s->tree, path, owner, value, len))
		return "a write";
	return NULL;
}

static const char *apply_rm(struct xs_store *s, struct in *in)
{
	const char *path = get_path(in);

	if (in->bad || !strcmp(path, "/") || xs_tree_rm(&s->tree, path, NULL))
		return "a removal";
	return NULL;
}

static const char *apply_perms(struct xs_store *s, struct in *in)
{
	const char *path = get_path(in);
	struct xs_perms *l = get_perms(in);
	const char *bad = NULL;

	if (in->bad || !xs_tree_find(s->tree.root, path) || xs_tree_set_perms(&s->tree, path, l))
		bad = "a change of permissions";
	xs_perms_put(l);
	return bad;
}

static const char *apply_special(struct xs_store *s, struct in *in)
{
	bool release = get_num(in, 1) != 0;
	struct xs_perms *l = get_perms(in), **slot;

	if (in->bad) {
		xs_perms_put(l);
		return "the permissions of a special watch";
	}
	slot = release ? &s->release_perms : &s->introduce_perms;
	xs_perms_put(*slot);
	*slot = l;
	return NULL;
}

static const char *apply_quota(struct xs_store *s, struct in *in, enum xs_j kind)
{
	uint8_t q = (uint8_t)get_num(in, 1);
	uint64_t limit = get_num(in, 8);

	if (in->bad || q >= XS_Q_NUM)
		return "a quota";
	*(kind == XS_J_SOFT ? &s->soft[q] : &s->quota[q]) = limit;
	return NULL;
}

static const char *apply_features(struct xs_store *s, struct in *in)
{
	uint16_t domid = (uint16_t)get_num(in, 2);
	uint32_t bits = (uint32_t)get_num(in, 4);

	return in->bad || xs_features_set(s, domid, bits) ? "the features of a domain" : NULL;
}

static const char *apply_domain(struct xs_store *s, struct in *in)
{
	uint16_t domid = (uint16_t)get_num(in, 2);
	uint64_t mfn = get_num(in, 8);
	uint32_t port = (uint32_t)get_num(in, 4);
	struct xs_conn *c;

	if (in->bad || xs_domain_find(s, domid) || xs_domain_add(s, domid, mfn, port, NULL, &c))
		return "a domain";
	return NULL;
}

/* Operations on one domain that exists. */
static const char *apply_watch(struct xs_conn *c, struct in *in, enum xs_j kind)
{
	size_t rel = (size_t)get_num(in, 4);
	int depth = kind == XS_J_WATCH ? (int)(int32_t)get_num(in, 4) : -1;
	bool lost = kind == XS_J_LOST && get_num(in, 1);
	const char *path = get_text(in), *token = get_text(in);
	struct xs_watch *w;

	if (in->bad || rel > strlen(path) ||
	    strlen(path) - rel + strlen(token) + 2 > XENSTORE_PAYLOAD_MAX ||
	    (path[0] != '@' && !xs_path_valid(path)))
		return "a watch";
	if (kind == XS_J_WATCH)
		return xs_watch_add(c, path, rel, token, depth, &w) ? "a new watch" : NULL;
	w = xs_watch_find(c, path, rel, token);
	if (!w)
		return "a watch that does not exist";
	if (kind == XS_J_UNWATCH) {
		xs_watch_del(w);
	} else if (w->lost != lost) {
		w->lost = lost;
		c->nlost += lost ? 1 : -1u;
	}
	return NULL;
}

/* Open transactions did not survive. They may go on, so that nobody is surprised, but will end with EAGAIN. */
static const char *apply_txn(struct xs_conn *c, struct in *in)
{
	uint32_t id = (uint32_t)get_num(in, 4);
	bool open = get_num(in, 1) != 0;
	struct xs_txn *t = xs_txn_find(c, id), *done;

	if (in->bad || open == !!t)
		return "a transaction";
	if (!open) {
		xs_txn_end(t, false, &done);
		return NULL;
	}
	c->next_txn = id - 1;
	if (xs_txn_begin(c, &id))
		return "a new transaction";
	xs_txn_find(c, id)->doomed = true;
	return NULL;
}

static const char *apply_bytes(struct xs_conn *c, struct in *in, enum xs_j kind)
{
	size_t len;
	const char *data = get_bytes(in, &len);

	if (in->bad || !xs_buf_add(kind == XS_J_IN ? &c->in : &c->out, data, len))
		return "the bytes of a ring";
	if (kind == XS_J_IN)
		c->in_at += (uint32_t)len;
	return NULL;
}

static const char *apply_used(struct xs_conn *c, struct in *in)
{
	size_t n = (size_t)get_num(in, 4);

	if (in->bad || n > c->in.len)
		return "the bytes used of a ring";
	xs_buf_take(&c->in, n);
	return NULL;
}

static const char *apply_pos(struct xs_conn *c, struct in *in)
{
	/* The position is that of the first byte that waits to be handled. */
	c->in_at = (uint32_t)get_num(in, 4) + (uint32_t)c->in.len;
	c->out_at = (uint32_t)get_num(in, 4);
	c->next_txn = (uint32_t)get_num(in, 4);
	return in->bad ? "the position of a ring" : NULL;
}

static const char *apply_state(struct xs_domain *d, struct in *in)
{
	d->shutdown = get_num(in, 1) != 0;
	d->conn->target = (uint16_t)get_num(in, 2);
	return in->bad ? "the state of a domain" : NULL;
}

static const char *apply_own_quota(struct xs_domain *d, struct in *in)
{
	uint8_t q = (uint8_t)get_num(in, 1);
	uint64_t limit = get_num(in, 8);

	if (in->bad || q >= XS_Q_NUM)
		return "the quota of a domain";
	d->own_quota |= 1u << q;
	d->quota[q] = limit;
	return NULL;
}

static const char *apply_to_domain(struct xs_store *s, struct in *in, enum xs_j kind)
{
	struct xs_domain *d = xs_domain_find(s, (uint16_t)get_num(in, 2));

	if (!d)
		return "a domain that does not exist";
	switch (kind) {
	case XS_J_PORT:
		d->mfn = get_num(in, 8);
		d->port = (uint32_t)get_num(in, 4);
		return in->bad ? "a port" : NULL;
	case XS_J_STATE:
		return apply_state(d, in);
	case XS_J_OWN:
		return apply_own_quota(d, in);
	case XS_J_GONE:
		xs_domain_gone(s, d->domid);
		return NULL;
	case XS_J_WATCH:
	case XS_J_UNWATCH:
	case XS_J_LOST:
		return apply_watch(d->conn, in, kind);
	case XS_J_TXN:
		return apply_txn(d->conn, in);
	case XS_J_IN:
	case XS_J_OUT:
		return apply_bytes(d->conn, in, kind);
	case XS_J_USED:
		return apply_used(d->conn, in);
	case XS_J_POS:
		return apply_pos(d->conn, in);
	case XS_J_RESET:
		xs_conn_restart(d->conn);
		return NULL;
	default:
		return "an unknown operation";
	}
}

/* A new store has a few nodes; in the snapshot they may be missing. */
static const char *apply_start(struct xs_store *s, struct in *in)
{
	if (xs_store_clear(s))
		return "the start";
	s->gen = get_num(in, 8);
	return in->bad ? "the generation" : NULL;
}

static const char *apply_one(struct xs_store *s, struct in *in)
{
	enum xs_j kind = (enum xs_j)get_num(in, 1);

	switch (kind) {
	case XS_J_NODE:
		return apply_node(s, in);
	case XS_J_WRITE:
		return apply_write(s, in);
	case XS_J_RM:
		return apply_rm(s, in);
	case XS_J_PERMS:
		return apply_perms(s, in);
	case XS_J_SPECIAL:
		return apply_special(s, in);
	case XS_J_QUOTA:
	case XS_J_SOFT:
		return apply_quota(s, in, kind);
	case XS_J_FEATURES:
		return apply_features(s, in);
	case XS_J_DOMAIN:
		return apply_domain(s, in);
	case XS_J_START:
		return apply_start(s, in);
	case XS_J_GEN:
		s->gen = get_num(in, 8);
		return in->bad ? "the generation" : NULL;
	default:
		return apply_to_domain(s, in, kind);
	}
}

const char *xs_j_apply(struct xs_store *s, const void *group, size_t len)
{
	struct in in = { .p = group, .end = (const char *)group + len };
	const char *bad = NULL;

	bool was = s->replay;

	s->replay = true;
	while (in.p < in.end && !bad)
		bad = apply_one(s, &in);
	s->replay = was;
	return bad;
}
