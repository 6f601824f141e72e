// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "../../cli/leak_scan.h"

/* A memory of 4 pages, of which the third cannot be read. */
#define BASE  0x10000u
#define PAGES 4u
#define HOLE  2u

static uint64_t memory[PAGES * 512];

static ssize_t read_memory(void *userdata, uint64_t address, void *to, size_t size)
{
	uint64_t at = address - BASE, hole = HOLE * 4096;

	(void)userdata;
	if (at >= hole && at < hole + 4096)
		return -1;
	if (at < hole && at + size > hole)
		size = hole - at;
	memcpy(to, (const char *)memory + at, size);
	return (ssize_t)size;
}

static uint64_t *word(uint64_t address)
{
	return &memory[(address - BASE) / 8];
}

/* Blocks of 32 bytes, i * 64 bytes into the second page; roots are the first and the last one. */
#define BLOCK(i) (BASE + 4096u + 64u * (uint64_t)(i))

static void expect(size_t n, const uint64_t *registers, size_t n_registers, const char *wanted)
{
	struct control_block blocks[64];
	const struct leak_range ranges[] = {
		{BASE, BASE + 2048, false},
		{BASE + 2048, BASE + 4096, true},
		{BASE + 8192, BASE + 16384, false},
	};
	const struct leak_roots roots = {ranges, 3, registers, n_registers};
	const struct leak_memory reader = {read_memory, NULL};
	char kinds[64] = "";

	for (size_t i = 0; i < n; i++)
		blocks[i] = (struct control_block){BLOCK(i), 32};
	assert_int_equal(leak_scan(blocks, n, &roots, &reader, kinds), 0);
	assert_string_equal(kinds, wanted);
}

static int setup(void **state)
{
	(void)state;
	memset(memory, 0, sizeof(memory));
	return 0;
}

static void test_nothing(void **state)
{
	expect(0, NULL, 0, "");
	expect(3, NULL, 0, "ddd");
}

static void test_roots(void **state)
{
	const uint64_t registers[] = {7, BLOCK(2)};

	*word(BASE + 8) = BLOCK(0);
	*word(BASE + 12288 + 4088) = BLOCK(1); /* behind what cannot be read */
	*word(BASE + 8192) = BLOCK(3);	       /* in it */
	expect(4, registers, 2, "rrrd");
}

static void test_chains(void **state)
{
	*word(BASE) = BLOCK(0);
	*word(BLOCK(0) + 24) = BLOCK(1);
	*word(BLOCK(1)) = BLOCK(2);
	*word(BLOCK(2)) = BLOCK(0);
	/* The last byte of a block counts, what is behind it does not. */
	*word(BLOCK(2) + 32) = BLOCK(3);
	expect(4, NULL, 0, "rrrd");
}

static void test_into_the_middle(void **state)
{
	*word(BASE) = BLOCK(0) + 31;
	*word(BLOCK(0)) = BLOCK(1);
	*word(BASE + 8) = BLOCK(2) + 32; /* one behind it */
	expect(3, NULL, 0, "ppd");
	/* A better way to it makes it, and what it leads to, better. */
	*word(BASE + 16) = BLOCK(0);
	expect(3, NULL, 0, "rrd");
}

static void test_an_allocators_own_pointers(void **state)
{
	*word(BASE + 2048) = BLOCK(0) + 8;
	*word(BASE + 2056) = BLOCK(1);
	*word(BLOCK(1)) = BLOCK(2) + 8;
	expect(3, NULL, 0, "drp");
}

static void test_lost_together(void **state)
{
	*word(BLOCK(0)) = BLOCK(1);
	*word(BLOCK(1)) = BLOCK(2) + 8;
	/* The head is found last. */
	*word(BLOCK(5)) = BLOCK(4);
	*word(BLOCK(4)) = BLOCK(3);
	expect(6, NULL, 0, "diiiid");
}

static void test_lost_rings(void **state)
{
	*word(BLOCK(0)) = BLOCK(1);
	*word(BLOCK(1)) = BLOCK(0);
	*word(BLOCK(2)) = BLOCK(2);
	expect(3, NULL, 0, "did");
}

static void test_lost_that_points_to_what_is_not(void **state)
{
	*word(BLOCK(0)) = BLOCK(1);
	*word(BASE) = BLOCK(1);
	expect(2, NULL, 0, "dr");
}

/* Against reachability by brute force. */
static void test_at_random(void **state)
{
	enum { N = 60 };
	uint64_t random = 88172645463325252ULL;

	for (int round = 0; round < 200; round++) {
		char wanted[N + 1] = "";
		bool reached[N] = {0}, again = true;

		memset(memory, 0, sizeof(memory));
		for (int i = 0; i < N; i++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			*word(BLOCK(i) + random % 4 * 8) = BLOCK(random / 8 % (2 * N));
			if (random / 1024 % 16 == 0)
				*word(BASE + 8u * (unsigned)i) = BLOCK(i), reached[i] = true;
		}
		while (again) {
			again = false;
			for (int i = 0; i < N * 4; i++)
				for (int to = 0; to < N && reached[i / 4]; to++)
					if (*word(BLOCK(i / 4) + (unsigned)i % 4 * 8) ==
							BLOCK(to) &&
						!reached[to])
						reached[to] = again = true;
		}
		struct control_block blocks[N];
		const struct leak_range range = {BASE, BASE + 4096, false};
		const struct leak_roots roots = {.ranges = &range, .n_ranges = 1};
		const struct leak_memory reader = {read_memory, NULL};

		for (int i = 0; i < N; i++)
			blocks[i] = (struct control_block){BLOCK(i), 32};
		assert_int_equal(leak_scan(blocks, N, &roots, &reader, wanted), 0);
		for (int i = 0; i < N; i++)
			assert_int_equal(wanted[i] == 'r', reached[i]);
	}
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing),
		TEST(test_roots),
		TEST(test_chains),
		TEST(test_into_the_middle),
		TEST(test_an_allocators_own_pointers),
		TEST(test_lost_together),
		TEST(test_lost_rings),
		TEST(test_lost_that_points_to_what_is_not),
		TEST(test_at_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
