/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "debuginfod/client.h"

static void assert_shown(const char *text, const char *expected)
{
	char shown[64];

	debuginfod_servers_show(text, shown, sizeof(shown));
	assert_string_equal(shown, expected);
}

static void lists_are_taken_apart(void **state)
{
	struct debuginfod_servers s;
	char why[256] = "";

	assert_int_equal(debuginfod_servers_parse(&s, "", why, sizeof(why)), 0);
	assert_int_equal(s.n, 0);
	debuginfod_servers_free(&s);
	assert_int_equal(
		debuginfod_servers_parse(&s,
			" http://a:8002//\tima:enforcing HTTPS://u:p@b/path/\n", why, sizeof(why)),
		0);
	assert_int_equal(s.n, 2);
	assert_string_equal(s.urls[0], "http://a:8002");
	assert_string_equal(s.urls[1], "HTTPS://u:p@b/path");
	debuginfod_servers_free(&s);
	debuginfod_servers_free(&s);
}

static void what_is_no_server_is_refused(void **state)
{
	static const char *const bad[] = {"file:///usr/lib", "ftp://a", "a.org", "http://",
		"https:///x", "http://a?b=c", "http://a b.org", "http://a#b", "-K/etc/passwd"};
	struct debuginfod_servers s;
	char many[1024] = "", why[256];

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		*why = '\0';
		assert_int_equal(debuginfod_servers_parse(&s, bad[i], why, sizeof(why)), -EINVAL);
		assert_non_null(strstr(why, "http://"));
		debuginfod_servers_free(&s);
	}
	for (int i = 0; i <= DEBUGINFOD_MAX_SERVERS; i++)
		strcat(many, "http://a ");
	assert_int_equal(debuginfod_servers_parse(&s, many, why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "more than 16 servers");
	debuginfod_servers_free(&s);
}

static void passwords_are_not_shown(void **state)
{
	assert_shown("http://a/b", "http://a/b");
	assert_shown("http://u:p@a/b@c", "http://a/b@c");
	assert_shown("http://u@v@a https://x:y@b/", "http://a https://b/");
	assert_shown("http://secret@", "http://");
	assert_shown("http://a\033[31m", "http://a?[31m");
	assert_shown("http://a/0123456789012345678901234567890123456789012345678901234567890",
		"http://a/012345678901234567890123456789012345678901234567890123");
}

static void limits_come_from_the_environment(void **state)
{
	struct debuginfod_limits l;

	setenv("DEBUGINFOD_TIMEOUT", "7", 1);
	setenv("DEBUGINFOD_MAXTIME", "0", 1);
	setenv("DEBUGINFOD_MAXSIZE", "1234567", 1);
	l = debuginfod_limits_default();
	assert_int_equal(l.stall_seconds, 7);
	assert_int_equal(l.seconds, 600);
	assert_int_equal(l.bytes, 1234567);
	unsetenv("DEBUGINFOD_TIMEOUT");
	unsetenv("DEBUGINFOD_MAXTIME");
	setenv("DEBUGINFOD_MAXSIZE", "1G", 1);
	l = debuginfod_limits_default();
	assert_int_equal(l.stall_seconds, 30);
	assert_int_equal(l.bytes, 1 << 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_taken_apart),
		cmocka_unit_test(what_is_no_server_is_refused),
		cmocka_unit_test(passwords_are_not_shown),
		cmocka_unit_test(limits_come_from_the_environment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
