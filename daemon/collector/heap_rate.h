/* SPDX-License-Identifier: MIT */
/*
 * heap_rate.h - holds the rate at which a heap session's samples are taken of programs that choose
 * them themselves (USDT probes): of too many only a share is kept, by chance, and counts for all.
 * Each record says what share was in force (struct profd_alloc.kept), so no sum is biased. A
 * process that storms does not take the others' room: those that announce little are kept whole.
 */
#ifndef PROFD_COLLECTOR_HEAP_RATE_H
#define PROFD_COLLECTOR_HEAP_RATE_H

#include <stddef.h>
#include <stdint.h>

#include "profd/abi.h"

#define HEAP_RATE_MAX	      100000 /* samples a second of one session */
#define HEAP_RATE_PROCESS_MAX 50000  /* and of one process in it */

struct heap_rate;

/* NULL without memory. */
struct heap_rate *heap_rate_new(void);
void heap_rate_free(struct heap_rate *r); /* NULL is fine */

/* A sample came from this process, which stands for more (struct profd_alloc.kept). */
void heap_rate_came(struct heap_rate *r, uint32_t pid, uint32_t kept);

/* The shares for the next second are put into `heap`, from what came since the last time, `ns` ago:
 * `came` samples in all, kept, lost or not. */
void heap_rate_hold(struct heap_rate *r, uint64_t came, uint64_t ns, struct profd_heap *heap);

#endif
