/* SPDX-License-Identifier: MIT */
/*
 * heap_rate.h - holds the rate at which a heap session's samples are taken of programs that choose
 * them themselves (USDT probes): of too many only a share is kept, by chance, and counts for all.
 * Each record says what share was in force (struct profd_alloc.kept), so no sum is biased.
 */
#ifndef PROFD_COLLECTOR_HEAP_RATE_H
#define PROFD_COLLECTOR_HEAP_RATE_H

#include <stdint.h>

#define HEAP_RATE_MAX 100000 /* samples a second of one session */

/* The share for the next second, in 2^-32 (UINT32_MAX: all), from the one that was in force and how
 * many samples, kept or not, came in `ns`. */
uint32_t heap_rate_next(uint32_t keep, uint64_t came, uint64_t ns);

#endif
