/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "profile/profile.h"
#include "profile/strings.h"

static void assert_cleaned(const char *dirty, size_t n, const char *clean)
{
	struct string_table *t = strings_new();
	assert_non_null(t);
	int64_t id = strings_add(t, dirty, n);
	assert_true(id >= 0);
	assert_string_equal(strings_text(t, (uint32_t)id), clean);
	assert_int_equal(strings_length(t, (uint32_t)id), strlen(clean));
	strings_free(t);
}
#define CLEANED(dirty, clean) assert_cleaned(dirty, sizeof(dirty) - 1, clean)
#define BAD		      "\xef\xbf\xbd"

static void test_utf8(void **state)
{
	(void)state;
	CLEANED("", "");
	CLEANED("plain", "plain");
	CLEANED("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
	CLEANED("a\0b", "a" BAD "b");
	CLEANED("\xff", BAD);
	CLEANED("a\x80z", "a" BAD "z");
	CLEANED("\xc0\x80", BAD BAD);		      /* overlong NUL */
	CLEANED("\xe0\x80\x80", BAD BAD BAD);	      /* overlong */
	CLEANED("\xed\xa0\x80", BAD BAD BAD);	      /* a surrogate */
	CLEANED("\xf4\x90\x80\x80", BAD BAD BAD BAD); /* above U+10FFFF */
	CLEANED("\xf5", BAD);
	CLEANED("x\xe2\x82", "x" BAD BAD); /* cut off */
	CLEANED("\xef\xbf\xbf\xf4\x8f\xbf\xbf", "\xef\xbf\xbf\xf4\x8f\xbf\xbf");
}

static void test_strings(void **state)
{
	struct string_table *t = strings_new();
	(void)state;
	assert_int_equal(strings_count(t), 1);
	assert_int_equal(strings_add(t, "", 0), 0);
	assert_int_equal(strings_add(t, "a", 1), 1);
	assert_int_equal(strings_add(t, "ab", 2), 2);
	assert_int_equal(strings_add(t, "abc", 2), 2);
	assert_int_equal(strings_find(t, "a", 1), 1);
	assert_int_equal(strings_find(t, "b", 1), -ENOENT);
	assert_string_equal(strings_text(t, 99), "");
	/* Texts stay where they are, also beside one that needs a chunk of its own. */
	const char *first = strings_text(t, 1);
	char *large = malloc(1 << 20);
	assert_non_null(large);
	memset(large, 'x', 1 << 20);
	int64_t id = strings_add(t, large, 1 << 20);
	assert_int_equal(strings_length(t, (uint32_t)id), 1 << 20);
	for (int i = 0; i < 50000; i++) {
		char text[16];
		int n = snprintf(text, sizeof(text), "%d", i);
		assert_true(strings_add(t, text, (size_t)n) > 0);
	}
	assert_ptr_equal(strings_text(t, 1), first);
	assert_string_equal(first, "a");
	assert_int_equal(strings_find(t, "49999", 5), strings_count(t) - 1);
	free(large);
	strings_free(t);
}

static uint32_t add_location(struct profile *p, uint64_t address, const char *name)
{
	struct function function = {.name = (uint32_t)profile_string(p, name)};
	int64_t id = profile_add_function(p, &function);
	assert_true(id > 0);
	struct line line = {.function = (uint32_t)id, .line = 7};
	id = profile_add_location(p, &(struct location){.address = address}, &line, 1);
	assert_true(id > 0);
	return (uint32_t)id;
}

static void test_interning(void **state)
{
	struct profile *p = profile_new();
	(void)state;
	assert_non_null(p);
	struct mapping m = {.start = 0x1000, .limit = 0x2000, .file = 1};
	assert_int_equal(profile_string(p, "/bin/x"), 1);
	assert_int_equal(profile_add_mapping(p, &m), 1);
	assert_int_equal(profile_add_mapping(p, &m), 1);
	m.has_functions = true;
	assert_int_equal(profile_add_mapping(p, &m), 2);
	uint32_t a = add_location(p, 0x1234, "f");
	assert_int_equal(add_location(p, 0x1234, "f"), a);
	assert_int_not_equal(add_location(p, 0x1235, "f"), a);
	assert_int_not_equal(add_location(p, 0x1234, "g"), a);
	assert_int_equal(p->n_functions, 3);
	assert_int_equal(p->n_locations, 4);
	assert_int_equal(p->n_lines, 3);
	profile_free(p);
}

static void test_samples_add_up(void **state)
{
	struct profile *p = profile_new();
	char why[256];
	(void)state;
	assert_int_equal(profile_add_sample_type(p, "samples", "count"), 0);
	assert_int_equal(profile_add_sample_type(p, "cpu", "nanoseconds"), 0);
	uint32_t stack[] = {add_location(p, 1, "leaf"), add_location(p, 2, "root")};
	uint32_t other[] = {stack[1], stack[0]};
	struct label pid = {.key = (uint32_t)profile_string(p, "pid"), .num = 1};
	struct label pid2 = pid;
	pid2.num = 2;
	int64_t one[] = {1, 100}, big[] = {INT64_MAX, INT64_MIN};
	assert_int_equal(profile_add_sample(p, stack, 2, &pid, 1, one), 0);
	assert_int_equal(profile_add_sample(p, stack, 2, &pid, 1, one), 0);
	assert_int_equal(profile_add_sample(p, stack, 2, &pid2, 1, one), 0);
	assert_int_equal(profile_add_sample(p, other, 2, &pid, 1, one), 0);
	assert_int_equal(profile_add_sample(p, stack, 2, NULL, 0, one), 0);
	assert_int_equal(profile_add_sample(p, stack, 1, &pid, 1, one), 0);
	assert_int_equal(profile_add_sample(p, NULL, 0, NULL, 0, one), 0);
	assert_int_equal(p->n_samples, 6);
	assert_int_equal(p->values[0], 2);
	assert_int_equal(p->values[1], 200);
	assert_int_equal(profile_check(p, why, sizeof(why)), 0);
	/* Sums stop at the ends of the range. */
	assert_int_equal(profile_add_sample(p, stack, 2, &pid, 1, big), 0);
	assert_true(p->values[0] == INT64_MAX);
	assert_int_equal(profile_add_sample_type(p, "late", "count"), -EINVAL);
	profile_free(p);
}

static void test_adders_refuse_unknown_ids(void **state)
{
	struct profile *p = profile_new();
	struct line line = {.function = 1};
	uint32_t location = 1;
	int64_t value = 1;
	(void)state;
	assert_int_equal(profile_add_sample_type(p, "n", "count"), 0);
	assert_int_equal(profile_add_location(p, &(struct location){0}, &line, 1), -EINVAL);
	assert_int_equal(
		profile_add_location(p, &(struct location){.mapping = 1}, NULL, 0), -EINVAL);
	assert_int_equal(profile_add_sample(p, &location, 1, NULL, 0, &value), -EINVAL);
	location = 0;
	assert_int_equal(profile_add_sample(p, &location, 1, NULL, 0, &value), -EINVAL);
	profile_free(p);
}

static void test_check(void **state)
{
	struct profile *p = profile_new();
	char why[256] = "";
	int64_t value = 1;
	(void)state;
	assert_int_equal(profile_add_sample(p, NULL, 0, NULL, 0, &value), 0);
	assert_int_equal(profile_check(p, why, sizeof(why)), -EBADMSG);
	assert_string_equal(why, "there are samples but no sample types");
	profile_free(p);

	p = profile_new();
	assert_int_equal(profile_add_sample_type(p, "n", "count"), 0);
	uint32_t id = add_location(p, 1, "f");
	struct label label = {.key = (uint32_t)profile_string(p, "k"), .num = 1};
	assert_int_equal(profile_add_sample(p, &id, 1, &label, 1, &value), 0);
	assert_int_equal(profile_check(p, why, sizeof(why)), 0);

	struct {
		uint32_t *field;
		uint32_t bad;
	} damage[] = {
		{&p->location_ids[0], 2},
		{&p->location_ids[0], 0},
		{&p->samples[0].n_locations, 2},
		{&p->samples[0].first_label, 5},
		{&p->labels[0].key, 99},
		{&p->locations[1].mapping, 1},
		{&p->locations[1].n_lines, 9},
		{&p->lines[0].function, 0},
		{&p->lines[0].function, 9},
		{&p->functions[1].filename, 99},
		{&p->sample_types[0].unit, 99},
		{&p->doc_url, 99},
	};
	for (size_t i = 0; i < sizeof(damage) / sizeof(*damage); i++) {
		uint32_t good = *damage[i].field;
		*damage[i].field = damage[i].bad;
		*why = '\0';
		assert_int_equal(profile_check(p, why, sizeof(why)), -EBADMSG);
		assert_true(*why);
		*damage[i].field = good;
	}
	assert_int_equal(profile_check(p, why, sizeof(why)), 0);
	profile_free(p);
}

static void test_comments_are_a_set(void **state)
{
	struct profile *p = profile_new();
	(void)state;
	assert_int_equal(profile_add_comment(p, "one"), 0);
	assert_int_equal(profile_add_comment(p, "two"), 0);
	assert_int_equal(profile_add_comment(p, "one"), 0);
	assert_int_equal(p->n_comments, 2);
	profile_free(p);
	profile_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_interning),
		cmocka_unit_test(test_samples_add_up),
		cmocka_unit_test(test_adders_refuse_unknown_ids),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_comments_are_a_set),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
