// SPDX-License-Identifier: MIT
/* ticks.c - a library of functions that do nothing, so that time is spent on the way to them. */
void tick_0(void);
void tick_1(void);
void tick_2(void);
void tick_3(void);
void tick_4(void);

#define TICK(n)             \
	void tick_##n(void) \
	{                   \
	}
TICK(0)
TICK(1)
TICK(2)
TICK(3)
TICK(4)
