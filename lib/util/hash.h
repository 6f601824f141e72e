/* SPDX-License-Identifier: MIT */
/* hash.h - XXH3 keyed with bytes that differ in every process, so that whoever chooses the content
 * of a table cannot choose its collisions. Inline, since most of what is hashed is a few words. */
#ifndef PROFD_UTIL_HASH_H
#define PROFD_UTIL_HASH_H

#include <stddef.h>
#include <stdint.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* The same within a process; needs no system call. */
uint64_t hash_seed(void);

static inline uint64_t hash_bytes(const void *data, size_t size)
{
	return XXH3_64bits_withSeed(data, size, hash_seed());
}

/* Goes on from `hash` (0 at first). */
static inline uint64_t hash_more(uint64_t hash, const void *data, size_t size)
{
	return XXH3_64bits_withSeed(data, size, hash_seed() ^ hash);
}

#endif
