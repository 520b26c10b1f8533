/* SPDX-License-Identifier: BSD-2-Clause */
/* Parts of XENMEM_*: what common/memory.c hands to common/reservation.c. */
#ifndef HV_MEMOP_H
#define HV_MEMOP_H

#include <hv/guest_access.h>
#include <hv/domain.h>
#include <xen/memory.h>

/* A continued operation has the number of extents done above the operation's six bits. */
#define MEMOP_EXTENT_SHIFT 6

/* May the current domain ask or change d's memory: its own, its target's, or anybody's when it is privileged. */
bool memory_may_manage(const struct domain *d);
/* Largest order of an extent that the current domain may ask for. */
unsigned int memory_max_order(void);
/*
 * XENMEM_increase_reservation, _decrease_reservation, _populate_physmap from extent `start` on: number of extents done,
 * or a continuation.
 */
long memory_reservation(unsigned int op, uint64_t start, guest_ptr_t arg);
/* XENMEM_exchange: 0 or -XEN_E*. */
long memory_exchange(guest_ptr_t arg);

#endif
