// SPDX-License-Identifier: MIT
/*
 * What the collector does about an unwinder helper that dies, hangs, lies, or has nothing to do,
 * and about files that are not open. PROFD_TEST_UNWINDER makes the helper misbehave.
 */
#include <dlfcn.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "helper/process.h"
#include "helper/protocol.h"
#include "helper/stream.h"
#include "unwinder/protocol.h"
#include "unwinder_fixture.h"

#define HOW "PROFD_TEST_UNWINDER"

/* How much less of a time limit is waited for. */
static uint64_t shortened;

/* Takes the place of the library's: a limit that is counted from the past is over sooner. */
int sd_event_now(sd_event *e, clockid_t clock, uint64_t *usec)
{
	int (*real)(sd_event *, clockid_t, uint64_t *) = (int (*)(
		sd_event *, clockid_t, uint64_t *))dlsym(RTLD_NEXT, "sd_event_now");
	int r = real(e, clock, usec);

	*usec -= shortened;
	return r;
}

/* What a helper is said to have used of the CPUs, and how often somebody asked. */
static uint64_t cpu_us;
static unsigned cpu_looks;

/* Takes the place of the library's: clocks of other processes stand where the test sets them. */
int clock_gettime(clockid_t clock, struct timespec *t)
{
	if (clock >= 0)
		return (int)syscall(SYS_clock_gettime, clock, t);
	*t = (struct timespec){(time_t)(cpu_us / 1000000), (long)(cpu_us % 1000000) * 1000};
	cpu_looks++;
	return 0;
}

/* ---- waiting ------------------------------------------------------------------------------ */

/* Others are served meanwhile. */
static void a_file_that_opens_later_is_waited_for(void **state)
{
	struct world *w = *state;
	struct module *late = module_new(MODULE_FILE, "/late", 5), *early = module_of(open_self());
	struct module *same = module_new(MODULE_FILE, "/same", 5);

	assert_int_equal(unwinder_open(w->unwinder, late, opened, w), 0);
	assert_int_equal(unwinder_compile(w->unwinder, late, 1, compiled, w), 0);
	assert_int_equal(unwinder_compile(w->unwinder, same, 0, compiled, w), 0);
	assert_int_equal(unwinder_compile(w->unwinder, early, 0, compiled, w), 0);
	wait_for(w, 1);
	assert_int_equal(w->page, 0);
	assert_int_equal(module_take_file(late, copy_of_self()), 0);
	module_settle(late);
	wait_for(w, 3);
	assert_int_equal(w->page, 1);
	assert_int_equal(w->error, 0);

	/* The same file under another key. */
	same->state = MODULE_OPEN;
	same->same = module_ref(early);
	module_settle(same);
	wait_for(w, 4);
	assert_int_equal(w->page, 0);
	assert_int_equal(w->error, 0);
	module_unref(late);
	module_unref(same);
	module_unref(early);
}

static void no_file_no_tables(void **state)
{
	struct world *w = *state;
	struct module *m = module_new(MODULE_FILE, "/gone", 5);

	assert_int_equal(unwinder_open(w->unwinder, m, opened, w), 0);
	module_give_up(m, -EACCES);
	assert_int_equal(w->answers, 0);
	wait_for(w, 1);
	assert_int_equal(w->error, -ENOENT);
	assert_int_equal(ask_page(w, m, 0), -ENOENT);
	module_unref(m);
}

static void open_requests_are_cancelled(void **state)
{
	struct world *w = *state;
	struct module *late = module_new(MODULE_FILE, "/late", 5), *m = module_of(open_self());

	assert_int_equal(unwinder_open(w->unwinder, late, opened, w), 0);
	assert_int_equal(unwinder_compile(w->unwinder, m, 0, compiled, w), 0);
	assert_int_equal(unwinder_open(w->unwinder, m, opened, w), 0);
	assert_true(sd_event_run(w->event, 0) >= 0);
	unwinder_free(w->unwinder);
	w->unwinder = NULL;
	assert_int_equal(w->answers, 3);
	assert_int_equal(w->error, -ECANCELED);
	module_give_up(late, -ECANCELED);
	assert_int_equal(w->answers, 3);
	module_unref(late);
	module_unref(m);
}

