// SPDX-License-Identifier: BSD-2-Clause
// Watches: a trie of watched paths, and the events that a change sends.
//
// A change of /a/b/c walks the trie along /, a, b, c and so meets every watch that covers it, however many
// others there are. A removal goes on below, as far as both the trie and the removed tree reach.
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <xen/io/xs_wire.h>

#include "xs_alloc.h"
#include "xs_journal.h"
#include "xs_path.h"
#include "xs_store.h"

struct xs_wnode {
	struct xs_wnode *parent;
	struct xs_wnode **child; /* sorted by name; room for the next power of two */
	uint32_t nchild;
	uint16_t name_len;
	struct xs_watch *first, *last;
	char name[];
};

static struct xs_wnode *wnode_new(struct xs_wnode *parent, const char *name, size_t len)
{
	struct xs_wnode *n = xs_alloc(sizeof(*n) + len + 1);

	if (!n)
		return NULL;
	memset(n, 0, sizeof(*n));
	n->parent = parent;
	n->name_len = (uint16_t)len;
	memcpy(n->name, name, len);
	n->name[len] = '\0';
	return n;
}

struct xs_wnode *xs_wnode_new_root(void)
{
	return wnode_new(NULL, "", 0);
}

void xs_wnode_free_all(struct xs_wnode *n)
{
	uint32_t i;

	if (!n)
		return;
	for (i = 0; i < n->nchild; i++)
		xs_wnode_free_all(n->child[i]);
	xs_free(n->child);
	xs_free(n);
}

