/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../cli/fetch.h"

static void assert_made(const char *base, const char *path, uint32_t seconds, const char *wanted)
{
	char *url = fetch_make_url(base, path, seconds);
	assert_non_null(url);
	assert_string_equal(url, wanted);
	free(url);
}

static void test_makes_urls(void **state)
{
	(void)state;
	assert_made("localhost:6060", NULL, 0, "http://localhost:6060/debug/pprof/profile");
	assert_made("http://h:1/", NULL, 30, "http://h:1/debug/pprof/profile?seconds=30");
	assert_made("https://h", "/debug/pprof/heap", 0, "https://h/debug/pprof/heap");
	assert_made("http://h", "/x?pid=3", 5, "http://h/x?pid=3&seconds=5");
	/* A path of the URL's own stays, and the seconds are replaced. */
	assert_made(
		"http://h/p?seconds=1&pid=2&gc=1", "/other", 9, "http://h/p?pid=2&gc=1&seconds=9");
	assert_made("http://:TOKEN@h/p", NULL, 1, "http://:TOKEN@h/p?seconds=1");
}

static void test_refuses_what_is_no_url(void **state)
{
	(void)state;
	assert_null(fetch_make_url("http://", NULL, 0));
	assert_null(fetch_make_url("ftp://host/", NULL, 0));
	assert_null(fetch_make_url("file:///etc/passwd", NULL, 0));
	assert_null(fetch_make_url("http://host:port/", NULL, 0));
	assert_true(fetch_is_url("HTTP://h"));
	assert_true(fetch_is_url("https://h"));
	assert_false(fetch_is_url("httpd.pb.gz"));
	assert_false(fetch_is_url("./http://h"));
}

static void test_hides_passwords(void **state)
{
	(void)state;
	char *shown = fetch_shown_url("http://user:secret@host:6060/p?seconds=3");
	assert_string_equal(shown, "http://host:6060/p?seconds=3");
	free(shown);
	shown = fetch_shown_url("dir/file@home.pb.gz");
	assert_string_equal(shown, "dir/file@home.pb.gz");
	free(shown);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_makes_urls),
		cmocka_unit_test(test_refuses_what_is_no_url),
		cmocka_unit_test(test_hides_passwords),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
