/* SPDX-License-Identifier: BSD-2-Clause */
/* Grant tables: glue over core/gnttab.c. Version 1. */
#ifndef HV_GNTTAB_H
#define HV_GNTTAB_H

#include <hv/types.h>

struct domain;
struct grant_table;

/* 0 as a limit stands for the default. 0, -XEN_ENOMEM. */
int gnttab_init(struct domain *d, uint32_t max_grant_frames, uint32_t max_maptrack_frames);
/* Drop all mappings that d holds of others' grants. 0 or -XEN_ERESTART when preempted. */
int gnttab_release_mappings(struct domain *d);
void gnttab_destroy(struct domain *d);
/* Frame idx of d's grant table (growing it when needed) or status frames; for XENMEM_acquire_resource
 * and XENMEM_add_to_physmap. 0 or -XEN_E*. */
int gnttab_get_frame(struct domain *d, uint32_t idx, mfn_t *out);
/* Most frames that d's table can grow to. */
uint32_t gnttab_max_frames(const struct domain *d);
void gnttab_dump(void); /* debug key g */

#endif
