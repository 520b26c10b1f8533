// SPDX-License-Identifier: BSD-2-Clause
// Node operations with permission and quota checks, on the store or in a transaction.
#include <errno.h>
#include <string.h>

#include "xs_alloc.h"
#include "xs_journal.h"
#include "xs_path.h"
#include "xs_store.h"

static struct xs_tree *tree_of(struct xs_conn *c, struct xs_txn *t)
{
	return t ? &t->work : &c->store->tree;
}

/* What domid owns as this operation sees it. */
static struct xs_usage usage_of(struct xs_conn *c, struct xs_txn *t, uint16_t domid)
{
	struct xs_usage u = xs_acct_of(&c->store->tree.acct, domid);

	if (t) {
		struct xs_usage d = xs_acct_of(&t->work.acct, domid);

		u.nodes += d.nodes;
		u.bytes += d.bytes;
	}
	return u;
}

uint64_t xs_limit(const struct xs_conn *c, enum xs_quota q)
{
	if (c->domain && c->domain->own_quota & 1u << q)
		return c->domain->quota[q];
	return c->store->quota[q];
}

int xs_refuse(struct xs_conn *c, enum xs_quota q, const char *path, int err)
{
	struct xs_store *s = c->store;

	if (s->host && s->host->refused)
		s->host->refused(s->ctx, c->domid, q, xs_limit(c, q), path, false);
	return err;
}

void xs_soft(struct xs_conn *c, enum xs_quota q, uint64_t value, const char *path)
{
	struct xs_store *s = c->store;

	if (s->soft[q] && value > s->soft[q] && s->host && s->host->refused)
		s->host->refused(s->ctx, c->domid, q, s->soft[q], path, true);
}

/*
 * Find path and check that c may do want with it. A node that does not exist is reported as ENOENT only to
 * those who may do the same with its closest existing ancestor, so that names cannot be probed.
 */
static int check(struct xs_conn *c, struct xs_txn *t, const char *path, unsigned int want,
		 struct xs_lookup *l)
{
	xs_tree_lookup(tree_of(c, t)->root, path, l);
	if ((xs_perms_allow(l->near->perms, c->domid, c->target) & want) != want)
		return EACCES;
	return l->node ? 0 : ENOENT;
}

/* The transaction has given this answer about path: it holds only as long as the answer would be the same. */
static int note(struct xs_conn *c, struct xs_txn *t, const char *path, unsigned int sees, int err)
{
	int full;

	if (!t || (!sees && !err))
		return err;
	full = xs_txn_saw(t, path, sees | XS_SAW_NODE | (xs_conn_priv(c) ? 0 : XS_SAW_PERMS));
	return full ? full : err;
}

int xs_node_access(struct xs_conn *c, struct xs_txn *t, const char *path, unsigned int want,
		   unsigned int sees, struct xs_node **node)
{
	struct xs_lookup l;
	int err = check(c, t, path, want, &l);

	*node = l.node;
	return note(c, t, path, sees, err);
}

/* Room for `more` nodes and bytes of this connection? */
static int check_room(struct xs_conn *c, struct xs_txn *t, const char *path, unsigned int more,
		      size_t bytes)
{
	struct xs_usage u;
	const struct xs_txn *o;

	if (xs_conn_priv(c))
		return 0;
	u = usage_of(c, t, c->domid);
	/* What transactions keep to do it again later is memory too. */
	for (o = c->txn; o; o = o->next)
		u.bytes += (int64_t)o->held;
	if (more && u.nodes + more > (int64_t)xs_limit(c, XS_Q_NODES))
		return xs_refuse(c, XS_Q_NODES, path, ENOSPC);
	if (u.bytes + (int64_t)bytes > (int64_t)xs_limit(c, XS_Q_MEMORY))
		return xs_refuse(c, XS_Q_MEMORY, path, ENOSPC);
	xs_soft(c, XS_Q_NODES, (uint64_t)u.nodes + more, path);
	xs_soft(c, XS_Q_MEMORY, (uint64_t)u.bytes + bytes, path);
	return 0;
}

static int check_size(struct xs_conn *c, const char *path, const struct xs_node *n, size_t len)
{
	if (!xs_conn_priv(c) &&
	    len + n->perms->num * sizeof(n->perms->p[0]) > xs_limit(c, XS_Q_NODE_SIZE))
		return xs_refuse(c, XS_Q_NODE_SIZE, path, ENOSPC);
	return 0;
}

static uint16_t new_owner(const struct xs_conn *c)
{
	return xs_conn_priv(c) ? XS_NO_DOMID : c->domid;
}

/* Set or create after the access check; shared by write and mkdir. */
static int put(struct xs_conn *c, struct xs_txn *t, const char *path, const struct xs_lookup *l,
	       const void *data, size_t len)
{
	int err = check_size(c, path, l->near, len);

	if (!err)
		err = check_room(c, t, path, l->missing,
				 len + l->missing * (sizeof(struct xs_node) + 32));
	if (!err)
		err = xs_tree_write(tree_of(c, t), path, new_owner(c), data, len);
	if (!err && !t)
		xs_j_write(c->store, new_owner(c), path, data, len);
	return err;
}

