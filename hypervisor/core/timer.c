// SPDX-License-Identifier: BSD-2-Clause
// The timer queue: a leftist heap without memory of its own.
#include <hv/timer_core.h>

static uint32_t rank_of(const struct timer_node *n)
{
	return n ? n->rank : 0;
}

/* Put n's children in order and set its rank. True when the rank changed. */
static bool settle(struct timer_node *n)
{
	struct timer_node *l = n->left, *r = n->right;
	uint32_t rank;

	if (rank_of(l) < rank_of(r)) {
		n->left = r;
		n->right = l;
	}
	rank = rank_of(n->right) + 1;
	if (rank == n->rank)
		return false;
	n->rank = rank;
	return true;
}

/* Hang c (may be NULL) where `old` hung below p, or at the root. */
static void replace_child(struct timer_queue *q, struct timer_node *p, struct timer_node *old,
			  struct timer_node *c)
{
	if (c)
		c->parent = p;
	if (!p)
		q->root = c;
	else if (p->left == old)
		p->left = c;
	else
		p->right = c;
}

/*
 * Merge two heaps: go down both right-most paths like a merge of sorted lists, then settle on the way up.
 * The way down is at most the sum of both ranks.
 */
static struct timer_node *merge(struct timer_node *a, struct timer_node *b)
{
	struct timer_node *root, *tail, *t;

	if (!a || !b)
		return a ? a : b;
	if (b->expires < a->expires) {
		t = a;
		a = b;
		b = t;
	}
	root = tail = a;
	a = a->right;
	while (a) {
		if (b->expires < a->expires) {
			t = a;
			a = b;
			b = t;
		}
		tail->right = a;
		a->parent = tail;
		tail = a;
		a = a->right;
	}
	tail->right = b;
	b->parent = tail;
	for (t = tail;; t = t->parent) {
		settle(t);
		if (t == root)
			return root;
	}
}

bool timerq_insert(struct timer_queue *q, struct timer_node *n)
{
	n->left = n->right = n->parent = NULL;
	n->rank = 1;
	q->count++;
	q->root = merge(n, q->root);
	q->root->parent = NULL;
	return q->root == n;
}

void timerq_remove(struct timer_queue *q, struct timer_node *n)
{
	struct timer_node *p = n->parent, *c = merge(n->left, n->right);

	replace_child(q, p, n, c);
	/* A rank grows or shrinks along the way up; it stops within the rank of the changed part. */
	while (p && settle(p))
		p = p->parent;
	n->left = n->right = n->parent = NULL;
	n->rank = 0;
	q->count--;
}

struct timer_node *timerq_pop_due(struct timer_queue *q, s_time_t now)
{
	struct timer_node *n = q->root;

	if (!n || n->expires > now)
		return NULL;
	timerq_remove(q, n);
	return n;
}

/*
 * Walk without recursion, counting: the next node in order is found by going down left, then right, then
 * up until a right child is left to visit.
 */
bool timerq_check(const struct timer_queue *q)
{
	const struct timer_node *n = q->root, *from = NULL, *next;
	uint32_t seen = 0;

	if (n && n->parent)
		return false;
	while (n) {
		if (from == n->parent) {
			seen++;
			if (n->parent && n->parent->expires > n->expires)
				return false;
			if (rank_of(n->left) < rank_of(n->right) ||
			    n->rank != rank_of(n->right) + 1)
				return false;
			if ((n->left && n->left->parent != n) ||
			    (n->right && n->right->parent != n))
				return false;
		}
		if (from == n->parent && n->left)
			next = n->left;
		else if (from != n->right && n->right)
			next = n->right;
		else
			next = n->parent;
		/* Coming from the right child, or with nothing below: up. */
		from = n;
		n = next;
	}
	return seen == q->count;
}
