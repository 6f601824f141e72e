// SPDX-License-Identifier: MIT
#include "tally.h"

#include <stdlib.h>

#include "util/grow.h"
#include "util/hash.h"

void tally_free(struct tally *t)
{
	free(t->entries);
	intern_free(&t->index);
	*t = (struct tally){0};
}

void tally_clear(struct tally *t)
{
	t->n = 0;
	intern_free(&t->index);
}

struct wanted {
	const struct tally *t;
	uint32_t key;
};

static bool equal_key(const void *userdata, uint32_t id)
{
	const struct wanted *w = userdata;
	return w->t->entries[id - 1].key == w->key;
}

int64_t tally_entry(struct tally *t, uint32_t key)
{
	struct wanted wanted = {t, key};
	uint64_t hash = hash_bytes(&key, sizeof(key));
	uint32_t id = intern_find(&t->index, hash, equal_key, &wanted);

	if (!id) {
		int err = grow(t->entries, t->n, t->capacity, 1);
		if (!err)
			err = intern_add(&t->index, hash, (uint32_t)t->n + 1);
		if (err)
			return err;
		t->entries[t->n++] = (struct tally_entry){.key = key};
		id = (uint32_t)t->n;
	}
	return (int64_t)id - 1;
}

const struct tally_entry *tally_greatest(const struct tally *t)
{
	const struct tally_entry *best = NULL;

	for (size_t i = 0; i < t->n; i++)
		if (!best || t->entries[i].sum > best->sum)
			best = &t->entries[i];
	return best;
}
