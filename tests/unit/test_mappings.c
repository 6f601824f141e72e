/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/mappings.h"
#include "collector/modules.h"

#define PAGE 0x1000ULL

static struct module *new_module(enum module_kind kind)
{
	struct module *m = calloc(1, sizeof(*m));
	assert_non_null(m);
	m->kind = kind;
	m->fd = -1;
	m->references = 1;
	return m;
}

static void expect(
	const struct mappings *m, uint64_t address, const struct module *module, uint64_t offset)
{
	const struct memory_map *map = mappings_find(m, address);
	if (!module) {
		assert_null(map);
		return;
	}
	assert_non_null(map);
	assert_ptr_equal(map->module, module);
	assert_int_equal(
		address - map->start + ((uint64_t)map->file_page << MAPPINGS_PAGE_SHIFT), offset);
}

static void finds_by_address(void **state)
{
	struct module *a = new_module(MODULE_FILE), *b = new_module(MODULE_FILE);
	struct mappings *m = NULL;
	expect(m, 0x1000, NULL, 0);
	assert_int_equal(mappings_add(&m, 0x400000, 4 * PAGE, 0x2000, a), 0);
	assert_int_equal(mappings_add(&m, 0x100000, PAGE, 0, b), 0);
	assert_int_equal(m->count, 2);
	expect(m, 0xfffff, NULL, 0);
	expect(m, 0x100000, b, 0);
	expect(m, 0x100fff, b, 0xfff);
	expect(m, 0x101000, NULL, 0);
	expect(m, 0x400010, a, 0x2010);
	expect(m, 0x403fff, a, 0x5fff);
	expect(m, 0x404000, NULL, 0);
	mappings_unref(m);
	assert_int_equal(a->references, 1);
	assert_int_equal(b->references, 1);
	module_unref(a);
	module_unref(b);
}

/* A mapping put into the middle of another leaves both its ends, with their own offsets. */
static void new_mapping_covers_old(void **state)
{
	struct module *a = new_module(MODULE_FILE), *b = new_module(MODULE_FILE);
	struct mappings *m = NULL;
	assert_int_equal(mappings_add(&m, 0x400000, 8 * PAGE, 0x10000, a), 0);
	assert_int_equal(mappings_add(&m, 0x402000, 2 * PAGE, 0, b), 0);
	assert_int_equal(m->count, 3);
	expect(m, 0x401fff, a, 0x11fff);
	expect(m, 0x402000, b, 0);
	expect(m, 0x403fff, b, 0x1fff);
	expect(m, 0x404000, a, 0x14000);
	/* One over everything leaves nothing of them. */
	assert_int_equal(mappings_add(&m, 0x3ff000, 16 * PAGE, 0, b), 0);
	assert_int_equal(m->count, 1);
	expect(m, 0x404000, b, 0x5000);
	assert_int_equal(a->references, 1);
	/* Only the head of it, only the tail of it. */
	assert_int_equal(mappings_add(&m, 0x3fe000, 2 * PAGE, 0x7000, a), 0);
	assert_int_equal(mappings_add(&m, 0x40e000, 2 * PAGE, 0x9000, a), 0);
	expect(m, 0x3ff000, a, 0x8000);
	expect(m, 0x400000, b, 0x1000);
	expect(m, 0x40dfff, b, 0xefff);
	expect(m, 0x40e000, a, 0x9000);
	mappings_unref(m);
	module_unref(a);
	module_unref(b);
}

static void several_are_covered_at_once(void **state)
{
	struct module *a = new_module(MODULE_FILE), *b = new_module(MODULE_FILE);
	struct mappings *m = NULL;
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(mappings_add(&m, 0x400000 + i * 4 * PAGE, 2 * PAGE, 0, a), 0);
	assert_int_equal(m->count, 10);
	assert_int_equal(mappings_add(&m, 0x401000, 33 * PAGE, 0, b), 0);
	assert_int_equal(m->count, 3);
	expect(m, 0x400fff, a, 0xfff);
	expect(m, 0x421fff, b, 0x20fff);
	expect(m, 0x422000, NULL, 0);
	expect(m, 0x424000, a, 0);
	/* And unmapped again. */
	assert_int_equal(mappings_add(&m, 0x400000, 0x22000, 0, NULL), 0);
	assert_int_equal(m->count, 1);
	assert_int_equal(b->references, 1);
	mappings_unref(m);
	module_unref(a);
	module_unref(b);
}

