// SPDX-License-Identifier: MIT
/* shared.c - a library that two programs share: NAME of sharer.c is called from some frames in. */
#include "spin.h"

void walk(unsigned n, void (*visit)(void));

FRAME void walk(unsigned n, void (*visit)(void))
{
	char room[72];

	HOLD(room);
	if (n > 1)
		walk(n - 1, visit);
	else
		visit();
	HOLD(room);
}
