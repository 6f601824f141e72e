// SPDX-License-Identifier: MIT
/* The whole walk on stacks whose frames are known: what it finds, and why it ends. */
#include "walk_fixture.h"

/* ---- whole stacks ------------------------------------------------------------------------- */

static void each_rule(void **state)
{
	static const struct function kinds[] = {
		{BY_SP, 1, 0},
		{BY_SP, 9, 0},
		{BY_SP, 3, 1},
		{BY_SP, 9, 7},
		{BY_FP, 0, 0},
		{BY_FP, 5, 0},
		{NO_ROWS, 0, 0},
		{NO_ROWS, 6, 0},
		{BY_REGISTER_SAVED, 4, 0},
		{BY_REGISTER_SAVED, 4, 2},
		{LOSES_FP, 3, 0},
		{SWITCHES, 2, 0},
		{SIGNAL, 0, 0},
	};

	begin();
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		add_function(p, kinds[i].how, kinds[i].words, kinds[i].slot);
	map_code(p);
	for (unsigned inner = 2; inner < p->n_functions; inner++) {
		for (unsigned outer = 2; outer < p->n_functions; outer++) {
			p->n = 2;
			call(p, outer, 11);
			call(p, inner, 12);
			expect_program();
		}
	}
}

static void any_stack(void **state)
{
	unsigned complete = 0;

	add_any_functions(p);
	map_code(p);
	for (int round = 0; round < 3000; round++) {
		unsigned depth = draw_below(p, 60);

		p->n = 0;
		call(p, draw_below(p, ROOTS), 1);
		for (unsigned i = 0; i < depth && has_room(p); i++)
			call(p, ROOTS + draw_below(p, p->n_functions - ROOTS),
				1 + draw_below(p, 63));
		expect_program();
		complete += walk_program() == PROFD_END_COMPLETE;
	}
	assert_in_range(complete, 1000, 2999);
}

/* A call can be the last instruction of its function, and a signal can come in at the first one. */
static void return_addresses_are_looked_up_one_byte_earlier(void **state)
{
	unsigned caller, trampoline, other;

	begin();
	caller = add_function(p, BY_SP, 5, 0);
	other = add_function(p, UNKNOWN, 0, 0);
	trampoline = add_function(p, SIGNAL, 0, 0);
	map_code(p);
	call(p, caller, 1);
	top(p)->ip = CODE + other * FUNCTION_BYTES; /* behind its last byte */
	call(p, caller, 5);
	expect_program();
	p->n = 2;
	call(p, caller, 1);
	top(p)->ip = CODE + caller * FUNCTION_BYTES;
	call(p, trampoline, 1);
	call(p, caller, 9);
	expect_program();
	assert_true(frames[2] & PROFD_FRAME_EXACT);
	assert_false(frames[1] & PROFD_FRAME_EXACT);
}

static void a_signal_stack_may_lie_below_or_above(void **state)
{
	unsigned f, trampoline;

	begin();
	f = add_function(p, BY_SP, 5, 0);
	trampoline = add_function(p, SIGNAL, 0, 0);
	map_code(p);
	call(p, f, 1);
	call(p, trampoline, 1); /* odd: on the other stack */
	call(p, f, 2);
	expect_program();
	/* The other way round: what was interrupted ran below, on a stack of its own. */
	p->n = 2;
	call(p, f, 3);
	top(p)->sp -= 2048;
	top(p)->alternate = true;
	poke(p, top(p)->sp + 4 * WORD, p->calls[1].ip);
	call(p, trampoline, 2);
	take_miss(p);
	poke(p, p->miss.sp + SIGNAL_SP, p->calls[1].sp - 2 * WORD);
	poke(p, p->miss.sp + SIGNAL_IP, CODE + f * FUNCTION_BYTES + 1);
	poke(p, p->calls[1].sp - 2 * WORD + 4 * WORD, 0);
	take_miss(p);
	assert_int_equal(go(), PROFD_END_COMPLETE);
	assert_int_equal(n_frames, 2);
	assert_int_equal(frames[1], (CODE + f * FUNCTION_BYTES + 1) | PROFD_FRAME_EXACT);
}

