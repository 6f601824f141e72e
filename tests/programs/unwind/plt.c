// SPDX-License-Identifier: MIT
/*
 * plt SECONDS - calls functions of another library all the time, through the PLT. With
 * LD_BIND_NOT=1 in its environment the way goes through the loader each time, unless it was linked
 * with -z now.
 */
#include "spin.h"

void tick_0(void);
void tick_1(void);
void tick_2(void);
void tick_3(void);
void tick_4(void);

FRAME void hot_calls(void)
{
	for (;;) {
		tick_0();
		tick_1();
		tick_2();
		tick_3();
		tick_4();
	}
}

FRAME void before_hot(void)
{
	hot_calls();
	STAY();
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	before_hot();
	return 0;
}
