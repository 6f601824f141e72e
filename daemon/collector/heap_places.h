/* SPDX-License-Identifier: MIT */
/*
 * heap_places.h - how often the probes of a heap session are hit, place by place: the programs
 * count by a number that is a part of the cookie.
 *
 * A place is told by its struct heap_site or heap_probe, which is its module's, and by its offset,
 * so that another one that comes to lie there later is not taken for it.
 */
#ifndef PROFD_COLLECTOR_HEAP_PLACES_H
#define PROFD_COLLECTOR_HEAP_PLACES_H

#include <stdbool.h>
#include <stdint.h>

struct counts;
struct heap_places;

/* NULL: no memory. Borrows counts. */
struct heap_places *heap_places_new(struct counts *counts);
/* The numbers may have other places then: when no program runs any more. NULL is fine. */
void heap_places_free(struct heap_places *p);

/* The place's part of the cookie; 0: there are too many, and it is not counted. */
uint64_t heap_places_cookie(struct heap_places *p, const void *site, uint64_t offset);

/* ns: since the one before. */
void heap_places_tick(struct heap_places *p, uint64_t ns);

struct heap_hits {
	uint64_t all;	/* since the session began */
	double per_sec; /* between the last two ticks */
};
/* False: it is not counted. */
bool heap_places_hits(
	const struct heap_places *p, const void *site, uint64_t offset, struct heap_hits *out);

#endif
