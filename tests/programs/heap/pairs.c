// SPDX-License-Identifier: MIT
/*
 * pairs SIZE THREADS ROUNDS - pairs of malloc and free, ten frames below a thread's start. Prints
 * for each round the nanoseconds of CPU that a pair took in the mean of all threads.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "../truth.h"
#include "truth.h"

#define MAX_THREADS 16
#define ROUND_NS    10000000u

static pthread_barrier_t barrier;
static size_t size;
static unsigned int threads, rounds, pairs;
static atomic_ullong spent;

NOINLINE static void descend(unsigned int n, unsigned int depth)
{
	if (depth) {
		descend(n, depth - 1);
		__asm__ volatile("" : : : "memory"); /* no jump */
		return;
	}
	while (n--) {
		void *pointer = malloc(size);

		HIDE(pointer);
		free(pointer);
	}
}

static void *work(void *argument)
{
	for (unsigned int i = 0; i < rounds; i++) {
		pthread_barrier_wait(&barrier);
		uint64_t start = thread_cpu_ns();
		descend(pairs, 10);
		atomic_fetch_add(&spent, thread_cpu_ns() - start);
		pthread_barrier_wait(&barrier);
		if (!argument)
			printf("%.2f\n", (double)atomic_exchange(&spent, 0) / threads / pairs);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t others[MAX_THREADS];
	uint64_t start;

	size = (size_t)argument(argc, argv, 1, 16);
	threads = (unsigned int)argument(argc, argv, 2, 1);
	rounds = (unsigned int)argument(argc, argv, 3, 10);
	MUST(threads > 0 && threads <= MAX_THREADS);
	descend(100, 10);
	start = wall_ns();
	descend(10000, 10);
	pairs = 1000 + (unsigned int)(ROUND_NS * 10000ull / (wall_ns() - start));
	pthread_barrier_init(&barrier, NULL, threads);
	for (uintptr_t i = 1; i < threads; i++)
		MUST(pthread_create(&others[i], NULL, work, (void *)i) == 0);
	work(NULL);
	for (unsigned int i = 1; i < threads; i++)
		pthread_join(others[i], NULL);
	return 0;
}
