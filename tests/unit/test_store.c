/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/store.h"

/* 2026-11-21 13:00:30 UTC */
#define START 1795266030

static char *root; /* a folder of this test's own */

static char *at(const char *path)
{
	static char text[4][1024];
	static unsigned turn;
	char *out = text[turn++ % 4];
	snprintf(out, sizeof(text[0]), "%s/%s", root, path);
	return out;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	(void)state;
	if (asprintf(&root, "%s/profd-store-XXXXXX", tmp ? tmp : "/tmp") < 0)
		return -1;
	return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	int r = nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(root);
	return r;
}

static struct store *open_store(void)
{
	struct store *s = NULL;
	char why[512] = "";
	int r = store_open(&s, at("store"), true, why, sizeof(why));
	if (r < 0)
		print_error("%s\n", why);
	assert_int_equal(r, 0);
	return s;
}

static bool exists(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0;
}

/* Writes `size` bytes as a window; returns the path, to be freed. */
static char *write_window(struct store *s, const char *type, time_t start, size_t size)
{
	struct store_file f;
	char path[1024];
	assert_int_equal(
		store_begin_window(s, type, (struct timespec){.tv_sec = start}, 60, &f), 0);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(write(f.fd, "x", 1), 1);
	assert_int_equal(store_commit(&f, path, sizeof(path)), 0);
	return strdup(path);
}

static size_t count_files(const struct store *s)
{
	struct store_entry *entries;
	size_t n;
	assert_int_equal(store_list(s, &entries, &n), 0);
	store_list_free(entries, n);
	return n;
}

/* ---- opening ------------------------------------------------------------------------------ */

