/* SPDX-License-Identifier: MIT */
/*
 * extents.h - hands out pieces of a row of equal units, the first place that fits. What is given
 * back can be kept for a while before it is handed out again: programs may still be reading it.
 */
#ifndef PROFD_COLLECTOR_EXTENTS_H
#define PROFD_COLLECTOR_EXTENTS_H

#include <stddef.h>
#include <stdint.h>

struct extent {
	uint32_t start, length;
};

struct retired_extent {
	struct extent extent;
	uint64_t time;
};

struct extents {
	struct extent *items; /* free ones, by start; neighbours are one */
	size_t n, capacity;
	struct retired_extent *retired; /* oldest first */
	size_t n_retired, retired_capacity;
	uint64_t free; /* units, without the retired ones */
};

#define EXTENTS_NONE UINT32_MAX

/* Zeroed memory is an empty one. */
void extents_free(struct extents *e);
/* Adds units that can be handed out. What cannot be noted for want of memory stays out of use. */
void extents_give(struct extents *e, uint32_t start, uint32_t length);
/* The first unit of a piece, or EXTENTS_NONE. */
uint32_t extents_take(struct extents *e, uint32_t length);

/* Gives back at `time` what may still be read; extents_settle makes it free once `delay` is over.
 */
void extents_retire(struct extents *e, uint32_t start, uint32_t length, uint64_t time);
void extents_settle(struct extents *e, uint64_t now, uint64_t delay);

#endif
