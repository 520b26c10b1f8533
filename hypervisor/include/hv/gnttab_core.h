/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PURE state of grants, version 1.
 *
 *   granter's shared page          granter's active entry            mapper's maptrack
 *   flags|domid|frame  --pin-->    mfn, who, uses by kind   <------   handle: granter, ref, kind
 *
 * An active entry exists while it has uses. The first use checks the shared entry and copies its frame: what the granter
 * writes there later does not count. GTF_reading is set as long as there are uses, GTF_writing as long as there are
 * writing ones; that the granter may take back a grant only when both are clear is the whole protocol, so both are changed
 * by compare-and-exchange on flags and domid together.
 */
#ifndef HV_GNTTAB_CORE_H
#define HV_GNTTAB_CORE_H

#include <hv/types.h>
#include <xen/xen.h>
#include <xen/grant_table.h>

/* Kinds of use. A copy counts as a use by the host. */
enum gnt_use { GNT_HOST_RO, GNT_HOST_RW, GNT_DEV_RO, GNT_DEV_RW, GNT_USES };

struct gnt_active {
	uint32_t mfn;
	domid_t who;
	uint16_t uses[GNT_USES]; /* of this grant, by `who` */
};

#define GNT_USES_MAX 0x7fff

static inline bool gnt_pinned(const struct gnt_active *a)
{
	return a->uses[0] | a->uses[1] | a->uses[2] | a->uses[3];
}
static inline bool gnt_pinned_rw(const struct gnt_active *a)
{
	return a->uses[GNT_HOST_RW] | a->uses[GNT_DEV_RW];
}

/*
 * One more use of the grant by domain `who`. map: for a mapping (sub-page grants are refused), else for a copy.
 * GNTST_okay: a->mfn is the frame as the granter wrote it, not checked in any way. GNTST_general_error: no such grant to
 * `who`, or read-only, or used by another domain, or too many uses, or the granter keeps changing the entry.
 */
int gnt_pin(struct gnt_active *a, grant_entry_v1_t *e, domid_t who, enum gnt_use use, bool map);
/* One use less. */
void gnt_unpin(struct gnt_active *a, grant_entry_v1_t *e, enum gnt_use use);
/* Number of broken rules between an active entry and its shared entry's flags as last set by us. */
unsigned int gnt_check(const struct gnt_active *a, const grant_entry_v1_t *e);

/*
 * Maptrack: what a domain has mapped. A table of pages of entries; free entries form a list by handle. Caller locks.
 */
struct gnt_map {
	uint32_t ref; /* free: next free handle */
	uint32_t mfn;
	domid_t granter;
	uint16_t
		flags; /* GNTMAP_host_map, _device_map, _readonly, _contains_pte; 0: free; busy bits */
};

/* While a host or device mapping is being undone its bit is moved up by this. */
#define GNT_BUSY_SHIFT 8
#define GNT_MAPPED     (GNTMAP_host_map | GNTMAP_device_map)

#define MAPS_PER_PAGE (PAGE_SIZE / sizeof(struct gnt_map))
#define NO_HANDLE     0xffffffffu

struct maptrack {
	struct gnt_map **page;
	uint32_t nr_pages, max_pages;
	uint32_t free; /* first free handle, NO_HANDLE */
	uint32_t used;
};

/* `page` is a zeroed page for MAPS_PER_PAGE more handles; nr_pages < max_pages. */
void maptrack_add_page(struct maptrack *t, void *page);
/* A free handle, taken; NO_HANDLE: add a page first. Its entry is for the caller to fill (flags not 0). */
uint32_t maptrack_get(struct maptrack *t);
/* The entry of a handle that was ever given out, in use or not; NULL: no such handle. */
struct gnt_map *maptrack_entry(const struct maptrack *t, uint32_t handle);
void maptrack_put(struct maptrack *t, uint32_t handle);
/*
 * Claim the undoing of the mappings in `what` (subset of GNT_MAPPED) of m; true when all were there. finish: undone (true)
 * or still there (false). Returns true when nothing is left, so that the handle is to be put.
 */
bool maptrack_claim(struct gnt_map *m, unsigned int what);
bool maptrack_finish(struct gnt_map *m, unsigned int what, bool undone);

#endif
