// SPDX-License-Identifier: MIT
/* sharer SECONDS - built twice: NAME_visit burns, N frames deep in a library that both use. */
#include "spin.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)

void walk(unsigned n, void (*visit)(void));

FRAME void JOIN(NAME, _visit)(void)
{
	char room[N * 40];

	HOLD(room);
	spin(MS);
	HOLD(room);
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	for (;;)
		walk(N, JOIN(NAME, _visit));
}
