// SPDX-License-Identifier: MIT
#include "collector/heap_places.h"

#include <stdlib.h>

#include "collector/counts.h"
#include "profd/abi.h"
#include "util/grow.h"

struct place {
	const void *site;
	uint64_t offset;
	unsigned number;
	uint64_t before; /* what the number counted for others */
	uint64_t ticked; /* and at the last tick */
	double per_sec;
};

struct heap_places {
	struct counts *counts;
	struct place *places;
	size_t n, capacity;
};

struct heap_places *heap_places_new(struct counts *counts)
{
	struct heap_places *p = calloc(1, sizeof(*p));

	if (p)
		p->counts = counts;
	return p;
}

void heap_places_free(struct heap_places *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++)
		counts_give_place(p->counts, p->places[i].number);
	free(p->places);
	free(p);
}

static const struct place *find(const struct heap_places *p, const void *site, uint64_t offset)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->places[i].site == site && p->places[i].offset == offset)
			return &p->places[i];
	return NULL;
}

static unsigned add(struct heap_places *p, const void *site, uint64_t offset)
{
	unsigned number = 0;
	uint64_t now;

	if (!grow(p->places, p->n, p->capacity, 1))
		number = counts_take_place(p->counts);
	if (!number)
		return 0;
	now = counts_place(p->counts, number);
	p->places[p->n++] = (struct place){site, offset, number, now, now, 0};
	return number;
}

uint64_t heap_places_cookie(struct heap_places *p, const void *site, uint64_t offset)
{
	const struct place *place = find(p, site, offset);

	return (uint64_t)(place ? place->number : add(p, site, offset)) << PROFD_PLACE_SHIFT;
}

void heap_places_tick(struct heap_places *p, uint64_t ns)
{
	for (size_t i = 0; ns && i < p->n; i++) {
		struct place *place = &p->places[i];
		uint64_t hits = counts_place(p->counts, place->number);
		uint64_t more = hits > place->ticked ? hits - place->ticked : 0;

		place->per_sec = 1e9 * (double)more / (double)ns;
		place->ticked = hits;
	}
}

bool heap_places_hits(
	const struct heap_places *p, const void *site, uint64_t offset, struct heap_hits *out)
{
	const struct place *place = find(p, site, offset);

	if (!place)
		return false;
	out->all = counts_place(p->counts, place->number);
	out->all = out->all > place->before ? out->all - place->before : 0;
	out->per_sec = place->per_sec;
	return true;
}
