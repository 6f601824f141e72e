/* SPDX-License-Identifier: MIT */
/* The expected tables are what `go tool pprof -top` (Go 1.26) printed for the same profiles. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "report/format.h"
#include "report/names.h"
#include "report/prepare.h"
#include "report/report.h"
#include "sample_profile.h"

/* ---- values ------------------------------------------------------------------------------- */

static void assert_value(int64_t value, const char *from, const char *to, const char *wanted)
{
	char text[FORMAT_VALUE_SIZE];
	format_value(text, sizeof(text), value, from, to);
	assert_string_equal(text, wanted);
}

static void test_values(void **state)
{
	(void)state;
	assert_value(0, "nanoseconds", "auto", "0");
	assert_value(1, "nanoseconds", "auto", "1ns");
	assert_value(999, "ns", "auto", "999ns");
	assert_value(1000, "ns", "auto", "1us");
	assert_value(1234567, "nanoseconds", "auto", "1.23ms");
	assert_value(-1500000000, "nanoseconds", "auto", "-1.50s");
	assert_value(7200, "Seconds", "auto", "2hrs");
	assert_value(1, "nanoseconds", "s", "0");
	assert_value(5000000, "nanoseconds", "s", "0.01s");
	assert_value(1536, "bytes", "auto", "1.50kB");
	assert_value(1 << 20, "byte", "minimum", "1MB");
	assert_value(3, "megabytes", "kb", "3072kB");
	assert_value(5, "count", "auto", "5");
	assert_value(5, "count", "minimum", "5");
	assert_value(5, "count", "ms", "5ms");
	assert_value(5, "widgets", "auto", "5");
	assert_value(1000, "nanoseconds", "count", "0"); /* no such unit of time: seconds */
	assert_value(2500000, "nanogcu", "auto", "2.50m*GCU");
	assert_value(INT64_MIN, "count", "auto", "-9223372036854775808");
}

static void assert_percentage(int64_t value, int64_t total, const char *wanted)
{
	char text[32];
	format_percentage(text, sizeof(text), value, total);
	assert_string_equal(text, wanted);
}

static void test_percentages(void **state)
{
	(void)state;
	assert_percentage(0, 0, "    0%");
	assert_percentage(0, 5, "    0%");
	assert_percentage(1, 1, "  100%");
	assert_percentage(9995, 10000, "  100%");
	assert_percentage(9994, 10000, "99.94%");
	assert_percentage(10006, 10000, "100.06%");
	assert_percentage(-1, 2, "50.00%");
	assert_percentage(1, 100, " 1.00%");
	assert_percentage(1, 300, " 0.33%");
	assert_percentage(1, 7000, "0.014%");
	assert_percentage(1, 10000000, "1e-05%");
}

static void test_sample_index(void **state)
{
	struct profile *p = sp_new();
	size_t index = 9;
	char why[256];
	(void)state;
	assert_int_equal(format_sample_index(p, NULL, &index, why, sizeof(why)), 0);
	assert_int_equal(index, 1);
	p->default_sample_type = sp_string(p, "samples");
	assert_int_equal(format_sample_index(p, "", &index, why, sizeof(why)), 0);
	assert_int_equal(index, 0);
	p->default_sample_type = sp_string(p, "gone");
	assert_int_equal(format_sample_index(p, NULL, &index, why, sizeof(why)), 0);
	assert_int_equal(index, 1);
	assert_int_equal(format_sample_index(p, "cpu", &index, why, sizeof(why)), 0);
	assert_int_equal(index, 1);
	assert_int_equal(format_sample_index(p, "0", &index, why, sizeof(why)), 0);
	assert_int_equal(index, 0);
	assert_int_equal(format_sample_index(p, "inuse_cpu", &index, why, sizeof(why)), 0);
	assert_int_equal(index, 1);
	assert_int_equal(format_sample_index(p, "2", &index, why, sizeof(why)), -ERANGE);
	assert_int_equal(format_sample_index(p, "wall", &index, why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "there is no sample type \"wall\" in it; there is: samples cpu");
	profile_free(p);
	p = profile_new();
	assert_int_equal(format_sample_index(p, NULL, &index, why, sizeof(why)), -EINVAL);
	profile_free(p);
}

static void test_shown_names(void **state)
{
	static const struct {
		const char *name, *system_name, *shown;
	} cases[] = {
		{"f", "", "f"},
		{"f(int)", "_Z1fi", "f(int)"},
		{"", "raw", "raw"},
		{"main.run", "main.run", "main.run"},
		{"a::b<int>(char)", "a::b<int>(char)", "a::b"},
		{"f(int)", "f(int)", "f(int)"},
		{"a::(anonymous namespace)::f()", "a::(anonymous namespace)::f()", "a::::f"},
		{"v<w<x>>::y(z(q))", "v<w<x>>::y(z(q))", "v::y"},
		{"a::b) (c)", "a::b) (c)", "a::b) (c)"},
		{"a::b(c", "a::b(c", "a::b(c"},
		{"Foo.<init>", "Foo.<init>", "Foo.<init>"},
		{"main.(*T[int]).f", "main.(*T[int]).f", "main.(*T[int]).f"},
		{"main.Map[go.shape.int](x)", "main.Map[go.shape.int](x)",
			"main.Map[go.shape.int]"},
		{"<module>", "<module>", ""},
	};
	char buffer[64];
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(
			shown_name(cases[i].name, cases[i].system_name, buffer), cases[i].shown);
}

static void test_base_names(void **state)
{
	static const char *const cases[][2] = {{"", "."}, {"/", "/"}, {"///", "/"}, {"a", "a"},
		{"/a/b", "b"}, {"/a/b//", "b"}, {"a/", "a"}};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		size_t length;
		const char *base = base_name(cases[i][0], &length);
		assert_int_equal(length, strlen(cases[i][1]));
		assert_memory_equal(base, cases[i][1], length);
	}
}

