// SPDX-License-Identifier: MIT
/*
 * The whole walk (bpf/unwind_walk.h, natively) on stacks whose frames are known: what it finds, why
 * it ends, and what it says is missing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "collector/native_walk.h"
#include "stack_fixture.h"

#define PAGE (1u << PROFD_MISS_PAGE_SHIFT)

static struct program *p;
static struct native_walk walk;
static __u64 frames[PROFD_MAX_USER_FRAMES];
static size_t n_frames;

static int setup(void **state)
{
	p = program_new(1);
	return p ? 0 : -1;
}

static int teardown(void **state)
{
	program_free(p);
	return 0;
}

/* ---- walking ------------------------------------------------------------------------------ */

/* With p->miss as it is. */
static int go(void)
{
	walk = (struct native_walk){.memory = p->memory};
	walk.walk.count = 1;
	walk.walk.now = 77;
	native_walk_begin(&walk, &p->miss);
	frames[0] = p->miss.ip;
	n_frames = 1;
	return native_walk_run(&walk, frames, &n_frames, PROFD_MAX_USER_FRAMES);
}

static int walk_program(void)
{
	take_miss(p);
	return go();
}

/* The stack is what the program did. */
static void expect_program(void)
{
	__u64 expected[PROFD_MAX_USER_FRAMES];
	size_t n;
	int end = expected_stack(p, expected, &n);

	assert_int_equal(walk_program(), end);
	assert_int_equal(n_frames, n);
	assert_memory_equal(frames, expected, n * sizeof(*frames));
}

/* main, called by the root. */
static void begin(void)
{
	unsigned root = add_function(p, ROOT_END, 2, 0), main = add_function(p, BY_SP, 4, 1);

	call(p, root, 7);
	call(p, main, 20);
}

/* ... which has called a function that is not in the table yet. */
static void begin_with(enum how how, unsigned words, unsigned slot)
{
	begin();
	call(p, add_function(p, how, words, slot), 33);
	map_code(p);
}

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

/* ---- what is missing ---------------------------------------------------------------------- */

static void misses_a_mapping(void **state)
{
	begin_with(BY_SP, 4, 0);
	poke(p, top(p)->sp + 3 * WORD, 0x999000);
	assert_int_equal(walk_program(), WALK_MISS);
	assert_int_equal(walk.walk.missing, PROFD_MISSING_MAPPING);
	assert_int_equal(n_frames, 2); /* the address is known, what is there is not */
	/* It goes on from there when there is one. */
	p->memory->maps[1] = (struct tables_map){.start = 0x998000, .pages = 1};
	walk.walk.count = 2;
	walk.walk.frame.fp = p->calls[1].sp;
	poke(p, p->calls[1].sp + WORD, 0);
	take_miss(p);
	assert_int_equal(native_walk_run(&walk, frames, &n_frames, 256), PROFD_END_COMPLETE);
	assert_int_equal(n_frames, 2);
	/* Nothing is missing in mappings that were read a moment ago. */
	take_miss(p);
	walk = (struct native_walk){.memory = p->memory, .walk = {.count = 1, .current = 1}};
	native_walk_begin(&walk, &p->miss);
	n_frames = 1;
	assert_int_equal(native_walk_run(&walk, frames, &n_frames, 256), PROFD_END_UNMAPPED);
	assert_int_equal(n_frames, 2);
	/* Without any mapping. */
	p->n = 2;
	take_miss(p);
	walk.walk.count = walk.walk.current = 0;
	native_walk_begin(&walk, &p->miss);
	assert_int_equal(native_walk_run(&walk, frames, &n_frames, 256), WALK_MISS);
	assert_int_equal(walk.walk.missing, PROFD_MISSING_MAPPING);
}

static void misses_a_module_and_a_page(void **state)
{
	struct tables_entry *entry = &p->memory->directory[DIRECTORY];

	begin_with(BY_SP, 4, 0);
	p->memory->maps[0].flags = TABLES_MAP_PENDING;
	assert_int_equal(walk_program(), WALK_MISS);
	assert_int_equal(walk.walk.missing, PROFD_MISSING_MODULE);
	assert_int_equal(entry->used, 0);
	p->memory->maps[0].flags = TABLES_MAP_TABLE;
	entry->block = TABLES_NOT_LOADED;
	assert_int_equal(walk_program(), WALK_MISS);
	assert_int_equal(walk.walk.missing, PROFD_MISSING_PAGE);
	assert_int_equal(walk.walk.page, DIRECTORY);
	assert_int_equal(entry->used, 77); /* a page that is wanted is used */
	/* A block in a chunk that there is not. */
	entry->block = TABLES_CHUNK_WORDS + BLOCK;
	assert_int_equal(walk_program(), WALK_MISS);
	assert_int_equal(walk.walk.missing, PROFD_MISSING_PAGE);
	entry->block = BLOCK;
	expect_program();
	assert_int_equal(entry->used, 77);
	/* Modules and pages without rows: by frame pointer. */
	entry->block = TABLES_NO_CFI;
	assert_int_equal(walk_program(), PROFD_END_FRAME_POINTER);
	entry->block = BLOCK;
	p->memory->maps[0].flags = 0;
	assert_int_equal(walk_program(), PROFD_END_FRAME_POINTER);
}

