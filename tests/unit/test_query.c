// SPDX-License-Identifier: MIT
/* test_query.c - which profiles answer a query, and what becomes of them. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <math.h>
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

#include "../../cli/output.h"
#include "../../cli/query.h"
#include "../../cli/select.h"
#include "../../cli/summary.h"
#include "sample_profile.h"

static const struct option_group NO_GROUPS[] = {{0}};
static const struct command COMMAND = {.name = "try", .groups = NO_GROUPS};

/* ---- selection ------------------------------------------------------------------------------ */

static void test_windows(void **state)
{
	struct store_entry entries[] = {
		{.type = (char *)"cpu", .start = 1000, .seconds = 60},
		{.type = (char *)"cpu", .start = 1060, .seconds = 60},
		{.type = (char *)"heap", .start = 1060, .seconds = 60},
		{.type = (char *)"cpu", .start = 1070, .recording = true},
		{.type = (char *)"cpu", .start = 1120, .seconds = 60},
	};
	struct catalog c = {.entries = entries, .n = 5};
	size_t found[5];

	assert_int_equal(select_windows(&c, "cpu", 0, 5000, 0, found), 3);
	assert_int_equal(found[2], 4);
	/* A window belongs to the range if they share a moment: its end is not its own. */
	assert_int_equal(select_windows(&c, "cpu", 1060, 1060, 0, found), 1);
	assert_int_equal(found[0], 1);
	assert_int_equal(select_windows(&c, "cpu", 1059, 1060, 0, found), 2);
	assert_int_equal(select_windows(&c, "cpu", 1180, 5000, 0, found), 0);
	assert_int_equal(select_windows(&c, "cpu", 0, 999, 0, found), 0);
	/* What the open window began with is not taken twice. */
	assert_int_equal(select_windows(&c, "cpu", 0, 5000, 1120, found), 2);
	assert_int_equal(select_windows(&c, "heap", 0, 5000, 0, found), 1);
	assert_int_equal(found[0], 2);
}

static void test_newest_recording(void **state)
{
	struct store_entry entries[] = {
		{.type = (char *)"cpu", .uid = 5, .recording = true, .mtime = {100, 1}},
		{.type = (char *)"cpu", .uid = 5, .recording = true, .mtime = {100, 2}},
		{.type = (char *)"cpu", .uid = 5, .recording = true, .mtime = {90, 9}},
		{.type = (char *)"cpu", .uid = 6, .recording = true, .mtime = {200, 0}},
		{.type = (char *)"heap", .uid = 5, .recording = true, .mtime = {300, 0}},
		{.type = (char *)"cpu", .uid = 5, .mtime = {400, 0}},
	};
	struct catalog c = {.entries = entries, .n = 6};

	assert_ptr_equal(select_recording(&c, "cpu", 5, 50), &entries[1]);
	assert_ptr_equal(select_recording(&c, "cpu", 6, 50), &entries[3]);
	assert_null(select_recording(&c, "cpu", 5, 101));
	assert_null(select_recording(&c, "cpu", 7, 0));
}

static void test_whose_window(void **state)
{
	struct place installed = place_default();
	(void)state;

	assert_true(place_has_daemon(&installed));
	assert_true(place_has_daemon(&(struct place){"/tmp/x", "/tmp/x/sock"}));
	assert_false(place_has_daemon(&(struct place){"/tmp/x", installed.socket}));
	/* The environment's daemon has the environment's store, or the usual one. */
	setenv("PROFD_SOCKET", "/tmp/y/sock", 1);
	struct place usual = place_default();
	assert_true(place_has_daemon(&usual));
	assert_false(place_has_daemon(&(struct place){"/tmp/x", usual.socket}));
	setenv("PROFD_STORE", "/tmp/y", 1);
	usual = place_default();
	assert_true(place_has_daemon(&usual));
	assert_true(place_has_daemon(&(struct place){"/tmp/y", usual.socket}));
	assert_false(place_has_daemon(&(struct place){"/tmp/x", usual.socket}));
	assert_false(place_has_daemon(&(struct place){PLACE_STORE, usual.socket}));
	assert_true(place_has_daemon(&(struct place){"/tmp/x", "/tmp/x/sock"}));
	unsetenv("PROFD_STORE");
	unsetenv("PROFD_SOCKET");
}

