// SPDX-License-Identifier: MIT
/* Unwind tables in the kernel's memory: asking, loading, the budget, evictions, modules that go. */
#include "fake_clock.h"
#include "fake_unwinder.h"

#include "collector/tables.h"
#include "util/cleanup.h"

#define MAX_ROWS 16250 /* a block of 64 KiB, fifteen of which fill a chunk */
#define IN_CHUNK 15

static struct table_memory *memory;
static struct tables *tables;
static struct module *module; /* that was asked about last */
static uint32_t words[UNWIND_PAGE_WORDS];

/* What changed last. */
static unsigned changes;
static const struct module *changed_module;
static uint32_t changed_entry;

static void on_changed(void *userdata, const struct module *m, uint32_t entry)
{
	assert_ptr_equal(userdata, &changes);
	changes++;
	changed_module = m;
	changed_entry = entry;
}

static int setup(void **state)
{
	memory = heap_new();
	changes = fake_asked = 0;
	fake_refusal = 0;
	module = NULL;
	return memory ? tables_new(&tables, memory, NULL, TABLES_CHUNK_BYTES, on_changed, &changes)
		      : -1;
}

static int teardown(void **state)
{
	cancel_requests();
	tables_free(tables);
	module_unref(module);
	heap_free(memory);
	return 0;
}

/* ---- what tests do ------------------------------------------------------------------------ */

static void open_tables(uint32_t n_pages)
{
	struct unwinder_code code = fake_code(n_pages);

	module_unref(module);
	module = open_module("/lib/it.so");
	assert_true(tables_want_module(tables, module));
	answer_module(0, &code);
	assert_ptr_equal(changed_module, module);
}

static struct tables_map describe(uint64_t start, uint32_t pages, uint32_t file_page)
{
	const struct memory_map map = {start, pages, file_page, module};
	struct tables_map out;

	tables_describe(tables, &map, &out);
	return out;
}

static uint32_t directory(void)
{
	return describe(0x10000, 1, 0).directory;
}

/* Asks for a page and answers with a block of so many rows, of frames of that size. */
static void load(uint32_t entry, unsigned rows, unsigned frame)
{
	size_t n = fake_block(words, rows, frame);
	unsigned before = changes;

	assert_true(tables_want_page(tables, entry));
	answer_page(0, words, n);
	assert_int_equal(changes, before + 1);
	assert_null(changed_module);
	assert_int_equal(changed_entry, entry);
}

static const uint32_t *block_of(uint32_t entry)
{
	uint32_t block = memory->directory[entry].block;

	assert_true(block > TABLES_NO_CFI);
	return memory->chunks[block >> TABLES_CHUNK_SHIFT] + (block & (TABLES_CHUNK_WORDS - 1));
}

static void expect_block(uint32_t entry, unsigned rows, unsigned frame)
{
	size_t n = fake_block(words, rows, frame);

	assert_memory_equal(block_of(entry), words, n * sizeof(words[0]));
}

static bool is_loaded(uint32_t entry)
{
	return memory->directory[entry].block > TABLES_NO_CFI;
}

/* ---- modules ------------------------------------------------------------------------------ */

static void a_module_is_asked_about_once(void **state)
{
	struct unwinder_code code = fake_code(3);

	module = open_module("/lib/it.so");
	assert_int_equal(describe(0x10000, 16, 0).flags, TABLES_MAP_PENDING);
	assert_true(tables_want_module(tables, module));
	assert_true(tables_want_module(tables, module));
	assert_int_equal(fake_asked, 1);
	assert_int_equal(describe(0x10000, 16, 0).flags, TABLES_MAP_PENDING);
	answer_module(0, &code);
	assert_int_equal(changes, 1);
	assert_ptr_equal(changed_module, module);
	assert_false(tables_want_module(tables, module));
	assert_int_equal(describe(0x10000, 16, 0).flags, TABLES_MAP_TABLE);
	assert_int_equal(tables_stats(tables).modules, 1);
	/* Another has other entries, and one file under two names the same. */
	uint32_t first = directory();
	struct module *other = open_module("/lib/same.so"), *before = module_ref(module);
	other->same = module_ref(module);
	const struct memory_map map = {0x10000, 1, 0, other};
	struct tables_map out;
	tables_describe(tables, &map, &out);
	assert_int_equal(out.directory, first);
	assert_false(tables_want_module(tables, other));
	open_tables(2);
	assert_true(directory() >= first + 3 || directory() + 2 <= first);
	module_unref(other);
	module_unref(before);
}