static void test_makes_the_folder(void **state)
{
	struct store *s = NULL;
	struct stat st;
	char why[512] = "";
	(void)state;
	assert_int_equal(store_open(&s, at("none"), false, why, sizeof(why)), -ENOENT);
	assert_non_null(strstr(why, "none: No such file or directory"));
	mode_t mask = umask(0);
	assert_int_equal(store_open(&s, at("parent/store"), true, why, sizeof(why)), 0);
	umask(mask);
	assert_string_equal(store_path(s), at("parent/store"));
	assert_int_equal(stat(at("parent/store"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	store_close(s);
	assert_int_equal(store_open(&s, at("a/b/c"), true, why, sizeof(why)), -ENOENT);
	assert_true(*why);
	store_close(NULL);
}

static void test_one_writer(void **state)
{
	struct store *s = open_store(), *second = NULL, *reader = NULL;
	char why[512] = "", pid[32];
	(void)state;
	assert_int_equal(store_open(&second, at("store"), true, why, sizeof(why)), -EWOULDBLOCK);
	snprintf(pid, sizeof(pid), "(pid %ld)", (long)getpid());
	assert_non_null(strstr(why, pid));
	assert_int_equal(store_open(&reader, at("store"), false, why, sizeof(why)), 0);
	assert_int_equal(count_files(reader), 0);
	store_close(reader);
	store_close(s);
	store_close(open_store());
}

static void test_stale_files_are_removed(void **state)
{
	struct store *s = open_store();
	struct store_file window, record;
	(void)state;
	assert_int_equal(
		store_begin_window(s, "cpu", (struct timespec){.tv_sec = START}, 60, &window), 0);
	assert_int_equal(
		store_begin_record(s, "heap", (struct timespec){.tv_sec = START}, 0, 1, &record),
		0);
	char *tmp = strdup(at("store/cpu/2026-11-21/"));
	char *path = NULL, *record_path = NULL;
	assert_true(asprintf(&path, "%s%s", tmp, window.tmp) > 0);
	assert_true(asprintf(&record_path, "%s/store/records/%s", root, record.tmp) > 0);
	assert_true(exists(path));
	assert_true(exists(record_path));
	/* As if the writer had died: nobody tidies up. */
	close(window.fd);
	close(record.fd);
	window.fd = record.fd = -1;
	store_close(s);
	s = open_store();
	assert_false(exists(path));
	assert_false(exists(record_path));
	window.store = record.store = s;
	store_abort(&window);
	store_abort(&record);
	store_close(s);
	free(tmp);
	free(path);
	free(record_path);
}

/* ---- writing ------------------------------------------------------------------------------ */

static void test_window(void **state)
{
	struct store *s = open_store();
	struct stat st;
	(void)state;
	char *path = write_window(s, "cpu", START, 10);
	assert_string_equal(path, at("store/cpu/2026-11-21/130030-60s.pb.gz"));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_size, 10);
	assert_int_equal(stat(at("store/cpu/2026-11-21"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	free(path);
	/* The clock stepped back: nothing is overwritten. */
	path = write_window(s, "cpu", START, 11);
	assert_string_equal(path, at("store/cpu/2026-11-21/130030-60s-1.pb.gz"));
	free(path);
	path = write_window(s, "cpu", START, 12);
	assert_string_equal(path, at("store/cpu/2026-11-21/130030-60s-2.pb.gz"));
	assert_int_equal(store_write_activity(s, path, "1\t2\t3:2\n", 8), 0);
	free(path);
	assert_true(exists(at("store/cpu/2026-11-21/130030-60s-2.activity")));
	assert_int_equal(stat(at("store/cpu/2026-11-21/130030-60s.pb.gz"), &st), 0);
	assert_int_equal(st.st_size, 10);
	store_close(s);
}

static void test_record(void **state)
{
	struct store *s = open_store();
	struct store_file f;
	char path[1024];
	(void)state;
	assert_int_equal(
		store_begin_record(s, "heap", (struct timespec){.tv_sec = START}, 1000, 7, &f), 0);
	assert_int_equal(store_commit(&f, path, sizeof(path)), 0);
	assert_string_equal(path, at("store/records/20261121T130030-1000-7.heap.pb.gz"));
	store_close(s);
}

static void test_names_are_checked(void **state)
{
	static const char *const bad[] = {"", "records", "../x", "a/b", ".", "CPU", "a b"};
	struct store *s = open_store();
	struct store_file f;
	struct timespec start = {.tv_sec = START};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(store_begin_window(s, bad[i], start, 60, &f), -EINVAL);
		assert_int_equal(store_begin_record(s, bad[i], start, 0, 1, &f), -EINVAL);
	}
	assert_int_equal(store_write_activity(s, "/etc/passwd", "x", 1), -EINVAL);
	assert_int_equal(store_write_activity(s, at("store/cpu/x"), "x", 1), -EINVAL);
	assert_int_equal(store_write_activity(s, at("store/gone/x.pb.gz"), "x", 1), -ENOENT);
	store_close(s);
}

static void test_links_are_not_followed(void **state)
{
	struct store *s = open_store();
	struct store_file f;
	(void)state;
	assert_int_equal(symlink("/tmp", at("store/cpu")), 0);
	int r = store_begin_window(s, "cpu", (struct timespec){.tv_sec = START}, 60, &f);
	assert_true(r == -ELOOP || r == -ENOTDIR);
	assert_int_equal(count_files(s), 0);
	assert_int_equal(store_retain(s, 1, 1), 0);
	store_close(s);
}

static void test_abort_leaves_nothing(void **state)
{
	struct store *s = open_store();
	struct store_file f;
	(void)state;
	assert_int_equal(
		store_begin_window(s, "cpu", (struct timespec){.tv_sec = START}, 60, &f), 0);
	store_abort(&f);
	store_abort(&f); /* twice is harmless */
	/* An empty folder is gone with the next clean-up. */
	assert_int_equal(store_retain(s, 0, 0), 0);
	assert_false(exists(at("store/cpu/2026-11-21")));
	store_close(s);
}

/* A limit on file sizes behaves like a full disk: the write fails in the middle. */
static void test_failed_write(void **state)
{
	struct store *s = open_store();
	struct rlimit old, low;
	(void)state;
	char *path = write_window(s, "cpu", START, 1);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	low = (struct rlimit){.rlim_cur = 4, .rlim_max = old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
	int r = store_write_activity(s, path, "123456789", 9);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(r, -EFBIG);
	assert_false(exists(at("store/cpu/2026-11-21/130030-60s.activity")));
	/* Nothing temporary is left either: only the profile keeps the folder. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(at("store/cpu/2026-11-21")), 0);
	free(path);
	store_close(s);
}

/* ---- listing ------------------------------------------------------------------------------ */

static void touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	close(fd);
}

static void test_list(void **state)
{
	struct store *s = open_store();
	struct store_entry *entries;
	struct store_file f;
	char path[1024];
	size_t n;
	(void)state;
	free(write_window(s, "cpu", START + 60, 5));
	free(write_window(s, "heap", START - 86400, 6));
	free(write_window(s, "cpu", START, 7));
	assert_int_equal(store_begin_record(
				 s, "block", (struct timespec){.tv_sec = START + 30}, 1000, 12, &f),
		0);
	assert_int_equal(store_commit(&f, path, sizeof(path)), 0);
	/* What is not ours. */
	static const char *const others[] = {"store/cpu/2026-11-21/130030-60s.txt",
		"store/cpu/2026-11-21/x.pb.gz", "store/cpu/2026-11-21/130030-60.pb.gz",
		"store/cpu/2026-11-21/250030-60s.pb.gz", "store/cpu/130030-60s.pb.gz",
		"store/cpu/2026-11-21/130030-99999999999s.pb.gz", "store/file",
		"store/records/20261121T130030-0.cpu.pb.gz",
		"store/records/20261121T130030-0-1.pb.gz",
		"store/records/20261321T130030-0-1.cpu.pb.gz"};
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		touch(at(others[i]));
	assert_int_equal(mkdir(at("store/cpu/2026-11-21/130031-60s.pb.gz"), 0700), 0);
	assert_int_equal(mkdir(at("store/cpu/latest"), 0700), 0);
	assert_int_equal(store_list(s, &entries, &n), 0);
	assert_int_equal(n, 4);
	assert_string_equal(entries[0].path, at("store/heap/2026-11-20/130030-60s.pb.gz"));
	assert_string_equal(entries[0].type, "heap");
	assert_int_equal(entries[0].start, START - 86400);
	assert_int_equal(entries[0].seconds, 60);
	assert_int_equal(entries[0].size, 6);
	assert_false(entries[0].recording);
	assert_int_equal(entries[1].start, START);
	assert_true(entries[2].recording);
	assert_string_equal(entries[2].type, "block");
	assert_int_equal(entries[2].start, START + 30);
	assert_int_equal(entries[2].uid, 1000);
	assert_int_equal(entries[2].session, 12);
	assert_int_equal(entries[3].start, START + 60);
	store_list_free(entries, n);
	store_close(s);
}

static void test_repeats_are_listed_in_order(void **state)
{
	struct store *s = open_store();
	struct store_entry *entries;
	size_t n;
	(void)state;
	for (int i = 0; i < 12; i++)
		free(write_window(s, "cpu", START, (size_t)i + 1));
	assert_int_equal(store_list(s, &entries, &n), 0);
	assert_int_equal(n, 12);
	for (size_t i = 1; i < n; i++)
		assert_true(strverscmp(entries[i - 1].path, entries[i].path) < 0);
	store_list_free(entries, n);
	store_close(s);
}

/* ---- retention ---------------------------------------------------------------------------- */

static void test_retain_by_age(void **state)
{
	struct store *s = open_store();
	time_t now = time(NULL);
	(void)state;
	char *old = write_window(s, "cpu", now - 90000, 5);
	assert_int_equal(store_write_activity(s, old, "x", 1), 0);
	char *young = write_window(s, "cpu", now - 100, 5);
	assert_int_equal(store_retain(s, 0, 0), 0);
	assert_int_equal(store_retain(s, 86400, 0), 1);
	assert_false(exists(old));
	assert_true(exists(young));
	assert_int_equal(store_retain(s, 86400, 0), 0);
	/* The folder of that day went with it. */
	*strrchr(old, '/') = '\0';
	assert_false(exists(old));
	free(old);
	free(young);
	store_close(s);
}

static void test_retain_goes_on_behind_what_cannot_be_deleted(void **state)
{
	struct store *s = open_store();
	time_t now = time(NULL);
	char *paths[3];
	(void)state;
	for (int i = 0; i < 3; i++)
		paths[i] = write_window(s, "cpu", now - 300000 + i * 100000, 5);
	char activity[PATH_MAX];
	int stem = (int)(strlen(paths[0]) - strlen(".pb.gz"));
	snprintf(activity, sizeof(activity), "%.*s.activity", stem, paths[0]);
	assert_int_equal(mkdir(activity, 0755), 0); /* unlink(2) fails */
	assert_true(store_retain(s, 86400, 0) < 0);
	assert_false(exists(paths[1]));
	assert_false(exists(paths[2]));
	assert_int_equal(rmdir(activity), 0);
	for (int i = 0; i < 3; i++)
		free(paths[i]);
	store_close(s);
}

static void test_retain_by_size(void **state)
{
	struct store *s = open_store();
	char *paths[4];
	(void)state;
	for (int i = 0; i < 4; i++) {
		paths[i] = write_window(s, i % 2 ? "heap" : "cpu", START + i * 60, 100);
		assert_int_equal(store_write_activity(s, paths[i], "0123456789", 10), 0);
	}
	assert_int_equal(store_retain(s, 0, 440), 0);
	/* The activity counts: 439 is too little for four. */
	assert_int_equal(store_retain(s, 0, 439), 1);
	assert_false(exists(paths[0]));
	assert_int_equal(store_retain(s, 0, 120), 2);
	assert_false(exists(paths[1]));
	assert_false(exists(paths[2]));
	assert_true(exists(paths[3]));
	assert_int_equal(store_retain(s, 0, 1), 1);
	assert_int_equal(count_files(s), 0);
	for (int i = 0; i < 4; i++)
		free(paths[i]);
	store_close(s);
}

static void test_retain_sweeps_orphans(void **state)
{
	struct store *s = open_store();
	(void)state;
	char *path = write_window(s, "cpu", START, 1);
	char *kept = write_window(s, "cpu", START + 60, 1);
	assert_int_equal(store_write_activity(s, path, "x", 1), 0);
	assert_int_equal(store_write_activity(s, kept, "x", 1), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(store_retain(s, 0, 0), 0);
	assert_false(exists(at("store/cpu/2026-11-21/130030-60s.activity")));
	assert_true(exists(at("store/cpu/2026-11-21/130130-60s.activity")));
	free(path);
	free(kept);
	store_close(s);
}

/* Looking at a full store is dear: not before there is reason to. */
static void test_retain_looks_when_due(void **state)
{
	struct store *s = open_store();
	(void)state;
	char *old = write_window(s, "cpu", START - 400 * 86400, 10);
	assert_int_equal(store_retain(s, 0, 640), 0);
	/* Ten bytes are a 64th, not more. */
	char *next = write_window(s, "cpu", START - 399 * 86400, 10);
	assert_int_equal(unlink(old), 0);
	assert_int_equal(store_retain(s, 0, 640), 0);
	assert_true(exists(at("store/cpu/2025-10-17")));
	free(write_window(s, "cpu", START - 398 * 86400, 1));
	assert_int_equal(store_retain(s, 0, 640), 0);
	assert_false(exists(at("store/cpu/2025-10-17")));
	/* Other limits hold at once. */
	assert_int_equal(store_retain(s, 86400, 640), 2);
	assert_false(exists(next));
	free(old);
	free(next);
	store_close(s);
}

/* Files of others and what is being written survive. */
static void test_retain_touches_nothing_else(void **state)
{
	struct store *s = open_store();
	struct store_file f;
	char path[1024];
	(void)state;
	assert_int_equal(
		store_begin_window(s, "cpu", (struct timespec){.tv_sec = START}, 60, &f), 0);
	touch(at("store/cpu/2026-11-21/notes.txt"));
	assert_int_equal(write(f.fd, "xx", 2), 2);
	assert_int_equal(store_retain(s, 1, 1), 0);
	assert_int_equal(store_commit(&f, path, sizeof(path)), 0);
	assert_true(exists(path));
	assert_int_equal(store_retain(s, 0, 1), 1);
	assert_true(exists(at("store/cpu/2026-11-21/notes.txt")));
	store_close(s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_makes_the_folder),
		TEST(test_one_writer),
		TEST(test_stale_files_are_removed),
		TEST(test_window),
		TEST(test_record),
		TEST(test_names_are_checked),
		TEST(test_links_are_not_followed),
		TEST(test_abort_leaves_nothing),
		TEST(test_failed_write),
		TEST(test_list),
		TEST(test_repeats_are_listed_in_order),
		TEST(test_retain_by_age),
		TEST(test_retain_goes_on_behind_what_cannot_be_deleted),
		TEST(test_retain_by_size),
		TEST(test_retain_sweeps_orphans),
		TEST(test_retain_looks_when_due),
		TEST(test_retain_touches_nothing_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
