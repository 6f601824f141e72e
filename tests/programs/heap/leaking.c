// SPDX-License-Identifier: MIT
/* The library that leaks.c opens and closes. */
#include <stdlib.h>

__attribute__((noipa)) void plugin_leak(void)
{
	void *volatile kept = malloc(500);

	(void)kept;
}
