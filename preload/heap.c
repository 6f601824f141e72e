// SPDX-License-Identifier: MIT
/*
 * heap.c - the functions of the C library that this library stands in front of. Each counts, and
 * goes on to the allocator behind it: by a jump, unless the allocation is sampled.
 */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "export.h"
#include "next.h"
#include "sampler.h"
#include "table.h"

/* They differ in their names, and in whether they take an alignment. */
#define ALLOCATOR(NAME, PARAMETERS, ARGUMENTS)         \
	static COLD void *NAME##_counted PARAMETERS    \
	{                                              \
		bool due = sampler_draw(size);         \
		void *pointer = next.NAME ARGUMENTS;   \
                                                       \
		if (due)                               \
			sampler_sample(pointer, size); \
		return pointer;                        \
	}                                              \
                                                       \
	EXPORT void *NAME PARAMETERS                   \
	{                                              \
		void *pointer;                         \
                                                       \
		if (sampler_passes(size))              \
			return next.NAME ARGUMENTS;    \
		pointer = NAME##_counted ARGUMENTS;    \
		KEEP_FRAME(pointer);                   \
		return pointer;                        \
	}

ALLOCATOR(malloc, (size_t size), (size))
ALLOCATOR(aligned_alloc, (size_t alignment, size_t size), (alignment, size))
ALLOCATOR(memalign, (size_t alignment, size_t size), (alignment, size))
ALLOCATOR(valloc, (size_t size), (size))
ALLOCATOR(pvalloc, (size_t size), (size))

static COLD void *calloc_counted(size_t n, size_t size, size_t all)
{
	bool due = sampler_draw(all);
	void *pointer = next.calloc(n, size);

	if (due)
		sampler_sample(pointer, all);
	return pointer;
}

EXPORT void *calloc(size_t n, size_t size)
{
	void *pointer;
	size_t all;

	/* What overflows fails, and is not counted. */
	if (__builtin_mul_overflow(n, size, &all) || sampler_passes(all))
		return next.calloc(n, size);
	pointer = calloc_counted(n, size, all);
	KEEP_FRAME(pointer);
	return pointer;
}

static COLD int posix_memalign_counted(void **pointer, size_t alignment, size_t size)
{
	bool due = sampler_draw(size);
	int error = next.posix_memalign(pointer, alignment, size);

	if (due && !error)
		sampler_sample(*pointer, size);
	return error;
}

EXPORT int posix_memalign(void **pointer, size_t alignment, size_t size)
{
	int error;

	if (sampler_passes(size))
		return next.posix_memalign(pointer, alignment, size);
	error = posix_memalign_counted(pointer, alignment, size);
	KEEP_FRAME(error);
	return error;
}

/* Of a pointer that may be sampled, or early. */
static COLD void free_known(void *pointer)
{
	if (next_early_size(pointer))
		return;
	sampler_take(pointer, false);
	next.free(pointer);
}

EXPORT void free(void *pointer)
{
	if (LIKELY(!table_may_have(pointer)))
		next.free(pointer);
	else
		free_known(pointer);
}

/* Old programs still call it; allocators of today do not have it, and free() is the same. */
void cfree(void *pointer);
EXPORT void cfree(void *pointer)
{
	free(pointer);
}

static void *realloc_early(const void *pointer, size_t had, size_t size)
{
	void *moved = next.malloc(size);

	if (moved)
		memcpy(moved, pointer, had < size ? had : size);
	return moved;
}

/* A success is a free and an allocation. The free is told before, since another thread can have the
 * address again before realloc is back; if it fails, it was none. */
static COLD void *realloc_counted(void *pointer, size_t size, bool passed)
{
	bool due = !passed && sampler_draw(size);
	size_t early_size = next_early_size(pointer);
	struct sampler_taken taken = {0};
	void *moved;

	if (early_size) {
		moved = realloc_early(pointer, early_size, size);
	} else {
		taken = sampler_take(pointer, true);
		moved = next.realloc(pointer, size);
		/* Where a size of 0 leaves nothing, it was a free. */
		if (!moved && size)
			sampler_put_back(pointer, taken);
	}
	if (due)
		sampler_sample(moved, size);
	return moved;
}

EXPORT void *realloc(void *pointer, size_t size)
{
	bool passed = sampler_passes(size);
	void *moved;

	if (LIKELY(passed && !table_may_have(pointer)))
		return next.realloc(pointer, size);
	moved = realloc_counted(pointer, size, passed);
	KEEP_FRAME(moved);
	return moved;
}

EXPORT void *reallocarray(void *pointer, size_t n, size_t size)
{
	size_t all;

	if (__builtin_mul_overflow(n, size, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(pointer, all);
}
