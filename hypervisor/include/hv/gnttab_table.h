/* SPDX-License-Identifier: BSD-2-Clause */
/* A domain's grant table and maptrack, for common/gnttab*.c. */
#ifndef HV_GNTTAB_TABLE_H
#define HV_GNTTAB_TABLE_H

#include <hv/domain.h>
#include <hv/gnttab_core.h>
#include <hv/guest_access.h>

#define GRANTS_PER_FRAME (PAGE_SIZE / sizeof(grant_entry_v1_t))

struct grant_table {
	spinlock_t lock; /* frames and active entries; the shared entries are the guest's too */
	uint32_t nr_frames, max_frames;
	grant_entry_v1_t **frame; /* shared pages, max_frames pointers */
	struct gnt_active **active; /* GRANTS_PER_FRAME for each frame */

	spinlock_t map_lock; /* maptrack; not taken together with a `lock` */
	struct maptrack maptrack;
	uint32_t release_next; /* gnttab_release_mappings(): where it goes on */
};

/* gt->lock held: shared and active entry of ref; false: the table has no such entry. */
bool gnttab_entry(struct grant_table *gt, grant_ref_t ref, grant_entry_v1_t **e,
		  struct gnt_active **a);
/* d by the rules of XSM_TARGET: DOMID_SELF, own id, target, or any for the privileged; else a GNTST_* in *status. */
struct domain *gnttab_subject(domid_t id, int16_t *status);

/* Batches: number of elements done when that is less than count (continue there), 0 when all are done, -XEN_E*. */
long gnttab_map_batch(guest_ptr_t ops, uint32_t count);
long gnttab_unmap_batch(guest_ptr_t ops, uint32_t count);
long gnttab_unmap_replace_batch(guest_ptr_t ops, uint32_t count);
long gnttab_copy_batch(guest_ptr_t ops, uint32_t count);

#endif