static void a_plt_entry_pushes_in_its_middle(void **state)
{
	static const struct unwind_rule plt = {.base = RSP,
		.flags = UNWIND_RULE_PLT,
		.ra_offset = -WORD,
		.cfa_offset = 8,
		.cfa_add = 11};

	begin();
	page_add_rule(&p->builder, p->n_functions * FUNCTION_BYTES, &plt);
	p->n_functions++;
	map_code(p);
	p->calls[2] = p->calls[1];
	p->n = 3;
	for (unsigned offset = 0; offset < 16; offset++) {
		uint64_t pushed = offset >= 11 ? WORD : 0;

		p->calls[2].ip = CODE + 2 * FUNCTION_BYTES + 16 + offset;
		p->calls[2].sp = p->calls[1].sp - WORD - pushed;
		poke(p, p->calls[1].sp - WORD, p->calls[1].ip);
		assert_int_equal(walk_program(), PROFD_END_COMPLETE);
		assert_int_equal(n_frames, 3);
	}
}

/* ---- the innermost frame ------------------------------------------------------------------ */

static void registers_of_the_innermost_frame(void **state)
{
	static const struct unwind_rule by_r10 = {.base = 10, .ra_offset = -WORD, .cfa_offset = 32};
	unsigned f;

	begin();
	f = p->n_functions++;
	page_add_rule(&p->builder, f * FUNCTION_BYTES, &by_r10);
	add_function(p, BY_SP, 2, 0);
	map_code(p);
	call(p, 1, 3);
	top(p)->ip = CODE + f * FUNCTION_BYTES + 8;
	top(p)->sp -= 640; /* wherever: the rule does not ask */
	take_miss(p);
	p->miss.registers[10] = p->calls[1].sp - 32;
	assert_int_equal(go(), PROFD_END_COMPLETE);
	assert_int_equal(n_frames, 3);
	assert_int_equal(frames[1], p->calls[1].ip);
	/* Where they are not at hand they are missing, ... */
	native_walk_begin(&walk, &p->miss);
	walk.walk.frame.registers = 0;
	n_frames = 1;
	assert_int_equal(native_walk_run(&walk, frames, &n_frames, 256), WALK_MISS);
	assert_int_equal(walk.walk.missing, PROFD_MISSING_REGISTER);
	/* ... and those of a frame further out are lost for good. */
	call(p, f + 1, 5);
	assert_int_equal(walk_program(), PROFD_END_RULE);
	assert_int_equal(n_frames, 2);
	/* The walk goes on from a frame that is not the innermost. */
	p->miss.innermost = 0;
	p->miss.exact = 0;
	assert_int_equal(go(), PROFD_END_RULE);
}

/* vfork() takes its return address off the stack before it enters the kernel. */
static void a_return_address_in_a_register(void **state)
{
	static const struct unwind_rule in_rdi = {
		.base = RSP, .flags = UNWIND_RULE_RA_REGISTER, .ra_offset = 5};
	unsigned vfork;

	begin();
	vfork = p->n_functions++;
	page_add_rule(&p->builder, vfork * FUNCTION_BYTES, &in_rdi);
	map_code(p);
	call(p, 1, 3);
	top(p)->ip = CODE + vfork * FUNCTION_BYTES + 8;
	top(p)->sp = p->calls[1].sp;	       /* there is nothing of it on the stack */
	poke(p, p->calls[1].sp - WORD, 0xbad); /* what the child left there */
	take_miss(p);
	p->miss.registers[5] = p->calls[1].ip;
	assert_int_equal(go(), PROFD_END_COMPLETE);
	assert_int_equal(n_frames, 3);
	assert_int_equal(frames[1], p->calls[1].ip);
	p->miss.registers[5] = 0x111;
	assert_int_equal(go(), PROFD_END_IMPLAUSIBLE);
	/* Where registers are not at hand they are missing, ... */
	native_walk_begin(&walk, &p->miss);
	walk.walk.frame.registers = 0;
	n_frames = 1;
	assert_int_equal(native_walk_run(&walk, frames, &n_frames, 256), WALK_MISS);
	assert_int_equal(walk.walk.missing, PROFD_MISSING_REGISTER);
	/* ... and those of a frame further out are lost, as the one of a handler's. */
	p->miss.innermost = 0;
	assert_int_equal(go(), PROFD_END_RULE);
}

