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

/* The id of an equal thing, or 0. Inline, so that `equal` is as well. */
static inline uint32_t intern_find(
	const struct intern *t, uint64_t hash, intern_equal equal, const void *userdata)
{
	if (!t->capacity)
		return 0;
	size_t mask = t->capacity - 1;
	for (size_t i = (size_t)(hash >> 32) & mask; t->slots[i]; i = (i + 1) & mask) {
		uint64_t slot = t->slots[i];
		if (slot >> 32 == hash >> 32 && equal(userdata, (uint32_t)slot))
			return (uint32_t)slot;
	}
	return 0;
}

/* For who looks up many: memory answers several requests at once, but only if they are asked before
 * the first answer is needed. Ask for the slots of some, then peek at each and ask for what lies
 * behind it, then find. */
#define INTERN_BATCH 16

static inline void intern_prefetch(const struct intern *t, uint64_t hash)
{
	if (t->capacity)
		__builtin_prefetch(&t->slots[(size_t)(hash >> 32) & (t->capacity - 1)]);
}

/* What intern_find is likely to look at: an id, or 0. */
static inline uint32_t intern_peek(const struct intern *t, uint64_t hash)
{
	uint64_t slot = t->capacity ? t->slots[(size_t)(hash >> 32) & (t->capacity - 1)] : 0;
	return slot >> 32 == hash >> 32 ? (uint32_t)slot : 0;
}

/* Adds an id (≥ 1) that is not in it yet. 0 or -ENOMEM. */
int intern_add(struct intern *t, uint64_t hash, uint32_t id);
size_t intern_bytes(const struct intern *t);

#endif
