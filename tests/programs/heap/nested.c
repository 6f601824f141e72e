// SPDX-License-Identifier: MIT
/*
 * nested N - waits for a line, then calls functions whose allocator calls another of its own for it
 * N times each, from functions that have their names, and frees what they return.
 */
#include <malloc.h>
#include <unistd.h>

#include "../truth.h"
#include "truth.h"

#define CALLS(name, call)                             \
	__attribute__((noipa)) static void name(void) \
	{                                             \
		void *pointer = NULL;                 \
                                                      \
		call;                                 \
		HIDE(pointer);                        \
		free(pointer);                        \
	}

CALLS(by_malloc, pointer = malloc(1000))
CALLS(by_malloc_of_nothing, pointer = malloc(0))
CALLS(by_calloc, pointer = calloc(10, 100))
CALLS(by_realloc, pointer = realloc(NULL, 1000))
CALLS(by_reallocarray, pointer = reallocarray(NULL, 10, 100))
CALLS(by_posix_memalign, MUST(posix_memalign(&pointer, 8, 1000) == 0))
CALLS(by_memalign, pointer = memalign(8, 1000))
CALLS(by_aligned_alloc, pointer = aligned_alloc(64, 1024))

int main(int argc, char **argv)
{
	uint64_t n = argument(argc, argv, 1, 10000);
	char line;

	ready();
	if (read(STDIN_FILENO, &line, 1) < 0)
		return 1;
	for (uint64_t i = 0; i < n; i++) {
		by_malloc();
		by_malloc_of_nothing();
		by_calloc();
		by_realloc();
		by_reallocarray();
		by_posix_memalign();
		by_memalign();
		by_aligned_alloc();
	}
	return 0;
}
