// SPDX-License-Identifier: MIT
/* first.c - a library that is initialised before those that are preloaded, and allocates then. */
#include "truth.h"

int first_loaded(void);

__attribute__((constructor)) static void at_start(void)
{
	begin();
	mark(250);
	end();
}

/* So that the linker takes it. */
int first_loaded(void)
{
	return 1;
}
