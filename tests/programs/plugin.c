// SPDX-License-Identifier: MIT
/* plugin.c - built twice, with another function name each, for plugins.c to load in turn. */
#include "truth.h"

static volatile uint64_t sink;

void BURN(uint64_t end);

NOINLINE void BURN(uint64_t end)
{
	uint64_t x = end;

	while (wall_ns() < end)
		for (unsigned i = 0; i < STEPS; i++)
			sink = x = x * 3 + 1;
}
