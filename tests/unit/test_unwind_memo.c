// SPDX-License-Identifier: MIT
/*
 * A thread's last stack (bpf/unwind_memo.h) saves steps by rows, and never makes another stack than
 * there would be without it: walked with and without, whatever has changed since.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "memo_walk.h"
#include "stack_fixture.h"

#define TID 4711u

static struct program *p;
static struct memo memo;
static struct memo_stack stack; /* of the last walk with the memo */
static uint32_t tid, mappings, array;
static bool in_spans; /* see memo_begin() */

static int setup(void **state)
{
	p = program_new(7);
	memset(&memo, 0, sizeof(memo));
	memset(&stack, 0, sizeof(stack));
	stack.spans = in_spans;
	tid = TID;
	mappings = 1;
	array = 0;
	return p ? 0 : -1;
}

static int teardown(void **state)
{
	program_free(p);
	return 0;
}

/* ---- both walks --------------------------------------------------------------------------- */

static void start_walk(struct native_walk *walk)
{
	*walk = (struct native_walk){.memory = p->memory, .walk = {.first = array, .count = 1}};
	native_walk_begin(walk, &p->miss);
}

/* Walks p->miss by rows alone, then with the memo; returns why the stack ends. */
static int expect_same(void)
{
	__u64 frames[PROFD_MAX_USER_FRAMES] = {p->miss.ip};
	struct native_walk plain;
	size_t n = 1;
	int end;

	start_walk(&plain);
	end = native_walk_run(&plain, frames, &n, PROFD_MAX_USER_FRAMES);
	start_walk(&stack.walk);
	assert_int_equal(memo_stack_walk(&stack, &memo, tid, mappings), end);
	assert_int_equal(stack.n, n);
	assert_memory_equal(stack.frames, frames, n * sizeof(*frames));
	assert_int_equal(stack.walk.walk.missing, plain.walk.missing);
	/* But for the frame pointer, which is not read before it is needed. */
	assert_int_equal(stack.walk.walk.frame.ip, plain.walk.frame.ip);
	assert_int_equal(stack.walk.walk.frame.sp, plain.walk.frame.sp);
	return end;
}

static void walk_both(void)
{
	take_miss(p);
	assert_int_equal(expect_same(), PROFD_END_COMPLETE);
	assert_int_equal(stack.n, p->n);
}

/* Frames that were searched for in the tables. */
static void expect_slow(unsigned slow)
{
	walk_both();
	assert_int_equal(stack.along.n_slow, slow);
}

enum { ROOT, PLAIN, WITH_FP, LONG, TRAMPOLINE, WITHOUT_ROWS, BARE_ROOT, ZERO_ROOT, SMALL, LARGE };

static void begin(unsigned root, unsigned depth)
{
	add_function(p, ROOT_END, 2, 0);
	add_function(p, BY_SP, 4, 0);
	add_function(p, BY_FP, 2, 0);
	add_function(p, BY_REGISTER_SAVED, 4, 0);
	add_function(p, SIGNAL, 0, 0);
	add_function(p, NO_ROWS, 2, 0);
	add_function(p, ROOT_NO_ROWS, 2, 0);
	add_function(p, ROOT_ZERO, 2, 0);
	add_function(p, BY_SP, 2, 0);
	add_function(p, BY_SP, 6, 3);
	map_code(p);
	call(p, root, 5);
	while (p->n < depth)
		call(p, PLAIN, 9);
}

/* ---- what it saves ------------------------------------------------------------------------ */

static void the_same_stack_again(void **state)
{
	begin(ROOT, 30);
	expect_slow(30);
	assert_int_equal(memo.n, 29); /* the innermost frame is never what it was */
	expect_slow(1);
	expect_slow(1);
	/* Others in the innermost frames. */
	leave(p);
	leave(p);
	call(p, WITH_FP, 3);
	expect_slow(1);
	call(p, WITHOUT_ROWS, 3);
	expect_slow(2);
	leave(p);
	expect_slow(1);
	/* A call from elsewhere in the middle: frames on both sides of it are known. */
	while (p->n > 10)
		leave(p);
	top(p)->ip++;
	while (p->n < 28)
		call(p, PLAIN, 9);
	expect_slow(2);
	expect_slow(1);
	/* Others have been there before: frames inside of that are new. */
	while (p->n > 10)
		leave(p);
	call(p, LARGE, 9);
	while (p->n < 28)
		call(p, PLAIN, 9);
	expect_slow(18);
	expect_slow(1);
}

static void all_that_a_short_rule_can_say(void **state)
{
	begin(BARE_ROOT, 3);
	for (int i = 0; i < 5; i++) {
		call(p, PLAIN, 4);
		call(p, WITH_FP, 4);
		call(p, LARGE, 4);
		call(p, WITHOUT_ROWS, 4);
		call(p, SMALL, 4);
	}
	expect_slow(p->n);
	expect_slow(1);
	leave(p);
	expect_slow(1);
}

