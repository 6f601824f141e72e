// SPDX-License-Identifier: MIT
/*
 * pairs SIZE THREADS ROUNDS - pairs of malloc and free, ten frames below a thread's start. Prints
 * for each round the nanoseconds of CPU that a pair took in the mean of all threads. 0 rounds: they
 * never end.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "../truth.h"
#include "truth.h"

#define MAX_THREADS 16
#define ROUND_NS    10000000u
/* Between two looks at the clock, as long as a look costs next to nothing. */
#define BATCH 4000u

static pthread_barrier_t barrier;
static size_t size;
static unsigned int threads, rounds;
static atomic_ullong spent, done;

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

static void work_a_round(void)
{
	uint64_t start = thread_cpu_ns(), took, n = 0;

	do {
		descend(BATCH, 10);
		n += BATCH;
		took = thread_cpu_ns() - start;
	} while (took < ROUND_NS);
	atomic_fetch_add(&spent, took);
	atomic_fetch_add(&done, n);
}

static void *work(void *argument)
{
	for (unsigned int i = 0; !rounds || i < rounds; i++) {
		pthread_barrier_wait(&barrier);
		work_a_round();
		pthread_barrier_wait(&barrier);
		if (!argument) {
			printf("%.2f\n", (double)spent / (double)done);
			fflush(stdout);
			spent = done = 0;
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t others[MAX_THREADS];

	size = (size_t)argument(argc, argv, 1, 16);
	threads = (unsigned int)argument(argc, argv, 2, 1);
	rounds = (unsigned int)argument(argc, argv, 3, 10);
	MUST(threads > 0 && threads <= MAX_THREADS);
	descend(100, 10);
	pthread_barrier_init(&barrier, NULL, threads);
	for (uintptr_t i = 1; i < threads; i++)
		MUST(pthread_create(&others[i], NULL, work, (void *)i) == 0);
	work(NULL);
	for (unsigned int i = 1; i < threads; i++)
		pthread_join(others[i], NULL);
	return 0;
}
