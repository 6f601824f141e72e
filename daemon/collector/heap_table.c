// SPDX-License-Identifier: MIT
/* heap_table.c - what is in use, by process image and address. */
#include <errno.h>
#include <stdlib.h>
#include <xxhash.h>

#include "collector/heap_impl.h"
#include "util/grow.h"

#define FIRST_CAPACITY 1024

/* ---- images --------------------------------------------------------------------------------- */

static bool same_image(const struct profd_identity *a, const struct profd_identity *b)
{
	return a->pid == b->pid && a->start_boottime == b->start_boottime &&
	       a->exec_id == b->exec_id;
}

/* UINT32_MAX: it is not known. Sessions have few processes, and the next event is mostly of the
 * same one. */
uint32_t heap_image_find(struct heap *h, const struct profd_identity *identity)
{
	if (h->last_image < h->n_images && same_image(&h->images[h->last_image].identity, identity))
		return h->last_image;
	for (size_t i = h->n_images; i-- > 0;) {
		if (!same_image(&h->images[i].identity, identity))
			continue;
		h->last_image = (uint32_t)i;
		return h->last_image;
	}
	return UINT32_MAX;
}

int heap_image_add(struct heap *h, const struct profd_identity *identity, uint32_t *image)
{
	*image = heap_image_find(h, identity);
	if (*image != UINT32_MAX)
		return 0;
	/* One that has ended, and left nothing, makes room. */
	for (size_t i = 0; i < h->n_images; i++) {
		if (h->images[i].identity.pid)
			continue;
		h->images[i] = (struct image){.identity = *identity};
		*image = (uint32_t)i;
		return 0;
	}
	if (grow(h->images, h->n_images, h->images_capacity, 1))
		return -ENOMEM;
	*image = (uint32_t)h->n_images;
	h->images[h->n_images++] = (struct image){.identity = *identity};
	return 0;
}

/* ---- the table ------------------------------------------------------------------------------ */

static size_t home(const struct heap *h, uint32_t image, uint64_t address)
{
	const uint64_t key[] = {address, image};

	return (size_t)XXH3_64bits_withSeed(key, sizeof(key), h->seed) & (h->capacity - 1);
}

/* Where the entry is, or the place that it would have. */
struct live *heap_table_place(const struct heap *h, uint32_t image, uint64_t address)
{
	size_t i = home(h, image, address);

	while (h->table[i].weight && (h->table[i].address != address || h->table[i].image != image))
		i = (i + 1) & (h->capacity - 1);
	return &h->table[i];
}

struct live *heap_table_find(const struct heap *h, uint32_t image, uint64_t address)
{
	struct live *l = h->capacity ? heap_table_place(h, image, address) : NULL;

	return l && l->weight ? l : NULL;
}

int heap_table_make_room(struct heap *h)
{
	struct live *old = h->table;
	size_t capacity = h->capacity;

	if (h->count < capacity / 4 * 3)
		return 0;
	h->table = calloc(capacity ? 2 * capacity : FIRST_CAPACITY, sizeof(*h->table));
	if (!h->table) {
		h->table = old;
		return -ENOMEM;
	}
	h->capacity = capacity ? 2 * capacity : FIRST_CAPACITY;
	for (size_t i = 0; i < capacity; i++)
		if (old[i].weight)
			*heap_table_place(h, old[i].image, old[i].address) = old[i];
	free(old);
	return 0;
}

/* Entries behind it that would not be found any more move up. */
void heap_table_remove(struct heap *h, struct live *l)
{
	size_t mask = h->capacity - 1, hole = (size_t)(l - h->table);

	h->images[l->image].live--;
	h->count--;
	for (size_t i = (hole + 1) & mask; h->table[i].weight; i = (i + 1) & mask) {
		size_t from = home(h, h->table[i].image, h->table[i].address);

		if (((i - from) & mask) < ((i - hole) & mask))
			continue;
		h->table[hole] = h->table[i];
		hole = i;
	}
	h->table[hole].weight = 0;
}
