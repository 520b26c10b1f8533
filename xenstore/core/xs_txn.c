// SPDX-License-Identifier: BSD-2-Clause
// Transactions: a private view, a list of what was seen, a list of what was changed.
//
// A transaction works on a snapshot. Committing does its changes again on the store as it is then, provided
// that everything it saw still has the same answer; so it takes effect as if it had run at that instant.
// Changes that others made to paths it did not look at stay, and cost nobody an EAGAIN.
#include <errno.h>
#include <string.h>

#include "xs_alloc.h"
#include "xs_journal.h"
#include "xs_store.h"

/* What doing an operation again costs, grafting it being 1. */
#define REDO_WORK  5
#define HASH_START 2166136261u

static uint32_t hash_byte(uint32_t h, char c)
{
	return (h ^ (unsigned char)c) * 16777619u;
}

static uint32_t path_hash(const char *path)
{
	uint32_t h = HASH_START;

	while (*path)
		h = hash_byte(h, *path++);
	return h;
}

struct xs_txn *xs_txn_find(struct xs_conn *c, uint32_t id)
{
	struct xs_txn *t;

	for (t = c->txn; t; t = t->next)
		if (t->id == id)
			return t;
	return NULL;
}

int xs_txn_begin(struct xs_conn *c, uint32_t *id)
{
	struct xs_txn *t;

	if (!xs_conn_priv(c) && !c->store->replay && c->ntxn >= xs_limit(c, XS_Q_TRANSACTIONS))
		return xs_refuse(c, XS_Q_TRANSACTIONS, "", ENOSPC);
	t = xs_alloc(sizeof(*t));
	if (!t)
		return ENOMEM;
	memset(t, 0, sizeof(*t));
	t->conn = c;
	do {
		t->id = ++c->next_txn;
	} while (!t->id || xs_txn_find(c, t->id));
	t->base = xs_node_get(c->store->tree.root);
	t->since = c->store->tree.replaced;
	t->rules = c->store->rules;
	t->work.root = xs_node_get(t->base);
	t->work.gen = &c->store->gen;
	t->next = c->txn;
	c->txn = t;
	c->ntxn++;
	xs_j_txn(c, t->id, true);
	*id = t->id;
	return 0;
}

void xs_txn_rebase(struct xs_txn *t)
{
	struct xs_node *root = t->conn->store->tree.root;

	xs_node_put(t->base);
	xs_node_put(t->work.root);
	t->base = xs_node_get(root);
	t->work.root = xs_node_get(root);
}

/* Forget what was seen and changed. */
static void txn_drop_work(struct xs_txn *t)
{
	struct xs_touch *e, *next;
	uint32_t i;

	for (i = 0; i < t->nop; i++) {
		struct xs_op *op = &t->op[i];

		if (op->value && --op->value->ref == 0)
			xs_free(op->value);
		xs_perms_put(op->perms);
		xs_perms_put(op->old_perms);
		xs_node_put(op->old);
	}
	xs_free(t->op);
	t->op = NULL;
	t->nop = t->cap_op = t->barrier = 0;
	for (i = 0; i < t->nbucket; i++)
		for (e = t->bucket[i]; e; e = next) {
			next = e->next;
			xs_free(e);
		}
	xs_free(t->bucket);
	t->bucket = NULL;
	t->nbucket = t->ntouch = 0;
	t->held = 0;
	xs_acct_free(&t->work.acct);
}

static void txn_free(struct xs_txn *t)
{
	txn_drop_work(t);
	xs_node_put(t->base);
	xs_tree_free(&t->work);
	xs_free(t);
}

/* So much may be replaced before the open transactions are looked at again. */
#define DOOM_STEP (256 * 1024)

/*
 * All open snapshots together keep at most what was replaced since the oldest of them was made. So it is bounded
 * by the largest quota for memory, whoever replaced it and however many transactions there are.
 */
void xs_txn_doom_old(struct xs_store *s)
{
	struct xs_domain *d;
	struct xs_txn *t;

	s->next_doom = s->tree.replaced + DOOM_STEP;
	for (d = s->domains; d; d = d->next)
		for (t = d->conn->txn; t && !xs_conn_priv(d->conn); t = t->next) {
			if (s->tree.replaced - t->since <= xs_limit(d->conn, XS_Q_MEMORY))
				continue;
			t->doomed = true;
			t->since = s->tree.replaced;
			txn_drop_work(t);
			xs_txn_rebase(t);
		}
}

