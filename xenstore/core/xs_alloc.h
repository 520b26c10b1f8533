/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The only memory functions of xenstore/core. The daemon binds them to malloc(); the unit tests bind
 * them to an allocator that can be told to fail at the n-th call.
 */
#ifndef XS_ALLOC_H
#define XS_ALLOC_H

#include <stddef.h>

/* As malloc(), realloc() and free(); NULL means out of memory and must be survived. */
void *xs_alloc(size_t size);
void *xs_realloc(void *old, size_t size);
void xs_free(void *mem);

#endif
