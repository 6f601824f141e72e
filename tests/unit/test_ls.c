// SPDX-License-Identifier: MIT
/* test_ls.c - ranges of time, .activity files, what a window holds, and the timeline of many. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../cli/chart.h"
#include "../../cli/json.h"
#include "../../cli/select.h"
#include "../../cli/window_activity.h"
#include "profile/pprof.h"
#include "sample_profile.h"
#include "store/activity.h"

#define MIDNIGHT 1795132800 /* 2026-11-20 00:00:00 UTC */

/* ---- ranges --------------------------------------------------------------------------------- */

static void test_ranges(void **state)
{
	static const struct {
		struct time_range range;
		struct span span;
	} cases[] = {
		{{.last = 60}, {9940, 10000, true}},
		{{.last = 20000}, {0, 10000, true}},
		{{.since = 500}, {500, 10000, true}},
		{{.since = 500, .until = 600}, {500, 600, false}},
		{{.around = 5000}, {4940, 5060, false}},
		{{.around = 5000, .within = 300}, {4700, 5300, false}},
		{{.around = 100, .within = 300}, {0, 400, false}},
		/* The open window belongs to what reaches to now. */
		{{.around = 9950}, {9890, 10010, true}},
		{{.around = 9950, .within = UINT64_MAX}, {0, INT64_MAX, true}},
		{{0}, {0, 10000, true}},
		/* What is yet to come does not. */
		{{.since = 10000}, {10000, 10000, true}},
		{{.since = 10001}, {10001, 10000, false}},
		{{.around = 10061}, {10001, 10121, false}},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct span span = time_range_span(&cases[i].range, 10000);
		assert_null(time_range_check(&cases[i].range));
		assert_int_equal(span.since, cases[i].span.since);
		assert_int_equal(span.until, cases[i].span.until);
		assert_int_equal(span.open, cases[i].span.open);
	}
}