/* ---- loading -------------------------------------------------------------------------------- */

struct folder {
	char path[32];
	char a[64], b[64], broken[64], other[64];
};

static uint32_t id(int64_t result)
{
	assert_true(result >= 0);
	return (uint32_t)result;
}

/* One function, two threads of `pid`: values 1 and `second`. */
static void write_profile(const char *path, const char *type, int64_t pid, int64_t second)
{
	struct profile *p = profile_new();
	assert_non_null(p);
	assert_int_equal(profile_add_sample_type(p, type, "count"), 0);
	struct function function = {.name = id(profile_string(p, "work"))};
	struct line line = {.function = id(profile_add_function(p, &function))};
	struct location location = {.address = 0x10};
	uint32_t at = id(profile_add_location(p, &location, &line, 1));

	for (int64_t tid = 0; tid < 2; tid++) {
		struct label labels[] = {
			{.key = id(profile_string(p, "pid")), .num = pid},
			{.key = id(profile_string(p, "tid")), .num = pid + tid},
		};
		int64_t value = tid ? second : 1;
		assert_int_equal(profile_add_sample(p, &at, 1, labels, 2, &value), 0);
	}
	sp_write(p, path);
}

static int set_up(void **state)
{
	struct folder *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->path, sizeof(f->path), "/tmp/profctl-test-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	snprintf(f->a, sizeof(f->a), "%s/a", f->path);
	snprintf(f->b, sizeof(f->b), "%s/b", f->path);
	snprintf(f->broken, sizeof(f->broken), "%s/broken", f->path);
	snprintf(f->other, sizeof(f->other), "%s/other", f->path);
	write_profile(f->a, "samples", 10, 2);
	write_profile(f->b, "samples", 20, 30);
	write_profile(f->other, "bytes", 10, 2);
	assert_int_equal(truncate(f->a, 100), 0);
	assert_int_equal(rename(f->a, f->broken), 0);
	write_profile(f->a, "samples", 10, 2);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct folder *f = *state;

	unlink(f->a);
	unlink(f->b);
	unlink(f->broken);
	unlink(f->other);
	assert_int_equal(rmdir(f->path), 0);
	free(f);
	return 0;
}

static int64_t total(const struct profile *p)
{
	int64_t sum = 0;

	for (size_t i = 0; i < p->n_samples * p->n_sample_types; i++)
		sum += p->values[i];
	return sum;
}

static int load(const struct query *q, char **paths, size_t n, int64_t *sum, size_t *threads,
	size_t *skipped)
{
	struct operands files = {.items = paths, .n = n};
	struct profile *p = NULL;

	int err = query_load(&COMMAND, q, &files, &p, skipped);
	if (err) {
		assert_null(p);
		return err;
	}
	*sum = total(p);
	*threads = summary_threads(p);
	profile_free(p);
	return 0;
}

static void test_files_are_merged(void **state)
{
	struct folder *f = *state;
	char *paths[] = {f->a, f->b, f->a};
	struct query q = {0};
	size_t skipped, threads;
	int64_t sum;

	assert_int_equal(load(&q, paths, 3, &sum, &threads, &skipped), 0);
	assert_int_equal(sum, 3 + 31 + 3);
	assert_int_equal(threads, 4);
	assert_int_equal(skipped, 0);
	assert_int_equal(query_exit(0, skipped), 0);
}