static void test_clean_paths(void **state)
{
	static const char *const cases[][2] = {{"", "."}, {"/", "/"}, {"//a//b/", "/a/b"},
		{"a/./b", "a/b"}, {"a/../b", "b"}, {"../a/../../b", "../../b"}, {"/../a", "/a"},
		{"a/..", "."}, {"./a", "a"}, {"/a/b/../../..", "/"}, {"..", ".."}};
	char buffer[64];
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(clean_path(cases[i][0], buffer), cases[i][1]);
}

static void test_trimmed_paths(void **state)
{
	static const struct {
		const char *path, *trim, *search, *shown;
	} cases[] = {
		{"/a/b/c.c", "", "", "/a/b/c.c"},
		{"/proc/self/cwd/x.c", "", "", "x.c"},
		{"/proc/self/cwd/./x.c", "", "/home", "x.c"},
		{"/remote/project/x/y.c", "", "/home/me/project", "x/y.c"},
		{"/remote/project/x/y.c", "", "/other:/home/me/project/", "x/y.c"},
		{"/remote/project/x/y.c", "/remote", "/home/me/project", "project/x/y.c"},
		{"/remote/project/x/y.c", "/r:/remote/project/", "", "x/y.c"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(
			trim_path(cases[i].path, cases[i].trim, cases[i].search), cases[i].shown);
}

/* ---- tables ------------------------------------------------------------------------------- */

static struct profile *make_busy(void)
{
	struct profile *p = sp_new();
	uint32_t prog = sp_mapping(p, "/usr/bin/prog", 0x400000);
	uint32_t lib = sp_mapping(p, "/lib/libx.so.1", 0x7f0000);
	p->mappings[prog].build_id = sp_string(p, "0123abcd");
	uint32_t root = sp_location(p, prog, 0x400100, "main");
	uint32_t hot[] = {sp_location(p, prog, 0x400200, "add<loop"), root};
	uint32_t direct[] = {sp_location(p, prog, 0x400300, "add"), root};
	uint32_t recursive[] = {sp_location(p, prog, 0x400400, "fib"),
		sp_location(p, prog, 0x400410, "fib"), sp_location(p, prog, 0x400410, "fib"), root};
	uint32_t unnamed[] = {sp_location(p, lib, 0x7f0123, ""), root};
	uint32_t rare[] = {sp_location(p, prog, 0x400500, "rare<wrapper"), root};
	sp_sample(p, hot, 2, 600, 1, "prog");
	sp_sample(p, direct, 2, 50, 1, "prog");
	sp_sample(p, recursive, 4, 300, 1, "prog");
	sp_sample(p, recursive, 3, 20, 2, "prog");
	sp_sample(p, unnamed, 2, 40, 1, "prog");
	sp_sample(p, rare, 2, 2, 1, "prog");
	p->time_nanos = 1795266030987654321;
	p->duration_nanos = 2500000000;
	assert_int_equal(profile_add_comment(p, "host: example"), 0);
	assert_int_equal(profile_add_comment(p, "# hidden"), 0);
	return p;
}

static int write_top(struct profile *p, size_t type, const struct report_config *config, FILE *out)
{
	char why[256];
	assert_int_equal(report_prepare(p), 0);
	return report_write(p, REPORT_TOP, config, type, NULL, out, why, sizeof(why));
}

static void assert_top(
	struct profile *p, size_t type, const struct report_config *config, const char *wanted)
{
	char *text = sp_capture(write_top(p, type, config, out));
	assert_string_equal(text, wanted);
	free(text);
}

#define HEADER                 \
	"File: prog\n"         \
	"Build ID: 0123abcd\n" \
	"host: example\n"      \
	"Type: cpu\n"          \
	"Time: 2026-11-21 14:00:30 CET\n"
#define COLUMNS "      flat  flat%   sum%        cum   cum%\n"

static void test_table(void **state)
{
	struct profile *p = make_busy();
	(void)state;
	assert_top(p, 1, &REPORT_CONFIG_DEFAULTS,
		HEADER "Duration: 2.50s, Total samples = 1012ms (40.48%)\n"
		       "Showing nodes accounting for 1010ms, 99.80% of 1012ms total\n"
		       "Dropped 2 nodes (cum <= 5.06ms)\n" COLUMNS
		       "     650ms 64.23% 64.23%      650ms 64.23%  add (partial-inline)\n"
		       "     320ms 31.62% 95.85%      320ms 31.62%  fib\n"
		       "      40ms  3.95% 99.80%       40ms  3.95%  [libx.so.1]\n"
		       "         0     0% 99.80%      600ms 59.29%  loop\n"
		       "         0     0% 99.80%      992ms 98.02%  main\n");
	profile_free(p);
}

static void test_cum_and_count(void **state)
{
	struct profile *p = make_busy();
	struct report_config options = REPORT_CONFIG_DEFAULTS;
	(void)state;
	options.cum = true;
	options.node_count = 2;
	assert_top(p, 1, &options,
		HEADER "Duration: 2.50s, Total samples = 1012ms (40.48%)\n"
		       "Showing nodes accounting for 650ms, 64.23% of 1012ms total\n"
		       "Dropped 2 nodes (cum <= 5.06ms)\n"
		       "Showing top 2 nodes out of 5\n" COLUMNS
		       "         0     0%     0%      992ms 98.02%  main\n"
		       "     650ms 64.23% 64.23%      650ms 64.23%  add\n");
	profile_free(p);
}

static void test_all_nodes_in_a_unit(void **state)
{
	struct profile *p = make_busy();
	struct report_config options = REPORT_CONFIG_DEFAULTS;
	(void)state;
	options.node_fraction = 0;
	options.edge_fraction = 0.1;
	options.unit = "s";
	assert_top(p, 1, &options,
		HEADER "Duration: 2.50s, Total samples = 1.01s (40.48%)\n"
		       "Showing nodes accounting for 1.01s, 100% of 1.01s total\n" COLUMNS
		       "     0.65s 64.23% 64.23%      0.65s 64.23%  add (inline)\n"
		       "     0.32s 31.62% 95.85%      0.32s 31.62%  fib\n"
		       "     0.04s  3.95% 99.80%      0.04s  3.95%  [libx.so.1]\n"
		       "         0   0.2%   100%          0   0.2%  rare\n"
		       "         0     0%   100%      0.60s 59.29%  loop\n"
		       "         0     0%   100%      0.99s 98.02%  main\n"
		       "         0     0%   100%          0   0.2%  wrapper\n");
	profile_free(p);
}

static struct profile *make_difference(void)
{
	struct profile *p = sp_new();
	uint32_t f = sp_location(p, 0, 1, "f"), g = sp_location(p, 0, 2, "g"),
		 h = sp_location(p, 0, 3, "h");
	int64_t values[] = {200, 200000000};
	struct label base = {.key = sp_string(p, "pprof::base"), .str = sp_string(p, "true")};
	sp_sample(p, &f, 1, 150, 0, NULL);
	sp_sample(p, &g, 1, -30, 0, NULL);
	sp_sample(p, &h, 1, 0, 0, NULL);
	assert_int_equal(profile_add_sample(p, &g, 1, &base, 1, values), 0);
	return p;
}

static void test_difference(void **state)
{
	struct profile *p = make_difference();
	(void)state;
	assert_top(p, 0, &REPORT_CONFIG_DEFAULTS,
		"Type: samples\n"
		"Showing nodes accounting for 320, 160.00% of 200 total\n" COLUMNS
		"       170 85.00% 85.00%        170 85.00%  g\n"
		"       150 75.00% 160.00%        150 75.00%  f\n");
	profile_free(p);
}

static void test_empty(void **state)
{
	struct profile *p = sp_new();
	(void)state;
	p->duration_nanos = 1000;
	assert_top(p, 0, &REPORT_CONFIG_DEFAULTS,
		"Type: samples\n"
		"Duration: 1us, Total samples = 0 \n"
		"Showing nodes accounting for 0, 0% of 0 total\n" COLUMNS);
	assert_int_equal(write_top(p, 2, &REPORT_CONFIG_DEFAULTS, stdout), -EINVAL);
	profile_free(p);
}

static int set_zone(void **state)
{
	(void)state;
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_percentages),
		cmocka_unit_test(test_sample_index),
		cmocka_unit_test(test_shown_names),
		cmocka_unit_test(test_base_names),
		cmocka_unit_test(test_clean_paths),
		cmocka_unit_test(test_trimmed_paths),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_cum_and_count),
		cmocka_unit_test(test_all_nodes_in_a_unit),
		cmocka_unit_test(test_difference),
		cmocka_unit_test(test_empty),
	};
	return cmocka_run_group_tests(tests, set_zone, NULL);
}
