/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "util/parse.h"

static void test_u64(void **state)
{
	uint64_t v = 7;
	(void)state;
	assert_int_equal(parse_u64("0", 0, UINT64_MAX, &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(parse_u64("18446744073709551615", 0, UINT64_MAX, &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(parse_u64("007", 0, 10, &v), 0);
	assert_int_equal(v, 7);
	assert_int_equal(parse_u64("18446744073709551616", 0, UINT64_MAX, &v), -ERANGE);
	assert_int_equal(parse_u64("11", 0, 10, &v), -ERANGE);
	assert_int_equal(parse_u64("4", 5, 10, &v), -ERANGE);
	static const char *const bad[] = {"", " 1", "1 ", "+1", "-1", "1a", "0x10", "1.5", "a"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(parse_u64(bad[i], 0, UINT64_MAX, &v), -EINVAL);
	assert_int_equal(v, 7); /* untouched by failures */
}

static void test_u32(void **state)
{
	uint32_t v = 7;
	(void)state;
	assert_int_equal(parse_u32("4294967295", 0, UINT32_MAX, &v), 0);
	assert_true(v == UINT32_MAX);
	assert_int_equal(parse_u32("4294967296", 0, UINT32_MAX, &v), -ERANGE);
	assert_true(v == UINT32_MAX);
	assert_int_equal(parse_u32("x", 0, UINT32_MAX, &v), -EINVAL);
}

static void test_size(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
	} good[] = {
		{"0", 0},
		{"512", 512},
		{"512B", 512},
		{"64K", 65536},
		{"64k", 65536},
		{"64KB", 65536},
		{"64KiB", 65536},
		{"10MiB", 10485760},
		{"1G", 1073741824},
		{"2T", 2199023255552},
		{"16777215T", 16777215ULL << 40},
	};
	static const char *const bad[] = {
		"", "K", "1X", "1Ki", "1KiBs", "1 K", "-1K", "1.5G", "1KK"};
	uint64_t v;
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(parse_size(good[i].text, &v), 0);
		assert_true(v == good[i].value);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(parse_size(bad[i], &v), -EINVAL);
	assert_int_equal(parse_size("16777216T", &v), -ERANGE);
	assert_int_equal(parse_size("99999999999999999999", &v), -ERANGE);
}

static void test_duration(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
	} good[] = {
		{"0", 0},
		{"90", 90},
		{"90s", 90},
		{"10m", 600},
		{"2h", 7200},
		{"7d", 604800},
		{"1h30m", 5400},
		{"1d2h3m4s", 93784},
	};
	static const char *const bad[] = {
		"", "s", "1x", "1h30", "30m1h", "1h1h", "-1", "1 h", "1.5h", "1ms", "h1"};
	uint64_t v;
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(parse_duration(good[i].text, &v), 0);
		assert_true(v == good[i].value);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(parse_duration(bad[i], &v), -EINVAL);
	assert_int_equal(parse_duration("213503982334602d", &v), -ERANGE);
	assert_int_equal(parse_duration("213503982334601d25215s", &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(parse_duration("213503982334601d25216s", &v), -ERANGE);
}

static void test_bool(void **state)
{
	static const char *const yes[] = {"yes", "true", "on", "1", "YES", "True"};
	static const char *const no[] = {"no", "false", "off", "0", "Off"};
	static const char *const bad[] = {"", "2", "y", "yess", "00", " yes"};
	bool v;
	(void)state;
	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++) {
		assert_int_equal(parse_bool(yes[i], &v), 0);
		assert_true(v);
	}
	for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++) {
		assert_int_equal(parse_bool(no[i], &v), 0);
		assert_false(v);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(parse_bool(bad[i], &v), -EINVAL);
}

/* 2026-11-21 14:00:30 in Berlin, where it is winter (UTC+1). */
#define NOW 1795266030

static void assert_time(const char *text, time_t wanted)
{
	time_t t = 0;
	assert_int_equal(parse_time(text, NOW, &t), 0);
	assert_int_equal(t, wanted);
}

static void test_time(void **state)
{
	(void)state;
	assert_time("now", NOW);
	assert_time("@0", 0);
	assert_time("@1700000000", 1700000000);
	assert_time("10m ago", NOW - 600);
	assert_time("1h30m ago", NOW - 5400);
	assert_time("-10m", NOW - 600);
	assert_time("-90", NOW - 90);
	assert_time("2026-11-21 14:00:30", NOW);
	assert_time("2026-11-21T14:00:30", NOW);
	assert_time("2026-11-21 14:00", NOW - 30);
	assert_time("2026-11-21T13:00:30Z", NOW);
	assert_time("2026-11-21", NOW - 30 - 14 * 3600);
	assert_time("14:00", NOW - 30);
	assert_time("14:00:30", NOW);
	assert_time("9:05", NOW - 30 - 4 * 3600 - 55 * 60);
	assert_time("14:01", NOW - 86400 + 30); /* still to come today */
	assert_time("today", NOW - 30 - 14 * 3600);
	assert_time("yesterday", NOW - 30 - 38 * 3600);
	/* Summer time. */
	assert_time("2026-07-01 12:00", 1782900000);
	assert_time("2024-02-29", 1709161200);
}

static void test_time_refuses(void **state)
{
	static const char *const bad[] = {"", "tomorrow", "now ", "@", "@-1", "@1x", "-", "-x",
		"ago", " ago", "10x ago", "2026", "2026-", "2026-11", "2026-1-2", "2026-11-21 ",
		"2026-11-21 14", "2026-11-21 14:0", "2026-11-21 14:00:", "2026-11-21 14:00 CET",
		"2026-11-21T14:00ZZ", "2026-11-21  14:00", "1:2", "12", "12:", ":12", "12:00x"};
	static const char *const beyond[] = {"2026-13-01", "2026-00-01", "2026-02-30", "2026-11-31",
		"2025-02-29", "2026-11-00", "2026-11-32", "24:00", "12:60", "12:00:60",
		"2026-11-21 24:00", "@99999999999999999999"};
	time_t t = 5;
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(parse_time(bad[i], NOW, &t), -EINVAL);
	for (size_t i = 0; i < sizeof(beyond) / sizeof(*beyond); i++)
		assert_int_equal(parse_time(beyond[i], NOW, &t), -ERANGE);
}

static int set_zone(void **state)
{
	(void)state;
	/* As POSIX writes it, so that no zone files are needed. */
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_u64),
		cmocka_unit_test(test_u32),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_duration),
		cmocka_unit_test(test_bool),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_time_refuses),
	};
	return cmocka_run_group_tests(tests, set_zone, NULL);
}
