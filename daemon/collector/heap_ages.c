// SPDX-License-Identifier: MIT
#include "collector/heap_ages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/age_scale.h"
#include "util/grow.h"

#define NS_PER_MS 1000000
/* 24 MiB. */
#define MAX_CELLS (1u << 20)

static unsigned step_of(uint64_t since, uint64_t until)
{
	return age_scale_step(until > since ? (until - since) / NS_PER_MS : 0);
}

static struct age_cell *find(
	const struct heap_ages *a, uint32_t stack, const struct age *age, unsigned step)
{
	uint32_t i = stack < a->n_stacks ? a->first[stack] : 0;

	while (i && (a->cells[i].kind != age->kind || a->cells[i].step != step ||
			    a->cells[i].brief != age->brief))
		i = a->cells[i].next;
	return i ? &a->cells[i] : NULL;
}

static int add_stacks(struct heap_ages *a, uint32_t stack)
{
	size_t more = (size_t)stack + 1 - a->n_stacks;
	int r = grow(a->first, a->n_stacks, a->stacks_capacity, more);

	if (r)
		return r;
	memset(a->first + a->n_stacks, 0, more * sizeof(*a->first));
	a->n_stacks += more;
	return 0;
}

int heap_ages_add(struct heap_ages *a, uint32_t stack, const struct age *age, uint64_t objects,
	uint64_t bytes)
{
	unsigned step = step_of(age->since, age->until);
	struct age_cell *cell = find(a, stack, age, step);
	size_t first = !a->n_cells;
	int r = 0;

	if (!cell) {
		if (a->n_cells >= MAX_CELLS)
			return -ENOSPC;
		if (stack >= a->n_stacks)
			r = add_stacks(a, stack);
		if (!r)
			r = grow(a->cells, a->n_cells, a->cells_capacity, 1 + first);
		if (r)
			return r;
		a->n_cells += first;
		cell = &a->cells[a->n_cells];
		*cell = (struct age_cell){
			.next = a->first[stack],
			.kind = (uint8_t)age->kind,
			.step = (uint8_t)step,
			.brief = age->brief,
		};
		a->first[stack] = (uint32_t)a->n_cells++;
	}
	cell->objects += objects;
	cell->bytes += bytes;
	return 0;
}

void heap_ages_take(struct heap_ages *a, uint32_t stack, const struct age *age, uint64_t objects,
	uint64_t bytes)
{
	struct age_cell *cell = find(a, stack, age, step_of(age->since, age->until));

	if (!cell || cell->bytes < bytes || cell->objects < objects)
		return;
	cell->objects -= objects;
	cell->bytes -= bytes;
}

const struct age_cell *heap_ages_next(
	const struct heap_ages *a, uint32_t stack, const struct age_cell *cell)
{
	uint32_t i = cell ? cell->next : stack < a->n_stacks ? a->first[stack] : 0;

	return i ? &a->cells[i] : NULL;
}

int heap_ages_copy(struct heap_ages *out, const struct heap_ages *from)
{
	struct heap_ages copy = {0};
	int r = grow(copy.first, 0, copy.stacks_capacity, from->n_stacks);

	*out = (struct heap_ages){0};
	if (!r)
		r = grow(copy.cells, 0, copy.cells_capacity, from->n_cells);
	if (r) {
		heap_ages_free(&copy);
		return r;
	}
	if (from->n_stacks)
		memcpy(copy.first, from->first, from->n_stacks * sizeof(*copy.first));
	if (from->n_cells)
		memcpy(copy.cells, from->cells, from->n_cells * sizeof(*copy.cells));
	copy.n_stacks = from->n_stacks;
	copy.n_cells = from->n_cells;
	*out = copy;
	return 0;
}

void heap_ages_free(struct heap_ages *a)
{
	free(a->first);
	free(a->cells);
	*a = (struct heap_ages){0};
}

void heap_moment_free(struct heap_moment *m)
{
	if (!m)
		return;
	free(m->sums);
	heap_ages_free(&m->ages);
	free(m);
}
