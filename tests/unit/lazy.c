// SPDX-License-Identifier: MIT
/* A library that is bound lazily: the first call of chosen() enters the loader's resolver, which
 * asks choose() for its address, which calls what the test set. */

int chosen(void);
int call_chosen(void);
int (*choose(void))(void);

void (*in_resolver)(void);

static int the_chosen(void)
{
	return 42;
}

int (*choose(void))(void)
{
	if (in_resolver)
		in_resolver();
	return the_chosen;
}

int chosen(void) __attribute__((ifunc("choose")));

int call_chosen(void)
{
	int answer = chosen();

	__asm__ volatile("" ::: "memory"); /* no tail call */
	return answer;
}
