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

static void expect(const char *data, size_t size, const char *wanted)
{
	char got[256] = "";
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	FILE *f = console_open(fds[1]);
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, size, f), size);
	assert_int_equal(fclose(f), 0);
	close(fds[1]);
	assert_true(read(fds[0], got, sizeof(got) - 1) >= 0);
	close(fds[0]);
	assert_string_equal(got, wanted);
}

#define EXPECT(data, wanted) expect(data, sizeof(data) - 1, wanted)

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
	FILE *f = console_open(fds[1]);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_control_characters),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_split),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