static void an_unchanged_root_is_not_enough(void **state)
{
	begin(ZERO_ROOT, 10);
	expect_slow(10);
	walk_both();
	/* Where the stack ends is read there. */
	assert_in_range(stack.along.n_slow, 1, 2);
	poke(p, STACK_TOP - WORD, CODE + 5);
	take_miss(p);
	assert_int_equal(expect_same(), PROFD_END_COMPLETE);
	assert_int_equal(stack.n, 11);
}

/* ---- what is not remembered --------------------------------------------------------------- */

/* Frames inside of one that was left by more than a short rule. */
static void barriers(void **state)
{
	begin(ROOT, 8);
	call(p, LONG, 3);
	for (int i = 0; i < 4; i++)
		call(p, PLAIN, 6);
	expect_slow(13);
	assert_int_equal(memo.n, 8);
	expect_slow(5);
	call(p, TRAMPOLINE, 2);
	for (int i = 0; i < 4; i++)
		call(p, PLAIN, 6);
	expect_slow(10); /* down to the long rule */
	assert_int_equal(memo.n, 8);
	while (p->n > 8)
		leave(p);
	/* The interrupted frame is exact and so never remembered, nor what has called it inside. */
	call(p, TRAMPOLINE, 3);
	for (int i = 0; i < 4; i++)
		call(p, PLAIN, 6);
	expect_slow(6);
	assert_int_equal(memo.n, 7);
	expect_slow(6);
}

static void deep_stacks(void **state)
{
	begin(ROOT, MEMO_FRAMES);
	expect_slow(MEMO_FRAMES);
	assert_int_equal(memo.n, MEMO_FRAMES - 1);
	expect_slow(1);
	/* The one that is too deep takes the memo's place, and leaves none. */
	call(p, PLAIN, 9);
	walk_both();
	assert_int_equal(memo.n, 0);
	expect_slow(MEMO_FRAMES + 1);
	leave(p);
	expect_slow(MEMO_FRAMES);
	expect_slow(1);
	while (p->n < PROFD_MAX_USER_FRAMES - 1)
		call(p, SMALL, 9);
	walk_both();
	call(p, PLAIN, 9);
	take_miss(p);
	assert_int_equal(expect_same(), PROFD_END_LIMIT);
}

static void other_threads_and_other_mappings(void **state)
{
	begin(ROOT, 12);
	expect_slow(12);
	tid += MEMO_THREADS; /* falls into the same place */
	expect_slow(12);
	expect_slow(1);
	tid = TID;
	expect_slow(12);
	mappings = 2;
	expect_slow(12);
	expect_slow(1);
}

/* Stacks that did not reach their root leave the memo as it is. */
static void broken_stacks_are_not_kept(void **state)
{
	begin(ROOT, 12);
	expect_slow(12);
	uint64_t place = p->calls[4].sp + 3 * WORD, value = peek(p, place);
	for (uint64_t bad = 0x999000; bad; bad = bad > 1 ? 1 : 0) {
		poke(p, place, bad);
		take_miss(p);
		assert_int_not_equal(expect_same(), PROFD_END_COMPLETE);
	}
	poke(p, place, value);
	expect_slow(1);
}

/* By somebody who was preempted for long: it is neither used nor written. */
static void a_memo_that_is_being_written(void **state)
{
	begin(ROOT, 12);
	expect_slow(12);
	memo.sequence++;
	memo.entries[3].sp += 8;
	struct memo before = memo;
	expect_slow(12);
	assert_memory_equal(&memo, &before, sizeof(memo));
	memo.entries[3].sp -= 8;
	memo.sequence++;
	expect_slow(1);
	/* A number of entries that there cannot be. */
	memo.n = MEMO_FRAMES + 1;
	expect_slow(12);
	expect_slow(1);
}

/* ---- the property ------------------------------------------------------------------------- */

/* Other code at the same addresses, in another array of mappings: its rules are the next
 * function's. */
#define OTHER_BLOCK (BLOCK + UNWIND_PAGE_WORDS)
static void map_other_code(void)
{
	page_begin(&p->builder, &unwind_arch_x86_64, 0);
	for (unsigned i = 0; i < p->n_functions; i++)
		add_rows(&p->builder, i * FUNCTION_BYTES, &p->functions[(i + 1) % p->n_functions]);
	page_finish(&p->builder, p->memory->chunks[0] + OTHER_BLOCK);
	p->memory->maps[1] = p->memory->maps[0];
	p->memory->maps[1].directory = DIRECTORY + 1;
	p->memory->directory[DIRECTORY + 1].block = OTHER_BLOCK;
}

/* Another CPU, whose thread has the same place: before step number `when` it begins to write the
 * memo, or has written it, with a stack that is nothing like this one. */
struct rival {
	unsigned when;
	bool wrote;
	struct memo before, written;
};

static void write_meanwhile(void *userdata, struct memo *m)
{
	struct rival *r = userdata;

	if (r->when-- != 0)
		return;
	r->before = *m;
	m->n = draw_below(p, MEMO_FRAMES);
	m->sp_high ^= draw_below(p, 2);
	for (unsigned i = 0; i < MEMO_FRAMES; i++) {
		if (draw(p) & 1)
			m->entries[i].sp += 8 * draw_below(p, 8);
		if (draw(p) & 1)
			m->entries[i].ip = m->entries[draw_below(p, MEMO_FRAMES)].ip;
	}
	m->sequence += 1 + draw_below(p, 2);
	r->written = *m;
	r->wrote = true;
}

