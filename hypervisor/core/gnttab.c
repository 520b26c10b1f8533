// SPDX-License-Identifier: BSD-2-Clause
/* PURE state of grants, version 1: uses of a grant, and the mapper's handles. */
#include <hv/gnttab_core.h>
#include <hv/lib.h>

/* The granter shares this word with us and may write it at any time: bound the tries. */
#define TRIES 5

/* flags in the low half, domid in the high half, as they lie in memory. */
static uint32_t *entry_word(grant_entry_v1_t *e)
{
	_Static_assert(offsetof(grant_entry_v1_t, domid) == 2, "flags and domid are one word");
	return (uint32_t *)(void *)e;
}

/* Check the shared entry and set GTF_reading, and GTF_writing when not readonly. */
static int mark_used(grant_entry_v1_t *e, domid_t who, bool readonly, bool map)
{
	uint32_t mask = GTF_type_mask | (map ? GTF_sub_page : 0);
	uint32_t old = READ_ONCE(*entry_word(e));

	for (unsigned int i = 0; i < TRIES; i++) {
		uint32_t new = old | GTF_reading | (readonly ? 0 : GTF_writing), seen;

		if ((old & mask) != GTF_permit_access || old >> 16 != who)
			return GNTST_general_error;
		if (!readonly && (old & GTF_readonly))
			return GNTST_general_error;
		seen = cmpxchg(entry_word(e), old, new);
		if (seen == old)
			return GNTST_okay;
		old = seen;
	}
	return GNTST_general_error;
}

int gnt_pin(struct gnt_active *a, grant_entry_v1_t *e, domid_t who, enum gnt_use use, bool map)
{
	bool readonly = use == GNT_HOST_RO || use == GNT_DEV_RO;
	bool first = !gnt_pinned(a);
	int rc;

	if (!first && (a->who != who || a->uses[use] >= GNT_USES_MAX))
		return GNTST_general_error;
	if (first || (!readonly && !gnt_pinned_rw(a))) {
		rc = mark_used(e, who, readonly, map);
		if (rc)
			return rc;
	}
	if (first) {
		/* Read once, after the flags: the granter changes the frame of a used grant at its own risk. */
		a->mfn = READ_ONCE(e->frame);
		a->who = who;
	}
	a->uses[use]++;
	return GNTST_okay;
}

void gnt_unpin(struct gnt_active *a, grant_entry_v1_t *e, enum gnt_use use)
{
	uint16_t clear = 0;

	ASSERT(a->uses[use]);
	a->uses[use]--;
	if (!gnt_pinned_rw(a))
		clear |= GTF_writing;
	if (!gnt_pinned(a))
		clear |= GTF_reading;
	if (clear)
		__atomic_fetch_and(&e->flags, (uint16_t)~clear, __ATOMIC_SEQ_CST);
}

unsigned int gnt_check(const struct gnt_active *a, const grant_entry_v1_t *e)
{
	unsigned int bad = 0;

	if (gnt_pinned(a))
		bad += !(e->flags & GTF_reading);
	if (gnt_pinned_rw(a))
		bad += !(e->flags & GTF_writing);
	for (unsigned int i = 0; i < GNT_USES; i++)
		bad += a->uses[i] > GNT_USES_MAX;
	return bad;
}

void maptrack_add_page(struct maptrack *t, void *page)
{
	struct gnt_map *m = page;
	uint32_t first = t->nr_pages * MAPS_PER_PAGE;

	ASSERT(t->nr_pages < t->max_pages);
	t->page[t->nr_pages++] = m;
	for (uint32_t i = 0; i < MAPS_PER_PAGE; i++)
		m[i].ref = i + 1 < MAPS_PER_PAGE ? first + i + 1 : t->free;
	t->free = first;
}

struct gnt_map *maptrack_entry(const struct maptrack *t, uint32_t handle)
{
	if (handle / MAPS_PER_PAGE >= t->nr_pages)
		return NULL;
	return &t->page[handle / MAPS_PER_PAGE][handle % MAPS_PER_PAGE];
}

uint32_t maptrack_get(struct maptrack *t)
{
	uint32_t h = t->free;

	if (h == NO_HANDLE)
		return h;
	t->free = maptrack_entry(t, h)->ref;
	t->used++;
	return h;
}

void maptrack_put(struct maptrack *t, uint32_t handle)
{
	struct gnt_map *m = maptrack_entry(t, handle);

	ASSERT(m && t->used);
	m->flags = 0;
	m->ref = t->free;
	t->free = handle;
	t->used--;
}

bool maptrack_claim(struct gnt_map *m, unsigned int what)
{
	if ((m->flags & what) != what)
		return false;
	m->flags = (uint16_t)((m->flags & ~what) | what << GNT_BUSY_SHIFT);
	return true;
}

bool maptrack_finish(struct gnt_map *m, unsigned int what, bool undone)
{
	ASSERT((m->flags >> GNT_BUSY_SHIFT & what) == what);
	m->flags = (uint16_t)((m->flags & ~(what << GNT_BUSY_SHIFT)) | (undone ? 0 : what));
	return !(m->flags & (GNT_MAPPED | GNT_MAPPED << GNT_BUSY_SHIFT));
}
