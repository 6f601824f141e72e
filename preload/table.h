/* SPDX-License-Identifier: MIT */
/*
 * table.h - the sampled allocations that live: a table of fixed size without locks, and in front of
 * it a filter that nearly every other pointer passes without a look into the table.
 *
 * A slot is claimed, filled and published by compare and exchange; nothing ever moves. An
 * allocation lies in one of two buckets, of one cache line of pointers each. The first goes by
 * address, so that a heap of 512 MiB touches 128 KiB of the table; the second is any. The filter
 * counts the allocations by pages, neighbours next to each other: what is freed together is found
 * in one cache line.
 *
 * All functions may be called by any number of threads, in signal handlers and after a fork. None
 * calls another library.
 */
#ifndef PRELOAD_TABLE_H
#define PRELOAD_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

#define TABLE_FILTER_SIZE (1u << 18)
#define TABLE_PAGE_SHIFT  12
/* A count that never falls: it was reached, or set by table_keep_filtered(). */
#define TABLE_STICKY 255

/* Allocations that lie at most this near each other are expected: 16 bytes to table_spread()'s. */
#define TABLE_SPREAD_MIN 7
#define TABLE_SPREAD_MAX 19

extern uint8_t table_filter[TABLE_FILTER_SIZE];

static inline uint8_t *table_filter_of(const void *pointer)
{
	return &table_filter[((uintptr_t)pointer >> TABLE_PAGE_SHIFT) % TABLE_FILTER_SIZE];
}

/* False: it is not in the table. Costs one load. */
static inline bool table_may_have(const void *pointer)
{
	return __atomic_load_n(table_filter_of(pointer), __ATOMIC_RELAXED) != 0;
}

/* What is known of an allocation; size is below 2^47. */
struct table_entry {
	uint64_t size;
	uint16_t random; /* what its weight was rounded with */
};

/* Called once, before anything is added: how many bytes of heap there are to a sample, in the mean.
 * Sets how the first bucket is found. */
void table_spread(uint64_t mean);
/* False: there is no room. The pointer must not be in the table; one whose last bits could not be
 * zero counts as no room. */
bool table_add(const void *pointer, const struct table_entry *entry);
/* Takes it out. False: it was not there, or was forgotten; entry is untouched then. */
bool table_take(const void *pointer, struct table_entry *entry);
/* From now on, table_take() is false for everything that was added until now. Costs nothing if
 * nothing was. */
void table_forget(void);
/* From now on, table_may_have() is true for the pages of these bytes. */
void table_keep_filtered(const void *pointer, size_t size);
/* Tells the kernel that few of its pages will be used. */
void table_advise(void);

#pragma GCC visibility pop

#endif