/* The walk has not touched what the rival wrote. What the next one finds is true. */
static void after_rival(struct rival *r)
{
	if (r->wrote) {
		uint32_t sequence = memo.sequence;

		assert_memory_equal(&memo, &r->written, sizeof(memo));
		memo = r->before;
		memo.sequence = (sequence | 1) + 1;
	}
	r->wrote = false;
	r->when = draw_below(p, 4) ? UINT32_MAX : draw_below(p, 40);
}

/* The program goes on: some functions return, others are called. */
static void run_on(void)
{
	unsigned returns = draw_below(p, 3) ? draw_below(p, 4) : draw_below(p, p->n + 1);

	while (p->n && returns--)
		leave(p);
	if (!p->n)
		call(p, draw_below(p, ROOTS), 1);
	else if (draw_below(p, 4) == 0) /* the call came from elsewhere */
		top(p)->ip = CODE + top(p)->function * FUNCTION_BYTES + 1 + draw_below(p, 63);
	for (unsigned calls = draw_below(p, p->n < 40 ? 8 : 4); calls && has_room(p); calls--) {
		unsigned kinds = p->n_functions - ROOTS - (draw_below(p, 8) ? UNCOMMON : 0);

		if (p->n < MAX_CALLS)
			call(p, ROOTS + draw_below(p, kinds), 1 + draw_below(p, 3));
	}
}

/* What may stand in a word of a stack. */
static uint64_t any_word(void)
{
	switch (draw_below(p, 5)) {
	case 0:
		return 0;
	case 1:
		return draw(p);
	case 2: /* code */
		return CODE + draw_below(p, p->n_functions * FUNCTION_BYTES);
	case 3: /* beside it */
		return CODE + UNWIND_PAGE_SIZE + draw_below(p, 4096);
	default:
		return p->miss.sp + 8 * draw_below(p, 200);
	}
}

/* Walks the stack with some words of it that are anything; they are as they were afterwards. */
static int walk_broken(unsigned words)
{
	uint64_t where[4], was[4];
	int end;

	for (unsigned i = 0; i < words; i++) {
		where[i] = top(p)->sp + 8 * draw_below(p, (unsigned)(STACK_TOP - top(p)->sp) / 8);
		was[i] = peek(p, where[i]);
		poke(p, where[i], any_word());
	}
	take_miss(p);
	end = expect_same();
	while (words--)
		poke(p, where[words], was[words]);
	return end;
}

static void expect_memo_in_order(void)
{
	if (memo.n > MEMO_FRAMES)
		fail_msg("%u entries", memo.n);
	for (unsigned i = 1; i < memo.n; i++)
		assert_true((int32_t)(memo.entries[i - 1].sp - memo.entries[i].sp) > 0);
}

static void never_another_stack(void **state)
{
	struct rival rival = {.when = UINT32_MAX};
	unsigned long slow = 0, all = 0;
	unsigned ends[PROFD_END_COUNT] = {0};

	add_any_functions(p);
	map_code(p);
	map_other_code();
	stack.meanwhile = write_meanwhile;
	stack.userdata = &rival;
	for (int round = 0; round < 60000; round++) {
		unsigned broken = draw_below(p, 3) ? 0 : 1 + draw_below(p, 4);

		run_on();
		if (draw_below(p, 50) == 0)
			tid = TID + MEMO_THREADS * draw_below(p, 2);
		if (draw_below(p, 50) == 0) {
			array = draw_below(p, 2);
			mappings = 1 + array + 2 * draw_below(p, 2);
		}
		int end = walk_broken(broken);
		ends[end < 0 ? PROFD_END_NOT_LOADED : end]++;
		if (!broken && array == 0 && end == PROFD_END_COMPLETE) {
			slow += stack.along.n_slow;
			all += stack.n;
		}
		after_rival(&rival);
		expect_memo_in_order();
	}
	/* All kinds of ends were met, and most steps saved. */
	assert_true(ends[PROFD_END_COMPLETE] > 20000);
	assert_true(ends[PROFD_END_UNREADABLE] && ends[PROFD_END_FRAME_POINTER] &&
		    ends[PROFD_END_RULE] && ends[PROFD_END_IMPLAUSIBLE] &&
		    ends[PROFD_END_NOT_LOADED]);
	assert_true(all > 200000);
	assert_in_range(slow * 100 / all, 1, 60);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_same_stack_again),
		TEST(all_that_a_short_rule_can_say),
		TEST(an_unchanged_root_is_not_enough),
		TEST(barriers),
		TEST(deep_stacks),
		TEST(other_threads_and_other_mappings),
		TEST(broken_stacks_are_not_kept),
		TEST(a_memo_that_is_being_written),
		TEST(never_another_stack),
	};
	int failed = cmocka_run_group_tests_name("words", tests, NULL, NULL);

	in_spans = true;
	return failed + cmocka_run_group_tests_name("spans", tests, NULL, NULL);
}
