// SPDX-License-Identifier: MIT
/*
 * burn3 SECONDS - three functions burn 60, 30 and 10 % of the CPU time, all of it in a helper
 * that is inlined into each. The tests find lines by the marks at their ends.
 */
#include "truth.h"

static volatile uint64_t sink;

INLINE uint64_t churn(uint64_t x)
{
	x ^= x >> 31; /* mark: churn-first */
	x *= 0x9e3779b97f4a7c15ull;
	return x + 1; /* mark: churn-last */
}

NOINLINE void burn_sixty(uint64_t until)
{
	uint64_t x = until;

	while (thread_cpu_ns() < until) {
		for (unsigned i = 0; i < STEPS; i++)
			x = churn(x); /* mark: sixty-churn */
		sink = x;
	}
}

NOINLINE void burn_thirty(uint64_t until)
{
	uint64_t x = until;

	while (thread_cpu_ns() < until) {
		for (unsigned i = 0; i < STEPS; i++)
			x = churn(x); /* mark: thirty-churn */
		sink = x;
	}
}

NOINLINE void burn_ten(uint64_t until)
{
	uint64_t x = until;

	while (thread_cpu_ns() < until) {
		for (unsigned i = 0; i < STEPS; i++)
			x = churn(x); /* mark: ten-churn */
		sink = x;
	}
}

static uint64_t owed[3]; /* what each should have used up by now, ns */
static uint64_t used[3];

/* One share of a round; what the last look at the clock came too late is made up in the next. */
INLINE void spend(int which, uint64_t length, void (*burn)(uint64_t until))
{
	uint64_t before = thread_cpu_ns();

	owed[which] += length;
	if (owed[which] > used[which])
		burn(before + owed[which] - used[which]);
	used[which] += thread_cpu_ns() - before;
}

NOINLINE void burn_round(uint64_t length)
{
	spend(0, length / 10 * 6, burn_sixty);	/* mark: round-sixty */
	spend(1, length / 10 * 3, burn_thirty); /* mark: round-thirty */
	spend(2, length / 10, burn_ten);	/* mark: round-ten */
	sink++;
}

int main(int argc, char **argv)
{
	uint64_t end = wall_ns() + (uint64_t)(argument(argc, argv, 1, 10) * 1e9);
	uint64_t random = 88172645463325252u;

	ready();
	while (wall_ns() < end)
		burn_round(5000000 + next_random(&random) % 30000000); /* mark: main-round */
	printf("sixty %.6f\nthirty %.6f\nten %.6f\n", (double)used[0] / 1e9, (double)used[1] / 1e9,
		(double)used[2] / 1e9);
	print_cpu();
	return 0;
}