static uint32_t wchild_pos(const struct xs_wnode *n, const char *name, size_t len, bool *found)
{
	uint32_t lo = 0, hi = n->nchild;

	*found = false;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		const struct xs_wnode *m = n->child[mid];
		int c = memcmp(m->name, name, m->name_len < len ? m->name_len : len);

		if (!c)
			c = m->name_len < len ? -1 : m->name_len > len;
		if (!c) {
			*found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct xs_wnode *wchild(const struct xs_wnode *n, const char *name, size_t len)
{
	bool found;
	uint32_t pos = wchild_pos(n, name, len, &found);

	return found ? n->child[pos] : NULL;
}

static struct xs_wnode *wchild_make(struct xs_wnode *n, const char *name, size_t len)
{
	struct xs_wnode *c, **a;
	uint32_t pos;
	bool found;

	pos = wchild_pos(n, name, len, &found);
	if (found)
		return n->child[pos];
	c = wnode_new(n, name, len);
	if (!c)
		return NULL;
	if (!(n->nchild & (n->nchild - 1))) {
		a = xs_realloc(n->child, (n->nchild ? n->nchild * 2 : 1) * sizeof(*a));
		if (!a) {
			xs_free(c);
			return NULL;
		}
		n->child = a;
	}
	memmove(&n->child[pos + 1], &n->child[pos], (n->nchild - pos) * sizeof(*n->child));
	n->child[pos] = c;
	n->nchild++;
	return c;
}

/* Remove n and its ancestors as far as nothing is watched there or below. */
static void wnode_prune(struct xs_wnode *n)
{
	while (n->parent && !n->first && !n->nchild) {
		struct xs_wnode *up = n->parent;
		uint32_t pos;
		bool found;

		pos = wchild_pos(up, n->name, n->name_len, &found);
		up->nchild--;
		memmove(&up->child[pos], &up->child[pos + 1],
			(up->nchild - pos) * sizeof(*up->child));
		xs_free(n->child);
		xs_free(n);
		n = up;
	}
}

/* ---- registration ---- */

struct xs_watch *xs_watch_find(struct xs_conn *c, const char *path, size_t rel, const char *token)
{
	struct xs_watch *w;

	for (w = c->watch; w; w = w->next_own)
		if (w->rel == rel && !strcmp(w->token, token) && !strcmp(w->path, path))
			return w;
	return NULL;
}

static struct xs_wnode *place(struct xs_store *s, const char *path)
{
	struct xs_wnode *n = path[0] == '@' ? s->wspecial : s->wroot, *c;
	const char *name;
	size_t len;

	while ((len = xs_path_next(&path, &name))) {
		c = wchild_make(n, name, len);
		if (!c) {
			wnode_prune(n);
			return NULL;
		}
		n = c;
	}
	return n;
}

int xs_watch_add(struct xs_conn *c, const char *path, size_t rel, const char *token, int depth,
		 struct xs_watch **watch)
{
	size_t plen = strlen(path) + 1, tlen = strlen(token) + 1;
	struct xs_watch *w;

	if (xs_watch_find(c, path, rel, token))
		return EEXIST;
	w = xs_alloc(sizeof(*w) + plen + tlen);
	if (!w)
		return ENOMEM;
	memset(w, 0, sizeof(*w));
	w->at = place(c->store, path);
	if (!w->at) {
		xs_free(w);
		return ENOMEM;
	}
	w->conn = c;
	w->rel = rel;
	w->depth = depth;
	memcpy(w->path, path, plen);
	memcpy(w->path + plen, token, tlen);
	w->token = w->path + plen;

	w->prev_at = w->at->last;
	*(w->at->last ? &w->at->last->next_at : &w->at->first) = w;
	w->at->last = w;
	w->prev_own = c->watch_tail;
	*(c->watch_tail ? &c->watch_tail->next_own : &c->watch) = w;
	c->watch_tail = w;
	c->nwatch++;
	c->store->nwatch++;
	xs_j_watch(w, XS_J_WATCH);
	*watch = w;
	return 0;
}

void xs_watch_del(struct xs_watch *w)
{
	struct xs_wnode *at = w->at;
	struct xs_conn *c = w->conn;

	xs_j_watch(w, XS_J_UNWATCH);
	*(w->prev_at ? &w->prev_at->next_at : &at->first) = w->next_at;
	*(w->next_at ? &w->next_at->prev_at : &at->last) = w->prev_at;
	*(w->prev_own ? &w->prev_own->next_own : &c->watch) = w->next_own;
	*(w->next_own ? &w->next_own->prev_own : &c->watch_tail) = w->prev_own;
	if (w->lost)
		c->nlost--;
	c->nwatch--;
	c->store->nwatch--;
	xs_free(w);
	wnode_prune(at);
}

/* ---- events ---- */

/*
 * A client that does not take its events may not cost memory without end. Beyond its limit an event is only noted
 * at its watch; when the client has caught up it is told that something at the watched path changed.
 */
void xs_watch_event(struct xs_watch *w, const char *path)
{
	struct xs_conn *c = w->conn;
	size_t plen, tlen = strlen(w->token) + 1;

	if (w->lost || c->store->replay)
		return;
	path = path ? path + w->rel : w->path + w->rel;
	plen = strlen(path) + 1;
	if (plen + tlen > XENSTORE_PAYLOAD_MAX) {
		path = w->path + w->rel;
		plen = strlen(path) + 1;
	}
	if (!xs_conn_priv(c) && c->out.len > xs_limit(c, XS_Q_OUTPUT)) {
		w->lost = true;
		c->nlost++;
		xs_j_watch(w, XS_J_LOST);
		xs_refuse(c, XS_Q_OUTPUT, path, 0);
		return;
	}
	xs_conn_send(c, XS_WATCH_EVENT, 0, 0, path, plen, w->token, tlen);
}

/* Lists of which one must allow reading. Those of path are looked up when somebody's right depends on them. */
struct reader {
	const struct xs_perms *list[4];
	unsigned int num;
	const struct xs_node *root; /* NULL: no lookup is needed, or it was done */
	const char *path;
};

static void reader_add(struct reader *r, const struct xs_perms *list)
{
	if (list)
		r->list[r->num++] = list;
}

static bool may_see(const struct xs_conn *c, struct reader *r)
{
	struct xs_lookup l;
	unsigned int i;

	if (xs_conn_priv(c))
		return true;
	if (r->root) {
		xs_tree_lookup(r->root, r->path, &l);
		reader_add(r, l.node ? l.node->perms : NULL);
		reader_add(r, l.parent ? l.parent->perms : NULL);
		r->root = NULL;
	}
	for (i = 0; i < r->num; i++)
		if (xs_perms_allow(r->list[i], c->domid, c->target) & XS_R)
			return true;
	return false;
}

static void fire_at(struct xs_wnode *n, const char *path, int distance, struct reader *r)
{
	struct xs_watch *w;

	for (w = n->first; w; w = w->next_at)
		if ((w->depth < 0 || distance <= w->depth) && may_see(w->conn, r))
			xs_watch_event(w, path);
}

static int components(const char *path)
{
	const char *name;
	int num = 0;

	while (xs_path_next(&path, &name))
		num++;
	return num;
}

/* Fire all watches on the way to path; returns the trie's node at path itself, or NULL. */
static struct xs_wnode *fire_along(struct xs_store *s, const char *path, struct reader *r)
{
	struct xs_wnode *n = s->wroot;
	const char *p = path, *name;
	size_t len;

	while (n) {
		if (n->first)
			fire_at(n, path, components(p), r);
		len = xs_path_next(&p, &name);
		if (!len)
			return n;
		n = wchild(n, name, len);
	}
	return NULL;
}

void xs_watch_fire(struct xs_store *s, const char *path, const struct xs_perms *old)
{
	struct reader r = { .root = s->tree.root, .path = path };

	if (!s->nwatch)
		return;
	reader_add(&r, old);
	fire_along(s, path, &r);
}

/* path is a buffer of XS_PATH_BUF bytes with len in use. */
static void fire_below(struct xs_wnode *w, const struct xs_node *old, char *path, size_t len)
{
	uint32_t i;

	for (i = 0; i < w->nchild; i++) {
		struct xs_wnode *c = w->child[i];
		const struct xs_node *n = xs_node_child(old, c->name, c->name_len);
		struct reader r = { .num = 0 };

		if (!n)
			continue;
		path[len] = '/';
		memcpy(path + len + 1, n->name, n->name_len + 1u);
		reader_add(&r, n->perms);
		reader_add(&r, old->perms);
		fire_at(c, path, 0, &r);
		fire_below(c, n, path, len + 1 + n->name_len);
	}
	path[len] = '\0';
}

void xs_watch_fire_rm(struct xs_store *s, const char *path, const struct xs_node *old)
{
	struct reader r = { .root = s->tree.root, .path = path };
	struct xs_wnode *w;
	char buf[XS_PATH_BUF];
	size_t len = strlen(path);

	if (!s->nwatch)
		return;
	reader_add(&r, old->perms);
	w = fire_along(s, path, &r);
	if (!w)
		return;
	memcpy(buf, path, len + 1);
	fire_below(w, old, buf, len);
}

void xs_watch_fire_special(struct xs_store *s, const char *name, uint16_t domid)
{
	bool release = !strcmp(name, "@releaseDomain");
	struct reader r = { .num = 0 };
	struct xs_wnode *n = wchild(s->wspecial, name, strlen(name));
	char path[32];
	size_t len = strlen(name);
	struct xs_watch *w;

	if (!n)
		return;
	memcpy(path, name, len + 1);
	path[len] = '/';
	xs_num_fmt(path + len + 1, domid);
	reader_add(&r, release ? s->release_perms : s->introduce_perms);
	for (w = n->first; w; w = w->next_at)
		if (may_see(w->conn, &r))
			xs_watch_event(w, w->depth > 0 ? path : NULL);
}
