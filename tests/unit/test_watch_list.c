// SPDX-License-Identifier: MIT
/* test_watch_list.c - whom the key watch= names. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "watch_list.h"

static bool matches(const char *watch, const char *comm, const char *cgroup)
{
	struct watch_list list;
	char why[256];

	assert_int_equal(watch_list_parse(&list, watch, why, sizeof(why)), 0);
	bool found = watch_list_matches(&list, comm, cgroup);
	watch_list_free(&list);
	return found;
}

static void test_commands(void **state)
{
	(void)state;
	assert_true(matches("redis-server", "redis-server", "/"));
	assert_false(matches("redis-server", "redis-serve", "/"));
	assert_false(matches("redis", "redis-server", "/redis"));
	/* The kernel keeps 15 bytes. */
	assert_true(matches("systemd-timesyncd", "systemd-timesyn", "/"));
	assert_true(matches("a, b\tc", "c", "/"));
	assert_false(matches("", "", ""));
	assert_false(matches(" , ", "", ""));
}

static void test_units(void **state)
{
	static const char list[] = "x.service user.slice";
	(void)state;

	assert_true(matches(list, "any", "/system.slice/x.service"));
	assert_true(matches(list, "any", "/docker/1/system.slice/x.service/inner"));
	assert_true(matches(list, "any", "/user.slice/user-0.slice/session-1.scope"));
	assert_false(matches(list, "any", "/system.slice/ax.service"));
	assert_false(matches(list, "any", "/system.slice/x.service2"));
	assert_false(matches(list, "x.service", ""));
	assert_false(matches(".service", "x", "/x.service"));
}

static void test_cgroups(void **state)
{
	(void)state;
	assert_true(matches("/a/b", "any", "/a/b"));
	assert_true(matches("/a/b/", "any", "/a/b/c"));
	assert_true(matches("/sys/fs/cgroup/a/b", "any", "/a/b/c"));
	assert_false(matches("/a/b", "any", "/a/bc"));
	assert_false(matches("/a/b", "any", "/a"));
	assert_true(matches("/", "any", "/a"));
}

static void test_mistakes(void **state)
{
	struct watch_list list;
	char why[256], many[256] = "";
	(void)state;

	assert_int_equal(watch_list_parse(&list, "x a/b", why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "begin a cgroup's path with /"));
	watch_list_free(&list);
	for (int i = 0; i <= WATCH_LIST_MAX; i++)
		strcat(many, "x ");
	assert_int_equal(watch_list_parse(&list, many, why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "more than 32 names");
	watch_list_free(&list);
	assert_int_equal(watch_list_parse(&list, many + 2, why, sizeof(why)), 0);
	watch_list_free(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_cgroups),
		cmocka_unit_test(test_mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
