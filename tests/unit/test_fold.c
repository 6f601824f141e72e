/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "profile/fold.h"
#include "sample_profile.h"

static void assert_folded(
	const struct profile *p, const struct fold_options *options, const char *wanted)
{
	char *text = sp_capture(fold_write(p, options, out));
	assert_string_equal(text, wanted);
	free(text);
}

static struct profile *make(void)
{
	struct profile *p = sp_new();
	uint32_t deep[4], unnamed[2];
	sp_kinds(p, deep, unnamed);
	sp_sample(p, deep, 4, 3, 12, "prog");
	sp_sample(p, unnamed, 2, 2, 12, "prog");
	sp_sample(p, &deep[3], 1, 1, 13, "prog");
	return p;
}

static void test_frames(void **state)
{
	struct profile *p = make();
	(void)state;
	assert_folded(p, &(struct fold_options){0},
		"prog-12;main;[prog+0x1abc] 2\n"
		"prog-12;main;outer;middle_[i];inner_[i];js:run_[j];do_read_[k] 3\n"
		"prog-13;main 1\n");
	assert_folded(p, &(struct fold_options){.sample_type = 1, .no_process = true},
		"main 1000000\n"
		"main;[prog+0x1abc] 2000000\n"
		"main;outer;middle_[i];inner_[i];js:run_[j];do_read_[k] 3000000\n");
	profile_free(p);
}

static void test_names_cannot_break_lines(void **state)
{
	struct profile *p = sp_new();
	uint32_t a = sp_location(p, 0, 1, "a;b\nc\td");
	uint32_t unknown = sp_location(p, 0, 0x99, "");
	(void)state;
	sp_sample(p, &a, 1, 1, 7, "co;mm 8");
	sp_sample(p, &a, 1, 1, 0, "only");
	sp_sample(p, &a, 1, 1, 9, NULL);
	sp_sample(p, &unknown, 1, 1, 0, NULL);
	sp_sample(p, NULL, 0, 5, 0, NULL); /* nothing to draw */
	assert_folded(p, &(struct fold_options){0},
		"[unknown+0x99] 1\n"
		"co:mm 8-7;a:b c d 1\n"
		"only;a:b c d 1\n"
		"pid-9;a:b c d 1\n");
	profile_free(p);
}

static void test_sums(void **state)
{
	struct profile *p = sp_new();
	/* The same name at two addresses, and a sum of zero. */
	uint32_t a = sp_location(p, 0, 1, "f"), b = sp_location(p, 0, 2, "f");
	uint32_t c = sp_location(p, 0, 3, "g");
	(void)state;
	sp_sample(p, &a, 1, 4, 0, NULL);
	sp_sample(p, &b, 1, 3, 0, NULL);
	sp_sample(p, &c, 1, 3, 0, NULL);
	sp_sample(p, &c, 1, -3, 0, NULL);
	assert_folded(p, &(struct fold_options){0}, "f 7\n");
	assert_int_equal(fold_write(p, &(struct fold_options){.sample_type = 2}, stdout), -EINVAL);
	profile_free(p);
}

static void test_write_failure(void **state)
{
	struct profile *p = make();
	FILE *out = fopen("/dev/full", "we");
	(void)state;
	if (!out)
		skip();
	assert_int_equal(fold_write(p, &(struct fold_options){0}, out), -ENOSPC);
	fclose(out);
	profile_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_names_cannot_break_lines),
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_write_failure),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
