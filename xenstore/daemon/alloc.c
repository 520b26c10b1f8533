// SPDX-License-Identifier: BSD-2-Clause
// The core's memory comes from malloc().
#include <stdlib.h>

#include "xenstore/core/xs_alloc.h"

void *xs_alloc(size_t size)
{
	return malloc(size);
}

void *xs_realloc(void *old, size_t size)
{
	return realloc(old, size);
}

void xs_free(void *mem)
{
	free(mem);
}
