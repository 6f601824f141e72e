// SPDX-License-Identifier: MIT
/* vdso SECONDS - asks for the time again and again, which the kernel's vDSO answers. */
#include "truth.h"

NOINLINE void ask_the_time(uint64_t end)
{
	while (wall_ns() < end)
		;
}

int main(int argc, char **argv)
{
	ready();
	ask_the_time(wall_ns() + (uint64_t)(argument(argc, argv, 1, 5) * 1e9));
	print_cpu();
	return 0;
}