static void what_has_no_tables(void **state)
{
	module = open_module("//anon");
	module->kind = MODULE_ANON;
	assert_int_equal(describe(0x10000, 16, 0).flags, 0);
	assert_false(tables_want_module(tables, module));
	module->kind = MODULE_FILE;
	module->state = MODULE_FAILED;
	assert_int_equal(describe(0x10000, 16, 0).flags, 0);
	assert_false(tables_want_module(tables, module));
	assert_int_equal(fake_asked, 0);
	/* Its file came after all, but is none. */
	module->state = MODULE_OPEN;
	assert_true(tables_want_module(tables, module));
	answer_module(-ENOEXEC, NULL);
	assert_int_equal(changes, 1);
	fake_now += 1000 * SECOND;
	assert_int_equal(describe(0x10000, 16, 0).flags, 0);
	assert_false(tables_want_module(tables, module));
	assert_int_equal(fake_asked, 1);
	assert_int_equal(tables_stats(tables).failures, 1);
	assert_int_equal(tables_stats(tables).modules, 0);
}

/* No helper could be started: a library that is mapped for long would be without tables for ever.
 */
static void a_module_that_could_not_be_asked_about_is_asked_about_again(void **state)
{
	module = open_module("/lib/it.so");
	assert_true(tables_want_module(tables, module));
	answer_module(-EAGAIN, NULL);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(describe(0x10000, 16, 0).flags, 0);
		assert_false(tables_want_module(tables, module));
		fake_now += 20 * SECOND;
		assert_int_equal(describe(0x10000, 16, 0).flags, TABLES_MAP_PENDING);
		fake_refusal = i ? 0 : -ENOMEM;
		assert_int_equal(tables_want_module(tables, module), i);
		assert_int_equal(fake_asked, 2 + i);
	}
	struct unwinder_code code = fake_code(1);
	answer_module(0, &code);
	assert_int_equal(describe(0x10000, 16, 0).flags, TABLES_MAP_TABLE);
	/* Nor is it asked about while its file cannot be opened. */
	module_unref(module);
	module = open_module("/lib/other.so");
	assert_true(tables_want_module(tables, module));
	answer_module(-ENOENT, NULL);
	module->state = MODULE_FAILED;
	fake_now += 20 * SECOND;
	assert_int_equal(describe(0x10000, 16, 0).flags, 0);
	assert_false(tables_want_module(tables, module));
	module->state = MODULE_OPEN;
	assert_true(tables_want_module(tables, module));
}

static void the_directory_is_exhausted(void **state)
{
	struct module *large;

	open_tables(UNWINDER_MAX_PAGES);
	assert_int_equal(describe(0x10000, 16, 0).flags, TABLES_MAP_TABLE);
	large = module_ref(module);
	open_tables(1);
	assert_int_equal(describe(0x10000, 16, 0).flags, 0);
	assert_int_equal(tables_stats(tables).failures, 1);
	assert_int_equal(tables_stats(tables).modules, 1);
	/* Room comes when the large one is gone, and programs have let go of it. */
	module_unref(large);
	open_tables(1);
	assert_int_equal(describe(0x10000, 16, 0).flags, 0);
	tables_settle(tables, fake_now += 3 * SECOND);
	open_tables(1);
	assert_int_equal(describe(0x10000, 16, 0).flags, TABLES_MAP_TABLE);
}