static void test_samples_are_selected(void **state)
{
	struct folder *f = *state;
	char *paths[] = {f->a, f->b};
	uint32_t pids[] = {20};
	const char *labels[] = {"tid=21"};
	struct query q = {.pids = {.items = pids, .n = 1}};
	size_t skipped, threads;
	int64_t sum;

	assert_int_equal(load(&q, paths, 2, &sum, &threads, &skipped), 0);
	assert_int_equal(sum, 31);
	q.labels = (struct texts){.items = labels, .n = 1};
	assert_int_equal(load(&q, paths, 2, &sum, &threads, &skipped), 0);
	assert_int_equal(sum, 30);
	assert_int_equal(threads, 1);
	/* Nothing left is an answer too. */
	pids[0] = 99;
	assert_int_equal(load(&q, paths, 2, &sum, &threads, &skipped), 0);
	assert_int_equal(sum, 0);
	assert_int_equal(skipped, 0);
}

static void test_bad_inputs_are_skipped(void **state)
{
	struct folder *f = *state;
	char missing[] = "/nonexistent/profile";
	char *paths[] = {f->a, f->broken, missing, f->other, f->b};
	struct query q = {0};
	size_t skipped, threads;
	int64_t sum;

	assert_int_equal(load(&q, paths, 5, &sum, &threads, &skipped), 0);
	assert_int_equal(sum, 34);
	assert_int_equal(skipped, 3);
	assert_int_equal(query_exit(0, skipped), 1);
	assert_int_equal(load(&q, paths + 1, 2, &sum, &threads, &skipped), -ENODATA);
	assert_int_equal(query_exit(-ENODATA, skipped), 1);
}

static void test_wrong_usage(void **state)
{
	struct folder *f = *state;
	char *paths[] = {f->a};
	const char *labels[] = {"no equals sign"};
	struct query wrong[] = {
		{.range.last = 60},
		{.range.since = 60},
		{.range.until = 60},
		{.type = "cpu"},
		{.labels = {.items = labels, .n = 1}},
	};
	struct query in_store[] = {
		{.range = {.last = 60, .since = 1}},
		{.range = {.since = 2, .until = 1}},
	};
	size_t skipped, threads;
	int64_t sum;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(load(&wrong[i], paths, 1, &sum, &threads, &skipped), -EINVAL);
	for (size_t i = 0; i < sizeof(in_store) / sizeof(in_store[0]); i++)
		assert_int_equal(load(&in_store[i], NULL, 0, &sum, &threads, &skipped), -EINVAL);
	assert_int_equal(query_exit(-EINVAL, 0), 2);
}

/* ---- the store ------------------------------------------------------------------------------ */

/* A store of three windows, a recording of this user and one of another. */
static void fill_store(const char *path, time_t now)
{
	struct store *s = NULL;
	char why[256] = "", at[512], name[64];

	assert_int_equal(store_open(&s, path, true, why, sizeof(why)), 0);
	for (int i = 0; i < 5; i++) {
		struct store_file file;
		struct timespec start = {.tv_sec = now - 400 + 100 * i};
		int err = i < 3 ? store_begin_window(s, "cpu", start, 100, &file)
				: store_begin_record(
					  s, "cpu", start, getuid() + (uid_t)i - 3, 1, &file);
		assert_int_equal(err, 0);
		snprintf(name, sizeof(name), "/proc/self/fd/%d", file.fd);
		write_profile(name, "samples", 10, 1 << (4 * i));
		assert_int_equal(store_commit(&file, at, sizeof(at)), 0);
	}
	store_close(s);
}

static int64_t sum_of(struct query *q)
{
	size_t skipped, threads;
	int64_t sum = -1;

	assert_int_equal(load(q, NULL, 0, &sum, &threads, &skipped), 0);
	assert_int_equal(skipped, 0);
	return sum;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	return remove(path);
}

