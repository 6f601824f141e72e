/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "profile/fold.h"
#include "profile/prune.h"
#include "sample_profile.h"

/* One sample of a stack "leaf;…;root", where each frame may be "inner<outer". */
static struct profile *make(const char *stack, const char *drop, const char *keep)
{
	struct profile *p = sp_new();
	uint32_t locations[16];
	size_t n = 0;
	while (*stack) {
		char frame[128];
		size_t length = strcspn(stack, ";");
		memcpy(frame, stack, length);
		frame[length] = '\0';
		locations[n] = sp_location(p, 0, n + 1, frame);
		n++;
		stack += length + (stack[length] == ';');
	}
	sp_sample(p, locations, n, 1, 0, NULL);
	p->drop_frames = sp_string(p, drop);
	p->keep_frames = sp_string(p, keep);
	return p;
}

static void assert_pruned(const char *stack, const char *drop, const char *keep, const char *wanted)
{
	struct profile *p = make(stack, drop, keep);
	char why[256];
	assert_int_equal(profile_prune(p), 0);
	assert_int_equal(profile_check(p, why, sizeof(why)), 0);
	char *text = sp_capture(fold_write(p, &(struct fold_options){0}, out));
	assert_string_equal(text, wanted);
	free(text);
	profile_free(p);
}

static void test_cuts_below_the_outermost_match(void **state)
{
	(void)state;
	assert_pruned("a;b;c;main", "", "", "main;c;b;a 1\n");
	assert_pruned("a;b;c;main", "b", "", "main;c 1\n");
	assert_pruned("b;a;b;c;main", "b", "", "main;c 1\n");
	assert_pruned("a;b;c;main", "x", "", "main;c;b;a 1\n");
	/* The whole name must match. */
	assert_pruned("a;bb;main", "b", "", "main;bb;a 1\n");
	assert_pruned("a;bb;main", "b*|x", "", "main 1\n");
	/* What matches outside of the first shown frame stays. */
	assert_pruned("a;b;c", "c", "", "c;b;a 1\n");
	assert_pruned("c;a;c", "c", "", "c;a 1\n");
	assert_pruned("c;c", "c", "", "c;c 1\n");
}

static void test_keep(void **state)
{
	(void)state;
	assert_pruned("a;b1;b2;main", "b.", "b2", "main;b2 1\n");
	assert_pruned("a;b1;main", "b.", "b.", "main;b1;a 1\n");
}

static void test_inlined_lines(void **state)
{
	(void)state;
	assert_pruned("a;x<malloc<grow;main", "malloc", "", "main;grow 1\n");
	assert_pruned("a;x<grow<malloc;main", "malloc", "", "main 1\n");
}

static void test_arguments_do_not_count(void **state)
{
	(void)state;
	assert_pruned("a;f(int, char);main", "f", "", "main 1\n");
	assert_pruned("a;(anonymous namespace)::f(int);main", "\\(anonymous namespace\\)::f", "",
		"main 1\n");
	assert_pruned("a;s::operator()(int);main", "s::operator\\(\\)", "", "main 1\n");
	assert_pruned("a;.f;main", "f", "", "main 1\n");
}

static void test_bad_expressions_drop_nothing(void **state)
{
	(void)state;
	assert_pruned("a;b;main", "b(", "", "main;b;a 1\n");
	assert_pruned("a;b;main", "b", "(", "main;b;a 1\n");
	assert_pruned("a;bb;main", "b{2000}", "", "main;bb;a 1\n");
	assert_pruned("a;bb;main", "b{2}", "", "main 1\n");
	assert_pruned("a;bb;main", "(b)\\1", "", "main;bb;a 1\n");
	assert_pruned("a;b\\1;main", "b\\\\1", "", "main 1\n");
	char deep[20000];
	memset(deep, '(', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	assert_pruned("a;b;main", deep, "", "main;b;a 1\n");
}

/* Samples that are equal now can be added to. */
static void test_adding_after_it(void **state)
{
	struct profile *p = make("a;b;main", "b", "");
	uint32_t root = 3;
	(void)state;
	sp_sample(p, &root, 1, 1, 0, NULL);
	assert_int_equal(p->n_samples, 2);
	assert_int_equal(profile_prune(p), 0);
	sp_sample(p, &root, 1, 1, 0, NULL);
	assert_int_equal(p->n_samples, 2);
	profile_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cuts_below_the_outermost_match),
		cmocka_unit_test(test_keep),
		cmocka_unit_test(test_inlined_lines),
		cmocka_unit_test(test_arguments_do_not_count),
		cmocka_unit_test(test_bad_expressions_drop_nothing),
		cmocka_unit_test(test_adding_after_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
