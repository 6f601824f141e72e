// SPDX-License-Identifier: MIT
/* depth N SECONDS - recurses N times and burns at the bottom: N frames of descend() below main. */
#include "truth.h"

static volatile uint64_t sink;

NOINLINE void bottom(uint64_t end)
{
	uint64_t x = end;

	while (wall_ns() < end)
		for (unsigned i = 0; i < STEPS; i++)
			sink = x = x * 3 + 1;
}

NOINLINE void descend(unsigned n, uint64_t end)
{
	if (n > 1)
		descend(n - 1, end);
	else
		bottom(end);
	sink++; /* keeps the call from becoming a jump */
}

int main(int argc, char **argv)
{
	unsigned n = (unsigned)argument(argc, argv, 1, 100);
	uint64_t end = wall_ns() + (uint64_t)(argument(argc, argv, 2, 5) * 1e9);

	ready();
	descend(n, end);
	print_cpu();
	return 0;
}