static void test_store(void **state)
{
	char path[] = "/tmp/profctl-store-XXXXXX", missing[64];
	time_t now = time(NULL);

	assert_non_null(mkdtemp(path));
	fill_store(path, now);
	struct query q = {.place = {.store = path, .socket = "/nonexistent/socket"}};
	/* The default is this user's newest recording. */
	assert_int_equal(sum_of(&q), 1 + 0x1000);
	q.range.last = 1000;
	assert_int_equal(sum_of(&q), 3 + 0x111);
	q.range = (struct time_range){.since = now - 250, .until = now - 150};
	assert_int_equal(sum_of(&q), 2 + 0x110);
	q.range = (struct time_range){.since = now - 90};
	size_t skipped, threads;
	int64_t sum;
	assert_int_equal(load(&q, NULL, 0, &sum, &threads, &skipped), -ENOENT);
	snprintf(missing, sizeof(missing), "%s/missing", path);
	q.place.store = missing;
	assert_int_equal(load(&q, NULL, 0, &sum, &threads, &skipped), -ENOENT);
	assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* ---- output --------------------------------------------------------------------------------- */

static int write_text(void *what, int fd)
{
	const char *text = what;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		return -EIO;
	return text[0] == '!' ? -ENOSPC : 0;
}

static void expect_content(const char *path, const char *text)
{
	char got[64] = "";
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_true(read(fd, got, sizeof(got) - 1) >= 0);
	close(fd);
	assert_string_equal(got, text);
}

static void test_output_is_whole_or_not_there(void **state)
{
	struct folder *f = *state;
	char link[64];
	struct stat st;

	unlink(f->a);
	assert_int_equal(output_write(f->a, true, write_text, (void *)"!half"), -EIO);
	assert_int_equal(access(f->a, F_OK), -1);
	assert_int_equal(output_write(f->a, true, write_text, (void *)"first"), 0);
	expect_content(f->a, "first");
	/* A failure leaves the old file, a success keeps its mode, a link stays a link. */
	assert_int_equal(chmod(f->a, 0640), 0);
	snprintf(link, sizeof(link), "%s/link", f->path);
	assert_int_equal(symlink(f->a, link), 0);
	assert_int_equal(output_write(link, true, write_text, (void *)"!half"), -EIO);
	expect_content(f->a, "first");
	assert_int_equal(output_write(link, true, write_text, (void *)"second"), 0);
	expect_content(f->a, "second");
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(f->a, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(unlink(link), 0);
	assert_int_equal(output_write("/dev/null", true, write_text, (void *)"gone"), 0);
	assert_int_equal(output_write(f->path, true, write_text, (void *)"folder"), -EIO);
	assert_int_equal(output_write("/nonexistent/x", true, write_text, (void *)"x"), -EIO);
}

/* One stack of three is whole, and one of those that are not ends for another reason. */
static void test_unfinished(void **state)
{
	static const char *const ends[] = {"main", "[unfinished: unwind tables not loaded]",
		"[unfinished: code was replaced]"};
	struct profile *p = profile_new(), *cpu = sp_new();

	assert_int_equal(profile_add_sample_type(p, "alloc_objects", "count"), 0);
	assert_int_equal(profile_add_sample_type(p, "alloc_space", "bytes"), 0);
	assert_true(summary_unfinished(p) == 0);
	for (size_t i = 0; i < 3; i++) {
		const uint32_t stack[] = {
			sp_location(p, 0, 1, "leaf"), sp_location(p, 0, 0, ends[i])};

		assert_int_equal(
			profile_add_sample(p, stack, 2, NULL, 0, (const int64_t[]){9, 100}), 0);
		assert_int_equal(
			profile_add_sample(p, stack, 1, NULL, 0, (const int64_t[]){0, 0}), 0);
	}
	assert_true(fabs(summary_unfinished(p) - 1 / 3.0) < 1e-9);
	assert_true(summary_unfinished(cpu) == 0);
	profile_free(p);
	profile_free(cpu);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unfinished),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_newest_recording),
		cmocka_unit_test(test_whose_window),
		TEST(test_files_are_merged),
		TEST(test_samples_are_selected),
		TEST(test_bad_inputs_are_skipped),
		TEST(test_wrong_usage),
		cmocka_unit_test(test_store),
		TEST(test_output_is_whole_or_not_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
