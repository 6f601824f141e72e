// SPDX-License-Identifier: MIT
/* test_ledger.c - the two equations hold, whatever the measured numbers say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "collector/ledger.h"

static uint64_t lost_sum(const struct ledger *l)
{
	uint64_t sum = 0;

	for (int i = 0; i < LOST_COUNT; i++)
		sum += l->lost[i];
	return sum;
}

static void assert_balanced(const struct ledger *l)
{
	assert_int_equal(l->ticks, l->idle + l->filtered + l->taken);
	assert_int_equal(l->taken, l->written + l->pending + lost_sum(l));
}

static void test_everything_has_its_place(void **state)
{
	struct ledger_source in = {
		.ticks = 1000,
		.idle = 300,
		.programs = {.filtered = 100,
			.invisible = 40,
			.taken = 590,
			.emitted = 580,
			.lost_scratch = 3,
			.lost_ring = 7},
		.stacks =
			{[PROFD_WAY_TABLE] = {[PROFD_END_COMPLETE] = 500, [PROFD_END_LIMIT] = 80}},
		.written = 400,
		.lost = {[LOST_WINDOW] = 5, [LOST_STORE] = 60},
	};
	struct ledger l;

	ledger_balance(&l, &in);
	assert_balanced(&l);
	assert_int_equal(l.ticks, 1000);
	assert_int_equal(l.idle, 300);
	assert_int_equal(l.filtered, 100);
	assert_int_equal(l.invisible, 40);
	assert_int_equal(l.taken, 600);
	assert_int_equal(l.lost[LOST_CLOCK], 10);
	assert_int_equal(l.lost[LOST_SCRATCH], 3);
	assert_int_equal(l.lost[LOST_RING], 7);
	assert_int_equal(l.lost[LOST_WINDOW], 5);
	assert_int_equal(l.lost[LOST_STORE], 60);
	assert_int_equal(l.pending, 580 - 400 - 65);
	assert_int_equal(l.stacks[PROFD_WAY_TABLE][PROFD_END_LIMIT], 80);

	in.written += l.pending;
	ledger_balance(&l, &in);
	assert_balanced(&l);
	assert_int_equal(l.pending, 0);
}

/* /proc/stat counts in steps of 10 ms: idle gives way, nothing is lost. */
static void test_idle_gives_way(void **state)
{
	const struct ledger_source in = {.ticks = 1000, .idle = 405, .programs.taken = 600};
	struct ledger l;

	ledger_balance(&l, &in);
	assert_balanced(&l);
	assert_int_equal(l.idle, 400);
	assert_int_equal(l.lost[LOST_CLOCK], 0);
	assert_int_equal(l.pending, 600);
}

/* A program ran between the two readings. */
static void test_what_ran_ticked(void **state)
{
	const struct ledger_source in = {
		.ticks = 599, .idle = 1, .programs = {.taken = 580, .filtered = 20}};
	struct ledger l;

	ledger_balance(&l, &in);
	assert_balanced(&l);
	assert_int_equal(l.ticks, 600);
	assert_int_equal(l.idle, 0);
	assert_int_equal(l.lost[LOST_CLOCK], 0);
}

static uint64_t below(uint64_t *seed, uint64_t limit)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (*seed >> 33) % limit;
}

static void test_random_numbers_balance(void **state)
{
	uint64_t seed = 1;
	struct ledger sum = {};

	for (int i = 0; i < 10000; i++) {
		struct ledger_source in = {.ticks = below(&seed, 2000), .idle = below(&seed, 2000)};
		struct ledger l;
		in.programs.emitted = below(&seed, 1000);
		in.programs.lost_ring = below(&seed, 10);
		in.programs.lost_scratch = below(&seed, 10);
		in.programs.taken = in.programs.emitted + in.programs.lost_ring +
				    in.programs.lost_scratch;
		in.programs.filtered = below(&seed, 1000);
		in.written = below(&seed, in.programs.emitted + 1);
		in.lost[LOST_WINDOW] = below(&seed, in.programs.emitted - in.written + 1);
		ledger_balance(&l, &in);
		assert_balanced(&l);
		assert_int_equal(
			l.pending, in.programs.emitted - in.written - in.lost[LOST_WINDOW]);
		ledger_add(&sum, &l);
	}
	assert_balanced(&sum);
	assert_true(sum.lost[LOST_CLOCK] > 0);
}

static void test_every_reason_has_its_own_name(void **state)
{
	for (int i = 0; i < LOST_COUNT; i++)
		for (int j = 0; j < i; j++)
			assert_string_not_equal(session_lost_name((enum session_lost)i),
				session_lost_name((enum session_lost)j));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_has_its_place),
		cmocka_unit_test(test_idle_gives_way),
		cmocka_unit_test(test_what_ran_ticked),
		cmocka_unit_test(test_random_numbers_balance),
		cmocka_unit_test(test_every_reason_has_its_own_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