/* Of this process; *first is one of them. */
static unsigned children(pid_t *first)
{
	char path[64], line[256] = "";
	unsigned n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "re");
	assert_non_null(f);
	if (fgets(line, sizeof(line), f))
		for (const char *p = line; (p = strchr(p, ' ')); p++)
			n++;
	*first = (pid_t)strtol(line, NULL, 10);
	fclose(f);
	return n;
}

/* Nothing was asked of it: no module is blamed. */
static void an_idle_helper_may_die(void **state)
{
	struct world *w = *state;
	struct module *m = module_of(open_self());
	siginfo_t info;
	pid_t pid;

	for (int seen = 0; seen < 2; seen++) {
		assert_int_equal(ask_page(w, m, 0), 0);
		assert_int_equal(children(&pid), 1);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
		while (seen && unwinder_stats(w->unwinder).crashes == 0)
			assert_true(sd_event_run(w->event, 30 * 1000 * 1000) > 0);
		assert_int_equal(ask_page(w, m, 0), 0);
	}
	assert_int_equal(unwinder_stats(w->unwinder).bad_modules, 0);
	module_unref(m);
}

static void an_idle_helper_ends(void **state)
{
	struct world *w = *state;
	struct module *m = module_of(open_self());
	pid_t pid;

	assert_int_equal(ask_page(w, m, 0), 0);
	assert_int_equal(children(&pid), 1);
	shortened = 3000000;
	assert_int_equal(ask_code(w, m), 0);
	for (unsigned i = 0; i < 100 && children(&pid); i++)
		assert_true(sd_event_run(w->event, 1000 * 1000) >= 0);
	assert_int_equal(children(&pid), 0);
	shortened = 0;
	assert_int_equal(ask_code(w, m), 0);
	assert_int_equal(unwinder_stats(w->unwinder).crashes, 0);
	module_unref(m);
}

/* What a file can do to the helper does not reach the sites of another one. */
static void sites_come_from_a_fresh_helper(void **state)
{
	struct world *w = *state;
	struct module *m = module_of(open_self()), *other = module_of(open_libc());
	pid_t first, second, third;

	assert_int_equal(ask_page(w, m, 0), 0);
	assert_int_equal(children(&first), 1);
	assert_int_equal(ask_sites(w, m), 0);
	assert_int_equal(children(&second), 1);
	assert_int_not_equal(second, first);
	assert_int_equal(ask_page(w, other, 0), 0);
	assert_int_equal(children(&third), 1);
	assert_int_equal(third, second);
	assert_int_equal(ask_sites(w, other), 0);
	assert_int_equal(children(&third), 1);
	assert_int_not_equal(third, second);
	assert_int_equal(w->sites->allocator, HEAP_GLIBC);
	assert_int_equal(unwinder_stats(w->unwinder).crashes, 0);
	module_unref(m);
	module_unref(other);
}

/* ---- trouble ------------------------------------------------------------------------------ */

static void one_death_is_forgiven(void **state)
{
	struct world *w = *state;
	struct module *m = module_of(open_self());
	char path[128];

	snprintf(path, sizeof(path), "once:%s/died", w->folder);
	setenv(HOW, path, 1);
	check_file(w, m, 3);
	assert_int_equal(unwinder_stats(w->unwinder).crashes, 1);
	assert_int_equal(unwinder_stats(w->unwinder).bad_modules, 0);
	module_unref(m);
}

/* The module is skipped from then on, also when it is opened anew; others are not. When it is
 * asked, what was shortened has passed, and the helper has worked for some of it. */
