// SPDX-License-Identifier: MIT
/*
 * execchain SECONDS PROGRAM ARG... - burns in before_exec(), then becomes PROGRAM in the same
 * process. Without PROGRAM it burns in after_exec(), so that it can be its own successor.
 */
#include <unistd.h>

#include "truth.h"

static volatile uint64_t sink;

NOINLINE void before_exec(uint64_t end)
{
	uint64_t x = end;

	while (wall_ns() < end)
		for (unsigned i = 0; i < STEPS; i++)
			sink = x = x * 3 + 1;
}

NOINLINE void after_exec(uint64_t end)
{
	uint64_t x = end;

	while (wall_ns() < end)
		for (unsigned i = 0; i < STEPS; i++)
			sink = x = x * 5 + 1;
}

int main(int argc, char **argv)
{
	uint64_t end = wall_ns() + (uint64_t)(argument(argc, argv, 1, 3) * 1e9);

	ready();
	if (argc > 2) {
		before_exec(end);
		execv(argv[2], argv + 2);
		return 127;
	}
	after_exec(end);
	print_cpu();
	return 0;
}