/* ---- what was seen, what was changed ---- */

static bool grow_buckets(struct xs_txn *t)
{
	uint32_t num = t->nbucket ? t->nbucket * 4 : 16, i;
	struct xs_touch **b, *e, *next;

	if (t->ntouch < t->nbucket)
		return true;
	b = xs_alloc(num * sizeof(*b));
	if (!b)
		return false;
	memset(b, 0, num * sizeof(*b));
	for (i = 0; i < t->nbucket; i++)
		for (e = t->bucket[i]; e; e = next) {
			next = e->next;
			e->next = b[e->hash & (num - 1)];
			b[e->hash & (num - 1)] = e;
		}
	xs_free(t->bucket);
	t->bucket = b;
	t->nbucket = num;
	return true;
}

static struct xs_touch *touch_find(struct xs_txn *t, const char *path, uint32_t hash)
{
	struct xs_touch *e = t->nbucket ? t->bucket[hash & (t->nbucket - 1)] : NULL;

	while (e && (e->hash != hash || strcmp(e->path, path)))
		e = e->next;
	return e;
}

static bool over_quota(struct xs_txn *t, uint32_t num)
{
	return !xs_conn_priv(t->conn) && num >= xs_limit(t->conn, XS_Q_TXN_NODES);
}

static int touch(struct xs_txn *t, const char *path, struct xs_touch **out)
{
	uint32_t hash = path_hash(path);
	size_t len = strlen(path) + 1;
	struct xs_touch *e = touch_find(t, path, hash);

	*out = e;
	if (e)
		return 0;
	if (over_quota(t, t->ntouch))
		return xs_refuse(t->conn, XS_Q_TXN_NODES, path, ENOSPC);
	e = xs_alloc(sizeof(*e) + len);
	if (!e || !grow_buckets(t)) {
		xs_free(e);
		return ENOMEM;
	}
	e->hash = hash;
	e->flags = 0;
	e->op = 0;
	memcpy(e->path, path, len);
	e->next = t->bucket[hash & (t->nbucket - 1)];
	t->bucket[hash & (t->nbucket - 1)] = e;
	t->ntouch++;
	t->held += sizeof(*e) + len;
	*out = e;
	return 0;
}

/* Has the transaction removed path or one of its ancestors? Hashes of all prefixes come from one pass. */
static bool is_own(struct xs_txn *t, const char *path)
{
	uint32_t h = HASH_START;
	struct xs_touch *e;
	size_t i;

	for (i = 0; t->barrier; i++) {
		if (i && (path[i] == '/' || !path[i])) {
			for (e = t->bucket[h & (t->nbucket - 1)]; e; e = e->next)
				if (e->hash == h && e->flags & XS_TXN_CUT &&
				    !strncmp(e->path, path, i) && !e->path[i])
					return true;
		}
		if (!path[i])
			break;
		h = hash_byte(h, path[i]);
	}
	return false;
}

int xs_txn_saw(struct xs_txn *t, const char *path, unsigned int what)
{
	struct xs_touch *e;
	int err;

	if (is_own(t, path))
		return 0;
	err = touch(t, path, &e);
	if (err)
		return err;
	if (e->flags & XS_TXN_SET)
		what &= ~(XS_SAW_NODE | XS_SAW_VALUE);
	e->flags |= what;
	return 0;
}

int xs_txn_reserve(struct xs_txn *t, const char *path)
{
	struct xs_touch *e;
	struct xs_op *op;
	uint32_t cap;
	int err = touch(t, path, &e);

	if (err)
		return err;
	if (over_quota(t, t->nop))
		return xs_refuse(t->conn, XS_Q_TXN_NODES, path, ENOSPC);
	if (t->nop < t->cap_op)
		return 0;
	cap = t->cap_op ? t->cap_op * 2 : 8;
	op = xs_realloc(t->op, cap * sizeof(*op));
	if (!op)
		return ENOMEM;
	t->op = op;
	t->cap_op = cap;
	return 0;
}

static void set_value(struct xs_txn *t, struct xs_op *op, struct xs_blob *value)
{
	t->held += value ? value->len : 0;
	t->held -= op->value ? op->value->len : 0;
	if (value)
		value->ref++;
	if (op->value && --op->value->ref == 0)
		xs_free(op->value);
	op->value = value;
}

