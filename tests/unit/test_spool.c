/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../net/kept.h"
#include "../../net/queue.h"
#include "collector/debuginfod.h"
#include "debuginfod/client.h"
#include "debuginfod/spool.h"
#include "util/now.h"

#define A  "aa00000000000000000000000000000000000001"
#define B  "bb00000000000000000000000000000000000002"
#define C  "bb00000000000000000000000000000000000003"
#define OF "0123456789abcdef"

struct fixture {
	char cache[64];
	int spool;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->cache, "/tmp/profd-spool-XXXXXX");
	assert_non_null(mkdtemp(f->cache));
	f->spool = spool_open(f->cache, true);
	assert_true(f->spool >= 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", f->cache);
	close(f->spool);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

/* A fetched file of some bytes that was used at that second. */
static void keep(struct fixture *f, const char *build_id, size_t bytes, time_t used)
{
	char path[SPOOL_PATH], folder[SPOOL_PATH];
	struct timespec times[] = {{.tv_sec = used}, {.tv_sec = 1}};
	char *data = calloc(1, bytes);

	snprintf(folder, sizeof(folder), SPOOL_FILES "/%.2s", build_id);
	mkdirat(f->spool, folder, 0700);
	spool_file_path(path, build_id);
	int fd = openat(f->spool, path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, data, bytes), bytes);
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
	free(data);
}

static void set_age(struct fixture *f, const char *folder, const char *build_id, time_t age)
{
	struct timespec times[] = {{.tv_sec = time(NULL) - age}, {.tv_sec = time(NULL) - age}};
	char path[SPOOL_PATH];

	spool_path(path, folder, build_id);
	assert_int_equal(utimensat(f->spool, path, times, 0), 0);
}

/* ---- the folder --------------------------------------------------------------------------- */

