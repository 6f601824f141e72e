// SPDX-License-Identifier: MIT
#include "symbolizer/spans.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "util/cleanup.h"
#include "util/grow.h"

/* Deeper nesting than any compiler makes; inner ranges are left out. */
#define MAX_DEPTH 4096

int spans_add(struct spans *s, uint64_t low, uint64_t high, uint32_t id, uint32_t parent)
{
	int r;

	if (low >= high)
		return 0;
	if (!s->n)
		s->base = low < SPANS_BELOW ? 0 : low - SPANS_BELOW;
	if (low < s->base || high - s->base > UINT32_MAX)
		return 0;
	r = grow(s->all, s->n, s->capacity, 1);
	if (!r)
		s->all[s->n++] = (struct span){
			(uint32_t)(low - s->base), (uint32_t)(high - s->base), id, parent};
	return r;
}

void spans_free(struct spans *s)
{
	free(s->all);
	*s = (struct spans){0};
}

/* Parents before their children, and earlier children first, since ids rise that way. */
static bool before(const struct span *x, const struct span *y)
{
	return x->start != y->start ? x->start < y->start : x->id < y->id;
}

static int compare(const void *a, const void *b)
{
	return before(a, b) ? -1 : before(b, a);
}

struct open_span {
	uint32_t end, id;
};

struct sweep {
	struct spans *spans;
	struct open_span open[MAX_DEPTH]; /* around the place at hand, outermost first */
	size_t depth;
	struct boundary *out;
	size_t n, capacity;
	size_t moves; /* left for ranges that others push back */
};

static uint32_t innermost(const struct sweep *w)
{
	return w->depth ? w->open[w->depth - 1].id : 0;
}

/* From here on another range is the innermost. */
static int note(struct sweep *w, uint32_t start)
{
	uint32_t id = innermost(w);
	int r;

	if (w->n && w->out[w->n - 1].start == start)
		w->n--;
	if (id == (w->n ? w->out[w->n - 1].id : 0))
		return 0;
	r = grow(w->out, w->n, w->capacity, 1);
	if (!r)
		w->out[w->n++] = (struct boundary){start, id};
	return r;
}

/* Closes what ends up to `until`. */
static int close_spans(struct sweep *w, uint32_t until)
{
	uint32_t at = 0;
	int r = 0;

	while (!r && w->depth && w->open[w->depth - 1].end <= until) {
		/* One around it can have ended before. */
		if (w->open[w->depth - 1].end > at)
			at = w->open[w->depth - 1].end;
		w->depth--;
		if (!w->depth || w->open[w->depth - 1].end > at)
			r = note(w, at);
	}
	return r;
}

static bool may_open(const struct sweep *w, const struct span *s)
{
	uint32_t around = innermost(w);

	return s->parent == around || (s->parent == SPANS_ANY && (!around || s->id < around));
}

/* Whether the range may yet be opened, behind what is open. */
static bool is_open(const struct sweep *w, const struct span *s)
{
	for (size_t i = w->depth; i > 0; i--)
		if (w->open[i - 1].id == s->parent)
			return true;
	return !s->parent || s->parent == SPANS_ANY;
}

/* Lets range i begin later, and sorts it in there. False: nothing of it is left. */
static bool push_back(struct sweep *w, size_t i, uint32_t start)
{
	struct span *all = w->spans->all, moved = all[i];

	moved.start = start;
	if (start >= moved.end)
		return false;
	for (; i + 1 < w->spans->n && before(&all[i + 1], &moved); i++) {
		if (!w->moves)
			return false;
		w->moves--;
		all[i] = all[i + 1];
	}
	all[i] = moved;
	return true;
}

static int open_span(struct sweep *w, const struct span *s)
{
	uint32_t end = s->end;

	if (w->depth == MAX_DEPTH)
		return 0;
	if (s->parent != SPANS_ANY && w->depth && w->open[w->depth - 1].end < end)
		end = w->open[w->depth - 1].end;
	w->open[w->depth++] = (struct open_span){end, s->id};
	return note(w, s->start);
}

static int sweep(struct sweep *w)
{
	int r = 0;

	for (size_t i = 0; !r && i < w->spans->n;) {
		const struct span *s = &w->spans->all[i];

		r = close_spans(w, s->start);
		if (r)
			break;
		if (may_open(w, s)) {
			r = open_span(w, s);
			i++;
		} else if (!is_open(w, s) || !push_back(w, i, w->open[w->depth - 1].end)) {
			i++;
		}
	}
	return r ? r : close_spans(w, UINT32_MAX);
}

int spans_flatten(struct spans *s, struct boundary **out, size_t *n_out)
{
	_cleanup_free_ struct sweep *w = calloc(1, sizeof(*w));
	int r;

	*out = NULL;
	*n_out = 0;
	if (!w)
		return -ENOMEM;
	w->spans = s;
	w->moves = 16 * s->n;
	if (s->n)
		qsort(s->all, s->n, sizeof(*s->all), compare);
	r = sweep(w);
	if (r) {
		free(w->out);
		return r;
	}
	*out = w->out;
	*n_out = w->n;
	return 0;
}

uint32_t boundaries_find(
	const struct boundary *boundaries, size_t n, uint64_t base, uint64_t address)
{
	size_t low = 0, high = n;

	if (address < base || address - base > UINT32_MAX)
		return 0;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (boundaries[middle].start <= address - base)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? boundaries[low - 1].id : 0;
}
