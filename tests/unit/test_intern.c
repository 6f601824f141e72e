/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "util/hash.h"
#include "util/intern.h"

/* The things are numbers: thing `id` is values[id]. */
struct wanted {
	const uint64_t *values;
	uint64_t value;
	unsigned *calls;
};

static bool equal(const void *userdata, uint32_t id)
{
	const struct wanted *w = userdata;
	if (w->calls)
		(*w->calls)++;
	return w->values[id] == w->value;
}

static void test_empty(void **state)
{
	struct intern t = {0};
	struct wanted w = {0};
	(void)state;
	assert_int_equal(intern_find(&t, 1, equal, &w), 0);
	assert_int_equal(intern_bytes(&t), 0);
	intern_free(&t);
}

static void test_grows_and_keeps_everything(void **state)
{
	enum { COUNT = 100000 };
	uint64_t *values = calloc(COUNT + 1, sizeof(*values));
	struct intern t = {0};
	(void)state;
	assert_non_null(values);
	for (uint32_t id = 1; id <= COUNT; id++) {
		values[id] = id * 0x9e3779b97f4a7c15ULL;
		uint64_t hash = hash_bytes(&values[id], sizeof(values[id]));
		assert_int_equal(intern_add(&t, hash, id), 0);
	}
	assert_int_equal(t.count, COUNT);
	assert_true(t.count <= t.capacity / 4 * 3);
	assert_true(intern_bytes(&t) >= COUNT * 8);
	for (uint32_t id = 1; id <= COUNT; id++) {
		struct wanted w = {values, values[id], NULL};
		uint64_t hash = hash_bytes(&values[id], sizeof(values[id]));
		assert_int_equal(intern_find(&t, hash, equal, &w), id);
	}
	uint64_t absent = 12345;
	struct wanted w = {values, absent, NULL};
	assert_int_equal(intern_find(&t, hash_bytes(&absent, sizeof(absent)), equal, &w), 0);
	intern_free(&t);
	assert_int_equal(t.capacity, 0);
	free(values);
}

static void test_equal_hashes_are_told_apart(void **state)
{
	const uint64_t values[] = {0, 10, 20, 30};
	const uint64_t hash = 0xffffffff00000000ULL; /* the last slot: probing wraps around */
	struct intern t = {0};
	(void)state;
	for (uint32_t id = 1; id <= 3; id++)
		assert_int_equal(intern_add(&t, hash, id), 0);
	for (uint32_t id = 1; id <= 3; id++) {
		struct wanted w = {values, values[id], NULL};
		assert_int_equal(intern_find(&t, hash, equal, &w), id);
	}
	intern_free(&t);
}

static void test_other_hashes_are_not_compared(void **state)
{
	const uint64_t values[] = {0, 10};
	unsigned calls = 0;
	struct wanted w = {values, 10, &calls};
	struct intern t = {0};
	(void)state;
	assert_int_equal(intern_add(&t, 0x100000000ULL, 1), 0);
	/* The same slot of a small table, but other bits above. */
	assert_int_equal(intern_find(&t, 0x8000000100000000ULL, equal, &w), 0);
	assert_int_equal(calls, 0);
	intern_free(&t);
}

static void test_seed_is_constant(void **state)
{
	(void)state;
	assert_true(hash_seed() != 0);
	assert_true(hash_seed() == hash_seed());
	assert_true(hash_bytes("a", 1) != hash_bytes("b", 1));
	assert_true(hash_more(1, "a", 1) != hash_more(2, "a", 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_grows_and_keeps_everything),
		cmocka_unit_test(test_equal_hashes_are_told_apart),
		cmocka_unit_test(test_other_hashes_are_not_compared),
		cmocka_unit_test(test_seed_is_constant),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
