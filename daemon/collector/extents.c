// SPDX-License-Identifier: MIT
#include "collector/extents.h"

#include <stdlib.h>
#include <string.h>

#include "util/grow.h"

void extents_free(struct extents *e)
{
	free(e->items);
	free(e->retired);
	*e = (struct extents){0};
}

/* Index of the first free piece that starts above a unit. */
static size_t first_above(const struct extents *e, uint32_t start)
{
	size_t low = 0, high = e->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (e->items[middle].start > start)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static void remove_item(struct extents *e, size_t i)
{
	memmove(&e->items[i], &e->items[i + 1], (--e->n - i) * sizeof(e->items[0]));
}

void extents_give(struct extents *e, uint32_t start, uint32_t length)
{
	size_t i = first_above(e, start);
	struct extent *before = i ? &e->items[i - 1] : NULL;
	struct extent *after = i < e->n ? &e->items[i] : NULL;

	if (!length)
		return;
	if (before && before->start + before->length == start) {
		before->length += length;
		if (after && after->start == start + length) {
			before->length += after->length;
			remove_item(e, i);
		}
	} else if (after && after->start == start + length) {
		after->start = start;
		after->length += length;
	} else {
		if (grow(e->items, e->n, e->capacity, 1) < 0)
			return;
		memmove(&e->items[i + 1], &e->items[i], (e->n - i) * sizeof(e->items[0]));
		e->items[i] = (struct extent){start, length};
		e->n++;
	}
	e->free += length;
}

uint32_t extents_take(struct extents *e, uint32_t length)
{
	for (size_t i = 0; i < e->n; i++) {
		struct extent *x = &e->items[i];
		uint32_t start = x->start;

		if (x->length < length)
			continue;
		x->start += length;
		x->length -= length;
		if (!x->length)
			remove_item(e, i);
		e->free -= length;
		return start;
	}
	return EXTENTS_NONE;
}

void extents_retire(struct extents *e, uint32_t start, uint32_t length, uint64_t time)
{
	if (grow(e->retired, e->n_retired, e->retired_capacity, 1) < 0)
		return;
	e->retired[e->n_retired++] = (struct retired_extent){{start, length}, time};
}

void extents_settle(struct extents *e, uint64_t now, uint64_t delay)
{
	size_t n = 0;

	while (n < e->n_retired && e->retired[n].time + delay <= now) {
		extents_give(e, e->retired[n].extent.start, e->retired[n].extent.length);
		n++;
	}
	if (!n)
		return;
	e->n_retired -= n;
	memmove(e->retired, e->retired + n, e->n_retired * sizeof(e->retired[0]));
}
