/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tree. Nodes are reference counted and never changed while more than one holder can see them: a
 * snapshot is one reference to the root, and a change copies only the nodes on the way from the root to the
 * changed place, and only those that a snapshot shares.
 *
 *      store root ──> / ──> local ──> domain ──> 7 ...        write /local/domain/7/x with a snapshot open
 *      snapshot   ──> /' (the same node until the first        copies /, local, domain and 7; their other
 *                      change after the snapshot)              children are shared by both.
 */
#ifndef XS_TREE_H
#define XS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xs_perm.h"

/* A value; shared by the copies of a node. Empty values are NULL. */
struct xs_blob {
	uint32_t ref;
	uint32_t len;
	char d[];
};

struct xs_node {
	uint32_t ref;
	uint32_t nchild;
	uint64_t gen; /* changes with value, permissions and child list */
	struct xs_node **child; /* sorted by name; see struct xs_kids */
	struct xs_blob *value;
	struct xs_perms *perms;
	uint16_t name_len;
	char name[];
};

/* What one owner holds. Signed: a transaction counts its differences. */
struct xs_usage {
	uint16_t domid;
	int64_t nodes;
	int64_t bytes;
};

/* Usage of all owners, sorted by domid. */
struct xs_acct {
	struct xs_usage *u;
	unsigned int num, cap;
};

/* A tree that can be changed: the store, or the working copy of a transaction. */
struct xs_tree {
	struct xs_node *root;
	uint64_t *gen; /* counter shared by all trees of a store */
	uint64_t replaced; /* bytes that snapshots may still hold, ever */
	struct xs_acct acct;
};

/* Usage of one owner; zeroes if there is none. */
struct xs_usage xs_acct_of(const struct xs_acct *a, uint16_t domid);
void xs_acct_free(struct xs_acct *a);
/* Copy src to dst (empty); false when out of memory. */
bool xs_acct_copy(struct xs_acct *dst, const struct xs_acct *src);

/* A tree of one root node with these permissions (a reference is taken). 0 or ENOMEM. */
int xs_tree_init(struct xs_tree *t, struct xs_perms *perms, uint64_t *gen);
void xs_tree_free(struct xs_tree *t);

struct xs_node *xs_node_get(struct xs_node *n);
void xs_node_put(struct xs_node *n);

/* Child by name, or NULL. */
struct xs_node *xs_node_child(const struct xs_node *n, const char *name, size_t len);

/* Bytes of the names of all children, each with its NUL. */
size_t xs_node_names_len(const struct xs_node *n);
/* Those of a node with children, as one blob, which is kept until they change. Borrowed. NULL when out of memory. */
const struct xs_blob *xs_node_names(struct xs_node *n);

/* Bytes that a node costs its owner. */
size_t xs_node_bytes(const struct xs_node *n);

struct xs_lookup {
	struct xs_node *node; /* the node, NULL if it does not exist */
	struct xs_node *near; /* the node, or the closest ancestor that exists */
	struct xs_node *parent; /* the parent, NULL if it does not exist (or for the root) */
	unsigned int missing; /* how many components would have to be created */
};

/* Find an absolute, valid path. References are borrowed. */
void xs_tree_lookup(const struct xs_node *root, const char *path, struct xs_lookup *l);
struct xs_node *xs_tree_find(const struct xs_node *root, const char *path);

/*
 * Set the value of path, creating it and missing ancestors (empty) with the permissions of the closest existing
 * ancestor, owned by owner unless that is XS_NO_DOMID. 0 or ENOMEM; on ENOMEM nothing has changed.
 */
int xs_tree_write(struct xs_tree *t, const char *path, uint16_t owner, const void *data,
		  size_t len);

/* Remove an existing node other than the root. *old (if not NULL) receives a reference to what was removed. */
int xs_tree_rm(struct xs_tree *t, const char *path, struct xs_node **old);

/* Give an existing node another list; takes a reference of its own. 0 or ENOMEM. */
int xs_tree_set_perms(struct xs_tree *t, const char *path, struct xs_perms *perms);

/*
 * Do in t what leads from base to work->root, when t has come from base by other changes. It costs what the nodes have
 * children that both sides changed, not what was changed below them. False when both have changed the same node, or when out of
 * memory; t is as before then.
 */
bool xs_tree_merge(struct xs_tree *t, struct xs_node *base, const struct xs_tree *work);

/* Do both trees share a node on the way to path? Then every question about path has the same answer in both. */
bool xs_tree_same(const struct xs_node *a, const struct xs_node *b, const char *path);

/*
 * A domain is gone: remove what it owned, and its entries in the lists of others, so that a later domain of
 * the same number inherits nothing. 0 or ENOMEM (done in part; may be repeated).
 */
int xs_tree_forget(struct xs_tree *t, uint16_t domid);

/*
 * Consistency of order, names, counts and accounting; returns NULL or what is wrong. *nodes (may be NULL)
 * receives the number of nodes.
 */
const char *xs_tree_check(const struct xs_tree *t, uint64_t *nodes);

/* ---- between xs_tree.c and xs_merge.c ---- */

/* Make sure that domid has an entry, so that xs_acct_add() cannot fail. */
bool xs_acct_reserve(struct xs_acct *a, uint16_t domid);
void xs_acct_add(struct xs_acct *a, uint16_t domid, int64_t nodes, int64_t bytes);

/* What the child pointer of a node with children points into. There is room for the next power of two. */
struct xs_kids {
	struct xs_blob *names; /* all names, packed; NULL until asked for */
	size_t len; /* bytes of all names with their NULs */
	struct xs_node *child[];
};

static inline struct xs_kids *xs_kids_of(struct xs_node **child)
{
	return child ? (struct xs_kids *)((char *)child - offsetof(struct xs_kids, child)) : NULL;
}

/* Make room for cap children (not 0), as realloc() does; NULL when out of memory. */
struct xs_node **xs_kids_resize(struct xs_node **child, uint32_t cap);
void xs_kids_free(struct xs_node *dir);
/* The child array has room for the power of two at or above the count. */
uint32_t xs_child_cap(uint32_t n);

/* A node without value and children; takes a reference to perms. NULL when out of memory. */
struct xs_node *xs_node_new(const char *name, size_t len, struct xs_perms *perms);
/* Order of names: below, at or above 0 as the node's comes before, is, or comes after name. */
int xs_name_cmp(const struct xs_node *n, const char *name, size_t len);

#endif
