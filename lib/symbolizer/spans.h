/* SPDX-License-Identifier: MIT */
/*
 * spans.h - nested ranges of addresses, made flat: which is the innermost one at each address?
 *
 * Ranges are added in any order of addresses, each with the id of the range that it lies in. What
 * is asked afterwards is a sorted array of the places where the innermost range changes.
 */
#ifndef PROFD_SYMBOLIZER_SPANS_H
#define PROFD_SYMBOLIZER_SPANS_H

#include <stddef.h>
#include <stdint.h>

/* Parent of ranges that lie beside each other: where two overlap, the lower id wins. */
#define SPANS_ANY UINT32_MAX

struct span {
	uint32_t start, end; /* from the base */
	uint32_t id, parent;
};

/* From `start` up to the next boundary the innermost range is `id`; 0: there is none. */
struct boundary {
	uint32_t start;
	uint32_t id;
};

/* Zero-initialised is empty. */
struct spans {
	uint64_t base; /* the first range's start, less SPANS_BELOW */
	struct span *all;
	size_t n, capacity;
};

/* Ranges may begin as far below the first one. */
#define SPANS_BELOW (1ULL << 31)

/* Ids are from 1 on, and a range's is above that of its parent (0: it is outermost). What is empty
 * or too far from the first range is left out. 0 or -ENOMEM, -E2BIG. */
int spans_add(struct spans *s, uint64_t low, uint64_t high, uint32_t id, uint32_t parent);
void spans_free(struct spans *s);

/* The boundaries, the caller's to free. A range counts only where its parent is the innermost one:
 * what lies outside of it, or in an earlier child of the same parent, is cut off. 0 or -ENOMEM. */
int spans_flatten(struct spans *s, struct boundary **out, size_t *n_out);

/* The id at an address; 0: none. */
uint32_t boundaries_find(
	const struct boundary *boundaries, size_t n, uint64_t base, uint64_t address);

#endif