/* bn_mul_mont() of OpenSSL keeps its old stack pointer behind an array of r9 words. */
static void a_frame_behind_an_array(void **state)
{
	static const struct unwind_rule behind_r9 = {.base = RSP,
		.flags = UNWIND_RULE_INDEXED | UNWIND_RULE_FP_SAVED,
		.ra_offset = 9,
		.fp_offset = -3 * WORD,
		.cfa_offset = 8,
		.cfa_add = 8};
	unsigned f;

	begin();
	f = p->n_functions++;
	page_add_rule(&p->builder, f * FUNCTION_BYTES, &behind_r9);
	map_code(p);
	call(p, 1, 3);
	top(p)->ip = CODE + f * FUNCTION_BYTES + 8;
	for (uint64_t words = 0; words < 40; words += 13) {
		uint64_t cfa = p->calls[1].sp;

		top(p)->sp = cfa - 64 * WORD;
		poke(p, cfa - WORD, p->calls[1].ip);
		poke(p, top(p)->sp + WORD + words * WORD, cfa - 8);
		take_miss(p);
		p->miss.registers[9] = words;
		assert_int_equal(go(), PROFD_END_COMPLETE);
		assert_int_equal(n_frames, 3);
		assert_int_equal(frames[1], p->calls[1].ip);
	}
	p->miss.registers[9] = UINT64_MAX / 3;
	assert_int_equal(go(), PROFD_END_UNREADABLE);
	p->miss.innermost = 0;
	assert_int_equal(go(), PROFD_END_RULE);
}

static void a_leaf_without_rows(void **state)
{
	begin_with(NO_ROWS, 4, 0);
	take_miss(p);
	/* As BPF saw it: there is no frame yet, the return address lies on top. */
	p->miss.leaf_ip = p->calls[1].ip;
	p->miss.leaf_sp = p->calls[1].sp;
	p->miss.fp = p->calls[1].fp;
	assert_int_equal(go(), PROFD_END_COMPLETE);
	assert_int_equal(n_frames, 3);
	assert_int_equal(frames[1], p->calls[1].ip);
	/* With rows nobody asks. */
	p->n = 2;
	take_miss(p);
	p->miss.leaf_ip = CODE + 1;
	assert_int_equal(go(), PROFD_END_COMPLETE);
	assert_int_equal(n_frames, 2);
}

/* ---- why it ends -------------------------------------------------------------------------- */

static void ends_at_a_frame_pointer_that_leads_nowhere(void **state)
{
	uint64_t good;

	begin_with(NO_ROWS, 4, 0);
	assert_int_equal(walk_program(), PROFD_END_COMPLETE);
	good = p->miss.fp;
	const uint64_t bad[] = {0, 1, good + 4, p->miss.sp - 8, p->miss.sp + (8 << 20) + 8, ~7ULL,
		good | 1ULL << 63};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		p->miss.fp = bad[i];
		assert_int_equal(go(), PROFD_END_FRAME_POINTER);
		assert_int_equal(n_frames, 1);
	}
	p->miss.fp = good;
	p->miss.fp_lost = 1;
	assert_int_equal(go(), PROFD_END_FRAME_POINTER);
	p->miss.fp_lost = 0;
	/* Nothing but code that is mapped is returned to. */
	const uint64_t nowhere[] = {1, 4095, CODE, CODE + UNWIND_PAGE_SIZE + 1, 1ULL << 56, ~0ULL};
	for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
		poke(p, good + WORD, nowhere[i]);
		assert_int_equal(walk_program(), PROFD_END_FRAME_POINTER);
		assert_int_equal(n_frames, 1);
	}
	poke(p, good + WORD, 0);
	assert_int_equal(walk_program(), PROFD_END_COMPLETE);
	assert_int_equal(n_frames, 1);
}

/* The frame pointer can be where sp is, but the stack must fall. */
static void frame_pointers_cannot_go_round(void **state)
{
	begin_with(NO_ROWS, 0, 0);
	call(p, 2, 9);
	assert_int_equal(p->calls[3].fp, p->calls[3].sp);
	expect_program();
	poke(p, p->calls[3].fp, p->calls[3].fp);
	assert_int_equal(walk_program(), PROFD_END_FRAME_POINTER);
	assert_int_equal(n_frames, 2);
}