/* Pages of a module: the right one is missing, behind an offset too. */
static void finds_the_page_of_an_address(void **state)
{
	begin_with(BY_SP, 4, 0);
	/* It lies at 0x1f800 of the module, so that most is on its third page. */
	p->memory->maps[0].offset = 0x1f000;
	p->memory->directory[DIRECTORY + 1].block = BLOCK;
	for (unsigned page = 0; page < 3; page++) {
		static const uint64_t offsets[] = {0x0fff, 0x1000, 0x10fff};

		p->memory->directory[DIRECTORY + 1].block = TABLES_NOT_LOADED;
		take_miss(p);
		p->miss.ip = CODE + offsets[page];
		p->memory->maps[0].pages = 2 * CODE_PAGES;
		assert_int_equal(go(), WALK_MISS);
		assert_int_equal(walk.walk.missing, PROFD_MISSING_PAGE);
		assert_int_equal(walk.walk.page, DIRECTORY + (page ? 2 : 1));
	}
}

/* ---- mappings ----------------------------------------------------------------------------- */

static bool is_mapped(uint32_t first, uint32_t count, uint64_t address)
{
	walk = (struct native_walk){
		.memory = p->memory, .walk = {.first = first, .count = count, .current = 1}};
	take_miss(p);
	p->miss.ip = address;
	p->miss.fp = 1; /* no mapping has tables: where there is one, the frame pointer is asked */
	native_walk_begin(&walk, &p->miss);
	n_frames = 0;
	int r = native_walk_run(&walk, frames, &n_frames, 256);
	assert_true(r == PROFD_END_UNMAPPED || r == PROFD_END_FRAME_POINTER);
	return r == PROFD_END_FRAME_POINTER;
}

static void map_plainly(uint32_t i, uint64_t start, uint32_t pages)
{
	p->memory->maps[i] = (struct tables_map){.start = start, .pages = pages};
}

static void few_mappings(void **state)
{
	begin();
	/* Neighbours in memory belong to others. */
	map_plainly(9, 0, UINT32_MAX);
	map_plainly(10, 0x10000, 2);
	map_plainly(11, 0x12000, 1);
	map_plainly(12, 0, UINT32_MAX);
	assert_false(is_mapped(10, 0, 0x10000));
	for (uint32_t count = 1; count <= 2; count++) {
		assert_false(is_mapped(10, count, 0));
		assert_false(is_mapped(10, count, 0xffff));
		assert_true(is_mapped(10, count, 0x10000));
		assert_true(is_mapped(10, count, 0x11fff));
		assert_int_equal(is_mapped(10, count, 0x12000), count == 2);
		assert_int_equal(is_mapped(10, count, 0x12fff), count == 2);
		assert_false(is_mapped(10, count, 0x13000));
		assert_false(is_mapped(10, count, ~0ULL));
	}
	/* The largest there can be, and one at the array's very end. */
	map_plainly(TABLES_MAPS - 1, 0x1000, UINT32_MAX);
	assert_true(is_mapped(TABLES_MAPS - 1, 1, 0x1000));
	assert_true(is_mapped(TABLES_MAPS - 1, 1, 0xfffffffffff));
	assert_false(is_mapped(TABLES_MAPS - 1, 1, 0x100000000000));
	/* An array that leads out of the memory holds nothing. */
	assert_false(is_mapped(TABLES_MAPS, 1, 0x1000));
	assert_false(is_mapped(TABLES_MAPS - 1, 100, 0xfffffffffffff));
}

/* So many fit into one array; each is found, at its first and last byte, and none beside it. */
static void many_mappings(void **state)
{
	static const uint32_t counts[] = {3, 4, 5, 1023, 1024, 1025, 16383, 16384};

	begin();
	for (uint32_t i = 0; i < 16384; i++)
		map_plainly(100 + i, 0x100000 + i * 0x4000ULL, 1 + i % 3);
	for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++) {
		for (uint32_t i = 0; i<counts[k]; i += counts[k]> 5 ? 1 + draw_below(p, 5) : 1) {
			const struct tables_map *map = &p->memory->maps[100 + i];

			assert_true(is_mapped(100, counts[k], map->start));
			assert_true(
				is_mapped(100, counts[k], map->start + map->pages * 0x1000ULL - 1));
			assert_false(
				is_mapped(100, counts[k], map->start + map->pages * 0x1000ULL));
			assert_false(is_mapped(100, counts[k], map->start - 1));
		}
		assert_true(is_mapped(100, counts[k], 0x100000 + (counts[k] - 1) * 0x4000ULL));
		assert_false(is_mapped(100, counts[k], 0x100000 + counts[k] * 0x4000ULL));
	}
}

