/* SPDX-License-Identifier: MIT */
/* hash.h - XXH3 keyed with bytes that differ in every process, so that whoever chooses the content
 * of a table cannot choose its collisions. */
#ifndef PROFD_UTIL_HASH_H
#define PROFD_UTIL_HASH_H

#include <stddef.h>
#include <stdint.h>

/* The same within a process; needs no system call. */
uint64_t hash_seed(void);
uint64_t hash_bytes(const void *data, size_t size);
/* Goes on from `hash` (0 at first). */
uint64_t hash_more(uint64_t hash, const void *data, size_t size);

#endif
