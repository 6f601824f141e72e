/* SPDX-License-Identifier: MIT */
#include "symbolizer/nearest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/grow.h"

#define MAX_UNDERSCORES 15

/* As many steps as addresses, or twice that: most hold one or none. */
static int make_steps(struct nearest *s)
{
	uint64_t first = s->addresses[0], span = s->addresses[s->n - 1] - first;
	size_t next = 0;

	while (span >> s->shift >= 2 * s->n)
		s->shift++;
	s->n_steps = (size_t)(span >> s->shift) + 1;
	s->steps = malloc((s->n_steps + 1) * sizeof(*s->steps));
	if (!s->steps)
		return -ENOMEM;
	for (size_t i = 0; i < s->n; i++)
		while (next <= (s->addresses[i] - first) >> s->shift)
			s->steps[next++] = (uint32_t)i;
	s->steps[next] = (uint32_t)s->n;
	return 0;
}

int nearest_init(struct nearest *s, const uint64_t *addresses, size_t n)
{
	*s = (struct nearest){.addresses = addresses, .n = n};
	s->last = calloc(n + 1, sizeof(*s->last));
	s->fence = calloc(n + 1, sizeof(*s->fence));
	if (!s->last || !s->fence)
		return -ENOMEM;
	return n && n <= UINT32_MAX ? make_steps(s) : 0;
}

void nearest_free(struct nearest *s)
{
	free(s->sized);
	free(s->last);
	free(s->fence);
	free(s->steps);
}

uint32_t nearest_rank(enum symbol_binding binding, const char *name)
{
	size_t underscores = strspn(name, "_");

	if (underscores > MAX_UNDERSCORES)
		underscores = MAX_UNDERSCORES;
	return (uint32_t)binding << 4 | (MAX_UNDERSCORES - (uint32_t)underscores);
}

size_t nearest_index(const struct nearest *s, uint64_t start)
{
	size_t low = 0, high = s->n;

	if (!high || start <= s->addresses[0])
		return 0;
	if (start > s->addresses[high - 1])
		return high;
	if (s->steps) {
		uint64_t step = (start - s->addresses[0]) >> s->shift;

		low = s->steps[step];
		high = s->steps[step + 1];
	}
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->addresses[middle] < start)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Nothing without a size reaches across `at`, where a symbol begins or a sized one ends. */
static void set_fence(struct nearest *s, size_t i, uint64_t at)
{
	if (i < s->n && at > s->fence[i])
		s->fence[i] = at;
}

int nearest_add(struct nearest *s, const struct nearest_symbol *symbol)
{
	size_t i = nearest_index(s, symbol->start);
	int r;

	if (i == s->n)
		return 0;
	set_fence(s, i, symbol->start);
	if (!symbol->tag)
		return 0;
	if (symbol->end > symbol->start) {
		if (s->addresses[i] >= symbol->end) {
			set_fence(s, i, symbol->end);
			return 0;
		}
		set_fence(s, nearest_index(s, symbol->end), symbol->end);
		r = grow(s->sized, s->n_sized, s->capacity, 1);
		if (r)
			return r;
		s->sized[s->n_sized++] = *symbol;
		return 0;
	}
	if (!s->last[i].tag || symbol->start > s->last[i].start ||
		(symbol->start == s->last[i].start && symbol->rank > s->last[i].rank))
		s->last[i] = *symbol;
	return 0;
}

/* By start; at the same start the better one comes last, on top of the stack. Tags break the
 * tie, so that the result does not depend on qsort: the first symbol of a table wins. */
static int compare(const void *a, const void *b)
{
	const struct nearest_symbol *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return ((uintptr_t)x->tag < (uintptr_t)y->tag) - ((uintptr_t)x->tag > (uintptr_t)y->tag);
}

/* Whether the innermost sized symbol gives way to the unsized one. */
static bool gives_way(const struct nearest_symbol *sized, const struct nearest_symbol *unsized)
{
	return sized->is_area && unsized && unsized->start > sized->start;
}

void nearest_finish(struct nearest *s, struct nearest_symbol *out)
{
	const struct nearest_symbol *last = NULL;
	uint64_t fence = 0;
	size_t depth = 0, next = 0;

	if (s->n_sized)
		qsort(s->sized, s->n_sized, sizeof(*s->sized), compare);
	for (size_t i = 0; i < s->n; i++) {
		uint64_t address = s->addresses[i];

		/* The front of the array, already consumed, serves as the stack of open symbols. */
		while (next < s->n_sized && s->sized[next].start <= address)
			s->sized[depth++] = s->sized[next++];
		while (depth && s->sized[depth - 1].end <= address)
			depth--;
		if (s->last[i].tag)
			last = &s->last[i];
		if (s->fence[i] > fence)
			fence = s->fence[i];
		bool reaches = last && last->start == fence && address < last->limit;
		const struct nearest_symbol *unsized = reaches ? last : NULL;

		if (depth && !gives_way(&s->sized[depth - 1], unsized))
			out[i] = s->sized[depth - 1];
		else if (unsized)
			out[i] = *unsized;
		else
			out[i] = (struct nearest_symbol){0};
	}
}
