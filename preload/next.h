/* SPDX-License-Identifier: MIT */
/*
 * next.h - the allocator behind this library: for each function the definition that the program
 * would be bound to without it (dlsym, RTLD_NEXT), so that no allocator sees what another one made.
 *
 * The pointers can be called from the first instruction of a process on: they begin with functions
 * that look for the real ones. What is allocated while dlsym itself is at work comes from a small
 * piece of memory, and is never given back.
 */
#ifndef PRELOAD_NEXT_H
#define PRELOAD_NEXT_H

#include <stdbool.h>
#include <stddef.h>

#pragma GCC visibility push(hidden)

struct next {
	void *(*malloc)(size_t size);
	void *(*calloc)(size_t n, size_t size);
	void *(*realloc)(void *pointer, size_t size);
	void (*free)(void *pointer);
	int (*posix_memalign)(void **pointer, size_t alignment, size_t size);
	void *(*aligned_alloc)(size_t alignment, size_t size);
	void *(*memalign)(size_t alignment, size_t size);
	void *(*valloc)(size_t size);
	void *(*pvalloc)(size_t size);
};

extern struct next next;

/* Looks for all of them, unless that was done. False: another call of it is at work. */
bool next_find(void);
/* Whether a pointer is from that small piece, and how large what it points to is (else 0). The
 * table lets all of these pass its filter. */
size_t next_early_size(const void *pointer);

#pragma GCC visibility pop

#endif
