// SPDX-License-Identifier: BSD-2-Clause
// The state of a running daemon as a stream.
//
//   header | GLOBAL | CONNECTION | its WATCHes and TRANSACTIONs | ... | NODE ... | EXTRA | END
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <xen/io/xs_wire.h>

#include "xs_alloc.h"
#include "xs_journal.h"
#include "xs_path.h"
#include "xs_state.h"

enum record {
	REC_END,
	REC_GLOBAL,
	REC_CONN,
	REC_WATCH,
	REC_TXN,
	REC_NODE,
	REC_WATCH_EXT,
	/* Ours: a group of journal operations. */
	REC_EXTRA = 0x50615661,
};

/* All integers but those of the header are in the byte order that its flag tells: ours is little-endian. */
struct header {
	uint8_t ident[8];
	uint8_t version[4]; /* big-endian */
	uint8_t flags[4];
};

struct rec {
	uint32_t type;
	uint32_t len;
};

#define CONN_RING   0
#define CONN_SOCKET 1

struct rec_conn {
	uint32_t id;
	uint16_t type;
	uint16_t flags;
	union {
		struct {
			uint16_t domid, target;
			uint32_t port;
		} ring;
		struct {
			int32_t fd;
			uint32_t pad;
		} socket;
	};
	uint16_t in_len; /* received, not handled */
	uint16_t
		part_len; /* left of a message that was sent in part: not told apart here, always 0 */
	uint32_t out_len;
	/* in bytes, out bytes */
};

struct rec_watch {
	uint32_t conn;
	uint16_t path_len, token_len; /* with NUL */
};

struct rec_watch_ext {
	struct rec_watch w;
	uint16_t depth;
	uint16_t pad;
};

struct rec_txn {
	uint32_t conn;
	uint32_t id;
};

struct rec_node {
	uint32_t conn, txn; /* 0: committed */
	uint16_t path_len, value_len;
	uint16_t access, nperms;
};

struct rec_perm {
	uint8_t mode; /* letter */
	uint8_t flags;
	uint16_t domid;
};

/* An entry for a domain that was gone when it was written: of no effect. */
#define PERM_IGNORE 1

/* ---- writing ---- */

static bool put(struct xs_buf *b, const void *data, size_t len)
{
	return xs_buf_add(b, data, len);
}

/* Begin a record, whose length is filled in by rec_end(). 0 when out of memory, and then rec_end() fails. */
static size_t rec_begin(struct xs_buf *b, uint32_t type)
{
	struct rec r = { .type = type };

	return put(b, &r, sizeof(r)) ? b->len : 0;
}

static bool rec_end(struct xs_buf *b, size_t start)
{
	static const char zero[8];
	uint32_t len = (uint32_t)(b->len - start);

	if (!start)
		return false;
	memcpy(b->d + b->head + start - sizeof(len), &len, sizeof(len));
	return put(b, zero, -len & 7);
}

static bool write_watch(struct xs_buf *b, uint32_t id, const struct xs_watch *w)
{
	const char *path = w->path + w->rel;
	struct rec_watch_ext r = {
		.w = { .conn = id,
		       .path_len = (uint16_t)(strlen(path) + 1),
		       .token_len = (uint16_t)(strlen(w->token) + 1) },
		.depth = (uint16_t)(w->depth < UINT16_MAX ? w->depth : UINT16_MAX),
	};
	bool ext = w->depth >= 0;
	size_t at = rec_begin(b, ext ? REC_WATCH_EXT : REC_WATCH);

	return put(b, &r, ext ? sizeof(r) : sizeof(r.w)) && put(b, path, r.w.path_len) &&
	       put(b, w->token, r.w.token_len) && rec_end(b, at);
}