static void it_is_made_once_and_opened_by_others(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	int again = spool_open(f->cache, true), other = spool_open(f->cache, false);

	assert_true(again >= 0 && other >= 0);
	assert_int_equal(fstatat(other, SPOOL_WANTED, &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0770);
	assert_int_equal(spool_open("/nowhere/at/all", true), -ENOENT);
	close(again);
	close(other);
}

static void marks_are_files(void **state)
{
	struct fixture *f = *state;

	assert_false(spool_is_marked(f->spool, SPOOL_WANTED, A));
	assert_int_equal(spool_mark(f->spool, SPOOL_WANTED, A), 0);
	assert_int_equal(spool_mark(f->spool, SPOOL_WANTED, A), 0);
	assert_true(spool_is_marked(f->spool, SPOOL_WANTED, A));
	assert_false(spool_is_marked(f->spool, SPOOL_MISSING, A));
	assert_false(spool_has(f->spool, A));
	keep(f, A, 1, 1);
	assert_true(spool_has(f->spool, A));
}

static void who_fetches_holds_the_lock(void **state)
{
	struct fixture *f = *state;

	assert_false(spool_is_served(f->spool));
	int lock = spool_lock(f->spool);
	assert_true(lock >= 0);
	assert_true(spool_is_served(f->spool));
	assert_int_equal(spool_lock(f->spool), -EBUSY);
	close(lock);
	assert_false(spool_is_served(f->spool));
}

static void state_is_read_back(void **state)
{
	struct fixture *f = *state;
	struct spool_state out = {.fetched = 1,
				   .fetched_bytes = 1ULL << 40,
				   .unknown = 3,
				   .failed = 4,
				   .kept_files = 5,
				   .kept_bytes = 6,
				   .fetching = A,
				   .last_failure = "http://a is too slow"},
			   in;

	assert_int_equal(spool_read_state(f->spool, &in), -ENOENT);
	assert_int_equal(spool_write_state(f->spool, &out), 0);
	assert_int_equal(spool_read_state(f->spool, &in), 0);
	assert_memory_equal(&in, &out, sizeof(in));
	assert_true(spool_state_time(f->spool).tv_sec > 0);
}

static void state_of_others_is_not_believed(void **state)
{
	static const char text[] = "fetched -1\nfailed 99999999999999999999\nunknown 7\nkept-files"
				   "\n\n nonsense\nfetching ../../etc\nlast-failure a\033[31m\tb\n";
	struct fixture *f = *state;
	char *huge = malloc(1 << 20);
	struct spool_state s;

	spool_parse_state(&s, text, sizeof(text) - 1);
	assert_int_equal(s.fetched, 0);
	assert_int_equal(s.failed, 0);
	assert_int_equal(s.unknown, 7);
	assert_string_equal(s.fetching, "");
	assert_string_equal(s.last_failure, "a?[31m?b");
	memset(huge, 'x', 1 << 20);
	memcpy(huge, "unknown 5\nlast-failure ", 23);
	spool_parse_state(&s, huge, 1 << 20);
	assert_int_equal(s.unknown, 5);
	assert_int_equal(strlen(s.last_failure), sizeof(s.last_failure) - 1);
	free(huge);
	/* What is no file is not opened: this would wait for ever. */
	assert_int_equal(mkfifoat(f->spool, "state", 0600), 0);
	assert_int_equal(spool_read_state(f->spool, &s), -EINVAL);
}

/* ---- the queue ---------------------------------------------------------------------------- */

static void requests_are_served_by_age(void **state)
{
	struct fixture *f = *state;
	struct queue q = {0};
	uint64_t wakes, now = now_ns();

	spool_mark(f->spool, SPOOL_WANTED, A);
	spool_mark(f->spool, SPOOL_WANTED, B);
	spool_mark(f->spool, SPOOL_WANTED, "not-hex");
	set_age(f, SPOOL_WANTED, B, 100);
	assert_int_equal(queue_read(&q, f->spool), 0);
	assert_int_equal(q.n, 2);
	assert_false(spool_is_marked(f->spool, SPOOL_WANTED, "not-hex"));
	struct queued *first = queue_first(&q, now, &wakes);
	assert_string_equal(first->build_id, B);
	/* One that has to wait does not hold up the others, and waits when the folder is read. */
	first->not_before = now + 1000;
	assert_string_equal(queue_first(&q, now, &wakes)->build_id, A);
	spool_mark(f->spool, SPOOL_WANTED, C);
	assert_int_equal(queue_read(&q, f->spool), 0);
	assert_int_equal(q.n, 3);
	queue_remove(&q, f->spool, queue_first(&q, now, &wakes));
	queue_remove(&q, f->spool, queue_first(&q, now, &wakes));
	assert_null(queue_first(&q, now, &wakes));
	assert_int_equal(wakes, now + 1000);
	assert_false(spool_is_marked(f->spool, SPOOL_WANTED, A));
	assert_true(spool_is_marked(f->spool, SPOOL_WANTED, B));
	assert_string_equal(queue_first(&q, now + 1000, &wakes)->build_id, B);
	queue_free(&q);
}

static void the_queue_has_an_end(void **state)
{
	struct fixture *f = *state;
	struct queue q = {0};
	char id[41];

	for (int i = 0; i < QUEUE_MAX + 10; i++) {
		snprintf(id, sizeof(id), "%040x", i);
		assert_int_equal(spool_mark(f->spool, SPOOL_WANTED, id), 0);
	}
	assert_int_equal(queue_read(&q, f->spool), 0);
	assert_int_equal(q.n, QUEUE_MAX);
	assert_int_equal(queue_read(&q, f->spool), 0);
	assert_int_equal(q.n, QUEUE_MAX);
	queue_free(&q);
}

/* ---- what is kept ------------------------------------------------------------------------- */

static void the_least_recently_used_goes(void **state)
{
	struct fixture *f = *state;
	struct kept kept;

	keep(f, A, 100000, 3000);
	keep(f, B, 100000, 1000);
	keep(f, C, 100000, 2000);
	assert_int_equal(kept_tidy(f->spool, 1 << 30, NULL, &kept), 0);
	assert_int_equal(kept.files, 3);
	assert_true(kept.bytes >= 300000);
	assert_int_equal(kept_tidy(f->spool, 250000, NULL, &kept), 0);
	assert_int_equal(kept.files, 2);
	assert_false(spool_has(f->spool, B));
	/* The one that was just fetched stays. */
	assert_int_equal(kept_tidy(f->spool, 1, C, &kept), 0);
	assert_int_equal(kept.files, 1);
	assert_true(spool_has(f->spool, C));
}

static void half_transfers_go(void **state)
{
	struct fixture *f = *state;
	struct kept kept;
	int fd = openat(f->spool, DEBUGINFOD_TEMPORARY "123", O_WRONLY | O_CREAT, 0600);

	close(fd);
	assert_int_equal(kept_tidy(f->spool, 1 << 30, NULL, &kept), 0);
	assert_int_equal(kept.files, 0);
	assert_int_equal(faccessat(f->spool, DEBUGINFOD_TEMPORARY "123", F_OK, 0), -1);
}

static void what_was_missing_is_forgotten(void **state)
{
	struct fixture *f = *state;

	spool_mark(f->spool, SPOOL_MISSING, A);
	spool_mark(f->spool, SPOOL_MISSING, B);
	spool_mark(f->spool, SPOOL_MISSING, C);
	set_age(f, SPOOL_MISSING, A, 1000);
	set_age(f, SPOOL_MISSING, B, -1000);
	assert_int_equal(kept_forget_missing(f->spool, 900, 10), 0);
	assert_false(spool_is_marked(f->spool, SPOOL_MISSING, A));
	assert_false(spool_is_marked(f->spool, SPOOL_MISSING, B));
	assert_true(spool_is_marked(f->spool, SPOOL_MISSING, C));
	spool_mark(f->spool, SPOOL_MISSING, A);
	set_age(f, SPOOL_MISSING, C, 10);
	assert_int_equal(kept_forget_missing(f->spool, 900, 1), 0);
	assert_true(spool_is_marked(f->spool, SPOOL_MISSING, A));
	assert_false(spool_is_marked(f->spool, SPOOL_MISSING, C));
}

/* ---- profd's side ------------------------------------------------------------------------- */

#define SECOND 1000000000ULL

static void on_arrived(void *userdata, const char *of)
{
	strcat(userdata, of);
	strcat(userdata, " ");
}

static struct debuginfod *new_asker(struct fixture *f, const char *servers)
{
	struct debuginfod *d;

	assert_int_equal(debuginfod_new(&d, f->cache, servers, 60), 0);
	return d;
}

/* As if profd-net had done something. */
static void touch_state(struct fixture *f)
{
	struct spool_state s = {0};
	struct timespec pause = {.tv_nsec = 20000000};

	nanosleep(&pause, NULL); /* the clock of files is coarse */
	assert_int_equal(spool_write_state(f->spool, &s), 0);
}

static void it_asks_and_hears_of_what_came(void **state)
{
	struct fixture *f = *state;
	struct debuginfod *d = new_asker(f, "http://a");
	char heard[256] = "";
	uint64_t now = 100 * SECOND;

	debuginfod_lack(d, A, OF);
	debuginfod_lack(d, A, OF);
	debuginfod_lack(d, A, "fedcba98");
	debuginfod_lack(d, "../../etc/passwd", OF);
	debuginfod_lack(d, B, "");
	debuginfod_look(d, now, on_arrived, heard);
	assert_true(spool_is_marked(f->spool, SPOOL_WANTED, A));
	assert_false(spool_is_marked(f->spool, SPOOL_WANTED, B));
	touch_state(f);
	debuginfod_look(d, now += 10 * SECOND, on_arrived, heard);
	assert_string_equal(heard, "");
	keep(f, A, 1, 1);
	touch_state(f);
	debuginfod_look(d, now += 10 * SECOND, on_arrived, heard);
	assert_string_equal(heard, OF " fedcba98 ");
	/* One that is lacked all the same is of no use, and not heard of again. */
	debuginfod_lack(d, A, OF);
	touch_state(f);
	debuginfod_look(d, now += 10 * SECOND, on_arrived, heard);
	assert_string_equal(heard, OF " fedcba98 ");
	/* Unless it had to make room for others. */
	char path[SPOOL_PATH];
	spool_path(path, SPOOL_WANTED, A);
	unlinkat(f->spool, path, 0);
	spool_file_path(path, A);
	unlinkat(f->spool, path, 0);
	debuginfod_lack(d, A, OF);
	debuginfod_look(d, now += 10 * SECOND, on_arrived, heard);
	assert_true(spool_is_marked(f->spool, SPOOL_WANTED, A));
	debuginfod_free(d);
}

static void what_nobody_has_is_asked_for_when_that_is_forgotten(void **state)
{
	struct fixture *f = *state;
	struct debuginfod *d = new_asker(f, "http://a");
	char heard[256] = "", path[SPOOL_PATH];
	uint64_t now = 100 * SECOND;

	spool_mark(f->spool, SPOOL_MISSING, A);
	debuginfod_lack(d, A, OF);
	debuginfod_look(d, now, on_arrived, heard);
	assert_false(spool_is_marked(f->spool, SPOOL_WANTED, A));
	spool_path(path, SPOOL_MISSING, A);
	unlinkat(f->spool, path, 0);
	debuginfod_look(d, now += 700 * SECOND, on_arrived, heard);
	assert_true(spool_is_marked(f->spool, SPOOL_WANTED, A));
	debuginfod_free(d);
}

static void a_window_asks_for_so_many_only(void **state)
{
	struct fixture *f = *state;
	struct debuginfod *d = new_asker(f, "http://a");
	struct queue q = {0};
	char heard[256] = "", id[41];
	uint64_t now = 100 * SECOND;

	for (int i = 0; i < 2 * DEBUGINFOD_MAX_LACKED; i++) {
		snprintf(id, sizeof(id), "%040x", i);
		debuginfod_lack(d, id, OF);
	}
	for (int i = 0; i < 5; i++)
		debuginfod_look(d, now += 6 * SECOND, on_arrived, heard);
	assert_int_equal(queue_read(&q, f->spool), 0);
	assert_int_equal(q.n, DEBUGINFOD_MAX_ASKED);
	debuginfod_look(d, now += 60 * SECOND, on_arrived, heard);
	assert_int_equal(queue_read(&q, f->spool), 0);
	assert_int_equal(q.n, 2 * DEBUGINFOD_MAX_ASKED);
	for (int i = 0; i < 100; i++)
		debuginfod_look(d, now += 60 * SECOND, on_arrived, heard);
	assert_int_equal(queue_read(&q, f->spool), 0);
	assert_int_equal(q.n, DEBUGINFOD_MAX_LACKED);
	queue_free(&q);
	debuginfod_free(d);
}

static void without_servers_nobody_is_asked(void **state)
{
	struct fixture *f = *state;
	struct debuginfod *d = new_asker(f, "");
	char heard[256] = "";

	assert_null(debuginfod_folder(d));
	debuginfod_lack(d, A, OF);
	debuginfod_look(d, 100 * SECOND, on_arrived, heard);
	assert_false(spool_is_marked(f->spool, SPOOL_WANTED, A));
	debuginfod_free(d);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(it_is_made_once_and_opened_by_others),
		test(marks_are_files),
		test(who_fetches_holds_the_lock),
		test(state_is_read_back),
		test(state_of_others_is_not_believed),
		test(requests_are_served_by_age),
		test(the_queue_has_an_end),
		test(the_least_recently_used_goes),
		test(half_transfers_go),
		test(what_was_missing_is_forgotten),
		test(it_asks_and_hears_of_what_came),
		test(what_nobody_has_is_asked_for_when_that_is_forgotten),
		test(a_window_asks_for_so_many_only),
		test(without_servers_nobody_is_asked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