static void expect_given_up_after(struct world *w, const char *how, uint64_t worked)
{
	struct module *m = module_of(copy_of_self()), *other = module_of(open_self());
	struct unwinder_stats before;
	struct module *again;
	unsigned looks = cpu_looks;

	setenv(HOW, how, 1);
	assert_int_equal(unwinder_open(w->unwinder, m, opened, w), 0);
	assert_int_equal(unwinder_open(w->unwinder, m, opened, w), 0);
	while (cpu_looks == looks) /* it is not asked yet */
		assert_true(sd_event_run(w->event, 30 * 1000 * 1000) > 0);
	shortened = 0;
	cpu_us = worked;
	wait_for(w, 2);
	assert_int_equal(w->error, -EIO);
	before = unwinder_stats(w->unwinder);
	assert_int_equal(before.bad_modules, 1);
	cpu_us = 0;
	again = module_of(dup(m->fd));
	assert_int_equal(ask_page(w, again, 0), -EIO);
	assert_int_equal(unwinder_stats(w->unwinder).crashes, before.crashes);
	unsetenv(HOW);
	check_file(w, other, 2);
	module_unref(again);
	module_unref(m);
	module_unref(other);
}

static void expect_given_up(struct world *w, const char *how)
{
	expect_given_up_after(w, how, 0);
}

static void a_module_that_kills_is_given_up(void **state)
{
	struct world *w = *state;

	expect_given_up(w, "crash");
	assert_int_equal(unwinder_stats(w->unwinder).crashes, 2);
}

static void a_module_that_hangs_is_given_up(void **state)
{
	struct world *w = *state;

	shortened = 20000000;
	expect_given_up(w, "hang");
	assert_int_equal(unwinder_stats(w->unwinder).timeouts, 1);
	assert_int_equal(unwinder_stats(w->unwinder).crashes, 0);
}

static void a_module_that_takes_too_much_work_is_given_up(void **state)
{
	struct world *w = *state;

	shortened = 10000000;
	expect_given_up_after(w, "hang", 10000000);
	assert_int_equal(unwinder_stats(w->unwinder).timeouts, 1);
	assert_int_equal(unwinder_stats(w->unwinder).crashes, 0);
}

