// SPDX-License-Identifier: MIT
/* deep SECONDS N - N frames of three forms in turn (light, saver, roomy) between main and bottom.
 */
#include "spin.h"

void light(unsigned n);
void saver(unsigned n);
void roomy(unsigned n);

FRAME void bottom(void)
{
	spin(FOREVER);
}

/* The frames below this one; each form hands on to the next. */
INLINE void go_on(unsigned n, void (*next)(unsigned))
{
	if (n > 1)
		next(n - 1);
	else
		bottom();
	STAY();
}

FRAME void light(unsigned n)
{
	go_on(n, saver);
}

/* Values in all registers that a callee keeps. */
FRAME void saver(unsigned n)
{
	uint64_t a = n, b = n + 1, c = n + 2, d = n + 3, e = n + 4;

	OPAQUE(a);
	OPAQUE(b);
	OPAQUE(c);
	OPAQUE(d);
	OPAQUE(e);
	go_on(n, roomy);
	__asm__ volatile("" ::"r"(a), "r"(b), "r"(c), "r"(d), "r"(e));
}

FRAME void roomy(unsigned n)
{
	char room[300];

	HOLD(room);
	go_on(n, light);
	HOLD(room);
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	light((unsigned)argument(argc, argv, 2, 20));
	return 0;
}
