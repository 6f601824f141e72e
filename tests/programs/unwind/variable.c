// SPDX-License-Identifier: MIT
/*
 * variable SECONDS - frames whose size is known only when they run (alloca, variable arrays), and
 * frames that align the stack themselves.
 */
#include <alloca.h>
#include <stdalign.h>
#include <string.h>

#include "spin.h"

void with_alloca(unsigned n);

FRAME void variable_bottom(void)
{
	spin(MS);
}

/* The pair again, or the bottom. */
INLINE void below(unsigned n)
{
	if (n)
		with_alloca(n - 1);
	else
		variable_bottom();
	STAY();
}

FRAME void with_array(unsigned n)
{
	char array[n * 40 + 16];

	memset(array, 1, sizeof(array));
	below(n);
	OPAQUE(n);
	HOLD(array[0]);
}

FRAME void with_alloca(unsigned n)
{
	char *room = alloca(n * 100 + 8);

	memset(room, 1, n * 100 + 8);
	with_array(n);
	OPAQUE(room);
}

FRAME void aligned_bottom(void)
{
	alignas(64) char line[64];

	HOLD(line);
	spin(MS);
	HOLD(line);
}

/* Aligned, of variable size, and with arguments on the stack: the caller's frame address is kept
 * in a slot of its own. */
FRAME void aligned_variable(int a, int b, int c, int d, int e, int f, int g, int h)
{
	alignas(64) char line[64];
	char *room = alloca((size_t)g);
	int all = a + b + c + d + e + f;

	memset(room, h, (size_t)g);
	HOLD(line);
	aligned_bottom();
	OPAQUE(room);
	HOLD(line);
	OPAQUE(all);
}

__attribute__((force_align_arg_pointer)) FRAME void aligned_by_force(int n)
{
	aligned_variable(1, 2, 3, 4, 5, 6, n, 8);
	STAY();
}

typedef double quad __attribute__((vector_size(32)));

/* Vectors of 32 bytes that have to lie in memory while the call runs. */
__attribute__((target("avx"))) FRAME void with_vectors(double x)
{
	quad a = {x, x, x, x}, b = a * a, c = b + a;

	__asm__ volatile("" : "+m"(a), "+m"(b), "+m"(c));
	aligned_by_force(40);
	__asm__ volatile("" : "+m"(a), "+m"(b), "+m"(c));
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	for (;;) {
		with_alloca(3);
		with_vectors(1);
	}
}