/* ---- the copied stack --------------------------------------------------------------------- */

/* Without one of its pages a stack is found up to the frame whose return address lies there; a walk
 * that begins beyond it finds the rest. */
static void expect_hole(uint32_t hole)
{
	uint64_t start = p->miss.sp - PROFD_RED_ZONE, base = start & ~(PAGE - 1ULL);
	uint32_t first = PAGE - (uint32_t)(start & (PAGE - 1)), size = p->miss.stack_size;
	uint32_t at = hole ? first + (hole - 1) * PAGE : 0, bytes = hole ? PAGE : first;
	size_t found = 1;

	p->miss.present &= ~(1ULL << hole);
	p->miss.stack_size -= bytes;
	memmove(p->copied + at, p->copied + at + bytes, size - at - bytes);
	while (p->calls[p->n - found - 1].sp - WORD < base + hole * PAGE)
		found++;
	assert_int_equal(go(), PROFD_END_UNREADABLE);
	assert_int_equal(n_frames, found);
	for (unsigned i = p->n; i--;) {
		if (p->calls[i].sp < base + (hole + 1) * PAGE)
			continue;
		native_walk_begin(&walk, &p->miss);
		walk.walk.frame.ip = p->calls[i].ip;
		walk.walk.frame.sp = p->calls[i].sp;
		n_frames = 1;
		assert_int_equal(native_walk_run(&walk, frames, &n_frames, PROFD_MAX_USER_FRAMES),
			PROFD_END_COMPLETE);
		assert_int_equal(n_frames, i + 1);
		return;
	}
}

static void holes_in_the_stack(void **state)
{
	uint32_t pages;

	begin_with(BY_SP, 20, 0);
	while (top(p)->sp > STACK_TOP - 6 * PAGE - 1024) /* some lie on the first page too */
		call(p, 2, 9);
	expect_program();
	pages = (uint32_t)__builtin_popcountll(p->miss.present);
	assert_int_equal(pages, 7);
	for (uint32_t hole = 0; hole < pages; hole++) {
		take_miss(p);
		expect_hole(hole);
	}
}

/* A pair can lie on both sides of a page's border, and be read only if both are there. */
static void reads_over_the_border_of_pages(void **state)
{
	begin_with(BY_FP, 2, 0);
	uint64_t border = STACK_TOP - 2 * PAGE;
	poke(p, border - WORD, 0);
	poke(p, border, p->calls[1].ip);
	top(p)->fp = border - WORD;
	top(p)->sp = border - 64;
	poke(p, border + WORD + 3 * WORD, p->calls[0].ip);
	assert_int_equal(walk_program(), PROFD_END_COMPLETE);
	assert_int_equal(n_frames, 3);
	p->miss.present &= ~2ULL;
	p->miss.stack_size -= PAGE;
	assert_int_equal(go(), PROFD_END_UNREADABLE);
	assert_int_equal(n_frames, 1);
	/* The last page may be there in part. What is cut off is not there. */
	take_miss(p);
	p->miss.stack_size = PROFD_RED_ZONE + 64 + 5 * WORD;
	assert_int_equal(go(), PROFD_END_COMPLETE);
	assert_int_equal(n_frames, 3);
	p->miss.stack_size -= 1;
	assert_int_equal(go(), PROFD_END_UNREADABLE);
	assert_int_equal(n_frames, 2);
	p->miss.stack_size = PROFD_RED_ZONE + 64 + WORD - 1;
	assert_int_equal(go(), PROFD_END_UNREADABLE);
	assert_int_equal(n_frames, 1);
	/* Only the window is looked at. */
	take_miss(p);
	p->miss.present = ~0ULL;
	p->miss.fp = p->miss.sp + PROFD_MISS_WINDOW * PAGE;
	assert_int_equal(go(), PROFD_END_UNREADABLE);
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
		TEST(misses_a_mapping),
		TEST(misses_a_module_and_a_page),
		TEST(finds_the_page_of_an_address),
		TEST(few_mappings),
		TEST(many_mappings),
		TEST(holes_in_the_stack),
		TEST(reads_over_the_border_of_pages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
