/* SPDX-License-Identifier: BSD-2-Clause */
/* Decompression of kernel images at boot, by Debian's own libraries linked into the image. */
#ifndef HV_X86_UNPACK_H
#define HV_X86_UNPACK_H

#include <hv/xenelf.h>

/*
 * Unpack a payload. On success NULL; *out is *size bytes of hypervisor memory (hv_free_pages() with *order). Otherwise
 * the reason. Boot CPU only, before any guest: the libraries use SSE registers. Interrupts are off meanwhile.
 */
const char *unpack(const struct xenelf_payload *p, void **out, size_t *size, unsigned int *order);

#endif
