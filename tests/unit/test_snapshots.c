// SPDX-License-Identifier: MIT
/* test_snapshots.c - when a heap recording is published before its end. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "collector/snapshots.h"

#define SECOND 1000000000ULL
#define MIB    (1ULL << 20)
#define APART  (SECOND / 10)

/* Records that are not late. */
static bool book(
	struct snapshots *s, uint64_t allocated, uint64_t in_use, uint64_t now, char *reason)
{
	return snapshots_book(s, allocated, in_use, now, now, reason);
}

static void test_by_what_was_allocated(void **state)
{
	const struct snapshot_plan plan = {.allocated = 64 * MIB, .apart = APART};
	char reason[SNAPSHOTS_REASON], comment[128];
	struct snapshots s;
	(void)state;

	snapshots_begin(&s, &plan, 100 * SECOND);
	assert_false(book(&s, 64 * MIB - 1, 0, 101 * SECOND, reason));
	assert_true(book(&s, 64 * MIB, 0, 102 * SECOND, reason));
	assert_string_equal(reason, "64M allocated");
	assert_true(snapshots_take(&s, 102 * SECOND, reason, comment, sizeof(comment)));
	assert_string_equal(comment, "snapshot 1, 64M allocated, 2.0 s after the beginning");
	assert_false(book(&s, 127 * MIB, 0, 103 * SECOND, reason));
	/* Several at once are one, and the steps stay where they were. */
	assert_true(book(&s, 300 * MIB, 0, 104 * SECOND, reason));
	assert_false(book(&s, 319 * MIB, 0, 105 * SECOND, reason));
	assert_true(book(&s, 320 * MIB, 0, 106 * SECOND, reason));
}

static void test_a_plan(void **state)
{
	struct snapshot_plan plan = {0};
	char wrong[32];
	(void)state;

	assert_false(snapshot_plan_has(&plan));
	assert_int_equal(snapshot_plan_add(&plan, "", wrong, sizeof(wrong)), 0);
	assert_false(snapshot_plan_has(&plan));
	assert_int_equal(
		snapshot_plan_add(&plan, "10m, 64M-allocated 1G-grown", wrong, sizeof(wrong)), 0);
	assert_int_equal(plan.seconds, 600);
	assert_int_equal(plan.allocated, 64 * MIB);
	assert_int_equal(plan.grown, 1024 * MIB);
	assert_true(snapshot_plan_has(&plan));
	for (const char *const *one = (const char *const[]){"0s", "1x", "64M", "-grown", "0-grown",
		     "999999999999999999999999999999999999-grown", "8d", "2P-allocated", NULL};
		*one; one++) {
		assert_int_equal(snapshot_plan_add(&plan, *one, wrong, sizeof(wrong)), -EINVAL);
		assert_memory_equal(wrong, *one, strlen(wrong));
	}
}

static void test_the_peak(void **state)
{
	const struct snapshot_plan plan = {0};
	char comment[128];
	struct snapshots s;
	(void)state;

	snapshots_begin(&s, &plan, 100 * SECOND);
	snapshots_name_peak(&s, 101 * SECOND + SECOND / 4, 4711, comment, sizeof(comment));
	assert_string_equal(comment, "peak of in-use: 4711 bytes, 1.250 s after the beginning");
}

/* Not when it comes back to where it was already. */
static void test_by_growth(void **state)
{
	const struct snapshot_plan plan = {.grown = 1000, .apart = APART};
	char reason[SNAPSHOTS_REASON];
	struct snapshots s;
	(void)state;

	snapshots_begin(&s, &plan, 0);
	assert_true(book(&s, 0, 1200, SECOND, reason));
	assert_string_equal(reason, "1000 grown");
	assert_false(book(&s, 0, 100, 2 * SECOND, reason));
	assert_false(book(&s, 0, 2199, 3 * SECOND, reason));
	assert_true(book(&s, 0, 2200, 4 * SECOND, reason));
}

static void test_not_too_many(void **state)
{
	const struct snapshot_plan plan = {.allocated = 1, .apart = APART};
	char reason[SNAPSHOTS_REASON], comment[128];
	struct snapshots s;
	uint64_t now = 0, taken = 0;
	(void)state;

	snapshots_begin(&s, &plan, 0);
	for (uint64_t i = 1; i < 100000; i++) {
		now += APART / 5;
		if (book(&s, i, 0, now, reason))
			taken += snapshots_take(&s, now, reason, comment, sizeof(comment));
	}
	assert_int_equal(taken, SNAPSHOTS_MAX);
	assert_int_equal(s.n, SNAPSHOTS_MAX);
	assert_true(s.skipped > 0);
}

