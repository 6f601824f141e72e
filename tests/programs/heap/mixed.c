// SPDX-License-Identifier: MIT
/*
 * mixed THREADS STEPS SEED - threads allocate with all functions that there are, sizes of 1 byte to
 * 64 KiB, and free what any of them allocated. Errors of functions must leave errno alone where
 * they succeed, and the bytes must be theirs. At the end all is free.
 *
 * Prints "bytes" and "objects" that were asked for, a realloc that succeeds being a new object.
 */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "../truth.h"
#include "truth.h"

#define SLOTS	    512
#define MAX_THREADS 16

/* Each begins with its own size. */
static _Atomic(uint32_t *) slots[SLOTS];
static atomic_ullong bytes, objects;
static unsigned int steps;
static uint64_t seed;

static void *aligned(void *pointer, size_t alignment)
{
	MUST(pointer && (uintptr_t)pointer % alignment == 0);
	return pointer;
}

static void *allocate(unsigned int how, size_t size, size_t alignment)
{
	void *pointer = NULL;

	switch (how) {
	case 0:
		return aligned(malloc(size), 8);
	case 1:
		pointer = aligned(calloc(size, 1), 8);
		for (size_t i = 0; i < size; i++)
			MUST(((char *)pointer)[i] == 0);
		return pointer;
	case 2:
		MUST(posix_memalign(&pointer, alignment, size) == 0);
		return aligned(pointer, alignment);
	case 3:
		return aligned(aligned_alloc(alignment, size), alignment);
	case 4:
		return aligned(memalign(alignment, size), alignment);
	case 5:
		return aligned(valloc(size), (size_t)getpagesize());
	default:
		return aligned(realloc(NULL, size), 8);
	}
}

/* What it was, with its size at its start. */
static uint32_t *resize(uint32_t *old, size_t size)
{
	uint32_t had = *old, *moved = reallocarray(old, size / 8, 8);

	MUST(moved && *moved == had);
	MUST(!memcmp((char *)moved + had - 1, "x", had > 4 && had <= size));
	return moved;
}

static void step(uint64_t *random)
{
	unsigned int how = (unsigned int)(next_random(random) % 10);
	size_t size = 8 + ((next_random(random) % 65536) >> (next_random(random) % 13)) / 8 * 8;
	uint32_t *mine = atomic_exchange(&slots[next_random(random) % SLOTS], NULL);

	errno = 77;
	if (how >= 8 && mine) {
		mine = resize(mine, size);
	} else {
		free(mine);
		mine = allocate(how, size, 8ul << next_random(random) % 8);
	}
	MUST(errno == 77);
	*mine = (uint32_t)size;
	if (size > 4)
		((char *)mine)[size - 1] = 'x';
	atomic_fetch_add(&bytes, size);
	atomic_fetch_add(&objects, 1);
	free(atomic_exchange(&slots[next_random(random) % SLOTS], mine));
}

static void *work(void *argument)
{
	uint64_t random = seed * MAX_THREADS + (uintptr_t)argument + 1;

	begin();
	for (unsigned int i = 0; i < steps; i++)
		step(&random);
	end();
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned int n = (unsigned int)argument(argc, argv, 1, 1);
	pthread_t threads[MAX_THREADS];

	steps = (unsigned int)argument(argc, argv, 2, 1000);
	seed = (uint64_t)argument(argc, argv, 3, 1);
	for (uintptr_t i = 1; i < n && i < MAX_THREADS; i++)
		MUST(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
	work(NULL);
	for (uintptr_t i = 1; i < n && i < MAX_THREADS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned int i = 0; i < SLOTS; i++)
		free(slots[i]);
	printf("bytes %llu\nobjects %llu\n", bytes, objects);
	return 0;
}
