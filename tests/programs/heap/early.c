// SPDX-License-Identifier: MIT
/*
 * early.c - a dlsym that allocates in all ways before it answers, and gives back at the next call
 * what it had. To be preloaded behind a library that calls it to find malloc.
 */
#include <dlfcn.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEPT 8

static char *kept[KEPT];
static unsigned int calls;

static void must(int condition)
{
	static const char line[] = "early: bad memory\n";

	if (!condition && write(STDERR_FILENO, line, sizeof(line) - 1) > 0)
		_exit(1);
}

static void check(char *pointer, size_t size, size_t alignment)
{
	must(pointer && (uintptr_t)pointer % alignment == 0);
	memset(pointer, 'x', size);
}

static void give_back(void)
{
	kept[0] = realloc(kept[0], 3333);
	must(kept[0] && kept[0][99] == 'x');
	for (int i = 0; i < KEPT; i++)
		free(kept[i]);
}

/* What was allocated in the third call is given back when malloc has long been found. */
void *dlsym(void *handle, const char *name)
{
	void *(*real)(void *, const char *);
	void *memory;

	/* The library asks nine times, the program then. */
	if (calls == 1 || calls == 2 || calls == 9)
		give_back();
	if (calls++ < 3) {
		kept[0] = malloc(100);
		check(kept[0], 100, 16);
		kept[1] = calloc(10, 20);
		must(kept[1] && !kept[1][0] && !kept[1][199]);
		kept[2] = realloc(NULL, 30);
		check(kept[2], 30, 16);
		kept[2] = realloc(kept[2], 50);
		must(kept[2] && kept[2][29] == 'x');
		must(posix_memalign(&memory, 4096, 10) == 0);
		kept[3] = memory;
		check(kept[3], 10, 4096);
		kept[4] = aligned_alloc(64, 64);
		check(kept[4], 64, 64);
		kept[5] = memalign(256, 1);
		check(kept[5], 1, 256);
		kept[6] = valloc(1);
		check(kept[6], 1, 4096);
		kept[7] = pvalloc(1);
		check(kept[7], 1, 4096);
		must(!malloc(1 << 30));
	}
	*(void **)&real = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34");
	must(real != NULL);
	return real(handle, name);
}
