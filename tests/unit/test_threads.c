/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "report/export.h"
#include "report/threads.h"
#include "sample_profile.h"

#define START 1700000000000000000LL

/* A sample of 1 ms of a function, with the labels that a recording has. 0: without that label. */
static void add(struct profile *p, const char *function, int64_t pid, int64_t tid, const char *comm,
	int64_t time)
{
	uint32_t location = sp_location(p, 0, 1, function);
	struct label labels[4];
	size_t n = 0;
	if (pid)
		labels[n++] = (struct label){.key = sp_string(p, "pid"), .num = pid};
	if (tid)
		labels[n++] = (struct label){.key = sp_string(p, "tid"), .num = tid};
	if (comm)
		labels[n++] = (struct label){
			.key = sp_string(p, "comm"), .str = sp_string(p, comm)};
	if (time)
		labels[n++] = (struct label){.key = sp_string(p, "timestamp"),
			.num = START + time,
			.num_unit = sp_string(p, "nanoseconds")};
	assert_int_equal(
		profile_add_sample(p, &location, 1, labels, n, (int64_t[]){1, 1000000}), 0);
}

static void test_groups_by_thread(void **state)
{
	struct profile *p = sp_new();
	struct thread_table t;
	(void)state;
	add(p, "a", 20, 21, "worker", 0);
	add(p, "b", 20, 20, "server", 0);
	add(p, "c", 10, 11, "other", 0);
	add(p, "d", 20, 21, "worker", 0);
	add(p, "e", 0, 0, NULL, 0);
	p->time_nanos = START;
	assert_int_equal(thread_table_init(&t, p), 0);
	assert_int_equal(t.n, 4);
	assert_false(t.timed);
	assert_true(t.start == START);
	assert_string_equal(t.threads[0].comm, "");
	assert_string_equal(t.threads[1].process, "other");
	assert_int_equal(t.threads[2].tid, 20);
	assert_int_equal(t.threads[3].tid, 21);
	assert_string_equal(t.threads[3].comm, "worker");
	assert_string_equal(t.threads[3].process, "server");
	assert_int_equal(t.threads[3].leader, 2);
	assert_int_equal(t.threads[3].n, 2);
	assert_int_equal(t.samples[t.threads[3].first], 0);
	assert_int_equal(t.samples[t.threads[3].first + 1], 3);
	thread_table_free(&t);
	profile_free(p);
}

/* Three samples of a thread: two next to each other, one after a pause. */
static struct profile *timed(void)
{
	struct profile *p = sp_new();
	add(p, "late", 20, 20, "server", 7000000);
	add(p, "first", 20, 20, "server", 1000000);
	add(p, "second", 20, 20, "server", 2000000);
	add(p, "elsewhere", 30, 30, "other", 3000000);
	return p;
}

static void test_orders_by_time(void **state)
{
	struct profile *p = timed();
	struct thread_table t;
	(void)state;
	assert_int_equal(thread_table_init(&t, p), 0);
	assert_true(t.timed);
	assert_true(t.start == START + 1000000);
	assert_int_equal(t.n, 2);
	assert_int_equal(t.samples[0], 1);
	assert_int_equal(t.samples[1], 2);
	assert_int_equal(t.samples[2], 0);
	thread_table_free(&t);
	profile_free(p);
}

static void assert_numbers(const cJSON *array, size_t n, const double *wanted)
{
	assert_int_equal(cJSON_GetArraySize(array), n);
	for (size_t i = 0; i < n; i++)
		assert_true(cJSON_GetArrayItem(array, (int)i)->valuedouble == wanted[i]);
}

static cJSON *parse(char *text)
{
	cJSON *json = cJSON_Parse(text);
	assert_non_null(json);
	free(text);
	return json;
}

static const cJSON *at(const cJSON *json, const char *key, int index)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, key);
	assert_non_null(list);
	return index < 0 ? list : cJSON_GetArrayItem(list, index);
}

static void test_timeline_of_speedscope(void **state)
{
	struct profile *p = timed();
	(void)state;
	cJSON *json = parse(sp_capture(speedscope_write(p, 1, out)));
	const cJSON *server = at(json, "profiles", 0);
	assert_string_equal(cJSON_GetStringValue(at(server, "name", -1)), "server (thread 20)");
	/* 1 ms each; the pause is a stack without frames. */
	assert_numbers(at(server, "weights", -1), 4, (double[]){1e6, 1e6, 4e6, 1e6});
	assert_int_equal(cJSON_GetArraySize(at(server, "samples", 0)), 1);
	assert_int_equal(cJSON_GetArraySize(at(server, "samples", 2)), 0);
	/* All threads have one zero. */
	assert_numbers(at(at(json, "profiles", 1), "weights", -1), 2, (double[]){2e6, 1e6});
	cJSON_Delete(json);
	profile_free(p);
}

static void test_timeline_of_firefox(void **state)
{
	struct profile *p = timed();
	(void)state;
	cJSON *json = parse(sp_capture(firefox_write(p, 1, out)));
	const cJSON *samples = at(at(json, "threads", 0), "samples", -1);
	assert_numbers(at(samples, "time", -1), 3, (double[]){0, 1, 6});
	assert_numbers(at(samples, "weight", -1), 3, (double[]){1, 1, 1});
	assert_true(at(at(json, "meta", -1), "startTime", -1)->valuedouble == START / 1e6 + 1);
	cJSON_Delete(json);
	profile_free(p);
}

static void test_write_failures(void **state)
{
	struct profile *p = timed();
	int (*const writers[])(const struct profile *, size_t, FILE *) = {
		speedscope_write, firefox_write, perfetto_write, json_profile_write};
	(void)state;
	for (size_t i = 0; i < sizeof(writers) / sizeof(writers[0]); i++) {
		FILE *full = fopen("/dev/full", "we");
		assert_int_equal(writers[i](p, 0, full), -ENOSPC);
		fclose(full);
	}
	profile_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups_by_thread),
		cmocka_unit_test(test_orders_by_time),
		cmocka_unit_test(test_timeline_of_speedscope),
		cmocka_unit_test(test_timeline_of_firefox),
		cmocka_unit_test(test_write_failures),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
