/* SPDX-License-Identifier: MIT */
/*
 * truth.h - what the programs share whose allocations are known: what a thread allocates between
 * begin() and end() is the program's own, and nothing of a library's.
 */
#ifndef PROGRAMS_HEAP_TRUTH_H
#define PROGRAMS_HEAP_TRUTH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Sizes that nothing else has (tests/integration/preload.py knows them). */
#define MARK_BEGIN 77777
#define MARK_END   77778

/* So that the compiler keeps an allocation, and does not know its size or place. */
#define HIDE(value) __asm__ volatile("" : "+r"(value) : : "memory")

static inline void mark(size_t size)
{
	void *pointer = malloc(size);

	HIDE(pointer);
	free(pointer);
}

static inline void begin(void)
{
	mark(MARK_BEGIN);
}

static inline void end(void)
{
	mark(MARK_END);
}

/* Ends the program unless it is as it must be. */
#define MUST(condition)                                                         \
	do {                                                                    \
		if (!(condition)) {                                             \
			fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
			exit(1);                                                \
		}                                                               \
	} while (0)

#endif
