/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What Paravane offers to guests beyond Xen's ABI. A guest asks XENVER_get_features for submap PARAVANE_FEATURES; Xen
 * answers -EINVAL there, and the guest does without.
 */
#ifndef HV_PARAVANE_H
#define HV_PARAVANE_H

#include <stdint.h>
#include <xen/xen.h>

#define PARAVANE_FEATURES	0x50560000u /* xen_feature_info.submap_idx */
#define PARAVANE_FEAT_pte_range 0 /* bit: __HYPERVISOR_pte_range is there */

/*
 * long pte_range(uint64_t ptr, uint64_t count, uint64_t keep, uint64_t set)
 *
 * Changes entries 0..count-1 of the L1 table of the calling domain that machine address ptr (8-aligned) points into; they must
 * not reach beyond its end. Each entry is changed in one atomic step, so that no accessed or dirty bit set meanwhile is lost:
 *   keep = set = 0: becomes 0, whatever it was
 *   otherwise:     a present entry becomes (entry & keep) | set; others stay. Only bits of PARAVANE_PTE_RANGE_FLAGS may differ.
 * TLBs are not flushed. The table may also be plain writable memory of the domain (a table not in use yet).
 * 0; -EINVAL: bad arguments, or no such table; -EBUSY: an entry may not become writable - those before it are changed.
 */
#define __HYPERVISOR_pte_range	 __HYPERVISOR_arch_7
#define PARAVANE_PTE_RANGE_FLAGS 0x8000000000000e62UL /* W, A, D, the three bits for software, NX */

#endif
