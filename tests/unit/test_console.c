// SPDX-License-Identifier: MIT
/* test_console.c - what reaches a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../cli/console.h"

static void expect(const char *data, size_t size, bool colours, const char *wanted)
{
	char got[2048] = "";
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	FILE *f = console_open(fds[1], colours);
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, size, f), size);
	assert_int_equal(fclose(f), 0);
	close(fds[1]);
	assert_true(read(fds[0], got, sizeof(got) - 1) >= 0);
	close(fds[0]);
	assert_string_equal(got, wanted);
}

#define EXPECT(data, wanted)  expect(data, sizeof(data) - 1, false, wanted)
#define COLOURS(data, wanted) expect(data, sizeof(data) - 1, true, wanted)

static void test_control_characters(void **state)
{
	EXPECT("plain\ntext\n", "plain\ntext\n");
	EXPECT("\x1b[31mred\x1b[0m\r\n", "?[31mred?[0m?\n");
	EXPECT("tab\there\x7f\x01", "tab\there??");
	EXPECT("nul\0end", "nul?end");
}

static void test_utf8(void **state)
{
	EXPECT("caf\xc3\xa9 \xe2\x86\x92 \xf0\x9f\x94\xa5",
		"caf\xc3\xa9 \xe2\x86\x92 \xf0\x9f\x94\xa5");
	/* U+009B is the control sequence introducer, U+00A0 a space; 0x9b inside U+201B is neither.
	 */
	EXPECT("\xc2\x9b"
	       "2J",
		"\xc2?2J");
	EXPECT("\xc2\xa0x", "\xc2\xa0x");
	EXPECT("\xe2\x80\x9b", "\xe2\x80\x9b");
}

/* The two bytes of a C1 character come in two writes. */
static void test_split(void **state)
{
	char got[16] = "";
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	FILE *f = console_open(fds[1], true);
	assert_non_null(f);
	fputc('\xc2', f);
	assert_int_equal(fflush(f), 0);
	fputs("\x9b!", f);
	assert_int_equal(fclose(f), 0);
	close(fds[1]);
	assert_true(read(fds[0], got, sizeof(got) - 1) > 0);
	close(fds[0]);
	assert_string_equal(got, "\xc2?!");
}

static void test_colours(void **state)
{
	COLOURS("\x1b[1mhead\x1b[0m\nnext\n", "\x1b[1mhead\x1b[0m\nnext\n");
	COLOURS("\x1b[0mplain\x1b[0m\n", "plain\n");
	/* Only ours pass, and none outlasts its line. */
	COLOURS("\x1b[1;31mf\n", "\x1b[1;31mf\x1b[0m\n");
	COLOURS("\x1b[1;32mf", "?[1;32mf");
	COLOURS("\x1b\x1b[2mdim", "?\x1b[2mdim");
	COLOURS("\x1b[2J\x1b]0;title\x07", "?[2J?]0;title?");
	COLOURS("end\x1b[1;", "end?[1;");
	EXPECT("\x1b[1mhead\x1b[0m\n", "?[1mhead?[0m\n");
}

/* More than the stream's buffer at once. */
static void test_long_lines(void **state)
{
	char line[1801];

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 2] = '\n';
	line[sizeof(line) - 1] = '\0';
	expect(line, sizeof(line) - 1, true, line);
	expect(line, sizeof(line) - 1, false, line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_control_characters),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_colours),
		cmocka_unit_test(test_long_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
