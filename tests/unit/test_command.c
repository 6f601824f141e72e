// SPDX-License-Identifier: MIT
/* test_command.c - a command that waits to be released, and what becomes of it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../cli/command.h"

static sigset_t mask;

static void prepare(struct child *c, const char *script)
{
	char *argv[] = {(char *)"sh", (char *)"-c", (char *)script, NULL};
	assert_int_equal(child_prepare(c, argv, &mask, NULL), 0);
}

static void wait_for(struct child *c)
{
	for (int i = 0; i < 1000 && !child_ended(c); i++)
		usleep(10000);
	assert_true(child_ended(c));
}

static void test_codes_are_passed_on(void **state)
{
	static const struct {
		const char *script;
		int code;
	} cases[] = {{"exit 0", 0}, {"exit 7", 7}, {"kill -TERM $$", 128 + SIGTERM}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct child c;
		prepare(&c, cases[i].script);
		assert_int_equal(child_release(&c, "sh"), 0);
		wait_for(&c);
		assert_int_equal(c.code, cases[i].code);
		assert_false(c.not_run);
		child_abandon(&c);
	}
}

/* Nothing of the command happens before the release. */
static void test_waits_for_release(void **state)
{
	char folder[] = "/tmp/profctl-command-XXXXXX", file[64], script[80];
	struct child c;

	assert_non_null(mkdtemp(folder));
	snprintf(file, sizeof(file), "%s/ran", folder);
	snprintf(script, sizeof(script), ": > %s", file);
	prepare(&c, script);
	usleep(50000);
	assert_false(child_ended(&c));
	assert_int_equal(access(file, F_OK), -1);
	assert_int_equal(child_release(&c, "sh"), 0);
	wait_for(&c);
	assert_int_equal(unlink(file), 0);

	prepare(&c, script);
	child_abandon(&c);
	assert_int_equal(c.pid, 0);
	assert_int_equal(access(file, F_OK), -1);
	assert_int_equal(rmdir(folder), 0);
}

static void test_its_environment(void **state)
{
	const struct variable changes[] = {{"PROFD_TEST", "a b"}, {NULL, NULL}};
	char *argv[] = {(char *)"sh", (char *)"-c", (char *)"test \"$PROFD_TEST\" = 'a b'", NULL};
	struct child c;

	assert_int_equal(child_prepare(&c, argv, &mask, changes), 0);
	assert_int_equal(child_release(&c, "sh"), 0);
	wait_for(&c);
	assert_int_equal(c.code, 0);
	assert_null(getenv("PROFD_TEST"));
	child_abandon(&c);
}

static void test_killed_before_release(void **state)
{
	struct child c;

	prepare(&c, "exit 0");
	assert_int_equal(kill(c.pid, SIGKILL), 0);
	wait_for(&c);
	assert_int_equal(child_release(&c, "sh"), 0);
	assert_int_equal(c.code, 128 + SIGKILL);
	child_abandon(&c);
}

static void test_exec_fails(void **state)
{
	char *missing[] = {(char *)"/nonexistent/command", NULL};
	char *forbidden[] = {(char *)"/", NULL};
	struct child c;

	assert_int_equal(child_prepare(&c, missing, &mask, NULL), 0);
	assert_int_equal(child_release(&c, missing[0]), -ENOENT);
	assert_true(c.not_run);
	assert_int_equal(c.code, 127);
	assert_int_equal(child_prepare(&c, forbidden, &mask, NULL), 0);
	assert_int_equal(child_release(&c, forbidden[0]), -EACCES);
	assert_int_equal(c.code, 126);
	child_abandon(&c);
}

/* The same answer as exec's, before anything is recorded. */
static void test_check(void **state)
{
	char folder[] = "/tmp/profctl-command-XXXXXX", plain[64], path[128];

	assert_non_null(mkdtemp(folder));
	snprintf(plain, sizeof(plain), "%s/plain", folder);
	int fd = open(plain, O_WRONLY | O_CREAT, 0644);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(child_check("sh"), 0);
	assert_int_equal(child_check("/bin/sh"), 0);
	assert_int_equal(child_check(""), 127);
	assert_int_equal(child_check("no-such-command-anywhere"), 127);
	assert_int_equal(child_check("/nonexistent/sh"), 127);
	assert_int_equal(child_check("/tmp"), 126);
	assert_int_equal(child_check(plain), 126);
	/* What may not be run is passed over while the path has more. */
	snprintf(path, sizeof(path), "/nonexistent:%s:/bin", folder);
	assert_int_equal(setenv("PATH", path, 1), 0);
	assert_int_equal(child_check("plain"), 126);
	assert_int_equal(child_check("sh"), 0);
	assert_int_equal(chmod(plain, 0755), 0);
	assert_int_equal(child_check("plain"), 0);
	assert_int_equal(unlink(plain), 0);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codes_are_passed_on),
		cmocka_unit_test(test_waits_for_release),
		cmocka_unit_test(test_its_environment),
		cmocka_unit_test(test_killed_before_release),
		cmocka_unit_test(test_exec_fails),
		cmocka_unit_test(test_check),
	};
	sigset_t pipe_only;

	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	sigprocmask(SIG_BLOCK, &pipe_only, &mask);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