/* What found none is tried again. */
static void room_in_the_directory_comes_later(void **state)
{
	struct unwinder_code code = fake_code(1);
	struct module *large;

	open_tables(UNWINDER_MAX_PAGES);
	large = module_ref(module);
	open_tables(1);
	module_unref(large);
	tables_settle(tables, fake_now += 3 * SECOND);
	assert_false(tables_want_module(tables, module));
	fake_now += 70 * SECOND;
	assert_int_equal(describe(0x10000, 16, 0).flags, TABLES_MAP_PENDING);
	assert_true(tables_want_module(tables, module));
	answer_module(0, &code);
	assert_int_equal(describe(0x10000, 16, 0).flags, TABLES_MAP_TABLE);
}

static unsigned open_of_user(uid_t user, uint32_t n_pages)
{
	struct unwinder_code code = fake_code(n_pages);

	module = open_module("/home/it.so");
	module->owner = user;
	assert_true(tables_want_module(tables, module));
	answer_module(0, &code);
	return describe(0x10000, 16, 0).flags;
}

/* Users cannot take what root's programs need, nor one of them what the others do. */
static void users_have_a_part_of_the_directory(void **state)
{
	struct module *kept[3];

	assert_int_equal(open_of_user(1000, TABLES_DIRECTORY / 4 + 1), 0);
	module_unref(module);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(open_of_user(1000 + i, TABLES_DIRECTORY / 4), TABLES_MAP_TABLE);
		kept[i] = module;
		assert_int_equal(open_of_user(1000 + i, 1), 0);
		module_unref(module);
	}
	assert_int_equal(open_of_user(1002, 1), 0);
	module_unref(module);
	assert_int_equal(open_of_user(0, TABLES_DIRECTORY / 2), TABLES_MAP_TABLE);
	kept[2] = module;
	module_unref(kept[0]);
	tables_settle(tables, fake_now += 3 * SECOND);
	assert_int_equal(open_of_user(1002, 1), TABLES_MAP_TABLE);
	module_unref(kept[1]);
	module_unref(kept[2]);
}

/* ---- mappings ----------------------------------------------------------------------------- */

static void expect_map(struct tables_map map, uint64_t start, uint32_t pages, uint32_t offset)
{
	assert_int_equal(map.flags, TABLES_MAP_TABLE);
	assert_int_equal(map.start, start);
	assert_int_equal(map.pages, pages);
	assert_int_equal(map.offset, offset);
}

static void only_code_has_places_in_the_directory(void **state)
{
	/* As lld makes it: segments lie a page further in memory than in the file, for each. */
	struct unwinder_code code = {
		.low = 0x20000,
		.n_pages = 2,
		.has_rules = true,
		.n_segments = 2,
		.segments = {{.vaddr = 0x21800, .offset = 0x800, .size = 0x3000},
			{.vaddr = 0x35000, .offset = 0x3800, .size = 0x1000}},
	};

	code.segments[1].vaddr = 0x35800;
	module = open_module("/lib/it.so");
	assert_true(tables_want_module(tables, module));
	answer_module(0, &code);
	expect_map(describe(0x7000000, 4, 0), 0x7000000, 4, 0x1000);
	/* The page that both have belongs to the one that fills more of the mapping. */
	expect_map(describe(0x7000000, 2, 3), 0x7000000, 2, 0x15000);
	/* Beyond the file's code: the first page of nothing to the last one of it. */
	assert_int_equal(describe(0x7000000, 4, 0x100).flags, 0);
	expect_map(describe(0x7000000, 0x1000, 0), 0x7000000, 0x1f, 0x1000);
	/* Before it. */
	code.segments[0] = (struct unwinder_segment){
		.vaddr = 0x20000, .offset = 0x5000, .size = 0x20000};
	code.n_segments = 1;
	module_unref(module);
	module = open_module("/lib/other.so");
	assert_true(tables_want_module(tables, module));
	answer_module(0, &code);
	expect_map(describe(0x7000000, 0x20, 0), 0x7005000, 0x1b, 0);
	expect_map(describe(0x7000000, 0x80, 0), 0x7005000, 0x20, 0);
}

