// SPDX-License-Identifier: MIT
#include "probes.h"

#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>

/* The kernel counts up and down in the memory of each process: no code here ever does. */
#define SEMAPHORE(name) volatile unsigned short name __attribute__((section(".probes"), used))

SEMAPHORE(otel_memory_alloc_semaphore);
SEMAPHORE(otel_memory_free_semaphore);
SEMAPHORE(profd_heap_lost_semaphore);

/* The probes are the first instructions of functions that are called as they are declared, so that
 * their arguments lie where a call has its first, second and third: a program that listens on a
 * kernel which cannot say which argument of which probe has hit (5.15 can) relies on it. */
#define AS_DECLARED __attribute__((noipa))

AS_DECLARED void probe_alloc(
	uint64_t pointer, uint64_t size, uint64_t weighted_bytes, uint64_t back)
{
	(void)back;
	STAP_PROBE3(otel_memory, alloc, pointer, size, weighted_bytes);
}

AS_DECLARED void probe_free(uint64_t pointer, uint64_t moves)
{
	(void)moves;
	STAP_PROBE1(otel_memory, free, pointer);
}

AS_DECLARED void probe_lost(uint64_t count, uint64_t size, uint64_t weighted_bytes)
{
	STAP_PROBE3(profd_heap, lost, count, size, weighted_bytes);
}

bool probe_listeners(void)
{
	return otel_memory_alloc_semaphore != 0;
}

bool probe_any_listener(void)
{
	return otel_memory_alloc_semaphore != 0 || otel_memory_free_semaphore != 0;
}
