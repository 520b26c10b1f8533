// SPDX-License-Identifier: BSD-2-Clause
// Merging two trees that come from the same one, as a transaction's view and the store do.
#include "xs_tree.h"

/* The child of n at *i if it has this name, and go on to the next; else NULL. */
static struct xs_node *take_child(const struct xs_node *n, uint32_t *i, const struct xs_node *name)
{
	if (*i == n->nchild || xs_name_cmp(n->child[*i], name->name, name->name_len))
		return NULL;
	return n->child[(*i)++];
}

/* Of two candidates the one whose name comes first. */
static struct xs_node *first_of(struct xs_node *a, const struct xs_node *n, uint32_t i)
{
	struct xs_node *b = i < n->nchild ? n->child[i] : NULL;

	if (!a || !b)
		return a ? a : b;
	return a == b || xs_name_cmp(a, b->name, b->name_len) <= 0 ? a : b;
}

static struct xs_node *merge_node(struct xs_tree *t, struct xs_node *base, struct xs_node *work,
				  struct xs_node *now);

/* Fill n, which has room, with the children of now as work has changed them. */
static bool merge_children(struct xs_tree *t, struct xs_node *n, struct xs_node *base,
			   struct xs_node *work, struct xs_node *now)
{
	uint32_t i = 0, j = 0, k = 0;
	struct xs_node *b, *w, *c, *r;

	while (i < base->nchild || j < work->nchild || k < now->nchild) {
		r = i < base->nchild ? base->child[i] : NULL;
		r = first_of(first_of(r, work, j), now, k);
		b = take_child(base, &i, r);
		w = take_child(work, &j, r);
		c = take_child(now, &k, r);
		if (w == b)
			r = c ? xs_node_get(c) : NULL;
		else if (c == b)
			r = w ? xs_node_get(w) : NULL;
		else if (!b || !w || !c || !(r = merge_node(t, b, w, c)))
			return false;
		if (!r)
			continue;
		n->child[n->nchild++] = r;
		xs_kids_of(n->child)->len += r->name_len + 1u;
	}
	return true;
}

/* A new reference to base with both changes; NULL when they meet in this node, or when out of memory. */
static struct xs_node *merge_node(struct xs_tree *t, struct xs_node *base, struct xs_node *work,
				  struct xs_node *now)
{
	struct xs_node **child, *n;

	if (now == base)
		return xs_node_get(work);
	if (work == base)
		return xs_node_get(now);
	if (now->value != base->value || now->perms != base->perms)
		return NULL;
	n = xs_node_new(work->name, work->name_len, work->perms);
	if (!n)
		return NULL;
	n->value = work->value;
	if (n->value)
		n->value->ref++;
	n->gen = ++*t->gen;
	t->replaced += xs_node_bytes(now) + now->nchild * sizeof(now->child[0]);
	if (!work->nchild && !now->nchild)
		return n;
	n->child = xs_kids_resize(NULL, xs_child_cap(work->nchild + now->nchild));
	if (!n->child || !merge_children(t, n, base, work, now)) {
		xs_node_put(n);
		return NULL;
	}
	if (!n->nchild) {
		xs_kids_free(n);
		return n;
	}
	child = xs_kids_resize(n->child, xs_child_cap(n->nchild));
	if (child) /* else: the block stays larger than needed, which harms nothing */
		n->child = child;
	return n;
}

bool xs_tree_merge(struct xs_tree *t, struct xs_node *base, const struct xs_tree *work)
{
	struct xs_node *root;
	unsigned int i;

	for (i = 0; i < work->acct.num; i++)
		if (!xs_acct_reserve(&t->acct, work->acct.u[i].domid))
			return false;
	root = merge_node(t, base, work->root, t->root);
	if (!root)
		return false;
	xs_node_put(t->root);
	t->root = root;
	t->replaced += work->replaced;
	for (i = 0; i < work->acct.num; i++)
		xs_acct_add(&t->acct, work->acct.u[i].domid, work->acct.u[i].nodes,
			    work->acct.u[i].bytes);
	return true;
}