/* ---- pages -------------------------------------------------------------------------------- */

static void pages_come_by_need(void **state)
{
	open_tables(4);
	uint32_t entry = directory() + 2;
	assert_int_equal(memory->directory[entry].block, TABLES_NOT_LOADED);
	assert_true(tables_want_page(tables, entry));
	assert_true(tables_want_page(tables, entry));
	assert_int_equal(fake_asked, 2); /* the module, the page */
	assert_int_equal(fake_requests[0].page, 2);
	answer_page(0, words, fake_block(words, 100, 4));
	expect_block(entry, 100, 4);
	assert_int_equal(memory->directory[entry].used, fake_step());
	assert_int_equal(changed_entry, entry);
	assert_null(changed_module);
	assert_false(tables_want_page(tables, entry));
	/* Those of nobody. */
	assert_false(tables_want_page(tables, directory() + 4));
	assert_false(tables_want_page(tables, TABLES_DIRECTORY));
	assert_false(tables_want_page(tables, UINT32_MAX));
	assert_int_equal(fake_asked, 2);
	struct tables_stats stats = tables_stats(tables);
	assert_int_equal(stats.pages, 1);
	assert_int_equal(stats.loads, 1);
	assert_int_equal(stats.bytes, TABLES_CHUNK_BYTES);
	assert_in_range(stats.used, 4 * (129 + 100), 4 * (129 + 100) + 63);
}

static void pages_without_cfi(void **state)
{
	struct unwinder_code code = fake_code(3);

	open_tables(5);
	uint32_t entry = directory();
	assert_true(tables_want_page(tables, entry));
	answer_page(0, words, fake_block(words, 0, 0)); /* nothing but UNWIND_NONE */
	assert_int_equal(memory->directory[entry].block, TABLES_NO_CFI);
	assert_false(tables_want_page(tables, entry));
	/* What cannot be compiled is as if it had none. */
	assert_true(tables_want_page(tables, entry + 1));
	answer_page(-EIO, NULL, 0);
	assert_int_equal(memory->directory[entry + 1].block, TABLES_NO_CFI);
	assert_int_equal(tables_stats(tables).failures, 1);
	/* What cannot now is asked for again, but not at once. */
	assert_true(tables_want_page(tables, entry + 2));
	answer_page(-EAGAIN, NULL, 0);
	assert_int_equal(changed_entry, entry + 2);
	assert_int_equal(memory->directory[entry + 2].block, TABLES_NOT_LOADED);
	assert_false(tables_want_page(tables, entry + 2));
	fake_now += 20 * SECOND;
	load(entry + 2, 10, 3);
	expect_block(entry + 2, 10, 3);
	fake_refusal = -ENOMEM;
	assert_false(tables_want_page(tables, entry + 3));
	fake_refusal = 0;
	assert_false(tables_want_page(tables, entry + 3));
	fake_now += 20 * SECOND;
	assert_true(tables_want_page(tables, entry + 3));
	/* A module that has none at all. */
	code.has_rules = false;
	module_unref(module);
	module = open_module("/bin/go");
	assert_true(tables_want_module(tables, module));
	cancel_requests();
	assert_true(tables_want_module(tables, module)); /* nobody will answer */
	assert_int_equal(changes, 5);
	module_unref(module);
	module = open_module("/bin/go");
	assert_true(tables_want_module(tables, module));
	answer_module(0, &code);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(memory->directory[directory() + i].block, TABLES_NO_CFI);
		assert_false(tables_want_page(tables, directory() + i));
	}
}

/* ---- the budget --------------------------------------------------------------------------- */

/* One chunk, full of pages that were used so many steps ago. */
static void fill(uint32_t n_pages, uint32_t age)
{
	struct tables_stats before = tables_stats(tables);

	open_tables(n_pages);
	for (uint32_t i = 0; i < IN_CHUNK; i++) {
		load(directory() + i, MAX_ROWS, 2 + i);
		memory->directory[directory() + i].used = fake_step() - age;
	}
	assert_int_equal(tables_stats(tables).loads, before.loads + IN_CHUNK);
	assert_int_equal(tables_stats(tables).refused, before.refused);
}