static void ends_at_memory_that_is_not_there(void **state)
{
	begin_with(BY_SP, 4, 0);
	take_miss(p);
	p->miss.stack_size = 0;
	p->miss.present = 0;
	assert_int_equal(go(), PROFD_END_UNREADABLE);
	assert_int_equal(n_frames, 1);
	p->n = 2;
	begin_with(NO_ROWS, 4, 0);
	take_miss(p);
	p->miss.present = 0;
	assert_int_equal(go(), PROFD_END_UNREADABLE);
}

static void ends_at_the_limit(void **state)
{
	begin_with(BY_SP, 2, 0);
	while (p->n < PROFD_MAX_USER_FRAMES - 1)
		call(p, 2, 5);
	expect_program();
	assert_int_equal(n_frames, PROFD_MAX_USER_FRAMES - 1);
	call(p, 2, 5);
	expect_program();
	assert_int_equal(n_frames, PROFD_MAX_USER_FRAMES);
	call(p, 2, 5);
	expect_program();
	assert_int_equal(walk_program(), PROFD_END_LIMIT);
}

static void ends_at_rules_that_cannot_be_said(void **state)
{
	begin_with(UNKNOWN, 2, 0);
	assert_int_equal(walk_program(), PROFD_END_RULE);
	assert_int_equal(n_frames, 1);
	/* A mapping that leads out of the directory. */
	p->n = 2;
	p->memory->maps[0].directory = TABLES_DIRECTORY;
	assert_int_equal(walk_program(), PROFD_END_RULE);
	p->memory->maps[0].directory = UINT32_MAX;
	assert_int_equal(walk_program(), PROFD_END_RULE);
}

static void ends_where_the_stack_does_not_fall(void **state)
{
	static const struct unwind_rule flat = {.base = RSP, .ra_offset = -WORD, .cfa_offset = 0};
	const uint64_t bad[] = {1, 4095, 1ULL << 56, ~0ULL};

	begin_with(BY_FP, 4, 0);
	take_miss(p);
	p->miss.fp = p->miss.sp - PROFD_RED_ZONE - 16; /* its frame lies below what is in use */
	assert_int_equal(go(), PROFD_END_UNREADABLE);
	p->n = 2;
	call(p, 2, 9);
	for (size_t i = 0; i < 4; i++) {
		poke(p, top(p)->fp + WORD, bad[i]);
		assert_int_equal(walk_program(), PROFD_END_IMPLAUSIBLE);
		assert_int_equal(n_frames, 1);
	}
	p->n = 2;
	page_add_rule(&p->builder, p->n_functions * FUNCTION_BYTES, &flat);
	map_code(p);
	call(p, 1, 9);
	top(p)->ip = CODE + p->n_functions * FUNCTION_BYTES + 1;
	take_miss(p);
	memcpy(p->copied + PROFD_RED_ZONE - WORD, &p->calls[1].ip, WORD);
	walk = (struct native_walk){.memory = p->memory, .walk.count = 1};
	native_walk_begin(&walk, &p->miss);
	n_frames = 1;
	assert_int_equal(native_walk_run(&walk, frames, &n_frames, 256), PROFD_END_IMPLAUSIBLE);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(each_rule),
		TEST(any_stack),
		TEST(return_addresses_are_looked_up_one_byte_earlier),
		TEST(a_signal_stack_may_lie_below_or_above),
		TEST(a_plt_entry_pushes_in_its_middle),
		TEST(registers_of_the_innermost_frame),
		TEST(a_return_address_in_a_register),
		TEST(a_frame_behind_an_array),
		TEST(a_leaf_without_rows),
		TEST(ends_at_a_frame_pointer_that_leads_nowhere),
		TEST(frame_pointers_cannot_go_round),
		TEST(ends_at_memory_that_is_not_there),
		TEST(ends_at_the_limit),
		TEST(ends_at_rules_that_cannot_be_said),
		TEST(ends_where_the_stack_does_not_fall),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
