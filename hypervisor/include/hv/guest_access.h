/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading and writing the current guest's memory at its virtual addresses, through its own page tables.
 * A fault is caught (exception table) and becomes a failure. Addresses in the hypervisor's slots are refused.
 */
#ifndef HV_GUEST_ACCESS_H
#define HV_GUEST_ACCESS_H

#include <hv/lib.h>

/* May a guest name this range? Not inside the hypervisor's slots, canonical. */
static inline bool guest_range_ok(uint64_t va, uint64_t bytes)
{
	uint64_t end = va + bytes;

	return end >= va && (va >= HV_VIRT_END || end <= 0x0000800000000000UL);
}

/* Number of bytes NOT copied: 0 is success. Any length; x86/guest_access.S. */
uint64_t copy_from_guest_raw(void *dst, uint64_t va, uint64_t bytes);
uint64_t copy_to_guest_raw(uint64_t va, const void *src, uint64_t bytes);
uint64_t clear_guest_raw(uint64_t va, uint64_t bytes);

/* 0 or -XEN_EFAULT. */
static inline long copy_from_guest(void *dst, guest_ptr_t p, uint64_t bytes)
{
	if (!guest_range_ok(p.va, bytes) || copy_from_guest_raw(dst, p.va, bytes))
		return -XEN_EFAULT;
	return 0;
}
static inline long copy_to_guest(guest_ptr_t p, const void *src, uint64_t bytes)
{
	if (!guest_range_ok(p.va, bytes) || copy_to_guest_raw(p.va, src, bytes))
		return -XEN_EFAULT;
	return 0;
}
/* The same for the few lengths that short hypercalls are made of; true: not done. */
bool get_guest_4_raw(void *dst, uint64_t va);
bool get_guest_16_raw(void *dst, uint64_t va);
bool put_guest_8_raw(uint64_t va, uint64_t val);
/* Element i of an array in guest memory. */
#define copy_array_from_guest(dst, p, i, n)                                        \
	copy_from_guest((dst), guest_ptr((p).va + (uint64_t)(i) * sizeof(*(dst))), \
			(uint64_t)(n) * sizeof(*(dst)))
#define copy_array_to_guest(p, i, src, n)                                        \
	copy_to_guest(guest_ptr((p).va + (uint64_t)(i) * sizeof(*(src))), (src), \
		      (uint64_t)(n) * sizeof(*(src)))
/* From a XEN_GUEST_HANDLE field of an ABI structure. */
#define guest_handle(h) guest_ptr((uint64_t)(h).p)

#endif
