/* SPDX-License-Identifier: MIT */
/*
 * heap_impl.h - a heap's own context, for the files that together are it: heap.c (what happens),
 * heap_table.c (what is in use, and of whom) and heap_moments.c (what it looks like from outside).
 */
#ifndef PROFD_COLLECTOR_HEAP_IMPL_H
#define PROFD_COLLECTOR_HEAP_IMPL_H

#include <stdbool.h>

#include "collector/heap.h"
#include "collector/heap_ages.h"
#include "collector/heap_peak.h"

#define HEAP_TIME_BITS 60 /* ns: 36 years */

/* An allocation in use; weight 0: a free place in the table. */
struct live {
	uint64_t address;
	uint64_t weight, size;
	uint32_t image;
	uint32_t place; /* its stack; while that is on its way, the entry of `waiting` */
	uint64_t time : HEAP_TIME_BITS;
	uint64_t reach : 3; /* enum age_kind, of a scan; 0: none was made */
	uint64_t waits : 1;
};

struct held {
	struct live live;
	uint64_t time; /* when it was taken out */
};

/* An allocation whose stack is on its way. */
struct waiting {
	uint64_t weight, size, address;
	uint64_t time, until; /* until: when it was freed, or its process ended; 0: it was not */
	struct peak_span span;
	uint32_t image, tid;
	uint32_t turn; /* how often the place was used: the upper half of the number */
	uint32_t next; /* of the free ones; 0: none */
	bool used;
	bool kept;     /* its process ended with it */
	bool held;     /* a realloc was given it */
	uint8_t reach; /* see struct live */
	uint8_t brief; /* see struct age_cell */
};

struct image {
	struct profd_identity identity;
	size_t live;
};

/* A process of which only a part is seen. */
struct limited {
	uint32_t pid, kept;
	uint32_t before; /* what was kept of what was allocated before `since` */
	uint64_t since;
};

struct heap {
	struct live *table; /* open addressing, linear probing */
	size_t capacity;    /* a power of two, or 0 */
	size_t count;
	struct heap_limits limits;
	uint64_t seed;

	struct held *held; /* by reallocs that have not returned, or have not failed */
	size_t n_held, held_capacity;

	struct waiting *waiting; /* entry 0 is not used */
	size_t n_waiting, waiting_capacity;
	uint32_t first_free;

	struct image *images;
	size_t n_images, images_capacity;
	uint32_t last_image; /* that was asked for */

	struct limited *limited;
	size_t n_limited, limited_capacity;
	size_t were_limited; /* since the window began */

	struct heap_ages *ages; /* NULL: none are kept; of in use: what ended processes had */
	bool keep_steps;	/* not only what was temporary */
	uint64_t brief;		/* ns: what was freed after no more is temporary; 0: nothing is */

	struct heap_peak *peak; /* NULL: it is not wanted */

	uint64_t allocated, in_use; /* of all stacks, in fixed point */

	heap_forgotten forgotten;
	void *userdata;
	struct heap_stats stats;
};

/* In the unit of weights. */
static inline uint64_t heap_objects(uint64_t weight, uint64_t size)
{
	size += !size; /* as it was when it was weighed (profd/heap_sample.h) */
	return (weight + size / 2) / size;
}

/* To the sums of its stack, if that is known. */
void heap_count_in_use(struct heap *h, const struct live *l, struct window *window);
/* What has no place among the ages has none, and counts all the same. */
void heap_add_age(const struct heap *h, struct heap_ages *ages, uint32_t stack, struct age age,
	uint64_t weight, uint64_t size);

/* ---- heap_table.c --------------------------------------------------------------------------- */

/* UINT32_MAX: it is not known. */
uint32_t heap_image_find(struct heap *h, const struct profd_identity *identity);
/* 0 or -ENOMEM. */
int heap_image_add(struct heap *h, const struct profd_identity *identity, uint32_t *image);
/* NULL: nothing is in use there. Valid until an entry is put in or removed. */
struct live *heap_table_find(const struct heap *h, uint32_t image, uint64_t address);
/* Where the entry is, or the place that it would have, once there is room. */
struct live *heap_table_place(const struct heap *h, uint32_t image, uint64_t address);
/* For one more. 0 or -ENOMEM. */
int heap_table_make_room(struct heap *h);
/* Another entry may have its place then. */
void heap_table_remove(struct heap *h, struct live *l);

#endif
