// SPDX-License-Identifier: MIT
/*
 * tailcalls SECONDS - built with -O3: first_jump() and second_jump() leave by a jump, so that
 * nothing of them is on the stack; keeper() stays.
 */
#include "spin.h"

FRAME void landed(unsigned n)
{
	OPAQUE(n);
	spin(FOREVER);
}

FRAME void aside(void)
{
	spin(1);
}

/* Has a frame of its own, which it has to take down before it jumps. */
FRAME void second_jump(unsigned n)
{
	aside();
	return landed(n);
}

FRAME void first_jump(unsigned n)
{
	return second_jump(n + 1);
}

FRAME void keeper(unsigned n)
{
	first_jump(n);
	STAY();
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	keeper(1);
	return 0;
}