/* Would the operation do something else when others have created or removed path, and the view not show it? */
static bool leaves_no_trace(struct xs_txn *t, enum xs_op_kind kind, const char *path)
{
	if (kind == XS_OP_RM)
		return !xs_tree_find(t->base, path);
	return is_own(t, path) || (kind == XS_OP_MKDIR && xs_tree_find(t->base, path));
}

struct xs_op *xs_txn_log(struct xs_txn *t, enum xs_op_kind kind, const char *path)
{
	struct xs_touch *e = touch_find(t, path, path_hash(path));
	bool no_trace = leaves_no_trace(t, kind, path);
	struct xs_blob *value = NULL;
	struct xs_op *op;

	if (kind == XS_OP_WRITE) {
		value = xs_tree_find(t->work.root, path)->value;
		e->flags |= XS_TXN_SET;
		/* Only the last value of a path counts, unless something was removed in between. */
		if (e->op > t->barrier) {
			set_value(t, &t->op[e->op - 1], value);
			return &t->op[e->op - 1];
		}
	}
	op = &t->op[t->nop++];
	t->held += sizeof(*op) + sizeof(struct xs_node); /* with the node's copy, about */
	memset(op, 0, sizeof(*op));
	op->kind = kind;
	op->path = e->path;
	set_value(t, op, value);
	if (kind == XS_OP_WRITE)
		e->op = t->nop;
	if (kind == XS_OP_RM) {
		e->flags |= XS_TXN_CUT;
		t->barrier = t->nop;
	}
	t->exact |= no_trace;
	return op;
}

/* ---- commit ---- */

static bool same_value(const struct xs_node *a, const struct xs_node *b)
{
	if (a->value == b->value)
		return true;
	return a->value && b->value && a->value->len == b->value->len &&
	       !memcmp(a->value->d, b->value->d, a->value->len);
}

static bool same_kids(const struct xs_node *a, const struct xs_node *b)
{
	uint32_t i;

	if (a->nchild != b->nchild)
		return false;
	for (i = 0; i < a->nchild; i++)
		if (a->child[i] != b->child[i] && strcmp(a->child[i]->name, b->child[i]->name))
			return false;
	return true;
}

/* Does the store still give the answers that the transaction got about e? */
static bool still_true(const struct xs_txn *t, const struct xs_touch *e)
{
	const struct xs_store *s = t->conn->store;
	struct xs_lookup was, is;

	if (!(e->flags & (XS_SAW_NODE | XS_SAW_VALUE | XS_SAW_KIDS | XS_SAW_PERMS)) ||
	    xs_tree_same(t->base, s->tree.root, e->path))
		return true;
	xs_tree_lookup(t->base, e->path, &was);
	xs_tree_lookup(s->tree.root, e->path, &is);
	if (was.node && was.node == is.node)
		return true;
	if (e->flags & XS_SAW_PERMS && !xs_perms_equal(was.near->perms, is.near->perms))
		return false;
	if (!was.node || !is.node) {
		if (!was.node && !is.node)
			return true;
		return !(e->flags & (XS_SAW_NODE | XS_SAW_VALUE | XS_SAW_KIDS));
	}
	if (e->flags & XS_SAW_VALUE && !same_value(was.node, is.node))
		return false;
	return !(e->flags & XS_SAW_KIDS) || same_kids(was.node, is.node);
}

static bool all_still_true(const struct xs_txn *t)
{
	const struct xs_touch *e;
	uint32_t i;

	if (t->base == t->conn->store->tree.root)
		return true;
	t->conn->work += t->ntouch;
	for (i = 0; i < t->nbucket; i++)
		for (e = t->bucket[i]; e; e = e->next)
			if (!still_true(t, e))
				return false;
	return true;
}

static int redo(struct xs_conn *c, struct xs_op *op)
{
	xs_node_put(op->old);
	op->old = NULL;
	xs_perms_put(op->old_perms);
	op->old_perms = NULL;
	op->changed = false;
	switch (op->kind) {
	case XS_OP_WRITE:
		op->changed = true;
		return xs_op_write(c, NULL, op->path, op->value ? op->value->d : NULL,
				   op->value ? op->value->len : 0);
	case XS_OP_MKDIR:
		return xs_op_mkdir(c, NULL, op->path, &op->changed);
	case XS_OP_RM:
		return xs_op_rm(c, NULL, op->path, &op->old);
	case XS_OP_PERMS:
		op->changed = true;
		return xs_op_set_perms(c, NULL, op->path, op->perms, &op->old_perms);
	}
	return EINVAL;
}

