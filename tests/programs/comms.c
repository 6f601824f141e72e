// SPDX-License-Identifier: MIT
/* comms SECONDS - burns half of the time as "first-name", the other half as "second-name". */
#include <sys/prctl.h>

#include "truth.h"

static volatile uint64_t sink;

NOINLINE void named_burn(uint64_t end)
{
	uint64_t x = end;

	while (wall_ns() < end)
		for (unsigned i = 0; i < STEPS; i++)
			sink = x = x * 3 + 1;
}

int main(int argc, char **argv)
{
	uint64_t half = (uint64_t)(argument(argc, argv, 1, 4) * 5e8);

	prctl(PR_SET_NAME, "first-name");
	ready();
	named_burn(wall_ns() + half);
	prctl(PR_SET_NAME, "second-name");
	named_burn(wall_ns() + half);
	print_cpu();
	return 0;
}