/* Others have the CPUs: as much time has passed, but it has hardly worked. */
static void a_helper_that_gets_no_cpu_is_waited_for(void **state)
{
	struct world *w = *state;
	struct module *m = module_of(open_self());
	char path[128], how[160];
	unsigned looks;

	snprintf(path, sizeof(path), "%s/go", w->folder);
	snprintf(how, sizeof(how), "wait:%s", path);
	setenv(HOW, how, 1);
	shortened = 10000000;
	assert_int_equal(unwinder_open(w->unwinder, m, opened, w), 0);
	shortened = 0;
	cpu_us = 9000000;
	looks = cpu_looks;
	while (cpu_looks == looks)
		assert_true(sd_event_run(w->event, 30 * 1000 * 1000) > 0);
	close_fd(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	wait_for(w, 1);
	assert_int_equal(w->error, 0);
	assert_int_equal(unwinder_stats(w->unwinder).timeouts, 0);
	assert_int_equal(unlink(path), 0);
	module_unref(m);
}

static void expect_refused_answer(struct world *w, const char *how)
{
	expect_given_up(w, how);
	assert_int_equal(unwinder_stats(w->unwinder).refused_answers, 1);
}

/* With other modules out of the way it has not enough memory either. */
static void a_module_that_is_too_large_is_given_up(void **state)
{
	struct world *w = *state;

	expect_given_up(w, "no-memory");
	assert_int_equal(unwinder_stats(w->unwinder).refused_answers, 0);
}

static void broken_answers_are_refused(void **state)
{
	expect_refused_answer(*state, "nonsense");
}

static void long_answers_are_refused(void **state)
{
	expect_given_up(*state, "long");
}

static void wants_are_checked(void **state)
{
	expect_refused_answer(*state, "want-path");
}

static void endless_wants_are_refused(void **state)
{
	expect_refused_answer(*state, "want-forever");
}

static void endless_greetings_are_refused(void **state)
{
	expect_refused_answer(*state, "hello-forever");
}

/* A disk that takes nothing: tables are made all the same. */
static void a_full_disk_is_no_error(void **state)
{
	struct world *w = *state;
	struct module *m = module_of(open_self());

	setenv(HOW, "full", 1);
	check_file(w, m, 5);
	assert_int_equal(unwinder_stats(w->unwinder).crashes, 0);
	restart(w);
	check_file(w, m, 5);
	assert_int_equal(unwinder_stats(w->unwinder).cached, 0);
	module_unref(m);
}

/* ---- the helper ----------------------------------------------------------------------------- */

static void say(uint32_t type, const void *data, uint32_t size)
{
	struct helper_head head = {type, size};

	stream_write(HELPER_SOCKET, &head, sizeof(head));
	stream_write(HELPER_SOCKET, data, size);
}

/* Reads one request; exits when there are no more. */
static void next_request(void)
{
	struct helper_head head;
	struct unwinder_request request;

	if (stream_read(HELPER_SOCKET, &head, sizeof(head), NULL) ||
		stream_read(HELPER_SOCKET, &request, sizeof(request), NULL))
		_exit(0);
}

static int misbehave(const char *how)
{
	static const struct unwinder_answer nonsense = {.cached = 7};
	static const struct unwinder_answer no_memory = {.error = -ENOMEM};
	static const struct helper_hello hello;
	static const struct helper_head lengthy = {HELPER_ANSWER, UNWINDER_MAX_ANSWER + 1};

	next_request();
	if (!strcmp(how, "nonsense"))
		say(HELPER_ANSWER, &nonsense, sizeof(nonsense));
	else if (!strcmp(how, "no-memory"))
		say(HELPER_ANSWER, &no_memory, sizeof(no_memory));
	else if (!strcmp(how, "long"))
		stream_write(HELPER_SOCKET, &lengthy, sizeof(lengthy));
	else if (!strcmp(how, "want-path"))
		say(HELPER_WANT, "../etc/shadow", 13);
	while (!strcmp(how, "want-forever")) {
		struct helper_head head;

		say(HELPER_WANT, "no-such-file", 12);
		if (stream_read(HELPER_SOCKET, &head, sizeof(head), NULL))
			_exit(0);
	}
	while (!strcmp(how, "hello-forever"))
		say(HELPER_HELLO, &hello, sizeof(hello));
	if (!strcmp(how, "crash"))
		_exit(1);
	pause();
	return 0;
}

/* True the first time. */
static bool first_time(const char *marker)
{
	int fd = open(marker, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

	close_fd(fd);
	return fd >= 0;
}

static int helper(char **argv)
{
	const char *how = getenv(HOW);
	struct rlimit nothing = {0, 0};

	if (!strcmp(argv[2], "opener"))
		return opener_main(argv[3]);
	if (!how)
		return unwinder_main(argv[3]);
	if (!strncmp(how, "once:", 5)) {
		if (!first_time(how + 5))
			return unwinder_main(argv[3]);
		how = "crash";
	} else if (!strncmp(how, "wait:", 5)) {
		while (access(how + 5, F_OK))
			usleep(1000);
		return unwinder_main(argv[3]);
	} else if (!strcmp(how, "full")) {
		setrlimit(RLIMIT_FSIZE, &nothing);
		return unwinder_main(argv[3]);
	}
	return misbehave(how);
}

static int begin(void **state)
{
	unsetenv(HOW);
	shortened = cpu_us = 0;
	return set_up(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_that_opens_later_is_waited_for),
		TEST(no_file_no_tables),
		TEST(open_requests_are_cancelled),
		TEST(an_idle_helper_may_die),
		TEST(an_idle_helper_ends),
		TEST(sites_come_from_a_fresh_helper),
		TEST(a_full_disk_is_no_error),
		TEST(one_death_is_forgiven),
		TEST(a_module_that_kills_is_given_up),
		TEST(a_module_that_hangs_is_given_up),
		TEST(a_module_that_takes_too_much_work_is_given_up),
		TEST(a_helper_that_gets_no_cpu_is_waited_for),
		TEST(a_module_that_is_too_large_is_given_up),
		TEST(broken_answers_are_refused),
		TEST(long_answers_are_refused),
		TEST(wants_are_checked),
		TEST(endless_wants_are_refused),
		TEST(endless_greetings_are_refused),
	};

	if (argc > 2 && !strcmp(argv[1], "--helper"))
		return helper(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
