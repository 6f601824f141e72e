// SPDX-License-Identifier: MIT
/*
 * swapped.c - the library that swap.c loads, built twice: NAME names its functions, ROOM is the
 * size of their frames. Each function begins at an address of its own choosing, so that the two
 * libraries differ in their rows alone.
 */
#include "spin.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)
#define PLACED	    __attribute__((noipa, aligned(256)))

void JOIN(NAME, _burn)(uint64_t steps);
void JOIN(NAME, _middle)(uint64_t steps);
void enter(uint64_t steps);

PLACED void JOIN(NAME, _burn)(uint64_t steps)
{
	char room[ROOM];

	HOLD(room);
	spin(steps);
	HOLD(room);
}

PLACED void JOIN(NAME, _middle)(uint64_t steps)
{
	char room[ROOM + 64];

	HOLD(room);
	JOIN(NAME, _burn)(steps);
	HOLD(room);
}

PLACED void enter(uint64_t steps)
{
	char room[2 * ROOM];

	HOLD(room);
	JOIN(NAME, _middle)(steps);
	HOLD(room);
}
