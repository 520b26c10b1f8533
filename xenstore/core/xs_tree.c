// SPDX-License-Identifier: BSD-2-Clause
// The tree: persistent nodes, path copying, accounting by owner.
#include <errno.h>
#include <string.h>

#include "xs_alloc.h"
#include "xs_path.h"
#include "xs_tree.h"

/* ---- accounting ---- */

static unsigned int acct_pos(const struct xs_acct *a, uint16_t domid)
{
	unsigned int lo = 0, hi = a->num;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (a->u[mid].domid < domid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool xs_acct_reserve(struct xs_acct *a, uint16_t domid)
{
	unsigned int pos = acct_pos(a, domid);

	if (pos < a->num && a->u[pos].domid == domid)
		return true;
	if (a->num == a->cap) {
		unsigned int cap = a->cap ? a->cap * 2 : 8;
		struct xs_usage *u = xs_realloc(a->u, cap * sizeof(*u));

		if (!u)
			return false;
		a->u = u;
		a->cap = cap;
	}
	memmove(&a->u[pos + 1], &a->u[pos], (a->num - pos) * sizeof(*a->u));
	a->u[pos] = (struct xs_usage){ .domid = domid };
	a->num++;
	return true;
}

void xs_acct_add(struct xs_acct *a, uint16_t domid, int64_t nodes, int64_t bytes)
{
	unsigned int pos = acct_pos(a, domid);

	a->u[pos].nodes += nodes;
	a->u[pos].bytes += bytes;
}

struct xs_usage xs_acct_of(const struct xs_acct *a, uint16_t domid)
{
	unsigned int pos = acct_pos(a, domid);

	if (pos < a->num && a->u[pos].domid == domid)
		return a->u[pos];
	return (struct xs_usage){ .domid = domid };
}

void xs_acct_free(struct xs_acct *a)
{
	xs_free(a->u);
	memset(a, 0, sizeof(*a));
}

bool xs_acct_copy(struct xs_acct *dst, const struct xs_acct *src)
{
	memset(dst, 0, sizeof(*dst));
	if (!src->num)
		return true;
	dst->u = xs_alloc(src->num * sizeof(*src->u));
	if (!dst->u)
		return false;
	memcpy(dst->u, src->u, src->num * sizeof(*src->u));
	dst->num = dst->cap = src->num;
	return true;
}

/* ---- nodes ---- */

static struct xs_blob *blob_alloc(size_t len)
{
	struct xs_blob *b = xs_alloc(sizeof(*b) + len);

	if (!b)
		return NULL;
	b->ref = 1;
	b->len = (uint32_t)len;
	return b;
}

static struct xs_blob *blob_new(const void *data, size_t len)
{
	struct xs_blob *b = blob_alloc(len);

	if (b)
		memcpy(b->d, data, len);
	return b;
}

static void blob_put(struct xs_blob *b)
{
	if (b && --b->ref == 0)
		xs_free(b);
}

struct xs_node **xs_kids_resize(struct xs_node **child, uint32_t cap)
{
	struct xs_kids *k = xs_realloc(xs_kids_of(child), sizeof(*k) + cap * sizeof(k->child[0]));

	if (!k)
		return NULL;
	if (!child) {
		k->names = NULL;
		k->len = 0;
	}
	return k->child;
}

static void kids_changed(struct xs_node *dir)
{
	struct xs_kids *k = xs_kids_of(dir->child);

	if (!k || !k->names)
		return;
	blob_put(k->names);
	k->names = NULL;
}

void xs_kids_free(struct xs_node *dir)
{
	kids_changed(dir);
	xs_free(xs_kids_of(dir->child));
	dir->child = NULL;
}

size_t xs_node_names_len(const struct xs_node *n)
{
	return n->nchild ? xs_kids_of(n->child)->len : 0;
}

const struct xs_blob *xs_node_names(struct xs_node *n)
{
	struct xs_kids *k = xs_kids_of(n->child);
	uint32_t i;
	char *p;

	if (k->names)
		return k->names;
	k->names = blob_alloc(k->len);
	if (!k->names)
		return NULL;
	for (p = k->names->d, i = 0; i < n->nchild; p += n->child[i]->name_len + 1u, i++)
		memcpy(p, n->child[i]->name, n->child[i]->name_len + 1u);
	return k->names;
}

struct xs_node *xs_node_get(struct xs_node *n)
{
	n->ref++;
	return n;
}

/* Depth is bounded by the path limit (1536 components), so plain recursion is safe. */
void xs_node_put(struct xs_node *n)
{
	uint32_t i;

	if (!n || --n->ref)
		return;
	for (i = 0; i < n->nchild; i++)
		xs_node_put(n->child[i]);
	xs_kids_free(n);
	blob_put(n->value);
	xs_perms_put(n->perms);
	xs_free(n);
}

struct xs_node *xs_node_new(const char *name, size_t len, struct xs_perms *perms)
{
	struct xs_node *n = xs_alloc(sizeof(*n) + len + 1);

	if (!n)
		return NULL;
	memset(n, 0, sizeof(*n));
	n->ref = 1;
	n->perms = xs_perms_get(perms);
	n->name_len = (uint16_t)len;
	memcpy(n->name, name, len);
	n->name[len] = '\0';
	return n;
}

uint32_t xs_child_cap(uint32_t n)
{
	uint32_t cap = 1;

	while (cap < n)
		cap *= 2;
	return n ? cap : 0;
}

int xs_name_cmp(const struct xs_node *n, const char *name, size_t len)
{
	int c = (unsigned char)n->name[0] - (unsigned char)name[0];

	/* The first letter mostly decides. */
	if (!c)
		c = memcmp(n->name, name, n->name_len < len ? n->name_len : len);
	if (c)
		return c;
	return n->name_len < len ? -1 : n->name_len > len;
}

static uint32_t child_pos(const struct xs_node *n, const char *name, size_t len, bool *found)
{
	uint32_t lo = 0, hi = n->nchild;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int c = xs_name_cmp(n->child[mid], name, len);

		if (!c) {
			*found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*found = false;
	return lo;
}

struct xs_node *xs_node_child(const struct xs_node *n, const char *name, size_t len)
{
	bool found;
	uint32_t pos = child_pos(n, name, len, &found);

	return found ? n->child[pos] : NULL;
}

size_t xs_node_bytes(const struct xs_node *n)
{
	/* The name counts twice: there may be a packed list of the parent's children. */
	return sizeof(*n) + 2 * (n->name_len + 1u) + sizeof(struct xs_node *) +
	       (n->value ? sizeof(*n->value) + n->value->len : 0) + sizeof(*n->perms) +
	       n->perms->num * sizeof(n->perms->p[0]);
}

/* A private copy: same name, value, list and generation; the children are shared. */
static struct xs_node *node_copy(const struct xs_node *o)
{
	struct xs_node *n = xs_node_new(o->name, o->name_len, o->perms);
	uint32_t i;

	if (!n)
		return NULL;
	if (o->nchild) {
		n->child = xs_kids_resize(NULL, xs_child_cap(o->nchild));
		if (!n->child) {
			xs_node_put(n);
			return NULL;
		}
		memcpy(n->child, o->child, o->nchild * sizeof(*n->child));
		for (i = 0; i < o->nchild; i++)
			n->child[i]->ref++;
		xs_kids_of(n->child)->len = xs_node_names_len(o);
		n->nchild = o->nchild;
	}
	n->value = o->value;
	if (n->value)
		n->value->ref++;
	n->gen = o->gen;
	return n;
}

/* Make *slot private to its only parent. */
static bool unshare(struct xs_tree *t, struct xs_node **slot)
{
	struct xs_node *n;

	if ((*slot)->ref == 1)
		return true;
	n = node_copy(*slot);
	if (!n)
		return false;
	t->replaced += xs_node_bytes(n) + n->nchild * sizeof(n->child[0]);
	xs_node_put(*slot);
	*slot = n;
	return true;
}

/* ---- lookup ---- */

void xs_tree_lookup(const struct xs_node *root, const char *path, struct xs_lookup *l)
{
	struct xs_node *n = (struct xs_node *)root, *c;
	const char *name;
	size_t len;

	memset(l, 0, sizeof(*l));
	while ((len = xs_path_next(&path, &name))) {
		c = xs_node_child(n, name, len);
		if (!c) {
			l->near = n;
			l->missing = 1;
			while (xs_path_next(&path, &name))
				l->missing++;
			l->parent = l->missing == 1 ? n : NULL;
			return;
		}
		l->parent = n;
		n = c;
	}
	l->node = l->near = n;
}

struct xs_node *xs_tree_find(const struct xs_node *root, const char *path)
{
	struct xs_lookup l;

	xs_tree_lookup(root, path, &l);
	return l.node;
}

bool xs_tree_same(const struct xs_node *a, const struct xs_node *b, const char *path)
{
	const char *name;
	size_t len;

	while (a && b && a != b) {
		len = xs_path_next(&path, &name);
		if (!len)
			return false;
		a = xs_node_child(a, name, len);
		b = xs_node_child(b, name, len);
	}
	return a && b;
}

/*
 * Walk as far as path exists, making all on the way private. Returns the slot of the last node, *rest what is left
 * of the path; NULL when out of memory (the tree is as before in content).
 */
static struct xs_node **walk_private(struct xs_tree *t, const char *path, const char **rest)
{
	struct xs_node **slot = &t->root;
	const char *p = path, *name;
	size_t len;
	uint32_t pos;
	bool found;

	if (!unshare(t, slot))
		return NULL;
	for (;;) {
		*rest = p;
		len = xs_path_next(&p, &name);
		if (!len)
			return slot;
		pos = child_pos(*slot, name, len, &found);
		if (!found)
			return slot;
		if (!unshare(t, &(*slot)->child[pos]))
			return NULL;
		slot = &(*slot)->child[pos];
	}
}

/* ---- change ---- */

static bool insert_child(struct xs_node *dir, uint32_t pos, struct xs_node *n)
{
	if (dir->nchild == xs_child_cap(dir->nchild)) {
		struct xs_node **a = xs_kids_resize(dir->child, xs_child_cap(dir->nchild + 1));

		if (!a)
			return false;
		dir->child = a;
	}
	kids_changed(dir);
	memmove(&dir->child[pos + 1], &dir->child[pos], (dir->nchild - pos) * sizeof(*dir->child));
	dir->child[pos] = n;
	xs_kids_of(dir->child)->len += n->name_len + 1u;
	dir->nchild++;
	return true;
}

static void remove_child(struct xs_node *dir, uint32_t pos)
{
	struct xs_node **a;

	kids_changed(dir);
	xs_kids_of(dir->child)->len -= dir->child[pos]->name_len + 1u;
	dir->nchild--;
	memmove(&dir->child[pos], &dir->child[pos + 1], (dir->nchild - pos) * sizeof(*dir->child));
	if (!dir->nchild) {
		xs_kids_free(dir);
	} else if (dir->nchild == xs_child_cap(dir->nchild)) {
		a = xs_kids_resize(dir->child, dir->nchild);
		if (a) /* else: the block stays larger than needed, which harms nothing */
			dir->child = a;
	}
}

/* Build the chain of new nodes for rest (at least one component); returns its top, the last in *leaf. */
static struct xs_node *build_chain(struct xs_tree *t, const char *rest, struct xs_perms *perms,
				   struct xs_node **leaf)
{
	struct xs_node *top = NULL, *last = NULL, *n;
	const char *name;
	size_t len;

	while ((len = xs_path_next(&rest, &name))) {
		n = xs_node_new(name, len, perms);
		if (!n || (last && !insert_child(last, 0, n))) {
			xs_node_put(n);
			xs_node_put(top);
			return NULL;
		}
		n->gen = ++*t->gen;
		if (!top)
			top = n;
		last = n;
	}
	*leaf = last;
	return top;
}

static void acct_chain(struct xs_tree *t, const struct xs_node *n)
{
	for (; n; n = n->nchild ? n->child[0] : NULL)
		xs_acct_add(&t->acct, n->perms->p[0].domid, 1, (int64_t)xs_node_bytes(n));
}

static int create(struct xs_tree *t, struct xs_node *dir, const char *rest, uint16_t owner,
		  struct xs_blob *value)
{
	struct xs_node *top, *leaf;
	struct xs_perms *perms;
	const char *p = rest, *name;
	size_t len = xs_path_next(&p, &name);
	bool found;

	if (owner == XS_NO_DOMID || owner == dir->perms->p[0].domid)
		perms = xs_perms_get(dir->perms);
	else
		perms = xs_perms_with_owner(dir->perms, owner);
	if (!perms)
		return ENOMEM;
	top = build_chain(t, rest, perms, &leaf);
	if (!top || !xs_acct_reserve(&t->acct, perms->p[0].domid) ||
	    !insert_child(dir, child_pos(dir, name, len, &found), top)) {
		xs_node_put(top);
		xs_perms_put(perms);
		return ENOMEM;
	}
	xs_perms_put(perms);
	leaf->value = value;
	dir->gen = ++*t->gen;
	acct_chain(t, top);
	return 0;
}

int xs_tree_write(struct xs_tree *t, const char *path, uint16_t owner, const void *data, size_t len)
{
	struct xs_blob *value = NULL;
	struct xs_node **slot, *n;
	const char *rest;
	size_t before;
	int err = ENOMEM;

	if (len) {
		value = blob_new(data, len);
		if (!value)
			return ENOMEM;
	}
	slot = walk_private(t, path, &rest);
	if (!slot)
		goto free_value;
	n = *slot;
	if (*rest && strcmp(rest, "/")) {
		err = create(t, n, rest, owner, value);
		if (err)
			goto free_value;
		return 0;
	}
	if (!xs_acct_reserve(&t->acct, n->perms->p[0].domid))
		goto free_value;
	before = xs_node_bytes(n);
	blob_put(n->value);
	n->value = value;
	n->gen = ++*t->gen;
	xs_acct_add(&t->acct, n->perms->p[0].domid, 0, (int64_t)xs_node_bytes(n) - (int64_t)before);
	return 0;

free_value:
	blob_put(value);
	return err;
}

/* Reserve entries for all owners below n, so that acct_drop() cannot fail. */
static bool acct_reserve_all(struct xs_acct *a, const struct xs_node *n)
{
	uint32_t i;

	if (!xs_acct_reserve(a, n->perms->p[0].domid))
		return false;
	for (i = 0; i < n->nchild; i++)
		if (!acct_reserve_all(a, n->child[i]))
			return false;
	return true;
}

static void acct_drop(struct xs_tree *t, const struct xs_node *n)
{
	size_t bytes = xs_node_bytes(n);
	uint32_t i;

	xs_acct_add(&t->acct, n->perms->p[0].domid, -1, -(int64_t)bytes);
	t->replaced += bytes;
	for (i = 0; i < n->nchild; i++)
		acct_drop(t, n->child[i]);
}

int xs_tree_rm(struct xs_tree *t, const char *path, struct xs_node **old)
{
	char parent[XS_PATH_BUF];
	size_t plen = xs_path_parent_len(path);
	struct xs_node **slot, *dir, *n;
	const char *rest, *name = path + plen;
	uint32_t pos;
	bool found;

	while (*name == '/')
		name++;
	memcpy(parent, path, plen);
	parent[plen] = '\0';
	slot = walk_private(t, parent, &rest);
	if (!slot)
		return ENOMEM;
	dir = *slot;
	pos = child_pos(dir, name, strlen(name), &found);
	if (!found)
		return ENOENT;
	n = dir->child[pos];
	if (!acct_reserve_all(&t->acct, n))
		return ENOMEM;
	acct_drop(t, n);
	remove_child(dir, pos);
	dir->gen = ++*t->gen;
	if (old)
		*old = n;
	else
		xs_node_put(n);
	return 0;
}

static int node_set_perms(struct xs_tree *t, struct xs_node *n, struct xs_perms *perms)
{
	if (!xs_acct_reserve(&t->acct, n->perms->p[0].domid) ||
	    !xs_acct_reserve(&t->acct, perms->p[0].domid))
		return ENOMEM;
	xs_acct_add(&t->acct, n->perms->p[0].domid, -1, -(int64_t)xs_node_bytes(n));
	xs_perms_get(perms);
	xs_perms_put(n->perms);
	n->perms = perms;
	n->gen = ++*t->gen;
	xs_acct_add(&t->acct, perms->p[0].domid, 1, (int64_t)xs_node_bytes(n));
	return 0;
}

int xs_tree_set_perms(struct xs_tree *t, const char *path, struct xs_perms *perms)
{
	const char *rest;
	struct xs_node **slot = walk_private(t, path, &rest);

	return slot ? node_set_perms(t, *slot, perms) : ENOMEM;
}

/* ---- forgetting a domain ---- */

static bool mentions(const struct xs_node *n, uint16_t domid)
{
	uint32_t i;

	if (n->perms->p[0].domid == domid || xs_perms_lists(n->perms, domid))
		return true;
	for (i = 0; i < n->nchild; i++)
		if (mentions(n->child[i], domid))
			return true;
	return false;
}

/* n is private. Children that mention the domain are made private first, the others stay shared. */
static int forget_below(struct xs_tree *t, struct xs_node *n, uint16_t domid)
{
	struct xs_perms *l;
	struct xs_node *c;
	uint32_t i = 0;
	int err;

	if (xs_perms_lists(n->perms, domid)) {
		l = xs_perms_without(n->perms, domid);
		err = l ? node_set_perms(t, n, l) : ENOMEM;
		xs_perms_put(l);
		if (err)
			return err;
	}
	while (i < n->nchild) {
		c = n->child[i];
		if (c->perms->p[0].domid == domid) {
			if (!acct_reserve_all(&t->acct, c))
				return ENOMEM;
			acct_drop(t, c);
			remove_child(n, i);
			n->gen = ++*t->gen;
			xs_node_put(c);
			continue;
		}
		if (mentions(c, domid)) {
			if (!unshare(t, &n->child[i]))
				return ENOMEM;
			err = forget_below(t, n->child[i], domid);
			if (err)
				return err;
		}
		i++;
	}
	return 0;
}

int xs_tree_forget(struct xs_tree *t, uint16_t domid)
{
	if (!mentions(t->root, domid))
		return 0;
	if (!unshare(t, &t->root))
		return ENOMEM;
	return forget_below(t, t->root, domid);
}

/* ---- life ---- */

int xs_tree_init(struct xs_tree *t, struct xs_perms *perms, uint64_t *gen)
{
	memset(t, 0, sizeof(*t));
	t->gen = gen;
	if (!xs_acct_reserve(&t->acct, perms->p[0].domid))
		return ENOMEM;
	t->root = xs_node_new("", 0, perms);
	if (!t->root) {
		xs_acct_free(&t->acct);
		return ENOMEM;
	}
	t->root->gen = ++*gen;
	acct_chain(t, t->root);
	return 0;
}

void xs_tree_free(struct xs_tree *t)
{
	xs_node_put(t->root);
	t->root = NULL;
	xs_acct_free(&t->acct);
}

static const char *check_node(const struct xs_node *n, struct xs_acct *a, uint64_t *nodes)
{
	const char *bad;
	size_t names = 0;
	uint32_t i;

	++*nodes;
	if (!n->ref)
		return "a node in the tree has no reference";
	if (!n->perms || !n->perms->ref || !n->perms->num)
		return "a node has no permission list";
	if (n->value && (!n->value->ref || !n->value->len))
		return "a value is empty or has no reference";
	if (!xs_acct_reserve(a, n->perms->p[0].domid))
		return "out of memory";
	xs_acct_add(a, n->perms->p[0].domid, 1, (int64_t)xs_node_bytes(n));
	for (i = 0; i < n->nchild; i++) {
		const struct xs_node *c = n->child[i];

		if (!c->name_len || c->name[c->name_len])
			return "a child has a bad name";
		if (i && xs_name_cmp(n->child[i - 1], c->name, c->name_len) >= 0)
			return "children are out of order";
		names += c->name_len + 1u;
		bad = check_node(c, a, nodes);
		if (bad)
			return bad;
	}
	return names == xs_node_names_len(n) ? NULL
					     : "the length of the names of children is wrong";
}

const char *xs_tree_check(const struct xs_tree *t, uint64_t *nodes)
{
	struct xs_acct a = { 0 };
	uint64_t count = 0;
	const char *bad = check_node(t->root, &a, &count);
	unsigned int i;

	for (i = 0; !bad && i < t->acct.num; i++) {
		struct xs_usage u = xs_acct_of(&a, t->acct.u[i].domid);

		if (u.nodes != t->acct.u[i].nodes || u.bytes != t->acct.u[i].bytes)
			bad = "usage of an owner does not match the tree";
	}
	for (i = 0; !bad && i < a.num; i++)
		if (!xs_acct_of(&t->acct, a.u[i].domid).nodes)
			bad = "an owner is not accounted";
	xs_acct_free(&a);
	if (nodes)
		*nodes = count;
	return bad;
}