static void neighbours_are_joined(void **state)
{
	struct module *a = new_module(MODULE_FILE), *anon = new_module(MODULE_ANON);
	struct mappings *m = NULL;
	assert_int_equal(mappings_add(&m, 0x400000, PAGE, 0, a), 0);
	assert_int_equal(mappings_add(&m, 0x402000, PAGE, 0x2000, a), 0);
	assert_int_equal(m->count, 2);
	assert_int_equal(mappings_add(&m, 0x401000, PAGE, 0x1000, a), 0);
	assert_int_equal(m->count, 1);
	assert_int_equal(a->references, 2);
	/* The next page of memory, but not of the file. */
	assert_int_equal(mappings_add(&m, 0x403000, PAGE, 0x8000, a), 0);
	assert_int_equal(m->count, 2);
	/* A JIT that maps chunk after chunk is one entry. */
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(mappings_add(&m, 0x10000000 + i * PAGE, PAGE, 0, anon), 0);
	assert_int_equal(m->count, 3);
	assert_int_equal(anon->references, 2);
	mappings_unref(m);
	module_unref(a);
	module_unref(anon);
}

static void forks_share_until_they_change(void **state)
{
	struct module *a = new_module(MODULE_FILE), *b = new_module(MODULE_FILE);
	struct mappings *parent = NULL;
	assert_int_equal(mappings_add(&parent, 0x400000, 4 * PAGE, 0, a), 0);
	struct mappings *child = mappings_ref(parent), *shared = parent;
	assert_int_equal(a->references, 2);
	assert_int_equal(mappings_add(&child, 0x401000, PAGE, 0, b), 0);
	assert_ptr_equal(parent, shared);
	assert_ptr_not_equal(child, parent);
	expect(parent, 0x401000, a, 0x1000);
	expect(child, 0x401000, b, 0);
	assert_false(mappings_equal(parent, child));
	/* The parent is alone with its array now, and changes it in place. */
	mappings_unref(child);
	assert_int_equal(b->references, 1);
	assert_int_equal(mappings_add(&parent, 0x401000, PAGE, 0, b), 0);
	expect(parent, 0x401000, b, 0);
	mappings_trim(&parent);
	assert_int_equal(parent->capacity, parent->count);
	assert_true(mappings_equal(parent, parent));
	mappings_unref(parent);
	module_unref(a);
	module_unref(b);
}

static void nonsense_is_refused(void **state)
{
	struct module *a = new_module(MODULE_FILE);
	struct mappings *m = NULL;
	assert_int_equal(mappings_add(&m, 0x400001, PAGE, 0, a), -EINVAL);
	assert_int_equal(mappings_add(&m, 0x400000, 0, 0, a), -EINVAL);
	assert_int_equal(mappings_add(&m, 0x400000, 17, 0, a), -EINVAL);
	assert_int_equal(mappings_add(&m, 0x400000, PAGE, 3, a), -EINVAL);
	assert_int_equal(mappings_add(&m, ~0ULL << 12, 2 * PAGE, 0, a), -EINVAL);
	assert_int_equal(mappings_add(&m, 0, 1ULL << 60, 0, a), -EINVAL);
	assert_int_equal(mappings_add(&m, 0, PAGE, 1ULL << 60, a), -EINVAL);
	assert_null(m);
	for (uint64_t i = 0; i < MAPPINGS_MAX; i++)
		assert_int_equal(mappings_add(&m, i * 2 * PAGE, PAGE, 0, a), 0);
	assert_int_equal(mappings_add(&m, MAPPINGS_MAX * 2 * PAGE, PAGE, 0, a), -E2BIG);
	assert_int_equal(m->count, MAPPINGS_MAX);
	/* What does not make it longer still goes. */
	assert_int_equal(mappings_add(&m, 0, 10 * PAGE, 0, a), 0);
	mappings_unref(m);
	assert_int_equal(a->references, 1);
	module_unref(a);
}

/* Random changes against one byte for each page. */
static void agrees_with_a_plain_table(void **state)
{
	enum { PAGES = 64, ROUNDS = 4000 };
	struct module *modules[3] = {
		new_module(MODULE_FILE), new_module(MODULE_FILE), new_module(MODULE_FILE)};
	struct {
		struct module *module;
		uint64_t offset;
	} truth[PAGES] = {0};
	struct mappings *m = NULL;
	unsigned seed = 1;
	for (int round = 0; round < ROUNDS; round++) {
		unsigned r = (unsigned)rand_r(&seed);
		uint64_t first = r % PAGES, n = 1 + (r >> 8) % (PAGES - first);
		uint64_t file = (r >> 16) % 4;
		struct module *module = round % 7 ? modules[round % 3] : NULL;
		assert_int_equal(mappings_add(&m, first * PAGE, n * PAGE, file * PAGE, module), 0);
		for (uint64_t i = 0; i < n; i++) {
			truth[first + i].module = module;
			truth[first + i].offset = (file + i) * PAGE;
		}
		for (uint64_t i = 0; i < PAGES; i++)
			expect(m, i * PAGE, truth[i].module, truth[i].offset);
	}
	mappings_unref(m);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(modules[i]->references, 1);
		module_unref(modules[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_by_address),
		cmocka_unit_test(new_mapping_covers_old),
		cmocka_unit_test(several_are_covered_at_once),
		cmocka_unit_test(neighbours_are_joined),
		cmocka_unit_test(forks_share_until_they_change),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(agrees_with_a_plain_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
