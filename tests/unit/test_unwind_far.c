// SPDX-License-Identifier: MIT
/*
 * Steps by rows to where no frame can be: far above the stack pointer, as with a slot or a register
 * that holds something else than CFI says, and as on a program's other stacks. BPF reads anywhere;
 * so does the shim here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "table_fixture.h"

#define CODE  0x400000ULL
#define STACK 0x7f0000000000ULL
#define FAR   (STACK + (1ULL << 30))
#define BLOCK 16 /* no special one */

/* What each word of memory holds: the frame pointer that was saved, or a return address. */
static uint64_t even_words, odd_words;

static int read_words(void *to, size_t n, uint64_t address)
{
	uint64_t words[2] = {even_words, odd_words};

	if (address & WORD)
		words[0] = odd_words;
	memcpy(to, words, n);
	return 0;
}

static uint32_t page_words[UNWIND_PAGE_WORDS];
static struct tables_map code_map = {.start = CODE, .pages = 1, .flags = TABLES_MAP_TABLE};
static struct tables_entry code_entry = {.block = BLOCK};

#define TABLE_WORD(words, i)	       ((words)[(i) & (UNWIND_PAGE_WORDS - 1)])
#define TABLE_READ(f, to, n, address)  read_words(to, n, address)
#define TABLE_REGISTER(f, number)      0
#define TABLE_SP		       RSP
#define TABLE_FP		       RBP
#define TABLE_USER_END		       (1ULL << 56)
#define WALK_MAP(w, i)		       (&code_map + (i))
#define WALK_ENTRY(w, i)	       (&code_entry + (i))
#define WALK_RULE(w, rule, b, address) (table_rule(rule, page_words, (b)-BLOCK, address), true)
#define WALK_FIND_MAP(w, address)      walk_find_map(w, 0, 1, address)
#define WALK_LEAF(w)		       false
#include "../../bpf/unwind_walk.h"

static struct walk walk;

/* One step from the middle of the page, where this rule holds; the stack pointer is at STACK. */
static int step(const struct unwind_rule *rule, uint64_t fp, uint64_t return_address)
{
	static struct page_builder builder;

	page_begin(&builder, &unwind_arch_x86_64, 0);
	page_add_rule(&builder, 0, rule);
	page_finish(&builder, page_words);
	odd_words = return_address;
	walk = (struct walk){
		.frame = {.ip = CODE + 0x100, .sp = STACK, .fp = fp},
		.count = 1,
	};
	return walk_step(&walk);
}

static void expect_left(int r, uint64_t sp)
{
	assert_int_equal(r, WALK_GO_ON);
	assert_int_equal(walk.frame.ip, CODE + 0x200);
	assert_int_equal(walk.frame.sp, sp);
}

/* It was not left: user space may go on from there. */
static void expect_implausible(int r, uint64_t fp)
{
	assert_int_equal(r, PROFD_END_IMPLAUSIBLE);
	assert_int_equal(walk.frame.ip, CODE + 0x100);
	assert_int_equal(walk.frame.sp, STACK);
	assert_int_equal(walk.frame.fp, fp);
}

static void by_frame_pointer(void **state)
{
	const struct unwind_rule rule = rule_by_fp();
	const uint64_t elsewhere = 0x1234567800ULL; /* no code is there */

	even_words = STACK + 64;
	expect_left(step(&rule, STACK + 32, CODE + 0x200), STACK + 48);
	assert_int_equal(walk.slot, 1 | WALK_USES_FP);
	expect_left(step(&rule, FAR, CODE + 0x200), FAR + 16);
	assert_int_equal(walk.slot, 1 | WALK_USES_FP);
	/* With other high halves it is nothing for a memo. */
	expect_left(step(&rule, FAR + (1ULL << 32), CODE + 0x200), FAR + (1ULL << 32) + 16);
	assert_int_equal(walk.slot, WALK_NOT_SIMPLE);
	expect_implausible(step(&rule, FAR, elsewhere), FAR);
	expect_implausible(step(&rule, FAR, CODE - 0x10), FAR);
	expect_implausible(step(&rule, STACK - 64, CODE + 0x200), STACK - 64);
	/* As far as a frame can reach, the next step says what is wrong. */
	assert_int_equal(step(&rule, STACK + WALK_MAX_FRAME - 16, elsewhere), WALK_GO_ON);
	expect_implausible(
		step(&rule, STACK + WALK_MAX_FRAME - 8, elsewhere), STACK + WALK_MAX_FRAME - 8);
}

static void by_slot(void **state)
{
	struct unwind_rule rule = rule_by_sp(1, 0);

	rule.flags = UNWIND_RULE_DEREF;
	rule.cfa_offset = -16;
	even_words = STACK + 80;
	expect_left(step(&rule, 0, CODE + 0x200), STACK + 80);
	even_words = FAR;
	expect_left(step(&rule, 0, CODE + 0x200), FAR);
	expect_implausible(step(&rule, 0, 0x5000), 0);
}

/* Below the stack pointer, too, but only in code. */
static void by_switch(void **state)
{
	const struct unwind_rule rule = {
		.base = RBP,
		.flags = UNWIND_RULE_ELSEWHERE,
		.ra_offset = -WORD,
		.fp_offset = -2 * WORD,
		.cfa_offset = 2 * WORD,
	};
	const uint64_t places[] = {STACK - 64, STACK - (1ULL << 40), STACK, STACK + 64, FAR};

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		even_words = STACK - 4096;
		expect_left(step(&rule, places[i], CODE + 0x200), places[i] + 16);
		assert_int_equal(walk.frame.fp, STACK - 4096);
		assert_false(walk.frame.fp_lost);
		if (places[i] < STACK || places[i] == FAR)
			expect_implausible(step(&rule, places[i], 0x1234567800ULL), places[i]);
	}
}

/* The stack that a signal interrupted may be anywhere. */
static void by_signal(void **state)
{
	const struct unwind_rule rule = rule_of_signal();

	even_words = FAR;
	assert_int_equal(step(&rule, 0, 0x5000), WALK_GO_ON);
	assert_int_equal(walk.frame.ip, 0x5000);
	assert_int_equal(walk.frame.sp, FAR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_frame_pointer),
		cmocka_unit_test(by_slot),
		cmocka_unit_test(by_switch),
		cmocka_unit_test(by_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
