// SPDX-License-Identifier: MIT
#include "collector/heap_ceiling.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

#define SEEN_MIN 100000000ULL /* ns: nothing stands for ever so much, however late it comes */

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

double heap_ceiling_level(double *loads, size_t n, double ceiling)
{
	qsort(loads, n, sizeof(*loads), compare);
	for (size_t i = 0; i < n; i++) {
		double even = ceiling / (double)(n - i);

		if (loads[i] > even)
			return even;
		ceiling -= loads[i];
	}
	return INFINITY;
}

unsigned heap_ceiling_pause(double load, double level, uint32_t random)
{
	double pause;

	if (load <= level)
		return 0;
	pause = load / level - 1 + (double)random / 4294967296.0;
	return pause < HEAP_CEILING_PAUSE ? (unsigned)pause : HEAP_CEILING_PAUSE;
}

void heap_gap_open(struct heap_gap *g, uint64_t now)
{
	if (!g->began)
		g->began = now;
	g->ends = 0;
}

void heap_gap_close(struct heap_gap *g, uint64_t now)
{
	g->ends = now;
}

uint32_t heap_gap_share(struct heap_gap *g, uint64_t now, uint64_t end)
{
	uint64_t gap = now - g->began, seen = end > now ? end - now : 0;

	if (!g->began || !g->ends)
		return 0;
	*g = (struct heap_gap){0};
	if (seen < SEEN_MIN)
		seen = SEEN_MIN;
	return (uint32_t)((double)seen / (double)(seen + gap) * UINT32_MAX);
}

void heap_patience_limited(struct heap_patience *p)
{
	unsigned twice = 2 * p->wanted;

	/* What was long ago says nothing of now. */
	if (!p->wanted || p->free > twice)
		p->wanted = HEAP_CALM_TICKS;
	else
		p->wanted = twice < HEAP_CALM_TICKS_MAX ? twice : HEAP_CALM_TICKS_MAX;
	p->calm = 0;
}

void heap_patience_free(struct heap_patience *p)
{
	if (p->free < UINT_MAX)
		p->free++;
}

bool heap_patience_tick(struct heap_patience *p, bool calm)
{
	p->calm = calm ? p->calm + 1 : 0;
	if (p->calm < p->wanted)
		return false;
	p->free = 0;
	return true;
}