static bool write_conn(struct xs_state_io *io, struct xs_buf *b, const struct xs_conn *c,
		       uint32_t id)
{
	struct rec_conn r = {
		.id = id,
		.type = c->ring ? CONN_RING : CONN_SOCKET,
		.in_len = (uint16_t)c->in.len,
		.out_len = (uint32_t)c->out.len,
	};
	const struct xs_watch *w;
	const struct xs_txn *t;
	size_t at;
	bool fit;

	if (c->in.len > UINT16_MAX)
		return false;
	if (c->ring) {
		r.ring.domid = c->domid;
		r.ring.target = c->target;
		r.ring.port = io->channel(io->ctx, c);
	} else {
		r.socket.fd = (int32_t)io->channel(io->ctx, c);
	}
	at = rec_begin(b, REC_CONN);
	fit = put(b, &r, sizeof(r)) && put(b, xs_buf_at(&c->in), c->in.len) &&
	      put(b, xs_buf_at(&c->out), c->out.len) && rec_end(b, at);
	for (w = c->watch; w && fit; w = w->next_own)
		fit = write_watch(b, id, w);
	for (t = c->txn; t && fit; t = t->next) {
		struct rec_txn rt = { .conn = id, .id = t->id };

		at = rec_begin(b, REC_TXN);
		fit = put(b, &rt, sizeof(rt)) && rec_end(b, at);
	}
	return fit;
}

/* path is a buffer of XS_PATH_BUF bytes with len in use. */
static bool write_nodes(struct xs_buf *b, const struct xs_node *n, char *path, size_t len)
{
	const char *name = len ? path : "/";
	struct rec_node r = {
		.path_len = (uint16_t)(strlen(name) + 1),
		.value_len = (uint16_t)(n->value ? n->value->len : 0),
		.nperms = n->perms->num,
	};
	size_t at = rec_begin(b, REC_NODE);
	bool fit = put(b, &r, sizeof(r));
	uint32_t i;

	for (i = 0; i < n->perms->num && fit; i++) {
		struct rec_perm p = { .mode = (uint8_t) "nrwb"[n->perms->p[i].mode & 3],
				      .domid = n->perms->p[i].domid };

		fit = put(b, &p, sizeof(p));
	}
	fit = fit && put(b, name, r.path_len) && put(b, n->value ? n->value->d : "", r.value_len) &&
	      rec_end(b, at);
	path[len] = '/';
	for (i = 0; i < n->nchild && fit; i++) {
		const struct xs_node *c = n->child[i];

		memcpy(path + len + 1, c->name, c->name_len + 1u);
		fit = write_nodes(b, c, path, len + 1 + c->name_len);
		path[len] = '/';
	}
	path[len] = '\0';
	return fit;
}

bool xs_state_write(struct xs_store *s, struct xs_state_io *io, struct xs_buf *out)
{
	struct header h = { .ident = "xenstore", .version = { 0, 0, 0, 1 } };
	char path[XS_PATH_BUF];
	const struct xs_domain *d;
	const struct xs_conn *c;
	uint32_t id = 0;
	size_t at;
	bool fit;

	fit = put(out, &h, sizeof(h));
	at = rec_begin(out, REC_GLOBAL);
	fit = fit && put(out, &io->global, sizeof(io->global)) && rec_end(out, at);
	for (d = s->domains; d && fit; d = d->next)
		fit = write_conn(io, out, d->conn, ++id);
	for (c = s->conns; c && fit; c = c->next)
		fit = c->ring || write_conn(io, out, c, ++id);
	fit = fit && write_nodes(out, s->tree.root, path, 0);
	if (!fit || !xs_j_extra(s))
		return false;
	at = rec_begin(out, REC_EXTRA);
	fit = put(out, xs_buf_at(&s->jlog), s->jlog.len) && rec_end(out, at);
	xs_buf_take(&s->jlog, s->jlog.len);
	at = rec_begin(out, REC_END);
	return fit && rec_end(out, at);
}

/* ---- reading ---- */

struct reading {
	struct xs_store *s;
	struct xs_state_io *io;
	struct xs_conn **conn; /* by id */
	uint32_t nconn;
	bool seen_end;
};