int xs_op_write(struct xs_conn *c, struct xs_txn *t, const char *path, const void *data, size_t len)
{
	struct xs_lookup l;
	int err = check(c, t, path, XS_W, &l);

	if (err && err != ENOENT)
		return note(c, t, path, 0, err);
	err = t ? xs_txn_reserve(t, path) : 0;
	if (!err)
		err = put(c, t, path, &l, data, len);
	if (!err && t)
		xs_txn_log(t, XS_OP_WRITE, path)->changed = true;
	return err;
}

/* Success whether it exists or not; so a transaction makes sure again when it commits. */
int xs_op_mkdir(struct xs_conn *c, struct xs_txn *t, const char *path, bool *created)
{
	struct xs_lookup l;
	int err = check(c, t, path, XS_W, &l);

	*created = false;
	if (err && err != ENOENT)
		return note(c, t, path, 0, err);
	err = t ? xs_txn_reserve(t, path) : 0;
	if (!err && !l.node) {
		err = put(c, t, path, &l, NULL, 0);
		*created = !err;
	}
	if (!err && t)
		xs_txn_log(t, XS_OP_MKDIR, path)->changed = *created;
	return err;
}

/* Removing what does not exist is success if its parent exists; it is when the transaction commits that counts. */
static int rm_missing(struct xs_conn *c, struct xs_txn *t, const char *path,
		      const struct xs_lookup *l)
{
	size_t plen = xs_path_parent_len(path);
	char parent[XS_PATH_BUF];
	int err;

	if (l->parent) {
		err = t ? xs_txn_reserve(t, path) : 0;
		if (!err && t)
			xs_txn_log(t, XS_OP_RM, path);
		return err;
	}
	memcpy(parent, path, plen);
	parent[plen] = '\0';
	err = note(c, t, parent, XS_SAW_NODE, 0);
	return err ? err : note(c, t, path, 0, ENOENT);
}

/* What a transaction has removed is kept until it ends, so it gives its owner no room before. */
static int rm_in_txn(struct xs_conn *c, struct xs_txn *t, const char *path)
{
	int64_t before = xs_acct_of(&t->work.acct, c->domid).bytes;
	struct xs_node *old;
	int err = xs_txn_reserve(t, path);

	if (!err)
		err = xs_tree_rm(&t->work, path, &old);
	if (err)
		return err;
	xs_txn_log(t, XS_OP_RM, path)->old = old;
	t->held += (size_t)(before - xs_acct_of(&t->work.acct, c->domid).bytes);
	return 0;
}

int xs_op_rm(struct xs_conn *c, struct xs_txn *t, const char *path, struct xs_node **old)
{
	struct xs_lookup l;
	int err = check(c, t, path, XS_W, &l);

	*old = NULL;
	if (err == ENOENT)
		return rm_missing(c, t, path, &l);
	if (!err && !strcmp(path, "/"))
		return EINVAL;
	if (err)
		return note(c, t, path, 0, err);
	if (t)
		return rm_in_txn(c, t, path);
	err = xs_tree_rm(&c->store->tree, path, old);
	if (!err)
		xs_j_rm(c->store, path);
	return err;
}

/* What a domain may not do with the permissions of a node that it owns. */
static int check_perms(struct xs_conn *c, const char *path, const struct xs_node *n,
		       const struct xs_perms *perms)
{
	if (xs_conn_priv(c))
		return 0;
	if (perms->p[0].domid != n->perms->p[0].domid)
		return EPERM;
	if (perms->num > xs_limit(c, XS_Q_PERMS))
		return xs_refuse(c, XS_Q_PERMS, path, ENOSPC);
	return 0;
}

int xs_op_set_perms(struct xs_conn *c, struct xs_txn *t, const char *path, struct xs_perms *perms,
		    struct xs_perms **old)
{
	struct xs_perms *was;
	struct xs_lookup l;
	struct xs_op *op;
	int err = check(c, t, path, XS_W | XS_OWNER, &l);

	*old = NULL;
	if (!err)
		err = check_perms(c, path, l.node, perms);
	if (err)
		return note(c, t, path, XS_SAW_PERMS, err);
	err = t ? xs_txn_reserve(t, path) : 0;
	if (err)
		return err;
	was = xs_perms_get(l.node->perms);
	err = xs_tree_set_perms(tree_of(c, t), path, perms);
	if (err) {
		xs_perms_put(was);
		return err;
	}
	if (t) {
		op = xs_txn_log(t, XS_OP_PERMS, path);
		op->perms = xs_perms_get(perms);
		op->old_perms = was;
		op->changed = true;
	} else {
		xs_j_perms(c->store, path, perms);
		*old = was;
	}
	return 0;
}
