// SPDX-License-Identifier: MIT
#include "collector/heap_ceiling.h"

#include <math.h>
#include <stdlib.h>

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
