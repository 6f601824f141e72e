/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/log.h"

static int stderr_copy, capture;

/* Standard error goes to memory until take(). */
static void begin(void)
{
	stderr_copy = dup(STDERR_FILENO);
	capture = memfd_create("log", MFD_CLOEXEC);
	assert_true(stderr_copy >= 0 && capture >= 0);
	assert_true(dup2(capture, STDERR_FILENO) >= 0);
}

static const char *take(void)
{
	static char text[8192];
	assert_true(dup2(stderr_copy, STDERR_FILENO) >= 0);
	ssize_t n = pread(capture, text, sizeof(text) - 1, 0);
	assert_true(n >= 0);
	text[n] = '\0';
	close(stderr_copy);
	close(capture);
	return text;
}

static void test_lines(void **state)
{
	(void)state;
	begin();
	log_setup("prog", LOG_LEVEL_INFO);
	errno = EAGAIN;
	log_error("one %d", 1);
	int kept = errno;
	log_info("a\nb\x1b[31m\tc\x7f");
	log_debug("not shown");
	assert_string_equal(take(), "prog: one 1\nprog: a?b?[31m?c?\n");
	assert_int_equal(kept, EAGAIN);
}

static void test_long_lines_are_cut(void **state)
{
	char text[5000];
	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	begin();
	log_setup("prog", LOG_LEVEL_INFO);
	log_error("%s", text);
	const char *line = take();
	size_t n = strlen(line);
	assert_true(n > 1000 && n < 4096);
	assert_int_equal(line[n - 1], '\n');
	assert_int_equal(line[n - 2], 'x');
}

static void test_journal(void **state)
{
	char stream[64];
	struct stat st;
	(void)state;
	begin();
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino);
	assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
	log_setup("prog", LOG_LEVEL_DEBUG);
	log_warning("w");
	log_debug("d");
	/* Another stream than the one systemd connected. */
	assert_int_equal(setenv("JOURNAL_STREAM", "1:1", 1), 0);
	log_setup("prog", LOG_LEVEL_DEBUG);
	log_error("e");
	assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
	assert_string_equal(take(), "<4>w\n<7>d\nprog: e\n");
}

static void test_limit(void **state)
{
	struct log_limit limit = {.seconds = 3600};
	(void)state;
	begin();
	log_setup("prog", LOG_LEVEL_INFO);
	assert_true(log_allowed(&limit));
	assert_false(log_allowed(&limit));
	assert_false(log_allowed(&limit));
	limit.last -= 3600; /* an hour later */
	bool allowed = log_allowed(&limit);
	assert_string_equal(take(), "prog: 2 messages like the next one were held back\n");
	assert_true(allowed);
	assert_int_equal(limit.held, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_long_lines_are_cut),
		cmocka_unit_test(test_journal),
		cmocka_unit_test(test_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
