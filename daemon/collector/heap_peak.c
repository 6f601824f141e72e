// SPDX-License-Identifier: MIT
#include "collector/heap_peak.h"

#include <stdlib.h>
#include <string.h>

#include "util/grow.h"

struct peak_span heap_peak_begin(const struct heap_peak *p)
{
	return (struct peak_span){.allocated = p->number + 1};
}

void heap_peak_came(struct heap_peak *p, struct peak_span *span, uint64_t weight, uint64_t time)
{
	uint64_t before = p->number;

	p->in_use += weight;
	if (p->in_use > p->max) {
		p->max = p->in_use;
		p->time = time;
		p->number++;
	}
	if (!span)
		return;
	/* What comes back before there was another maximum has not missed one. */
	if (!span->last || span->last < before)
		span->first = p->number > before ? p->number : before + 1;
	if (!span->last)
		span->allocated = span->first;
	span->last = HEAP_PEAK_STILL;
}

void heap_peak_went(struct heap_peak *p, struct peak_span *span, uint64_t weight)
{
	p->in_use -= weight;
	if (span)
		span->last = p->number;
}

/* Its cell, which is about to change. NULL without memory. */
static struct peak_cell *touch(struct heap_peak *p, uint32_t stack)
{
	struct peak_cell *cell;

	if (stack >= p->n_cells) {
		size_t more = (size_t)stack + 1 - p->n_cells;

		if (grow(p->cells, p->n_cells, p->capacity, more)) {
			p->failed = true;
			return NULL;
		}
		memset(p->cells + p->n_cells, 0, more * sizeof(*p->cells));
		p->n_cells += more;
	}
	cell = &p->cells[stack];
	if (cell->number != p->number) {
		cell->then = cell->now;
		cell->number = p->number;
	}
	return cell;
}

static void add_allocated(struct window_heap *sums, uint64_t objects, uint64_t weight)
{
	sums->alloc_objects += objects;
	sums->alloc_bytes += weight;
}

static void add_in_use(struct window_heap *sums, uint64_t objects, uint64_t weight)
{
	sums->inuse_objects += objects;
	sums->inuse_bytes += weight;
}

void heap_peak_place(struct heap_peak *p, uint32_t stack, const struct peak_span *span,
	uint64_t objects, uint64_t weight)
{
	struct peak_cell *cell = touch(p, stack);

	if (!cell)
		return;
	add_allocated(&cell->now, objects, weight);
	if (span->last == HEAP_PEAK_STILL)
		add_in_use(&cell->now, objects, weight);
	if (span->allocated <= p->number)
		add_allocated(&cell->then, objects, weight);
	if (span->first <= p->number && span->last >= p->number)
		add_in_use(&cell->then, objects, weight);
}

void heap_peak_remove(struct heap_peak *p, uint32_t stack, uint64_t objects, uint64_t weight)
{
	struct peak_cell *cell = touch(p, stack);

	if (!cell)
		return;
	cell->now.inuse_objects -= objects;
	cell->now.inuse_bytes -= weight;
}

void heap_peak_restore(struct heap_peak *p, uint32_t stack, uint64_t objects, uint64_t weight)
{
	struct peak_cell *cell = touch(p, stack);

	if (cell)
		add_in_use(&cell->now, objects, weight);
}

struct window_heap heap_peak_sums(const struct heap_peak *p, size_t stack)
{
	const struct peak_cell *cell = stack < p->n_cells ? &p->cells[stack] : NULL;

	if (!cell)
		return (struct window_heap){0};
	return cell->number == p->number ? cell->then : cell->now;
}

void heap_peak_free(struct heap_peak *p)
{
	free(p->cells);
	*p = (struct heap_peak){0};
}