/* Do all changes on the store, or none. */
static int redo_all(struct xs_txn *t)
{
	struct xs_store *s = t->conn->store;
	struct xs_node *root;
	size_t mark = s->jlog.len;
	struct xs_acct acct;
	uint32_t i;
	int err = 0;

	if (!xs_acct_copy(&acct, &s->tree.acct))
		return ENOMEM;
	root = xs_node_get(s->tree.root);
	t->conn->work += REDO_WORK * t->nop;
	for (i = 0; i < t->nop && !err; i++)
		err = redo(t->conn, &t->op[i]);
	if (err) {
		xs_tree_free(&s->tree);
		s->tree.root = root;
		s->tree.acct = acct;
		s->jlog.len = mark;
		/* Another's change is what makes an operation fail that once worked. */
		return err == ENOMEM ? ENOMEM : EAGAIN;
	}
	xs_node_put(root);
	xs_acct_free(&acct);
	return 0;
}

/* Would the store, with the transaction's changes, be within the quotas of its domain? */
static bool fits(const struct xs_txn *t)
{
	const struct xs_conn *c = t->conn;
	struct xs_usage more = xs_acct_of(&t->work.acct, c->domid),
			u = xs_acct_of(&c->store->tree.acct, c->domid);

	if (xs_conn_priv(c) || (more.nodes <= 0 && more.bytes <= 0))
		return true;
	return u.nodes + more.nodes <= (int64_t)xs_limit(c, XS_Q_NODES) &&
	       u.bytes + more.bytes <= (int64_t)xs_limit(c, XS_Q_MEMORY);
}

static void journal_op(struct xs_conn *c, const struct xs_op *op)
{
	uint16_t owner = xs_conn_priv(c) ? XS_NO_DOMID : c->domid;

	if (op->kind == XS_OP_WRITE)
		xs_j_write(c->store, owner, op->path, op->value ? op->value->d : NULL,
			   op->value ? op->value->len : 0);
	else if (op->kind == XS_OP_MKDIR && op->changed)
		xs_j_write(c->store, owner, op->path, NULL, 0);
	else if (op->kind == XS_OP_RM && op->old)
		xs_j_rm(c->store, op->path);
	else if (op->kind == XS_OP_PERMS)
		xs_j_perms(c->store, op->path, op->perms);
}

/*
 * Put what the transaction has made of its part of the tree into the store, where others have changed only other parts. False,
 * and nothing is done, when its operations must be done again one by one.
 */
static bool graft(struct xs_txn *t)
{
	struct xs_store *s = t->conn->store;
	uint32_t i;

	if (t->rules != s->rules || (t->exact && t->base != s->tree.root) || !fits(t) ||
	    !xs_tree_merge(&s->tree, t->base, &t->work))
		return false;
	t->conn->work += t->nop;
	for (i = 0; i < t->nop; i++)
		journal_op(t->conn, &t->op[i]);
	return true;
}

int xs_txn_end(struct xs_txn *t, bool commit, struct xs_txn **done)
{
	struct xs_txn **p = &t->conn->txn;
	int err = 0;

	while (*p != t)
		p = &(*p)->next;
	*p = t->next;
	t->conn->ntxn--;
	xs_j_txn(t->conn, t->id, false);
	*done = NULL;
	if (commit && t->doomed) {
		err = EAGAIN;
	} else if (commit && t->nop) {
		err = !all_still_true(t) ? EAGAIN : graft(t) ? 0 : redo_all(t);
		if (!err) {
			*done = t;
			return 0;
		}
	}
	txn_free(t);
	return err;
}

void xs_txn_fire(struct xs_txn *t)
{
	struct xs_store *s = t->conn->store;
	uint32_t i;

	for (i = 0; i < t->nop; i++) {
		struct xs_op *op = &t->op[i];

		if (op->old)
			xs_watch_fire_rm(s, op->path, op->old);
		else if (op->changed)
			xs_watch_fire(s, op->path, op->old_perms);
	}
	txn_free(t);
}
