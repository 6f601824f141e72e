/* SPDX-License-Identifier: MIT */
/*
 * probes.h - what the library tells to whoever listens (USDT probes, see <sys/sdt.h>).
 *
 *   otel_memory:alloc(pointer, size, weighted_bytes)   a sampled allocation
 *   otel_memory:free(pointer)                          one of these is given back
 *   profd_heap:lost(count, size, weighted_bytes)       the count-th sample since start that could
 *                                                      not be told, since there is no more room
 *
 * Each is a nop while nobody listens; the kernel counts the listeners in a semaphore of each.
 */
#ifndef PRELOAD_PROBES_H
#define PRELOAD_PROBES_H

#include <stdbool.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

/* size and weighted_bytes are at least 1. back: PROFD_USDT_REALLOC (profd/abi.h) if it is what a
 * realloc that failed had given back; else 0. */
void probe_alloc(uint64_t pointer, uint64_t size, uint64_t weighted_bytes, uint64_t back);
/* moves: PROFD_USDT_REALLOC (profd/abi.h) if it is given back to realloc; else 0. */
void probe_free(uint64_t pointer, uint64_t moves);
void probe_lost(uint64_t count, uint64_t size, uint64_t weighted_bytes);

/* Whether allocations are listened to; whether anything is. */
bool probe_listeners(void);
bool probe_any_listener(void);

#pragma GCC visibility pop

#endif
