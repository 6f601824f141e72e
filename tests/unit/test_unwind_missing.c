// SPDX-License-Identifier: MIT
/* What a walk says is missing, the mappings in which it looks, and the copied stack it reads. */
#include "walk_fixture.h"

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