static struct xs_conn *by_id(struct reading *r, uint32_t id)
{
	return id && id < r->nconn ? r->conn[id] : NULL;
}

static const char *remember(struct reading *r, uint32_t id, struct xs_conn *c)
{
	struct xs_conn **a;

	if (!id || id > 1u << 20 || by_id(r, id))
		return "the number of a connection";
	if (id >= r->nconn) {
		a = xs_realloc(r->conn, (id + 1) * 2 * sizeof(*a));
		if (!a)
			return "out of memory";
		memset(a + r->nconn, 0, ((id + 1) * 2 - r->nconn) * sizeof(*a));
		r->conn = a;
		r->nconn = (id + 1) * 2;
	}
	r->conn[id] = c;
	return NULL;
}

static const char *read_conn(struct reading *r, const char *body, size_t len)
{
	struct rec_conn h;
	struct xs_conn *c;
	const char *bad;

	if (len < sizeof(h))
		return "a connection";
	memcpy(&h, body, sizeof(h));
	if (len - sizeof(h) < (size_t)h.in_len + h.out_len)
		return "the data of a connection";
	if (h.type == CONN_RING) {
		if (xs_domain_find(r->s, h.ring.domid) ||
		    xs_domain_add(r->s, h.ring.domid, 0, 0, NULL, &c))
			return "the domain of a connection";
		c->target = h.ring.target;
	} else if (h.type == CONN_SOCKET) {
		c = xs_conn_new(r->s, 0, NULL);
		if (!c)
			return "out of memory";
	} else {
		return "the kind of a connection";
	}
	bad = remember(r, h.id, c);
	if (bad)
		return bad;
	if (!xs_buf_add(&c->in, body + sizeof(h), h.in_len) ||
	    !xs_buf_add(&c->out, body + sizeof(h) + h.in_len, h.out_len))
		return "out of memory";
	if (h.type == CONN_RING ? r->io->ring(r->io->ctx, c->domain, h.ring.port)
				: r->io->socket(r->io->ctx, c, h.socket.fd))
		return "a connection that cannot be taken over";
	return NULL;
}

static const char *read_watch(struct reading *r, const char *body, size_t len, bool ext)
{
	size_t size = ext ? sizeof(struct rec_watch_ext) : sizeof(struct rec_watch), rel = 0;
	const char *path = body + size, *token;
	struct rec_watch_ext h = { .depth = 0 };
	char full[XS_PATH_BUF];
	struct xs_watch *w;
	struct xs_conn *c;

	if (len < size)
		return "a watch";
	memcpy(&h, body, size);
	token = path + h.w.path_len;
	c = by_id(r, h.w.conn);
	if (!c || !h.w.path_len || !h.w.token_len ||
	    len - size < (size_t)h.w.path_len + h.w.token_len || path[h.w.path_len - 1] ||
	    token[h.w.token_len - 1] || h.w.path_len + h.w.token_len > XENSTORE_PAYLOAD_MAX)
		return "a watch";
	if (path[0] != '@') {
		if (xs_path_canon(full, c->domid, path, &rel))
			return "the path of a watch";
		path = full;
	}
	return xs_watch_add(c, path, rel, token, ext ? h.depth : -1, &w) ? "a new watch" : NULL;
}

static const char *read_txn(struct reading *r, const char *body, size_t len)
{
	struct rec_txn h;
	struct xs_conn *c;

	if (len < sizeof(h))
		return "a transaction";
	memcpy(&h, body, sizeof(h));
	c = by_id(r, h.conn);
	if (!c || xs_txn_find(c, h.id))
		return "the connection of a transaction";
	c->next_txn = h.id - 1;
	if (xs_txn_begin(c, &h.id))
		return "a new transaction";
	xs_txn_find(c, h.id)->doomed = true;
	return NULL;
}