static void hot_pages_stay(void **state)
{
	fill(64, 1);
	uint32_t entry = directory();
	for (uint32_t i = 0; i < IN_CHUNK; i++)
		memory->directory[entry + i].used = fake_step() + 1 - i % 4; /* some are ahead */
	load(entry + 20, MAX_ROWS, 70);
	assert_false(is_loaded(entry + 20));
	assert_int_equal(tables_stats(tables).refused, 1);
	assert_int_equal(tables_stats(tables).evictions, 0);
	for (uint32_t i = 0; i < IN_CHUNK; i++)
		expect_block(entry + i, MAX_ROWS, 2 + i);
	/* A stack can be finished with it all the same, until so many others had no room. */
	size_t n = fake_block(words, MAX_ROWS, 70);
	assert_memory_equal(tables_homeless(tables, entry + 20), words, n * sizeof(words[0]));
	assert_null(tables_homeless(tables, entry + 21));
	for (uint32_t i = 0; i < 32; i++) {
		assert_non_null(tables_homeless(tables, entry + 20));
		load(entry + 21 + i, MAX_ROWS, 71 + i);
	}
	assert_null(tables_homeless(tables, entry + 20));
	assert_non_null(tables_homeless(tables, entry + 21));
	/* It was no answer for good. */
	assert_true(tables_want_page(tables, entry + 20));
	assert_int_equal(memory->n_chunks, 1);
}

