// SPDX-License-Identifier: MIT
/* test_unwind_rules.c - a rule that is known is the one of its address and version, or none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/cdefs.h>

#include "../../bpf/unwind_rules.h"

#define N 500

struct fact {
	uint64_t address;
	uint32_t version, row;
};

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 16;
}

/* Close to each other, as the addresses of one program, and few versions and rules. */
static void make_up(struct fact *facts)
{
	uint64_t state = 1;

	for (int i = 0; i < N; i++) {
		facts[i].address = 0x7f1234500000 + next_random(&state) % 4096;
		facts[i].version = (uint32_t)(1 + next_random(&state) % 5);
		facts[i].row = (uint32_t)(next_random(&state) % 64);
	}
}

static int same_key(const struct fact *a, const struct fact *b)
{
	return a->address == b->address && a->version == b->version;
}

static void test_nothing_is_known_at_first(void **state)
{
	struct known_rule known = {};

	assert_int_equal(rules_get(&known, 0, 1), -1);
	assert_int_equal(rules_get(&known, 0x401000, 1), -1);
}

static void test_what_was_put_last_is_known(void **state)
{
	struct known_rule known = {};
	struct fact facts[N];

	make_up(facts);
	for (int i = 0; i < N; i++) {
		rules_put(&known, facts[i].address, facts[i].version, facts[i].row);
		assert_int_equal(
			rules_get(&known, facts[i].address, facts[i].version), facts[i].row);
		for (int j = 0; j < N; j++)
			if (!same_key(&facts[i], &facts[j]))
				assert_int_equal(
					rules_get(&known, facts[j].address, facts[j].version), -1);
	}
}

/* Two programs write an entry at a time, or one reads while another writes. */
static void test_halves_of_two_do_not_match(void **state)
{
	struct known_rule known[N] = {};
	struct fact facts[N];

	make_up(facts);
	for (int i = 0; i < N; i++)
		rules_put(&known[i], facts[i].address, facts[i].version, facts[i].row);
	for (int i = 0; i < N; i++) {
		for (int j = 0; j < N; j++) {
			struct known_rule torn = {known[i].address, known[j].rule};
			int row_i = rules_get(&torn, facts[i].address, facts[i].version);
			int row_j = rules_get(&torn, facts[j].address, facts[j].version);

			assert_true(row_i == -1 || row_i == (int)facts[i].row);
			assert_true(row_j == -1 || row_j == (int)facts[j].row);
		}
	}
}

/* Addresses that differ little, and one address in many processes, do not crowd into few places. */
static void test_places_are_spread(void **state)
{
	static uint8_t taken[RULES];
	unsigned places = 0;

	for (uint32_t version = 1; version <= 8; version++)
		for (uint64_t i = 0; i < RULES / 8; i++) {
			uint32_t place = rules_place(0x5555555560a0 + 5 * i, version);

			assert_in_range(place, 0, RULES - 1);
			places += !taken[place];
			taken[place] = 1;
		}
	/* By chance it would be 1 - 1/e of them: 2,589. */
	assert_true(places > RULES / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_known_at_first),
		cmocka_unit_test(test_what_was_put_last_is_known),
		cmocka_unit_test(test_halves_of_two_do_not_match),
		cmocka_unit_test(test_places_are_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
