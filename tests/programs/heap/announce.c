// SPDX-License-Identifier: MIT
/*
 * announce SECONDS SIZE KEEP - has an allocator of its own, which announces what it does by the
 * USDT probes of the OpenTelemetry contract: each allocation of SIZE bytes stands for itself. Every
 * KEEP-th one is kept, from the function keep(); the others are freed at once, in churn(). When it
 * ends it prints: allocations and frees by churn, and by keep.
 */
#define _SDT_HAS_SEMAPHORES 1
#include <inttypes.h>
#include <stdio.h>
#include <sys/sdt.h>
#include <time.h>

#include "../unwind/spin.h"

__extension__ unsigned short otel_memory_alloc_semaphore __attribute__((section(".probes")));
__extension__ unsigned short otel_memory_free_semaphore __attribute__((section(".probes")));

#define POOL (64u << 20)
static unsigned char pool[POOL];
static size_t used;
static uint64_t churned, kept;

FRAME void *take(size_t size, uint64_t *announced)
{
	void *p = &pool[used];

	used = (used + size) % (POOL - (1u << 20));
	if (otel_memory_alloc_semaphore) {
		++*announced;
		STAP_PROBE3(otel_memory, alloc, p, size, size);
	}
	STAY();
	return p;
}

FRAME void give_back(void *p)
{
	if (otel_memory_free_semaphore)
		STAP_PROBE1(otel_memory, free, p);
	STAY();
}

FRAME void churn(size_t size)
{
	give_back(take(size, &churned));
	STAY();
}

FRAME void keep(size_t size)
{
	take(size, &kept);
	STAY();
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	double end = now() + argument(argc, argv, 1, 10);
	size_t size = (size_t)argument(argc, argv, 2, 1000);
	size_t every = (size_t)argument(argc, argv, 3, 10);

	ready();
	for (size_t i = 1; now() < end; i++) {
		if (i % every)
			churn(size);
		else
			keep(size);
		usleep(1000);
	}
	printf("%" PRIu64 " %" PRIu64 "\n", churned, kept);
	return 0;
}