static void the_oldest_make_room(void **state)
{
	fill(64, 1);
	uint32_t entry = directory(), old[] = {11, 3, 7};
	for (uint32_t i = 0; i < 3; i++)
		memory->directory[entry + old[i]].used = fake_step() - 20 + i;
	/* Twice a sixteenth of the budget is made free: three blocks. */
	load(entry + 20, MAX_ROWS, 70);
	assert_int_equal(tables_stats(tables).refused, 1);
	uint64_t evicted = tables_stats(tables).evictions;
	assert_in_range(evicted, 1, 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(is_loaded(entry + old[i]), i >= evicted);
	/* Programs may still read there: nothing is written for a while. */
	load(entry + 21, MAX_ROWS, 71);
	assert_false(is_loaded(entry + 21));
	tables_settle(tables, fake_now += SECOND);
	load(entry + 21, MAX_ROWS, 71);
	assert_false(is_loaded(entry + 21));
	assert_int_equal(tables_stats(tables).evictions, evicted); /* that much is on its way */
	tables_settle(tables, fake_now += 2 * SECOND);
	load(entry + 21, MAX_ROWS, 71);
	expect_block(entry + 21, MAX_ROWS, 71);
	for (uint32_t i = 0; i < IN_CHUNK; i++)
		if (is_loaded(entry + i))
			expect_block(entry + i, MAX_ROWS, 2 + i);
	/* What was evicted comes again. */
	memory->directory[entry].used = fake_step() - 20;
	load(entry + old[0], 10, 40);
	assert_true(is_loaded(entry + old[0]));
	assert_int_equal(tables_stats(tables).bytes, TABLES_CHUNK_BYTES);
	assert_true(tables_stats(tables).used <= TABLES_CHUNK_BYTES);
}

static int no_memory(struct table_memory *m)
{
	return -ENOMEM;
}

/* Less than the budget is there, and no more to be had: what there is is used as well as it can be.
 */
static void chunks_cannot_be_had(void **state)
{
	tables_free(tables);
	assert_int_equal(
		tables_new(&tables, memory, NULL, 8 * TABLES_CHUNK_BYTES, on_changed, &changes), 0);
	memory->grow = no_memory;
	open_tables(1);
	load(directory(), 10, 2);
	assert_false(is_loaded(directory()));
	assert_non_null(tables_homeless(tables, directory()));
	memory->grow = heap_grow;
	load(directory(), 10, 2);
	assert_true(is_loaded(directory()));
	memory->grow = no_memory;
	fill(64, 20);
	load(directory() + 20, MAX_ROWS, 70);
	assert_true(tables_stats(tables).evictions > 0);
	tables_settle(tables, fake_now += 3 * SECOND);
	load(directory() + 20, MAX_ROWS, 70);
	expect_block(directory() + 20, MAX_ROWS, 70);
	assert_int_equal(memory->n_chunks, 1);
	memory->grow = heap_grow;
	for (uint32_t i = 21; i < 40; i++)
		load(directory() + i, MAX_ROWS, 70 + i);
	assert_true(memory->n_chunks > 1);
	assert_int_equal(tables_stats(tables).bytes, memory->n_chunks * TABLES_CHUNK_BYTES);
}

/* Blocks of any size, loaded and evicted: none lies over another, nor over a chunk's end. */
static void blocks_lie_beside_each_other(void **state)
{
	unsigned rows[256];
	uint32_t random = 99, entry;

	tables_free(tables);
	assert_int_equal(
		tables_new(&tables, memory, NULL, 3 * TABLES_CHUNK_BYTES, on_changed, &changes), 0);
	open_tables(256);
	entry = directory();
	for (int round = 0; round < 600; round++) {
		random = random * 1103515245 + 12345;
		uint32_t i = (random >> 16) % 256;
		if (is_loaded(entry + i)) {
			memory->directory[entry + i].used = fake_step();
			continue;
		}
		rows[i] = 1 + (random >> 8) % MAX_ROWS;
		load(entry + i, rows[i], 2 + i);
		tables_settle(tables, fake_now += 2 * SECOND / 5);
	}
	for (uint32_t i = 0; i < 256; i++) {
		if (!is_loaded(entry + i))
			continue;
		expect_block(entry + i, rows[i], 2 + i);
		uint32_t block = memory->directory[entry + i].block;
		assert_true(
			(block & (TABLES_CHUNK_WORDS - 1)) + 129 + rows[i] <= TABLES_CHUNK_WORDS);
	}
	assert_int_equal(memory->n_chunks, 3);
	assert_true(tables_stats(tables).evictions > 20);
	assert_true(tables_stats(tables).pages > 60);
}

/* ---- modules that go ---------------------------------------------------------------------- */

static void a_module_is_freed(void **state)
{
	open_tables(4);
	uint32_t entry = directory();
	load(entry, 10, 2);
	load(entry + 1, 10, 3);
	assert_true(tables_want_page(tables, entry + 2));
	answer_page(-EIO, NULL, 0);
	module_unref(module);
	module = NULL;
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(memory->directory[entry + i].block, TABLES_NOT_LOADED);
		assert_false(tables_want_page(tables, entry + i));
	}
	assert_int_equal(tables_stats(tables).pages, 0);
	assert_int_equal(tables_stats(tables).used, 0);
	assert_int_equal(tables_stats(tables).modules, 0);
	/* Programs may still look there: its entries are not the next one's. */
	open_tables(4);
	assert_true(directory() >= entry + 4);
	tables_settle(tables, fake_now += 3 * SECOND);
	open_tables(4);
	assert_int_equal(directory(), entry);
}

/* Blocks without room go with their module: its entries are another's later. */
static void homeless_blocks_go_with_their_module(void **state)
{
	fill(64, 1);
	uint32_t entry = directory();
	load(entry + 20, MAX_ROWS, 70);
	assert_non_null(tables_homeless(tables, entry + 20));
	module_unref(module);
	module = NULL;
	tables_settle(tables, fake_now += 3 * SECOND);
	open_tables(64);
	assert_int_equal(directory(), entry);
	assert_null(tables_homeless(tables, entry + 20));
}

