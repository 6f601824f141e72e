// SPDX-License-Identifier: MIT
/* test_cpus.c - lists of CPUs as sysfs writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "collector/cpus.h"

static unsigned count(const struct cpus *c)
{
	unsigned n = 0;

	for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++)
		n += cpus_has(c, cpu);
	return n;
}

static void test_lists(void **state)
{
	struct cpus c;

	assert_int_equal(cpus_parse("0-3,8,10-11\n", &c), 0);
	assert_int_equal(count(&c), 7);
	assert_true(cpus_has(&c, 0) && cpus_has(&c, 3) && cpus_has(&c, 8) && cpus_has(&c, 11));
	assert_false(cpus_has(&c, 4) || cpus_has(&c, 9) || cpus_has(&c, 12));
	assert_int_equal(cpus_parse("0", &c), 0);
	assert_int_equal(count(&c), 1);
	assert_int_equal(cpus_parse("\n", &c), 0);
	assert_int_equal(count(&c), 0);
	assert_int_equal(cpus_parse("8191", &c), 0);
	assert_true(cpus_has(&c, 8191));
	assert_false(cpus_has(&c, 8192));
}

static void test_nonsense(void **state)
{
	static const char *const bad[] = {"x", "1-", "-1", "3-1", "1;2", "1 2", "1,,2"};
	struct cpus c;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(cpus_parse(bad[i], &c), -EINVAL);
	assert_int_equal(cpus_parse("8192", &c), -ERANGE);
	assert_int_equal(cpus_parse("99999999999999999999", &c), -ERANGE);
}

static void test_this_machine(void **state)
{
	struct cpus c;

	assert_int_equal(cpus_online(&c), 0);
	assert_true(count(&c) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_this_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
