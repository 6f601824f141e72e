// SPDX-License-Identifier: MIT
/* A helper's answer is not believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "symbols/answer.h"

static void answers_are_checked(void **state)
{
	struct {
		struct symbolizer_answer head;
		struct symbolizer_segment segment;
		struct symbolizer_address address;
		struct symbolizer_function function;
		struct symbolizer_line line;
		char strings[8];
	} good = {.head = {.n_segments = 1,
			  .n_addresses = 1,
			  .n_functions = 1,
			  .n_lines = 1,
			  .n_strings = 8,
			  .build_id = "00ff"},
		.address = {.first = 0, .count = 1},
		.function = {.name = 1},
		.strings = "\0name\0\0"},
	  bad;
	struct symbol_answer a;

	assert_int_equal(symbol_answer_check(&a, &good, sizeof(good), 1), 0);
	assert_int_equal(symbol_answer_check(&a, &good, sizeof(good), 2), -EBADMSG);
	assert_int_equal(symbol_answer_check(&a, &good, sizeof(good) - 1, 1), -EBADMSG);
	assert_int_equal(symbol_answer_check(&a, &good, 3, 1), -EBADMSG);
#define REFUSED(change)                                                                    \
	do {                                                                               \
		bad = good;                                                                \
		change;                                                                    \
		assert_int_equal(symbol_answer_check(&a, &bad, sizeof(bad), 1), -EBADMSG); \
	} while (0)
	REFUSED(bad.head.n_segments = 1000);
	REFUSED(bad.head.n_lines = UINT32_MAX);
	REFUSED(bad.head.n_strings = 7);
	REFUSED(bad.head.error = 1);
	REFUSED(bad.head.build_id[0] = 'g');
	REFUSED(memset(bad.head.build_id, 'a', sizeof(bad.head.build_id)));
	REFUSED(bad.address.count = 2);
	REFUSED(bad.address.first = 2);
	REFUSED(bad.function.name = 8);
	REFUSED(bad.function.name = 0);
	REFUSED(bad.function.file = 8);
	REFUSED(bad.function.name = 2); /* in the middle of a text */
	REFUSED(bad.function.start_line = UINT32_MAX);
	REFUSED(bad.line.function = 1);
	REFUSED(bad.strings[7] = 'x');
	REFUSED(bad.strings[0] = 'x');
	REFUSED(bad.segment.vaddr = UINT64_MAX; bad.segment.memsz = 2);
}

/* A small answer must not become a large table: neither by lines that addresses share, nor by texts
 * that functions share. */
static void answers_do_not_multiply(void **state)
{
	enum { FUNCTIONS = 8192, TEXT = SYMBOLIZER_MAX_NAME - 1 };
	static struct {
		struct symbolizer_answer head;
		struct symbolizer_address addresses[2];
		struct symbolizer_function functions[FUNCTIONS];
		struct symbolizer_line line;
		char strings[TEXT + 2];
	} m = {.head = {.n_addresses = 2,
		       .n_functions = FUNCTIONS,
		       .n_lines = 1,
		       .n_strings = sizeof(m.strings)}};
	const size_t size = offsetof(typeof(m), strings) + sizeof(m.strings);
	struct symbol_answer a;

	memset(m.strings + 1, 'a', TEXT);
	for (size_t i = 0; i < FUNCTIONS; i++)
		m.functions[i].name = 1;
	m.addresses[0].count = 1;
	assert_int_equal(symbol_answer_check(&a, &m, size, 2), -EBADMSG); /* 512 MiB of names */
	m.strings[5] = '\0';
	assert_int_equal(symbol_answer_check(&a, &m, size, 2), 0);
	m.addresses[1].count = 1;
	assert_int_equal(symbol_answer_check(&a, &m, size, 2), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_checked),
		cmocka_unit_test(answers_do_not_multiply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