/* Nobody but the unwinder has it when the answers come. */
static void a_module_is_freed_while_it_is_loaded(void **state)
{
	struct unwinder_code code = fake_code(4);

	module = open_module("/lib/it.so");
	assert_true(tables_want_module(tables, module));
	module_unref(module);
	module = NULL;
	answer_module(0, &code);
	assert_int_equal(changes, 1);
	assert_int_equal(tables_stats(tables).modules, 0);
	open_tables(4);
	uint32_t entry = directory();
	assert_true(tables_want_page(tables, entry));
	module_unref(module);
	module = NULL;
	answer_page(0, words, fake_block(words, 10, 2));
	assert_int_equal(tables_stats(tables).pages, 0);
	assert_int_equal(memory->directory[entry].block, TABLES_NOT_LOADED);
	/* A page that the module has not. */
	open_tables(2);
	assert_true(tables_want_page(tables, directory()));
	fake_requests[0].page = 2;
	answer_page(0, words, fake_block(words, 10, 2));
	assert_int_equal(tables_stats(tables).pages, 0);
}

/* Page after page, when nobody waits for another. */
static void a_module_is_warmed(void **state)
{
	struct unwinder_code code = fake_code(3);

	module = open_module("/lib/it.so");
	assert_true(tables_warm(tables, module));
	answer_module(0, &code);
	for (uint32_t page = 0; page < 3; page++) {
		assert_int_equal(n_fake_requests, 1);
		assert_int_equal(fake_requests[0].page, page);
		assert_true(tables_warm(tables, module));
		answer_page(0, words, fake_block(words, 10, 2));
	}
	assert_int_equal(n_fake_requests, 0);
	assert_false(tables_warm(tables, module));
	assert_int_equal(tables_stats(tables).pages, 3);
}

static void what_is_not_warmed(void **state)
{
	struct unwinder_code code = fake_code(129);

	module = open_module("/lib/it.so");
	assert_true(tables_warm(tables, module));
	answer_module(0, &code);
	assert_int_equal(n_fake_requests, 0);
	assert_false(tables_warm(tables, module));
	module_unref(module);
	/* It could not be asked about; nor is it asked about all the time. */
	module = open_module("/lib/other.so");
	assert_true(tables_warm(tables, module));
	answer_module(-ENOEXEC, NULL);
	assert_false(tables_warm(tables, module));
	assert_int_equal(n_fake_requests, 0);
}

/* Somebody waits for a page: the next one to be warmed comes when that is there. */
static void warming_makes_way(void **state)
{
	open_tables(4);
	assert_true(tables_want_page(tables, directory() + 2));
	assert_true(tables_warm(tables, module));
	assert_int_equal(n_fake_requests, 1);
	answer_page(0, words, fake_block(words, 10, 2));
	assert_int_equal(n_fake_requests, 1);
	assert_int_equal(fake_requests[0].page, 0);
}

static void tables_go_before_modules(void **state)
{
	open_tables(4);
	load(directory(), 10, 2);
	assert_true(tables_want_page(tables, directory() + 1));
	cancel_requests();
	tables_free(tables);
	tables = NULL;
	module_unref(module);
	module = NULL;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_module_is_asked_about_once),
		TEST(what_has_no_tables),
		TEST(a_module_that_could_not_be_asked_about_is_asked_about_again),
		TEST(the_directory_is_exhausted),
		TEST(room_in_the_directory_comes_later),
		TEST(users_have_a_part_of_the_directory),
		TEST(only_code_has_places_in_the_directory),
		TEST(pages_come_by_need),
		TEST(pages_without_cfi),
		TEST(hot_pages_stay),
		TEST(the_oldest_make_room),
		TEST(chunks_cannot_be_had),
		TEST(blocks_lie_beside_each_other),
		TEST(a_module_is_freed),
		TEST(homeless_blocks_go_with_their_module),
		TEST(a_module_is_freed_while_it_is_loaded),
		TEST(a_module_is_warmed),
		TEST(what_is_not_warmed),
		TEST(warming_makes_way),
		TEST(tables_go_before_modules),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
