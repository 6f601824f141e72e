/* SPDX-License-Identifier: MIT */
/* intern.c - see intern.h. The upper 32 bits of the hash are kept: they place an entry again when
 * the table grows, and spare most calls of the comparison. */
#include "util/intern.h"

#include <errno.h>
#include <stdlib.h>

#define INTERN_MIN_CAPACITY 64

static uint64_t make_slot(uint64_t hash, uint32_t id)
{
	return (hash & 0xffffffff00000000ULL) | id;
}

static void place(uint64_t *slots, size_t capacity, uint64_t slot)
{
	size_t i = (size_t)(slot >> 32) & (capacity - 1);
	while (slots[i])
		i = (i + 1) & (capacity - 1);
	slots[i] = slot;
}

static int double_capacity(struct intern *t)
{
	size_t capacity = t->capacity ? t->capacity * 2 : INTERN_MIN_CAPACITY;
	uint64_t *slots = calloc(capacity, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < t->capacity; i++) {
		if (t->slots[i])
			place(slots, capacity, t->slots[i]);
	}
	free(t->slots);
	t->slots = slots;
	t->capacity = capacity;
	return 0;
}

void intern_free(struct intern *t)
{
	free(t->slots);
	*t = (struct intern){0};
}

int intern_add(struct intern *t, uint64_t hash, uint32_t id)
{
	if (t->count >= t->capacity / 4 * 3) {
		int r = double_capacity(t);
		if (r < 0)
			return r;
	}
	place(t->slots, t->capacity, make_slot(hash, id));
	t->count++;
	return 0;
}

size_t intern_bytes(const struct intern *t)
{
	return t->capacity * sizeof(*t->slots);
}
