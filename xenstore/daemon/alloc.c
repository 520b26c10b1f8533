// SPDX-License-Identifier: BSD-2-Clause
// Memory of the core. A store is very many small objects: those come from arenas of equal objects without headers.
//
//   region (address space only) = arena 0 | arena 1 | ...   each ARENA bytes, aligned
//   arena = header | object | object | ...                  one size, a multiple of 8
//
// The arena of an object is found from its address, and so is whether it came from an arena at all. An empty arena
// gives its pages back. Without address space for the region everything comes from malloc().
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "xenstore/core/xs_alloc.h"

#define ARENA	    65536ul
#define REGION	    (16ul << 30)
#define NUM_ARENAS  (REGION / ARENA)
#define GRAIN	    8ul
/* Larger objects come from malloc(). */
#define SMALL_MAX   256ul
#define NUM_CLASSES (SMALL_MAX / GRAIN + 1)

struct arena {
	struct arena *next, *prev; /* others of the class that have room */
	uint32_t size; /* of an object */
	uint32_t used;
	uint32_t fresh; /* offset of the first object never used */
	uint32_t free; /* offset of the first free object, which holds that of the next; 0: none */
};

static char *region;
static uint32_t num_arenas; /* begun so far */
static uint32_t empty[NUM_ARENAS], nempty; /* of those, without objects */
static struct arena *roomy[NUM_CLASSES];

static bool has_room(const struct arena *a)
{
	return a->free || a->fresh + a->size <= ARENA;
}

static void link_arena(struct arena *a)
{
	struct arena **list = &roomy[a->size / GRAIN];

	a->prev = NULL;
	a->next = *list;
	if (*list)
		(*list)->prev = a;
	*list = a;
}

static void unlink_arena(struct arena *a)
{
	*(a->prev ? &a->prev->next : &roomy[a->size / GRAIN]) = a->next;
	if (a->next)
		a->next->prev = a->prev;
}

/* The region, aligned, without memory behind it; NULL when there is no room for it. */
static char *reserve(void)
{
	char *p = mmap(NULL, REGION + ARENA, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		       -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	return (char *)(((uintptr_t)p + ARENA - 1) & ~(ARENA - 1));
}

static struct arena *new_arena(uint32_t size)
{
	struct arena *a;

	if (!region && !(region = reserve()))
		return NULL;
	if (nempty) {
		a = (struct arena *)(region + empty[--nempty] * ARENA);
	} else {
		if (num_arenas == NUM_ARENAS)
			return NULL;
		a = (struct arena *)(region + num_arenas * ARENA);
		if (mprotect(a, ARENA, PROT_READ | PROT_WRITE))
			return NULL;
		num_arenas++;
	}
	memset(a, 0, sizeof(*a));
	a->size = size;
	a->fresh = sizeof(*a);
	link_arena(a);
	return a;
}

static struct arena *arena_of(const void *mem)
{
	const char *p = mem;

	if (!region || p < region || p >= region + REGION)
		return NULL;
	return (struct arena *)((uintptr_t)mem & ~(ARENA - 1));
}

static void *small_alloc(size_t size)
{
	uint32_t rounded = (uint32_t)((size + GRAIN - 1) / GRAIN * GRAIN);
	struct arena *a = roomy[rounded / GRAIN];
	char *p;

	if (!a)
		a = new_arena(rounded);
	if (!a)
		return malloc(size);
	if (a->free) {
		p = (char *)a + a->free;
		memcpy(&a->free, p, sizeof(a->free));
	} else {
		p = (char *)a + a->fresh;
		a->fresh += a->size;
	}
	a->used++;
	if (!has_room(a))
		unlink_arena(a);
	return p;
}

static void small_free(struct arena *a, void *mem)
{
	uint32_t offset = (uint32_t)((char *)mem - (char *)a);

	if (!has_room(a))
		link_arena(a);
	memcpy(mem, &a->free, sizeof(a->free));
	a->free = offset;
	/* The last arena of a class stays, or a single object would cost system calls again and again. */
	if (--a->used || (!a->next && !a->prev))
		return;
	unlink_arena(a);
	madvise(a, ARENA, MADV_DONTNEED); /* if it fails the pages merely stay */
	empty[nempty++] = (uint32_t)(((char *)a - region) / (long)ARENA);
}

void *xs_alloc(size_t size)
{
	return size && size <= SMALL_MAX ? small_alloc(size) : malloc(size);
}

void *xs_realloc(void *old, size_t size)
{
	struct arena *a = arena_of(old);
	void *p;

	if (!old)
		return xs_alloc(size);
	if (!a)
		return realloc(old, size);
	if (size <= a->size && size + GRAIN > a->size)
		return old;
	p = xs_alloc(size);
	if (!p)
		return NULL;
	memcpy(p, old, size < a->size ? size : a->size);
	small_free(a, old);
	return p;
}

void xs_free(void *mem)
{
	struct arena *a = arena_of(mem);

	if (a)
		small_free(a, mem);
	else
		free(mem);
}
