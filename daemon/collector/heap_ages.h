/* SPDX-License-Identifier: MIT */
/*
 * heap_ages.h - how much of what each stack has allocated was freed after which time, and how old
 * is what is in use, by steps of a scale (util/age_scale.h). In fixed point, as the sums are.
 *
 * Most stacks have few different ages: each has a list of the cells that are not empty. Here is
 * also what was temporary: freed soon, by the thread that allocated it (util/brief_scale.h).
 */
#ifndef PROFD_COLLECTOR_HEAP_AGES_H
#define PROFD_COLLECTOR_HEAP_AGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/window.h"

enum age_kind {
	AGE_IN_USE, /* age: of what is in use */
	AGE_FREED,  /* lifetime: of what was freed */
	/* age: of what was in use at the end, where a scan has said what can be reached of it. */
	AGE_DEFINITE,
	AGE_INDIRECT,
	AGE_POSSIBLE,
	AGE_REACHABLE,
	AGE_KINDS,
};

struct age_cell {
	uint64_t objects, bytes;
	uint32_t next; /* of the same stack; 0: none */
	uint8_t kind;  /* enum age_kind */
	uint8_t step;  /* of the scale */
	uint8_t brief; /* 1 and its step of the other scale, if it was temporary; else 0 */
};

/* What has lived from `since` until `until` (ns), as cells tell it apart. */
struct age {
	enum age_kind kind;
	uint64_t since, until;
	uint8_t brief;
};

/* Zero-initialised is empty. */
struct heap_ages {
	uint32_t *first; /* by stack: index of its first cell, 0: it has none */
	size_t n_stacks, stacks_capacity;
	struct age_cell *cells; /* entry 0 is unused */
	size_t n_cells, cells_capacity;
};

/* 0, -ENOSPC (there are too many cells: then it
 * has no age), -ENOMEM. */
int heap_ages_add(struct heap_ages *a, uint32_t stack, const struct age *age, uint64_t objects,
	uint64_t bytes);
/* Takes back what was added with the same age, if it was. */
void heap_ages_take(struct heap_ages *a, uint32_t stack, const struct age *age, uint64_t objects,
	uint64_t bytes);
/* The cells of a stack: the first with cell NULL; NULL behind the last. */
const struct age_cell *heap_ages_next(
	const struct heap_ages *a, uint32_t stack, const struct age_cell *cell);
/* 0 or -ENOMEM; `out` is empty then. */
int heap_ages_copy(struct heap_ages *out, const struct heap_ages *from);
void heap_ages_free(struct heap_ages *a);

/* The sums of all stacks at one moment, with the ages at that moment. */
struct heap_moment {
	struct window_heap *sums; /* by stack */
	size_t n_stacks;
	bool is_past;	/* it was before the last of these stacks came */
	bool has_steps; /* cells have a step, of what was freed and of what is in use */
	struct heap_ages ages;
};
void heap_moment_free(struct heap_moment *m); /* NULL is fine */

#endif
