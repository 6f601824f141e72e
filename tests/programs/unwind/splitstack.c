// SPDX-License-Identifier: MIT
/*
 * splitstack SECONDS - built with -fsplit-stack: each piece needs more than is left of its caller's
 * stack, and gets a new one.
 */
#include "spin.h"

#define PIECES 8

FRAME void bottom(void)
{
	spin(2 * MS);
}

FRAME void piece(unsigned n)
{
	char room[48 << 10];

	HOLD(room);
	if (n)
		piece(n - 1);
	else
		bottom();
	HOLD(room);
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	for (;;)
		piece(PIECES);
}
