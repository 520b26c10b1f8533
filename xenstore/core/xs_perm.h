/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Permission lists. A list is immutable and shared by reference: a node created by dom0 has the very list of
 * its parent, so that a large tree holds few of them.
 */
#ifndef XS_PERM_H
#define XS_PERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xs_buf.h"

#define XS_R	 1u
#define XS_W	 2u
/* Only the owner (and dom0) has it. */
#define XS_OWNER 4u

/* No domain has this id (DOMID_INVALID). */
#define XS_NO_DOMID 0x7ff4

struct xs_perm {
	uint16_t domid;
	uint8_t mode; /* XS_R, XS_W */
};

/* p[0] is the owner; its mode is for everybody who is not listed. */
struct xs_perms {
	uint32_t ref;
	uint16_t num;
	struct xs_perm p[];
};

/* A list with one reference, or NULL when out of memory. */
struct xs_perms *xs_perms_new(const struct xs_perm *p, unsigned int num);
struct xs_perms *xs_perms_get(struct xs_perms *l);
/* Drop a reference; NULL is allowed. */
void xs_perms_put(struct xs_perms *l);

bool xs_perms_equal(const struct xs_perms *a, const struct xs_perms *b);

/* Copy of l with another owner / without domid among p[1...]. NULL when out of memory. */
struct xs_perms *xs_perms_with_owner(const struct xs_perms *l, uint16_t owner);
struct xs_perms *xs_perms_without(const struct xs_perms *l, uint16_t domid);
bool xs_perms_lists(const struct xs_perms *l, uint16_t domid);

/* What domid may do; target (XS_NO_DOMID: none) is the domain that it acts for. Dom0 may do everything. */
unsigned int xs_perms_allow(const struct xs_perms *l, uint16_t domid, uint16_t target);

/* Parse "w5" and the like. Returns 0 or EINVAL. */
int xs_perm_parse(const char *text, struct xs_perm *p);

/* Append the list in wire form, each entry with its NUL; false when out of memory. */
bool xs_perms_print(const struct xs_perms *l, struct xs_buf *out);

#endif
