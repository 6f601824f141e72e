// SPDX-License-Identifier: MIT
/*
 * rustsymbols SECONDS - burns in functions whose symbols are mangled as Rust does it, the old way
 * and the new one, so that a machine without a Rust compiler can test their names.
 */
#include "truth.h"

static volatile uint64_t sink;

void legacy(unsigned steps) __asm__("_ZN5outer6Legacy4burn17h0123456789abcdefE");
void current(unsigned steps) __asm__("_RNvMs_NtCs1234_7mycrate5outerNtB4_7Current4burn");

NOINLINE void legacy(unsigned steps)
{
	for (unsigned i = 0; i < steps; i++)
		sink = sink * 3 + 1;
}

NOINLINE void current(unsigned steps)
{
	for (unsigned i = 0; i < steps; i++)
		sink = sink * 5 + 1;
}

int main(int argc, char **argv)
{
	uint64_t end = wall_ns() + (uint64_t)(argument(argc, argv, 1, 5) * 1e9);

	ready();
	while (wall_ns() < end) {
		legacy(STEPS);
		current(STEPS);
	}
	print_cpu();
	return 0;
}
