// SPDX-License-Identifier: MIT
/*
 * bigtables SECONDS - burns below functions of many.S: four times in five below one of the same few
 * (hot_call), else below any (cold_call).
 */
#include "spin.h"

#define FUNCTIONS 1024
#define HOT	  8

extern char many_functions[], many_functions_end[];

FRAME void bottom(void)
{
	spin(MS / 20);
}

static void enter(unsigned i)
{
	char *function = many_functions + (many_functions_end - many_functions) / FUNCTIONS * i;

	((void (*)(void (*)(void)))(void *)function)(bottom);
}

FRAME void hot_call(unsigned i)
{
	enter(i);
	STAY();
}

FRAME void cold_call(unsigned i)
{
	enter(i);
	STAY();
}

int main(int argc, char **argv)
{
	uint64_t state = 88172645463325252;

	begin(argc, argv);
	for (;;) {
		uint64_t random = next_random(&state);

		if (random % 5)
			hot_call((random >> 8) % HOT);
		else
			cold_call((random >> 8) % FUNCTIONS);
	}
}