static const char *read_node(struct reading *r, const char *body, size_t len)
{
	struct rec_node h;
	struct xs_perms *l;
	struct xs_perm *p;
	struct rec_perm rp;
	const char *path, *value, *bad = NULL;
	unsigned int i, num = 0;

	if (len < sizeof(h))
		return "a node";
	memcpy(&h, body, sizeof(h));
	if (h.conn) /* of a transaction that will end with EAGAIN */
		return NULL;
	if (!h.nperms || !h.path_len ||
	    len - sizeof(h) < h.nperms * sizeof(rp) + h.path_len + h.value_len)
		return "a node";
	path = body + sizeof(h) + h.nperms * sizeof(rp);
	value = path + h.path_len;
	if (path[h.path_len - 1] || !xs_path_valid(path))
		return "the path of a node";
	p = xs_alloc(h.nperms * sizeof(*p));
	for (i = 0; p && i < h.nperms; i++) {
		memcpy(&rp, body + sizeof(h) + i * sizeof(rp), sizeof(rp));
		if (i && rp.flags & PERM_IGNORE)
			continue;
		p[num].domid = rp.domid;
		p[num++].mode = rp.mode == 'b'	 ? XS_R | XS_W
				: rp.mode == 'r' ? XS_R
				: rp.mode == 'w' ? XS_W
						 : 0;
	}
	l = p ? xs_perms_new(p, num) : NULL;
	xs_free(p);
	if (!l || xs_tree_write(&r->s->tree, path, XS_NO_DOMID, value, h.value_len) ||
	    (!xs_perms_equal(xs_tree_find(r->s->tree.root, path)->perms, l) &&
	     xs_tree_set_perms(&r->s->tree, path, l)))
		bad = "out of memory";
	xs_perms_put(l);
	return bad;
}

static const char *read_one(struct reading *r, uint32_t type, const char *body, size_t len)
{
	switch (type) {
	case REC_END:
		r->seen_end = true;
		return NULL;
	case REC_GLOBAL:
		if (len < sizeof(r->io->global))
			return "the global data";
		memcpy(&r->io->global, body, sizeof(r->io->global));
		return NULL;
	case REC_CONN:
		return read_conn(r, body, len);
	case REC_WATCH:
	case REC_WATCH_EXT:
		return read_watch(r, body, len, type == REC_WATCH_EXT);
	case REC_TXN:
		return read_txn(r, body, len);
	case REC_NODE:
		return read_node(r, body, len);
	case REC_EXTRA:
		return xs_j_apply(r->s, body, len);
	default:
		return "a record of unknown type";
	}
}

const char *xs_state_read(struct xs_store *s, struct xs_state_io *io, const void *data, size_t len)
{
	struct reading r = { .s = s, .io = io };
	const char *p = data, *bad = NULL;
	const struct xs_conn *c;
	struct xs_txn *t;
	struct header h;
	struct rec rec;

	if (len < sizeof(h))
		return "the header is missing";
	memcpy(&h, p, sizeof(h));
	if (memcmp(h.ident, "xenstore", 8) || h.version[3] != 1 || h.flags[3] & 1)
		return "it is no little-endian stream of version 1";
	p += sizeof(h);
	len -= sizeof(h);
	if (xs_store_clear(s))
		return "out of memory";
	s->replay = true;
	while (!bad && !r.seen_end) {
		size_t whole;

		if (len < sizeof(rec)) {
			bad = "it ends before its end mark";
			break;
		}
		memcpy(&rec, p, sizeof(rec));
		p += sizeof(rec);
		len -= sizeof(rec);
		whole = ((size_t)rec.len + 7) & ~(size_t)7;
		if (whole > len) {
			bad = "a record is longer than the stream";
			break;
		}
		bad = read_one(&r, rec.type, p, rec.len);
		p += whole;
		len -= whole;
	}
	s->replay = false;
	/* The nodes came after the transactions. */
	for (c = s->conns; c; c = c->next)
		for (t = c->txn; t; t = t->next)
			xs_txn_rebase(t);
	xs_free(r.conn);
	return bad;
}
