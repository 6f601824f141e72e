// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../cli/process_memory.h"

static char text[] = "00400000-00401000 r-xp 00000000 fe:00 1 /bin/x\n"
		     "00500000-00501000 rw-p 00001000 fe:00 1 /bin/x\n"
		     "00501000-00502000 r--p 00002000 fe:00 1 /bin/x\n"
		     "01000000-01100000 rw-p 00000000 00:00 0 [heap]\n"
		     "this is none\n"
		     "7000000000-7000100000 rw-p 00000000 00:00 0\n"
		     "7100000000-7100100000 rw-p 00000000 00:00 0\n"
		     "7200000000-7200010000 rw-p 00000000 00:00 0\n"
		     "7300000000-7300001000 rw-s 00000000 00:05 9 /dev/dri/card0\n"
		     "7400000000-7400001000 rw-s 00000000 00:05 9 /dev/shm/x\n"
		     "7500000000-7500001000 rw-p 001d3000 fe:00 2 /usr/lib/libc.so.6\n"
		     "7fff00000000-7fff00021000 rw-p 00000000 00:00 0 [stack]\n"
		     "7fff00030000-7fff00034000 r--p 00000000 00:00 0 [vvar]\n";

static const struct control_block blocks[] = {
	{0x1000010, 64},
	{0x7000000010, 32},	 /* in an arena */
	{0x7100010010, 0x20000}, /* with a mapping of its own, which was joined with others */
	{0x7fff00020000, 16},
};
static const uint64_t stacks[] = {0x7fff00010000, 0x7200008000};

static void expect(bool complete, const struct leak_range *wanted, size_t n_wanted)
{
	const struct process_memory_facts facts = {blocks, 4, complete, stacks, 2};
	struct leak_range *ranges;
	size_t n;
	FILE *maps = fmemopen(text, strlen(text), "r");

	assert_non_null(maps);
	assert_int_equal(process_memory_roots(maps, &facts, &ranges, &n), 0);
	fclose(maps);
	assert_int_equal(n, n_wanted);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(ranges[i].start, wanted[i].start);
		assert_int_equal(ranges[i].end, wanted[i].end);
		assert_int_equal(ranges[i].starts_only, wanted[i].starts_only);
	}
	free(ranges);
}

static void test_all_blocks_are_known(void **state)
{
	const struct leak_range wanted[] = {
		{0x500000, 0x501000, false},
		{0x7100000000, 0x7100010010, false},
		{0x7100030010, 0x7100100000, false},
		{0x7200008000 - 128, 0x7200010000, false},
		{0x7400000000, 0x7400001000, false},
		{0x7500000000, 0x7500001000, true},
		{0x7fff00010000 - 128, 0x7fff00020000, false},
		{0x7fff00020010, 0x7fff00021000, false},
	};

	(void)state;
	expect(true, wanted, sizeof(wanted) / sizeof(*wanted));
}

static void test_there_are_others(void **state)
{
	const struct leak_range wanted[] = {
		{0x500000, 0x501000, false},
		{0x1000000, 0x1000010, false},
		{0x1000050, 0x1100000, false},
		{0x7000000000, 0x7000000010, false},
		{0x7000000030, 0x7000100000, false},
		{0x7100000000, 0x7100010010, false},
		{0x7100030010, 0x7100100000, false},
		{0x7200008000 - 128, 0x7200010000, false},
		{0x7400000000, 0x7400001000, false},
		{0x7500000000, 0x7500001000, true},
		{0x7fff00010000 - 128, 0x7fff00020000, false},
		{0x7fff00020010, 0x7fff00021000, false},
	};

	(void)state;
	expect(false, wanted, sizeof(wanted) / sizeof(*wanted));
}

static void test_reading(void **state)
{
	const size_t size = 1 << 20;
	char *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *copy = malloc(size);
	struct process_memory m;

	(void)state;
	assert_true(pages != MAP_FAILED && copy);
	assert_int_equal(process_memory_open(&m, getpid()), 0);
	assert_int_equal(process_memory_read(&m, (uintptr_t)pages, copy, size), 0);
	memcpy(pages + size / 2, "here", sizeof("here"));
	assert_int_equal(process_memory_read(&m, (uintptr_t)pages, copy, size), size);
	assert_string_equal(copy + size / 2, "here");
	assert_int_equal(munmap(pages + size / 2, size / 2), 0);
	assert_int_equal(process_memory_read(&m, (uintptr_t)pages + size / 2, copy, 16), -1);
	process_memory_close(&m);
	assert_int_equal(munmap(pages, size / 2), 0);
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_blocks_are_known),
		cmocka_unit_test(test_there_are_others),
		cmocka_unit_test(test_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
