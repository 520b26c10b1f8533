/* SPDX-License-Identifier: BSD-2-Clause */
/* PURE sets of integers as sorted, merged ranges [s, e] (inclusive); capabilities of domains. Caller locks. */
#ifndef HV_RANGESET_H
#define HV_RANGESET_H

#include <hv/types.h>

struct rangeset;

/* Memory comes from the callbacks given once at start: hv_alloc, hv_free; in unit tests counting ones. */
extern void *(*rangeset_alloc)(size_t bytes);
extern void (*rangeset_free)(void *p);

struct rangeset *rangeset_new(void); /* NULL: out of memory */
void rangeset_destroy(struct rangeset *r); /* NULL is fine */
int rangeset_add(struct rangeset *r, uint64_t s,
		 uint64_t e); /* 0, -XEN_ENOMEM, -XEN_EINVAL when s > e */
int rangeset_remove(struct rangeset *r, uint64_t s, uint64_t e); /* the same; unchanged on error */
bool rangeset_contains(const struct rangeset *r, uint64_t s, uint64_t e);
bool rangeset_overlaps(const struct rangeset *r, uint64_t s, uint64_t e);
/* Call fn for each range, ascending, until it returns non-zero; that value. */
int rangeset_walk(const struct rangeset *r, int (*fn)(uint64_t s, uint64_t e, void *arg),
		  void *arg);

#endif