static void test_wrong_ranges(void **state)
{
	static const struct time_range wrong[] = {
		{.last = 60, .since = 1},
		{.last = 60, .until = 1},
		{.since = 2, .until = 1},
		{.around = 5, .last = 1},
		{.around = 5, .since = 1},
		{.around = 5, .until = 1},
		{.within = 5},
		{.within = 5, .last = 1},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_non_null(time_range_check(&wrong[i]));
}

/* ---- .activity ------------------------------------------------------------------------------ */

static void test_activity(void **state)
{
	static const char text[] = "100\t7\t5:4 6:3\n"
				   "101\t0\t\n"
				   "rubbish\n"
				   "102\t9\t5:4 6=3 7:2\n"
				   "18446744073709551616\t1\t\n"
				   "103\t1\t5:99999999999999999999\n"
				   "104\t1\t5:1";
	struct activity a = {text, text + sizeof(text) - 1};
	struct activity_second s;
	uint32_t pid;
	uint64_t samples;
	(void)state;

	assert_int_equal(activity_next(&a, &s), 1);
	assert_int_equal(s.second, 100);
	assert_int_equal(s.samples, 7);
	assert_int_equal(activity_next_process(&s, &pid, &samples), 1);
	assert_int_equal(pid, 5);
	assert_int_equal(samples, 4);
	assert_int_equal(activity_next_process(&s, &pid, &samples), 1);
	assert_int_equal(pid, 6);
	assert_int_equal(samples, 3);
	assert_int_equal(activity_next_process(&s, &pid, &samples), 0);
	assert_int_equal(activity_next(&a, &s), 1);
	assert_int_equal(activity_next_process(&s, &pid, &samples), 0);
	assert_int_equal(activity_next(&a, &s), -EBADMSG);
	assert_int_equal(activity_next(&a, &s), 1);
	assert_int_equal(activity_next_process(&s, &pid, &samples), 1);
	assert_int_equal(activity_next_process(&s, &pid, &samples), -EBADMSG);
	assert_int_equal(activity_next_process(&s, &pid, &samples), 0);
	assert_int_equal(activity_next(&a, &s), -EBADMSG);
	assert_int_equal(activity_next(&a, &s), 1);
	assert_int_equal(activity_next_process(&s, &pid, &samples), -EBADMSG);
	/* The last one was cut off: its number may have been longer. */
	assert_int_equal(activity_next(&a, &s), -EBADMSG);
	assert_int_equal(activity_next(&a, &s), 0);
}

/* ---- windows -------------------------------------------------------------------------------- */

#define N_WINDOWS 4

struct windows {
	char folder[32];
	struct store_entry entries[N_WINDOWS];
	const struct store_entry *pointers[N_WINDOWS];
};

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* Minutes of a period of 10 ms in which pids 7 and 8 run; the third has no .activity. In the last
 * one pid 7 is another process. */
static void write_window(struct windows *w, int i)
{
	struct store_entry *e = &w->entries[i];
	struct profile *p = sp_new();
	char path[128], text[256];

	*e = (struct store_entry){.type = (char *)"cpu", .start = MIDNIGHT + 60 * i, .seconds = 60};
	assert_true(asprintf(&e->path, "%s/%d.pb.gz", w->folder, i) > 0);
	p->period = 10000000;
	uint32_t stack = sp_location(p, sp_mapping(p, "/bin/x", 0x1000), 0x1000, "f");
	sp_sample(p, &stack, 1, 60, 7, i == 3 ? "cron" : "postgres");
	sp_sample(p, &stack, 1, 20, 8, "nginx");
	int fd = open(e->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(pprof_write(p, fd), 0);
	close(fd);
	profile_free(p);
	if (i == 2)
		return;
	snprintf(path, sizeof(path), "%s/%d.activity", w->folder, i);
	snprintf(text, sizeof(text), "%lld\t50\t7:40 8:10\n%lld\t%d\t7:20 8:%d\n",
		(long long)e->start, (long long)e->start + 30, 30 + i, 10 + i);
	write_file(path, text);
}

static int set_up(void **state)
{
	struct windows *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	setenv("TZ", "UTC", 1);
	snprintf(w->folder, sizeof(w->folder), "/tmp/profctl-ls-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	for (int i = 0; i < N_WINDOWS; i++) {
		write_window(w, i);
		w->pointers[i] = &w->entries[i];
	}
	*state = w;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	return remove(path);
}

static int tear_down(void **state)
{
	struct windows *w = *state;

	assert_int_equal(nftw(w->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	for (int i = 0; i < N_WINDOWS; i++)
		free(w->entries[i].path);
	free(w);
	return 0;
}

static void test_totals(void **state)
{
	struct windows *w = *state;
	struct window_totals t;
	struct tally room = {0};

	for (int i = 0; i < 2; i++) {
		assert_int_equal(window_totals_read(&t, &w->entries[i], &room), 0);
		assert_true(t.known);
		assert_int_equal(t.samples, 80 + i);
		assert_int_equal(t.cpu_ns, (80 + i) * 10000000LL);
		assert_int_equal(t.busiest_pid, 7);
		assert_int_equal(t.busiest_samples, 60);
	}
	assert_int_equal(window_totals_read(&t, &w->entries[2], &room), 0);
	assert_false(t.known);
	struct store_entry recording = w->entries[0];
	recording.recording = true;
	assert_int_equal(window_totals_read(&t, &recording, &room), 0);
	assert_false(t.known);
	tally_free(&room);
}

static char *print(struct chart *t, bool utf8)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	chart_print(t, "cpu", 10, utf8, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void test_timeline(void **state)
{
	struct windows *w = *state;
	struct chart t;

	assert_int_equal(chart_read(&t, w->pointers, N_WINDOWS, 0, 0, 10, false), 0);
	assert_int_equal(t.column_s, 30);
	assert_int_equal(t.n_columns, 8);
	assert_int_equal(t.n_windows, 3);
	assert_int_equal(t.start, MIDNIGHT);
	static const uint64_t all[] = {50, 30, 50, 31, 0, 0, 50, 33};
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(t.total[i], all[i]);
		assert_int_equal(t.covered[i], i != 4 && i != 5);
	}
	assert_int_equal(t.n_rows, 2);
	assert_int_equal(t.rows[0].key, 7);
	assert_int_equal(t.rows[0].samples, 180);
	assert_int_equal(t.rows[1].samples, 64);

	char *text = print(&t, true);
	assert_string_equal(text,
		"cpu, 2026-11-20 00:00:00 to 2026-11-20 00:04:00: 3 windows, 244 samples, 2.44s; a "
		"column is 30 s\n"
		"all, mean 0.01 CPUs            █▅█▅··█▅\n"
		"7 postgres              73.8%  ▆▃▆▃··▆▃\n"
		"8 nginx                 26.2%  ▂▂▂▂··▂▂\n"
		"                               00:00\n"
		"\n"
		"busiest: 2026-11-20 00:00:15, 0.02 CPUs, 80% of it 7 postgres\n"
		"look there: profctl top --around '2026-11-20 00:00:15' --within 15s\n");
	free(text);
	text = print(&t, false);
	assert_non_null(strstr(text, "  #+#+__#+\n"));
	free(text);
	t.n_windows = 1;
	memset(t.total, 0, t.n_columns * sizeof(*t.total));
	t.total[0] = 1;
	text = print(&t, false);
	assert_non_null(strstr(text, ": 1 window, 1 sample, "));
	free(text);
	chart_free(&t);
}

/* By name, one pid can be two. */
static void test_timeline_by_comm(void **state)
{
	struct windows *w = *state;
	struct chart t;
	char name[32];

	assert_int_equal(chart_read(&t, w->pointers, N_WINDOWS, 0, 0, 100, true), 0);
	assert_int_equal(t.column_s, 5);
	assert_int_equal(t.n_rows, 3);
	static const char *const names[] = {"postgres", "nginx", "cron"};
	static const uint64_t samples[] = {120, 64, 60};
	for (size_t i = 0; i < 3; i++) {
		chart_name(&t, &t.rows[i], name, sizeof(name));
		assert_string_equal(name, names[i]);
		assert_int_equal(t.rows[i].samples, samples[i]);
	}
	chart_free(&t);
}

static void test_timeline_of_a_part(void **state)
{
	struct windows *w = *state;
	struct chart t;

	assert_int_equal(
		chart_read(&t, w->pointers, N_WINDOWS, MIDNIGHT + 20, MIDNIGHT + 70, 60, false), 0);
	assert_int_equal(t.column_s, 1);
	assert_int_equal(t.start, MIDNIGHT + 20);
	assert_int_equal(t.n_columns, 50);
	assert_int_equal(t.total[10], 30);
	assert_int_equal(t.total[40], 50);
	cJSON *o = chart_json(&t, 1);
	assert_int_equal(json_number(o, "start"), MIDNIGHT + 20);
	assert_int_equal(json_number(o, "column_seconds"), 1);
	assert_int_equal(cJSON_GetArraySize(json_get(o, "columns")), 50);
	assert_int_equal(cJSON_GetArraySize(json_get(o, "processes")), 1);
	const cJSON *row = cJSON_GetArrayItem(json_get(o, "processes"), 0);
	assert_int_equal(json_number(row, "pid"), 7);
	assert_string_equal(json_text(row, "comm"), "postgres");
	cJSON_Delete(o);
	chart_free(&t);

	/* Nothing to see where no window is, or none with an .activity. */
	assert_int_equal(chart_read(&t, w->pointers, 0, 0, 0, 60, false), -ENODATA);
	chart_free(&t);
	assert_int_equal(chart_read(&t, w->pointers + 2, 1, 0, 0, 60, false), -ENODATA);
	chart_free(&t);
	/* A name of a file may promise any length. */
	w->entries[1].seconds = UINT32_MAX;
	assert_int_equal(chart_read(&t, w->pointers, N_WINDOWS, 0, 0, 60, false), 0);
	assert_true(t.n_columns <= 61);
	chart_free(&t);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_wrong_ranges),
		cmocka_unit_test(test_activity),
		TEST(test_totals),
		TEST(test_timeline),
		TEST(test_timeline_by_comm),
		TEST(test_timeline_of_a_part),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
