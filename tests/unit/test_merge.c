/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sample_profile.h"

static struct profile *merge(struct profile *into, struct profile *from)
{
	char why[256] = "";
	assert_int_equal(profile_merge(into, from, why, sizeof(why)), 0);
	assert_int_equal(profile_check(into, why, sizeof(why)), 0);
	profile_free(from);
	return into;
}

static struct profile *simple(const char *function, int64_t count)
{
	struct profile *p = sp_new();
	uint32_t m = sp_mapping(p, "/bin/prog", 0x1000);
	uint32_t stack[] = {sp_location(p, m, 0x1234, function), sp_location(p, m, 0x1300, "main")};
	sp_sample(p, stack, 2, count, 1, "prog");
	return p;
}

static void test_equal_samples_add_up(void **state)
{
	struct profile *p = profile_new();
	(void)state;
	for (int i = 0; i < 3; i++)
		merge(p, simple("f", 2));
	merge(p, simple("g", 5));
	assert_int_equal(p->n_samples, 2);
	assert_int_equal(p->values[0], 6);
	assert_int_equal(p->values[1], 6000000);
	assert_int_equal(p->values[2], 5);
	assert_int_equal(p->n_mappings, 2);
	assert_int_equal(p->n_locations, 4);
	assert_int_equal(p->n_functions, 4);
	profile_free(p);
}

static void test_headers(void **state)
{
	static const int64_t times[] = {300, 0, 200, 400};
	struct profile *p = profile_new();
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct profile *q = simple("f", 1);
		q->time_nanos = times[i];
		q->duration_nanos = 10;
		q->period = 1000 * (i == 1 ? 5 : i);
		assert_int_equal(profile_add_comment(q, "every"), 0);
		assert_int_equal(profile_add_comment(q, i % 2 ? "odd" : "even"), 0);
		if (i == 1)
			q->doc_url = sp_string(q, "https://example.org");
		if (i >= 2)
			q->default_sample_type = sp_string(q, i == 2 ? "samples" : "cpu");
		merge(p, q);
	}
	assert_int_equal(p->time_nanos, 200);
	assert_int_equal(p->duration_nanos, 40);
	assert_int_equal(p->period, 5000);
	assert_int_equal(p->n_comments, 3);
	assert_string_equal(profile_text(p, p->doc_url), "https://example.org");
	assert_string_equal(profile_text(p, p->default_sample_type), "samples");
	assert_string_equal(profile_text(p, p->period_type.type), "cpu");
	profile_free(p);
}

/* The same library elsewhere in memory is one mapping, and its addresses follow. */
static void test_addresses_are_rebased(void **state)
{
	struct profile *p = profile_new();
	(void)state;
	for (uint64_t start = 0x10000; start <= 0x30000; start += 0x10000) {
		struct profile *q = sp_new();
		uint32_t m = sp_mapping(q, "/lib/libx.so", start);
		q->mappings[m].limit = start + 0x1800 + start / 0x10000; /* sizes in one page */
		uint32_t location = sp_location(q, m, start + 0x42, "f");
		sp_sample(q, &location, 1, 1, 1, NULL);
		merge(p, q);
	}
	assert_int_equal(p->n_mappings, 2);
	assert_int_equal(p->n_locations, 2);
	assert_int_equal(p->locations[1].address, 0x10042);
	assert_int_equal(p->n_samples, 1);
	assert_int_equal(p->values[0], 3);
	profile_free(p);
}

static void test_different_builds_stay_apart(void **state)
{
	struct profile *p = profile_new();
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct profile *q = simple("f", 1);
		q->mappings[1].build_id = sp_string(q, i ? "bbbb" : "aaaa");
		merge(p, q);
	}
	assert_int_equal(p->n_mappings, 3);
	assert_int_equal(p->n_samples, 2);
	/* And one build under two names is one. */
	struct profile *q = simple("f", 1);
	q->mappings[1].build_id = sp_string(q, "aaaa");
	q->mappings[1].file = sp_string(q, "/other/name");
	merge(p, q);
	assert_int_equal(p->n_mappings, 3);
	assert_int_equal(p->values[0], 2);
	profile_free(p);
}

static void test_order_of_labels_does_not_matter(void **state)
{
	struct profile *into = sp_new(), *from = sp_new();
	int64_t values[] = {1, 1};
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct profile *p = i ? from : into;
		struct label pid = {.key = sp_string(p, "pid"), .num = 1};
		struct label comm = {.key = sp_string(p, "comm"), .str = sp_string(p, "x")};
		struct label exe = {.key = sp_string(p, "exe"), .str = sp_string(p, "y")};
		struct label one[] = {pid, exe, comm}, two[] = {comm, pid, exe};
		assert_int_equal(profile_add_sample(p, NULL, 0, i ? one : two, 3, values), 0);
	}
	merge(into, from);
	assert_int_equal(into->n_samples, 1);
	assert_int_equal(into->values[0], 2);
	profile_free(into);
}

static void test_zero_samples_and_leftovers_vanish(void **state)
{
	struct profile *p = profile_new(), *q = simple("f", 0);
	(void)state;
	sp_mapping(q, "/lib/unused.so", 0x90000);
	merge(p, q);
	assert_int_equal(p->n_samples, 0);
	assert_int_equal(p->n_locations, 1);
	/* The main program stays, so that the report can name it. */
	assert_int_equal(p->n_mappings, 2);
	assert_string_equal(profile_text(p, p->mappings[1].file), "/bin/prog");
	profile_free(p);
}

static void test_different_types_are_refused(void **state)
{
	char why[256] = "";
	struct profile *p = simple("f", 1), *q = profile_new();
	(void)state;
	assert_int_equal(profile_add_sample_type(q, "alloc_space", "bytes"), 0);
	assert_int_equal(profile_merge(p, q, why, sizeof(why)), -EINVAL);
	assert_string_equal(
		why, "it measures alloc_space/bytes, the others samples/count cpu/nanoseconds");
	assert_int_equal(p->n_samples, 1);
	profile_free(q);
	q = simple("f", 1);
	q->period_type.unit = sp_string(q, "cycles");
	assert_int_equal(profile_merge(p, q, why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "period"));
	profile_free(q);
	profile_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_samples_add_up),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_addresses_are_rebased),
		cmocka_unit_test(test_different_builds_stay_apart),
		cmocka_unit_test(test_order_of_labels_does_not_matter),
		cmocka_unit_test(test_zero_samples_and_leftovers_vanish),
		cmocka_unit_test(test_different_types_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
