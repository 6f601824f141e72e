// SPDX-License-Identifier: MIT
/*
 * threads N SECONDS - N threads, named worker-0 and so on, that burn in turns: each prints the CPU
 * time that it used.
 */
#include <pthread.h>
#include <unistd.h>

#include "truth.h"

#define MAX_THREADS 200

static volatile uint64_t sink;
static uint64_t end;
static uint64_t used[MAX_THREADS];

NOINLINE void thread_burn(uint64_t until)
{
	uint64_t x = until;

	while (thread_cpu_ns() < until)
		for (unsigned i = 0; i < STEPS; i++)
			sink = x = x * 3 + 1;
}

static void *worker(void *argument)
{
	size_t me = (size_t)argument;
	uint64_t random = 0x9e3779b97f4a7c15u * (me + 1);
	char name[16];

	snprintf(name, sizeof(name), "worker-%zu", me);
	pthread_setname_np(pthread_self(), name);
	while (wall_ns() < end) {
		thread_burn(thread_cpu_ns() + 1000000 + next_random(&random) % 3000000);
		usleep(1000 + (useconds_t)(next_random(&random) % 20000));
	}
	used[me] = thread_cpu_ns();
	return NULL;
}

int main(int argc, char **argv)
{
	size_t n = (size_t)argument(argc, argv, 1, 50);
	pthread_t threads[MAX_THREADS];

	if (n > MAX_THREADS)
		n = MAX_THREADS;
	end = wall_ns() + (uint64_t)(argument(argc, argv, 2, 10) * 1e9);
	for (size_t i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, worker, (void *)i))
			return 1;
	ready();
	for (size_t i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < n; i++)
		printf("worker-%zu %.6f\n", i, (double)used[i] / 1e9);
	print_cpu();
	return 0;
}
