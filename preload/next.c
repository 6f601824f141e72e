// SPDX-License-Identifier: MIT
#include "next.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "table.h"

#define EARLY_SIZE  (256u << 10)
#define EARLY_ALIGN 16

/* Before each early allocation. */
struct early_head {
	size_t size;
} __attribute__((aligned(EARLY_ALIGN)));

static char early[EARLY_SIZE] __attribute__((aligned(4096)));
static size_t early_used;

size_t next_early_size(const void *pointer)
{
	uintptr_t at = (uintptr_t)pointer;

	if (at < (uintptr_t)early || at >= (uintptr_t)early + EARLY_SIZE)
		return 0;
	return ((const struct early_head *)pointer - 1)->size;
}

static void *take_early(size_t alignment, size_t size)
{
	size_t before = __atomic_load_n(&early_used, __ATOMIC_RELAXED), at;

	if (alignment < EARLY_ALIGN)
		alignment = EARLY_ALIGN;
	size += !size;
	do {
		at = (before + sizeof(struct early_head) + alignment - 1) & -alignment;
		if (alignment > EARLY_SIZE || at > EARLY_SIZE || size > EARLY_SIZE - at) {
			errno = ENOMEM;
			return NULL;
		}
	} while (!__atomic_compare_exchange_n(
		&early_used, &before, at + size, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	((struct early_head *)&early[at] - 1)->size = size;
	table_keep_filtered(&early[at], 1);
	return &early[at];
}

static void *early_malloc(size_t size)
{
	return next_find() ? next.malloc(size) : take_early(0, size);
}

static void *early_calloc(size_t n, size_t size)
{
	size_t all;

	if (next_find())
		return next.calloc(n, size);
	if (__builtin_mul_overflow(n, size, &all))
		all = SIZE_MAX;
	return take_early(0, all);
}

/* Early memory does not come here (heap.c), and there is no other yet. */
static void *early_realloc(void *pointer, size_t size)
{
	return next_find() ? next.realloc(pointer, size) : take_early(0, size);
}

/* There is nothing to give back yet. */
static void early_free(void *pointer)
{
	if (next_find())
		next.free(pointer);
}

static void *early_memalign(size_t alignment, size_t size)
{
	return next_find() ? next.memalign(alignment, size) : take_early(alignment, size);
}

static void *early_aligned_alloc(size_t alignment, size_t size)
{
	return next_find() ? next.aligned_alloc(alignment, size) : take_early(alignment, size);
}

static int early_posix_memalign(void **pointer, size_t alignment, size_t size)
{
	if (next_find())
		return next.posix_memalign(pointer, alignment, size);
	*pointer = take_early(alignment, size);
	return *pointer ? 0 : ENOMEM;
}

static void *early_valloc(size_t size)
{
	return next_find() ? next.valloc(size) : take_early((size_t)sysconf(_SC_PAGESIZE), size);
}

static void *early_pvalloc(size_t size)
{
	return next_find() ? next.pvalloc(size) : take_early((size_t)sysconf(_SC_PAGESIZE), size);
}

struct next next = {
	.malloc = early_malloc,
	.calloc = early_calloc,
	.realloc = early_realloc,
	.free = early_free,
	.posix_memalign = early_posix_memalign,
	.aligned_alloc = early_aligned_alloc,
	.memalign = early_memalign,
	.valloc = early_valloc,
	.pvalloc = early_pvalloc,
};

/* dlsym's answer, as a pointer to a function. */
static void find(void *function, const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	memcpy(function, &found, sizeof(found));
}

bool next_find(void)
{
	enum { UNKNOWN, LOOKING, FOUND };
	static int state;
	int unknown = UNKNOWN, saved_errno = errno;
	struct next found;

	if (!__atomic_compare_exchange_n(
		    &state, &unknown, LOOKING, false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE))
		return unknown == FOUND;
	/* glibc, for which this library is built, has all of them. */
	find(&found.malloc, "malloc");
	find(&found.calloc, "calloc");
	find(&found.realloc, "realloc");
	find(&found.free, "free");
	find(&found.posix_memalign, "posix_memalign");
	find(&found.aligned_alloc, "aligned_alloc");
	find(&found.memalign, "memalign");
	find(&found.valloc, "valloc");
	find(&found.pvalloc, "pvalloc");
	next = found;
	__atomic_store_n(&state, FOUND, __ATOMIC_RELEASE);
	errno = saved_errno;
	return true;
}
