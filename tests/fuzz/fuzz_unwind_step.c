// SPDX-License-Identifier: MIT
/*
 * The step of the table-driven unwinder on tables and stacks that are anything: it must read within
 * both, end, leave a frame that it cannot leave as it was, and never fall but out of a signal, nor
 * stay but in the innermost frame.
 */
#include <stdlib.h>
#include <string.h>

#include "profd/unwind_abi.h"
#include "util/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TABLE_SIZE 4096 /* words */
#define STACK	   0x7f0000000000ULL
#define MAX_STEPS  256

static uint32_t tables[TABLE_SIZE];
static const uint8_t *stack;
static size_t stack_size;

static int read_stack(void *to, size_t n, uint64_t address)
{
	if (address < STACK || address - STACK > stack_size || stack_size - (address - STACK) < n)
		return -1;
	memcpy(to, stack + (address - STACK), n);
	return 0;
}

#define TABLE_WORD(words, i)	      (words)[(i) & (TABLE_SIZE - 1)]
#define TABLE_READ(f, to, n, address) read_stack(to, n, address)
/* The odd ones hold small numbers, to count by. */
#define TABLE_REGISTER(f, number) ((number)&1 ? (number) : STACK + (number))
#define TABLE_SP		  7
#define TABLE_FP		  6
#define TABLE_USER_END		  (1ULL << 56)
#include "../../bpf/unwind_table.h"

static void require(bool good)
{
	if (!good)
		abort();
}

static bool goes_elsewhere(const struct table_rule *rule)
{
	return (rule->head >> 8 & UNWIND_RULE_ELSEWHERE) == UNWIND_RULE_ELSEWHERE;
}

static void walk(struct table_frame *f)
{
	for (int i = 0; i < MAX_STEPS; i++) {
		struct table_frame before = *f;
		struct table_rule rule = {0};
		int r;

		table_rule(&rule, tables, (uint32_t)(f->ip >> 16), (uint16_t)f->ip);
		r = table_step(f, &rule);

		require(r >= TABLE_CALLER && r <= TABLE_IMPLAUSIBLE /* the last */);
		if (r != TABLE_CALLER) {
			require(!memcmp(&before, f, sizeof(before)));
			return;
		}
		require(f->sp > before.sp || f->exact || goes_elsewhere(&rule) ||
			(f->sp == before.sp && before.innermost));
		require(f->ip >= TABLE_MIN_ADDRESS && f->ip < TABLE_USER_END && !f->innermost);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r = reader_of(data, size);
	struct table_frame f = {
		.ip = read_number(&r, 4),
		.sp = STACK + read_number(&r, 2),
		.fp = STACK + read_number(&r, 2),
		.innermost = 1,
		.exact = 1,
	};
	size_t n = read_number(&r, 2);

	if (n > reader_left(&r))
		n = reader_left(&r);
	if (n > sizeof(tables))
		n = sizeof(tables);
	memset(tables, 0, sizeof(tables));
	memcpy(tables, read_bytes(&r, n), n);
	stack = r.at;
	stack_size = reader_left(&r);
	walk(&f);
	return 0;
}
