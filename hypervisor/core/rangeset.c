// SPDX-License-Identifier: BSD-2-Clause
/* PURE sets of integers: a sorted array of ranges that neither overlap nor touch. */
#include <hv/rangeset.h>
#include <hv/lib.h>

struct range {
	uint64_t s, e; /* inclusive */
};
struct rangeset {
	unsigned int nr, room;
	struct range *range;
};

void *(*rangeset_alloc)(size_t bytes);
void (*rangeset_free)(void *p);

struct rangeset *rangeset_new(void)
{
	struct rangeset *r = rangeset_alloc(sizeof(*r));

	if (!r)
		return NULL;
	r->nr = 0;
	r->room = 0;
	r->range = NULL;
	return r;
}

void rangeset_destroy(struct rangeset *r)
{
	if (!r)
		return;
	rangeset_free(r->range);
	rangeset_free(r);
}

/* Make room for one more range. */
static int grow(struct rangeset *r)
{
	unsigned int room = r->room ? r->room * 2 : 4;
	struct range *bigger;

	if (r->nr < r->room)
		return 0;
	bigger = rangeset_alloc(room * sizeof(*bigger));
	if (!bigger)
		return -XEN_ENOMEM;
	if (r->nr)
		memcpy(bigger, r->range, r->nr * sizeof(*bigger));
	rangeset_free(r->range);
	r->range = bigger;
	r->room = room;
	return 0;
}

/* First range that ends at or after x; nr when there is none. */
static unsigned int find(const struct rangeset *r, uint64_t x)
{
	unsigned int lo = 0, hi = r->nr;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (r->range[mid].e < x)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Replace ranges [from, to) by the n given ones; there is room. */
static void replace(struct rangeset *r, unsigned int from, unsigned int to,
		    const struct range *with, unsigned int n)
{
	if (to < r->nr && from + n != to)
		memmove(&r->range[from + n], &r->range[to], (r->nr - to) * sizeof(*r->range));
	for (unsigned int i = 0; i < n; i++)
		r->range[from + i] = with[i];
	r->nr = r->nr - (to - from) + n;
}

int rangeset_add(struct rangeset *r, uint64_t s, uint64_t e)
{
	struct range n = { s, e };
	unsigned int from, to;

	if (s > e)
		return -XEN_EINVAL;
	/* A range that ends just before s is joined too. */
	from = find(r, s ? s - 1 : 0);
	for (to = from; to < r->nr && (e == UINT64_MAX || r->range[to].s <= e + 1); to++) {
		n.s = MIN(n.s, r->range[to].s);
		n.e = MAX(n.e, r->range[to].e);
	}
	if (from == to && grow(r))
		return -XEN_ENOMEM;
	replace(r, from, to, &n, 1);
	return 0;
}

int rangeset_remove(struct rangeset *r, uint64_t s, uint64_t e)
{
	struct range rest[2];
	unsigned int from, to, n = 0;

	if (s > e)
		return -XEN_EINVAL;
	from = find(r, s);
	for (to = from; to < r->nr && r->range[to].s <= e; to++)
		;
	if (from == to)
		return 0;
	if (r->range[from].s < s)
		rest[n++] = (struct range){ r->range[from].s, s - 1 };
	if (r->range[to - 1].e > e)
		rest[n++] = (struct range){ e + 1, r->range[to - 1].e };
	if (n > to - from && grow(r))
		return -XEN_ENOMEM;
	replace(r, from, to, rest, n);
	return 0;
}

bool rangeset_contains(const struct rangeset *r, uint64_t s, uint64_t e)
{
	unsigned int i;

	if (!r || s > e)
		return false;
	i = find(r, s);
	return i < r->nr && r->range[i].s <= s && r->range[i].e >= e;
}

bool rangeset_overlaps(const struct rangeset *r, uint64_t s, uint64_t e)
{
	unsigned int i;

	if (!r || s > e)
		return false;
	i = find(r, s);
	return i < r->nr && r->range[i].s <= e;
}

int rangeset_walk(const struct rangeset *r, int (*fn)(uint64_t s, uint64_t e, void *arg), void *arg)
{
	for (unsigned int i = 0; r && i < r->nr; i++) {
		int rc = fn(r->range[i].s, r->range[i].e, arg);

		if (rc)
			return rc;
	}
	return 0;
}
