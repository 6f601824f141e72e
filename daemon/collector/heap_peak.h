/* SPDX-License-Identifier: MIT */
/*
 * heap_peak.h - what each stack had in use, and had allocated, at the moment when most was in use
 * by all of them together. Of processes that have ended nothing is in use.
 *
 * It is exact, and costs little however often there is a new maximum: these are numbered, from 1
 * on, and nothing is copied when one comes; the sums of a stack are kept when they change for the
 * first time after it. Sums and weights are in fixed point, as in the window.
 *
 * The stack of an allocation comes some time after it: until then whoever waits for it remembers
 * of which maxima it is a part.
 */
#ifndef PROFD_COLLECTOR_HEAP_PEAK_H
#define PROFD_COLLECTOR_HEAP_PEAK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/window.h"

#define HEAP_PEAK_STILL UINT64_MAX

struct peak_cell {
	struct window_heap now, then;
	uint64_t number; /* of the maximum that `then` is of; of later ones it is `now` */
};

/* Zero-initialised is empty. */
struct heap_peak {
	struct peak_cell *cells; /* by stack */
	size_t n_cells, capacity;
	uint64_t in_use, max;
	uint64_t number; /* of the maximum; 0: there was none yet */
	uint64_t time;	 /* of it (CLOCK_MONOTONIC, ns) */
	bool failed;	 /* it had no memory, and knows nothing */
};

/* Of which maxima an allocation is a part. */
struct peak_span {
	uint64_t allocated;   /* the first one that comes after it */
	uint64_t first, last; /* with it in use; last: 0: never, HEAP_PEAK_STILL: it is */
};

/* It is allocated, and in use only from heap_peak_came on. */
struct peak_span heap_peak_begin(const struct heap_peak *p);
/* It is in use from now on, or again. span (here and below): NULL if nobody waits for its stack. */
void heap_peak_came(struct heap_peak *p, struct peak_span *span, uint64_t weight, uint64_t time);
/* It is not any more. */
void heap_peak_went(struct heap_peak *p, struct peak_span *span, uint64_t weight);

/* Its stack has come. */
void heap_peak_place(struct heap_peak *p, uint32_t stack, const struct peak_span *span,
	uint64_t objects, uint64_t weight);
/* What has its stack is not in use any more, or is again; before heap_peak_went or _came. */
void heap_peak_remove(struct heap_peak *p, uint32_t stack, uint64_t objects, uint64_t weight);
void heap_peak_restore(struct heap_peak *p, uint32_t stack, uint64_t objects, uint64_t weight);

/* The sums of a stack at the maximum. */
struct window_heap heap_peak_sums(const struct heap_peak *p, size_t stack);
void heap_peak_free(struct heap_peak *p);

#endif
