/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "profile/select.h"
#include "sample_profile.h"

static void add(struct profile *p, int64_t count, int64_t pid, const char *comm, const char *cgroup)
{
	struct label labels[] = {
		{.key = sp_string(p, "pid"), .num = pid},
		{.key = sp_string(p, "comm"), .str = sp_string(p, comm)},
		{.key = sp_string(p, "cgroup"), .str = sp_string(p, cgroup)},
	};
	uint32_t m = sp_mapping(p, comm, 0x1000 * (uint64_t)pid);
	uint32_t stack[] = {sp_location(p, m, (uint64_t)pid, comm)};
	int64_t values[] = {count, count * 10};
	assert_int_equal(profile_add_sample(p, stack, 1, labels, 3, values), 0);
}

/* Each sample's count is a bit, so a sum tells which were selected. */
static struct profile *make(void)
{
	struct profile *p = sp_new();
	add(p, 1, 1, "init", "/init.scope");
	add(p, 2, 10, "nginx", "/system.slice/nginx.service");
	add(p, 4, 11, "nginx", "/system.slice/nginx.service");
	add(p, 8, 20, "psql", "/system.slice-not/psql");
	add(p, 16, 101, "bash", "/user.slice/bash;x=y");
	p->duration_nanos = 60;
	assert_int_equal(profile_add_comment(p, "kept"), 0);
	return p;
}

static int64_t selected(const struct profile *p, const struct selection *s)
{
	struct profile *out;
	char why[256];
	int64_t sum = 0;
	assert_int_equal(profile_select(&out, p, s), 0);
	assert_int_equal(profile_check(out, why, sizeof(why)), 0);
	assert_int_equal(out->duration_nanos, 60);
	assert_int_equal(out->n_comments, 1);
	for (size_t i = 0; i < out->n_samples; i++)
		sum += out->values[i * 2];
	profile_free(out);
	return sum;
}

static void test_everything(void **state)
{
	struct profile *p = make();
	struct selection s = {0};
	(void)state;
	assert_true(selection_is_empty(&s));
	assert_int_equal(selected(p, &s), 31);
	profile_free(p);
}

static void test_pids(void **state)
{
	struct profile *p = make();
	struct selection s = {0};
	(void)state;
	assert_int_equal(selection_add_pid(&s, 10), 0);
	assert_false(selection_is_empty(&s));
	assert_int_equal(selected(p, &s), 2);
	assert_int_equal(selection_add_pid(&s, 20), 0);
	assert_int_equal(selected(p, &s), 10);
	selection_free(&s);
	assert_int_equal(selection_add_pid(&s, 99), 0);
	assert_int_equal(selected(p, &s), 0);
	selection_free(&s);
	profile_free(p);
}

static void test_kinds_are_a_conjunction(void **state)
{
	struct profile *p = make();
	struct selection s = {0};
	(void)state;
	assert_int_equal(selection_add_pid(&s, 1), 0);
	assert_int_equal(selection_add_comm(&s, "nginx"), 0);
	assert_int_equal(selected(p, &s), 0);
	assert_int_equal(selection_add_pid(&s, 11), 0);
	assert_int_equal(selected(p, &s), 4);
	selection_free(&s);
	profile_free(p);
}

static int64_t by_cgroup(const struct profile *p, const char *cgroup)
{
	struct selection s = {0};
	assert_int_equal(selection_add_cgroup(&s, cgroup), 0);
	int64_t sum = selected(p, &s);
	selection_free(&s);
	return sum;
}

static void test_cgroups(void **state)
{
	struct profile *p = make();
	(void)state;
	assert_int_equal(by_cgroup(p, "/system.slice/nginx.service"), 6);
	assert_int_equal(by_cgroup(p, "system.slice"), 6);
	assert_int_equal(by_cgroup(p, "/system.slice/"), 6);
	assert_int_equal(by_cgroup(p, "/system"), 0);
	assert_int_equal(by_cgroup(p, "/"), 31);
	assert_int_equal(by_cgroup(p, "nginx.service"), 0);
	profile_free(p);
}

static void test_labels(void **state)
{
	struct profile *p = make();
	struct selection s = {0};
	(void)state;
	assert_int_equal(selection_add_label(&s, "nokey"), -EINVAL);
	assert_int_equal(selection_add_label(&s, "=value"), -EINVAL);
	assert_int_equal(selection_add_label(&s, "pid=1"), 0);
	assert_int_equal(selected(p, &s), 1);
	selection_free(&s);
	/* Only the first '=' divides. */
	assert_int_equal(selection_add_label(&s, "cgroup=/user.slice/bash;x=y"), 0);
	assert_int_equal(selected(p, &s), 16);
	selection_free(&s);
	assert_int_equal(selection_add_label(&s, "absent=1"), 0);
	assert_int_equal(selected(p, &s), 0);
	selection_free(&s);
	profile_free(p);
}

static void test_only_what_is_needed(void **state)
{
	struct profile *p = make(), *out;
	struct selection s = {0};
	(void)state;
	assert_int_equal(selection_add_comm(&s, "psql"), 0);
	assert_int_equal(profile_select(&out, p, &s), 0);
	assert_int_equal(out->n_samples, 1);
	assert_int_equal(out->n_functions, 2);
	assert_int_equal(out->n_locations, 2);
	assert_int_equal(out->n_mappings, 3); /* and the main program */
	assert_string_equal(profile_text(out, out->functions[1].name), "psql");
	assert_string_equal(profile_text(out, out->period_type.type), "cpu");
	profile_free(out);
	profile_free(p);
	selection_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_pids),
		cmocka_unit_test(test_kinds_are_a_conjunction),
		cmocka_unit_test(test_cgroups),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_only_what_is_needed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
