/* SPDX-License-Identifier: MIT */
/*
 * intern.h - the hash index below every table here that gives equal things one id: it stores
 * 32-bit ids only, the things stay in the table of the caller. Open addressing, linear probing,
 * grows by doubling at 3/4. XXH3 is the intended hash (keyed by XXH3_64bits_withSeed where the
 * content is hostile).
 */
#ifndef PROFD_UTIL_INTERN_H
#define PROFD_UTIL_INTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct intern {
	uint64_t *slots; /* upper half: hash bits; lower half: id; 0: empty (ids are ≥ 1) */
	size_t capacity; /* a power of two, or 0 */
	size_t count;
};

typedef bool (*intern_equal)(const void *userdata, uint32_t id);

/* Zero-initialised is empty. */
void intern_free(struct intern *t);
/* The id of an equal thing, or 0. */
uint32_t intern_find(
	const struct intern *t, uint64_t hash, intern_equal equal, const void *userdata);
/* Adds an id (≥ 1) that is not in it yet. 0 or -ENOMEM. */
int intern_add(struct intern *t, uint64_t hash, uint32_t id);
size_t intern_bytes(const struct intern *t);

#endif
