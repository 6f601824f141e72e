// SPDX-License-Identifier: MIT
/*
 * lastcall SECONDS - a call that does not return is the last instruction of its function: its
 * return address is already the next function's. Built with -falign-functions=1
 * -fno-reorder-functions.
 */
#include "spin.h"

__attribute__((noreturn)) FRAME void no_way_back(void)
{
	spin(FOREVER);
	__builtin_unreachable();
}

FRAME void calls_last(unsigned n)
{
	char room[120];

	HOLD(room);
	OPAQUE(n);
	no_way_back();
}

/* With another frame than calls_last. */
FRAME void comes_next(unsigned n)
{
	spin(n);
}

/* The same once more: return addresses of outer frames, too. */
__attribute__((noreturn)) FRAME void ends_in_a_call(unsigned n)
{
	char room[40];

	HOLD(room);
	calls_last(n);
	__builtin_unreachable();
}

FRAME void follows(unsigned n)
{
	spin(n);
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	if (argc > 100) {
		comes_next(1);
		follows(1);
	}
	ends_in_a_call(1);
}