/* The dearer one was, the longer it takes until the next. */
static void test_they_do_not_keep_the_daemon_busy(void **state)
{
	const struct snapshot_plan plan = {.allocated = 1, .apart = APART, .rest = 20};
	char reason[SNAPSHOTS_REASON], comment[128];
	struct snapshots s;
	(void)state;

	snapshots_begin(&s, &plan, 0);
	assert_false(snapshots_may(&s, APART - 1));
	assert_true(snapshots_take(&s, APART, "x", comment, sizeof(comment)));
	snapshots_took(&s, APART + 1000, 1000);
	assert_false(snapshots_may(&s, 2 * APART - 1));
	assert_true(snapshots_may(&s, 2 * APART));
	assert_true(snapshots_take(&s, 2 * APART, "x", comment, sizeof(comment)));
	snapshots_took(&s, 3 * APART, SECOND);
	assert_false(snapshots_may(&s, 3 * APART + 20 * SECOND - 1));
	assert_false(book(&s, 100, 0, 3 * APART + 20 * SECOND - 1, reason));
	assert_true(book(&s, 100, 0, 3 * APART + 20 * SECOND, reason));
}

/* What they show is apart, however late the records are and however fast they then come. */
static void test_of_late_records(void **state)
{
	const struct snapshot_plan plan = {.allocated = 1, .apart = SECOND};
	char reason[SNAPSHOTS_REASON], comment[128];
	struct snapshots s;
	(void)state;

	snapshots_begin(&s, &plan, 0);
	assert_true(snapshots_book(&s, 1, 0, SECOND, 5 * SECOND, reason));
	assert_true(snapshots_take(&s, SECOND, reason, comment, sizeof(comment)));
	assert_false(snapshots_book(&s, 2, 0, 2 * SECOND - 1, 6 * SECOND, reason));
	assert_true(snapshots_book(&s, 3, 0, 2 * SECOND, 6 * SECOND, reason));
}

static void test_not_too_much(void **state)
{
	const struct snapshot_plan plan = {.max_bytes = 100};
	char comment[128];
	struct snapshots s;
	(void)state;

	snapshots_begin(&s, &plan, 0);
	assert_true(snapshots_take(&s, 1, "x", comment, sizeof(comment)));
	snapshots_handed(&s, 99);
	assert_false(snapshots_spent(&s));
	assert_true(snapshots_take(&s, 2, "x", comment, sizeof(comment)));
	snapshots_handed(&s, 1);
	assert_true(snapshots_spent(&s));
	assert_false(snapshots_take(&s, 3, "x", comment, sizeof(comment)));
	assert_int_equal(s.n, 2);
	assert_int_equal(s.skipped, 1);
}

static void test_by_time(void **state)
{
	const struct snapshot_plan plan = {.seconds = 10};
	struct snapshots s;
	(void)state;

	snapshots_begin(&s, &plan, 5 * SECOND);
	snapshots_tick(&s, 15 * SECOND - 1);
	assert_string_equal(s.due, "");
	snapshots_tick(&s, 15 * SECOND);
	assert_string_equal(s.due, "each 10 s");
	assert_int_equal(s.next_time, 25 * SECOND);
	/* A long sleep is one. */
	snapshots_tick(&s, 57 * SECOND);
	assert_int_equal(s.next_time, 65 * SECOND);
	/* Whoever asks comes first. */
	snapshots_ask(&s, "asked for");
	snapshots_tick(&s, 65 * SECOND);
	assert_string_equal(s.due, "asked for");
}

static void test_none_is_wanted(void **state)
{
	const struct snapshot_plan plan = {0};
	char reason[SNAPSHOTS_REASON];
	struct snapshots s;
	(void)state;

	snapshots_begin(&s, &plan, 0);
	assert_false(book(&s, 1ULL << 50, 1ULL << 50, SECOND, reason));
	snapshots_tick(&s, 1000 * SECOND);
	assert_string_equal(s.due, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_what_was_allocated),
		cmocka_unit_test(test_a_plan),
		cmocka_unit_test(test_the_peak),
		cmocka_unit_test(test_by_growth),
		cmocka_unit_test(test_not_too_many),
		cmocka_unit_test(test_they_do_not_keep_the_daemon_busy),
		cmocka_unit_test(test_of_late_records),
		cmocka_unit_test(test_not_too_much),
		cmocka_unit_test(test_by_time),
		cmocka_unit_test(test_none_is_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
