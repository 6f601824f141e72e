// SPDX-License-Identifier: MIT
/* Cache files of unwind tables: what the helper writes into one and reads back, what it does not
 * believe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "collector/unwinder_answer.h"
#include "unwinder/cache_file.h"
#include "util/cleanup.h"

#define HEAD_WORDS (sizeof(struct unwind_page) / UNWIND_WORD)
#define RULE_WORDS (sizeof(struct unwind_rule) / UNWIND_WORD)
#define PAGES	   70

static const struct file_identity identity = {8, 15, 4711, 1700000000, 5, 1700000001, 6};

static const struct unwinder_layout layout = {
	.low = 0x10000,
	.n_pages = PAGES,
	.has_rules = 1,
	.n_segments = 2,
	.segments = {{0x12000, 0x2000, 0x1000}, {0x400000, 0x3000, 0x60001}},
};

/* ---- blocks ------------------------------------------------------------------------------- */

/* A block with `n` rows, one in a cell, that use one long rule, a kind and short ones. */
static size_t make_block(uint32_t *words, size_t n)
{
	struct unwind_page *page = (struct unwind_page *)words;
	struct unwind_rule rule = {.base = 10, .flags = UNWIND_RULE_DEREF};

	for (size_t i = 0; i <= UNWIND_CELLS; i++)
		page->first[i] = (uint16_t)(i < n ? i : n - 1);
	page->n_rules = 1;
	for (size_t i = 0; i < n; i++)
		page->rows[i] = (struct unwind_row){(uint16_t)(i << UNWIND_CELL_SHIFT),
			(uint16_t)(i % 3 ? i : UNWIND_ESCAPE | UNWIND_END)};
	page->rows[n - 1].rule = (uint16_t)(UNWIND_ESCAPE | (HEAD_WORDS + n));
	memcpy(words + HEAD_WORDS + n, &rule, sizeof(rule));
	return HEAD_WORDS + n + RULE_WORDS;
}

static void blocks_are_checked(void **state)
{
	static uint32_t good[UNWIND_PAGE_WORDS], words[UNWIND_PAGE_WORDS];
	struct unwind_page *page = (struct unwind_page *)words;
	struct unwind_rule *rule = (struct unwind_rule *)(words + HEAD_WORDS + 5);
	size_t n = make_block(good, 5);

	assert_true(unwinder_block_is_good(good, n));
	assert_false(unwinder_block_is_good(good, 0));
	assert_false(unwinder_block_is_good(good, HEAD_WORDS));
	assert_false(unwinder_block_is_good(good, n - 1));
	assert_false(unwinder_block_is_good(good, n + 1));
	assert_false(unwinder_block_is_good(good, UNWIND_PAGE_WORDS + 1));
#define REFUSED(change)                                         \
	do {                                                    \
		memcpy(words, good, sizeof(good));              \
		change;                                         \
		assert_false(unwinder_block_is_good(words, n)); \
	} while (0)
	REFUSED(page->n_rules = 0); /* the rest would be rows */
	REFUSED(page->n_rules = 2);
	REFUSED(page->n_rules = UINT16_MAX);
	REFUSED(page->first[0] = 1);
	REFUSED(page->first[3] = 2); /* not the last row at or below */
	REFUSED(page->first[3] = 4);
	REFUSED(page->first[100] = UINT16_MAX);
	REFUSED(page->first[UNWIND_CELLS] = 5);
	REFUSED(page->first[UNWIND_CELLS] = 3);
	REFUSED(page->rows[0].address = 1);
	REFUSED(page->rows[2].address = page->rows[1].address);
	REFUSED(page->rows[2].address++); /* behind its cell's first byte */
	REFUSED(page->rows[1].rule = UNWIND_ESCAPE | UNWIND_KINDS);
	REFUSED(page->rows[1].rule = UNWIND_ESCAPE | (HEAD_WORDS + 4)); /* a row */
	REFUSED(page->rows[1].rule = UNWIND_ESCAPE | (HEAD_WORDS + 6)); /* in a rule */
	REFUSED(page->rows[1].rule = UNWIND_ESCAPE | (HEAD_WORDS + 8)); /* behind them */
	REFUSED(page->rows[1].rule = UINT16_MAX);
	REFUSED(rule->base = 32);
	REFUSED(rule->flags = UNWIND_RULE_RA_REGISTER | UNWIND_RULE_DEREF);
	REFUSED((rule->flags = UNWIND_RULE_RA_REGISTER, rule->ra_offset = 32));
	REFUSED((rule->flags = UNWIND_RULE_RA_REGISTER, rule->ra_offset = -1));
	REFUSED((rule->flags = UNWIND_RULE_INDEXED, rule->ra_offset = 32));
#undef REFUSED
}

static void layouts_are_checked(void **state)
{
	struct unwinder_layout bad;

	assert_true(unwinder_layout_is_good(&layout));
#define REFUSED(change)                                      \
	do {                                                 \
		bad = layout;                                \
		change;                                      \
		assert_false(unwinder_layout_is_good(&bad)); \
	} while (0)
	REFUSED(bad.low = 0x11000);
	REFUSED(bad.low = 0);
	REFUSED(bad.low = 0x20000);
	REFUSED(bad.n_pages = 0);
	REFUSED(bad.n_pages = PAGES - 1);
	REFUSED(bad.n_pages = PAGES + 1);
	REFUSED(bad.n_pages = UINT32_MAX);
	REFUSED(bad.has_rules = 2);
	REFUSED(bad.n_segments = 0);
	REFUSED(bad.n_segments = 1);
	REFUSED(bad.n_segments = UNWINDER_MAX_SEGMENTS + 1);
	REFUSED(bad.segments[0].size = 0);
	REFUSED(bad.segments[0].size = 0x400000);
	REFUSED(bad.segments[1].size = UINT64_MAX);
	REFUSED(bad.segments[1].offset = UINT64_MAX);
	REFUSED(bad.segments[1].vaddr = 0x12800);
	REFUSED(bad.low = UINT64_MAX - UNWIND_PAGE_SIZE + 1; bad.n_pages = 1; bad.n_segments = 1;
		bad.segments[0].vaddr = bad.low);
#undef REFUSED
}

static void answers_are_checked(void **state)
{
	struct {
		struct unwinder_answer head;
		uint32_t words[UNWIND_PAGE_WORDS];
	} *a = calloc(1, sizeof(*a));
	size_t size;
	struct unwinder_reply reply;

	assert_non_null(a);
	size = sizeof(a->head) + make_block(a->words, 3) * UNWIND_WORD;
	a->head.cached = 1;
	assert_int_equal(unwinder_answer_check(&reply, UNWINDER_PAGE, a, size), 0);
	assert_true(reply.cached);
	assert_int_equal(reply.n_words, HEAD_WORDS + 3 + RULE_WORDS);
	assert_ptr_equal(reply.words, a->words);
	assert_int_equal(unwinder_answer_check(&reply, UNWINDER_LAYOUT, a, size), -EBADMSG);
	assert_int_equal(unwinder_answer_check(&reply, UNWINDER_PAGE, a, size - 1), -EBADMSG);
	assert_int_equal(unwinder_answer_check(&reply, UNWINDER_PAGE, a, 7), -EBADMSG);
	a->head.error = -ENOEXEC;
	assert_int_equal(unwinder_answer_check(&reply, UNWINDER_PAGE, a, size), -EBADMSG);
	assert_int_equal(unwinder_answer_check(&reply, UNWINDER_PAGE, a, sizeof(a->head)), 0);
	assert_int_equal(reply.error, -ENOEXEC);
	for (int32_t error = -5000; error <= 5000; error += 10000) {
		a->head.error = error;
		assert_int_equal(
			unwinder_answer_check(&reply, UNWINDER_PAGE, a, sizeof(a->head)), -EBADMSG);
	}
	a->head = (struct unwinder_answer){.cached = 2};
	assert_int_equal(unwinder_answer_check(&reply, UNWINDER_PAGE, a, size), -EBADMSG);
	a->head = (struct unwinder_answer){.cache_error = 1};
	assert_int_equal(unwinder_answer_check(&reply, UNWINDER_PAGE, a, size), -EBADMSG);
	a->head = (struct unwinder_answer){.cache_error = -ENOSPC};
	memcpy(a->words, &layout, sizeof(layout));
	size = sizeof(a->head) + sizeof(layout);
	assert_int_equal(unwinder_answer_check(&reply, UNWINDER_LAYOUT, a, size), 0);
	assert_int_equal(reply.cache_error, -ENOSPC);
	assert_int_equal(reply.code.n_pages, PAGES);
	assert_int_equal(reply.code.segments[1].vaddr, 0x400000);
	assert_int_equal(unwinder_answer_check(&reply, UNWINDER_PAGE, a, size), -EBADMSG);
	free(a);
}

/* ---- a file ------------------------------------------------------------------------------- */

static void expect_block(const struct cache_file *c, uint32_t page, size_t n_rows)
{
	static uint32_t words[UNWIND_PAGE_WORDS], expected[UNWIND_PAGE_WORDS];
	size_t n = make_block(expected, n_rows);

	assert_int_equal(cache_file_read(c, page, words), n);
	assert_memory_equal(words, expected, n * UNWIND_WORD);
}

static void add_block(const struct cache_file *c, uint32_t page, size_t n_rows)
{
	static uint32_t words[UNWIND_PAGE_WORDS];
	size_t n = make_block(words, n_rows);

	assert_int_equal(cache_file_add(c, page, words, n), 0);
}

/* One with pages 0 and 69. */
static int make_file(struct cache_file *c)
{
	int fd = memfd_create("cache", MFD_CLOEXEC);

	cache_file_load(c, fd, &identity);
	assert_false(c->good);
	assert_int_equal(cache_file_begin(c, &identity, &layout), 0);
	assert_true(c->good);
	add_block(c, 69, 9);
	add_block(c, 0, 1);
	return fd;
}

static void what_is_added_is_there(void **state)
{
	static uint32_t words[UNWIND_PAGE_WORDS];
	struct cache_file c;
	_cleanup_close_ int fd = make_file(&c);

	cache_file_load(&c, fd, &identity);
	assert_true(c.good);
	assert_memory_equal(&c.header.layout, &layout, sizeof(layout));
	expect_block(&c, 0, 1);
	expect_block(&c, 69, 9);
	assert_int_equal(cache_file_read(&c, 1, words), 0);
	assert_int_equal(cache_file_read(&c, PAGES, words), 0);
	add_block(&c, 69, 200); /* the newer one counts */
	expect_block(&c, 69, 200);
	expect_block(&c, 0, 1);
	cache_file_load(&c, -1, &identity);
	assert_false(c.good);
	assert_int_equal(cache_file_read(&c, 0, words), 0);
}

static void other_modules_find_nothing(void **state)
{
	struct cache_file c;
	_cleanup_close_ int fd = make_file(&c);

	for (size_t i = 0; i < sizeof(identity); i++) {
		struct file_identity other = identity;

		((uint8_t *)&other)[i] ^= 1;
		cache_file_load(&c, fd, &other);
		assert_false(c.good);
	}
}

/* No byte can change without being noticed, and no size makes an error. */
static void broken_files_hold_nothing(void **state)
{
	static uint32_t words[UNWIND_PAGE_WORDS];
	struct cache_file c;
	_cleanup_close_ int fd = make_file(&c);
	struct stat st;
	size_t found = 0;

	assert_int_equal(fstat(fd, &st), 0);
	for (off_t at = 0; at < st.st_size; at++) {
		uint8_t byte, changed;

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		changed = byte ^ 0x40;
		assert_int_equal(pwrite(fd, &changed, 1, at), 1);
		cache_file_load(&c, fd, &identity);
		found += cache_file_read(&c, 0, words) > 0;
		found += cache_file_read(&c, 69, words) > 0;
		assert_int_equal(cache_file_read(&c, 33, words), 0);
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	/* Of the two blocks one is still there if the other was hit, and both if neither was. */
	assert_int_equal(found, 2 * PAGES * sizeof(struct cache_entry) - 2 * 16 +
					(size_t)(st.st_size - 488 - PAGES * 16));
	for (off_t size = st.st_size; size--;) {
		assert_int_equal(ftruncate(fd, size), 0);
		cache_file_load(&c, fd, &identity);
		assert_int_equal(cache_file_read(&c, 0, words), 0);
	}
}

/* With all checksums right, by who knows how they are made. */
static void forged_blocks_are_refused(void **state)
{
	static uint32_t words[UNWIND_PAGE_WORDS];
	struct cache_file c;
	_cleanup_close_ int fd = make_file(&c);
	size_t n = make_block(words, 4);

	words[HEAD_WORDS] |= 1; /* the first row is not at 0 */
	assert_int_equal(cache_file_add(&c, 7, words, n), 0);
	assert_int_equal(cache_file_read(&c, 7, words), 0);

	c.header.layout.n_pages = PAGES + 1;
	c.header.checksum = XXH3_64bits(&c.header, offsetof(struct cache_header, checksum));
	assert_int_equal(pwrite(fd, &c.header, sizeof(c.header), 0), sizeof(c.header));
	cache_file_load(&c, fd, &identity);
	assert_false(c.good);
}

/* As another helper adds it, which has the same end of the file in mind. */
static void two_may_add_at_once(void **state)
{
	static uint32_t words[UNWIND_PAGE_WORDS];
	struct cache_file a, b;
	_cleanup_close_ int fd = make_file(&a);
	struct stat st;

	cache_file_load(&b, fd, &identity);
	assert_int_equal(fstat(fd, &st), 0);
	add_block(&a, 10, 20);
	add_block(&b, 11, 30);
	expect_block(&a, 10, 20);
	expect_block(&a, 11, 30);
	make_block(words, 40);
	assert_int_equal(pwrite(fd, words, 300, st.st_size), 300);
	assert_int_equal(cache_file_read(&a, 10, words), 0);
	expect_block(&a, 11, 30);
	add_block(&b, 10, 20);
	expect_block(&a, 10, 20);
}

static void a_file_is_begun_anew(void **state)
{
	static uint32_t words[UNWIND_PAGE_WORDS];
	struct cache_file c;
	_cleanup_close_ int fd = make_file(&c);
	struct file_identity other = identity;

	other.ctime_ns++;
	cache_file_load(&c, fd, &other);
	assert_int_equal(cache_file_begin(&c, &other, &layout), 0);
	for (uint32_t page = 0; page < PAGES; page++)
		assert_int_equal(cache_file_read(&c, page, words), 0);
	add_block(&c, 1, 100);
	expect_block(&c, 1, 100);
}

static void files_have_a_limit(void **state)
{
	static uint32_t words[UNWIND_PAGE_WORDS];
	struct cache_file c;
	_cleanup_close_ int fd = make_file(&c);
	size_t n = make_block(words, 1);

	assert_int_equal(ftruncate(fd, CACHE_FILE_MAX - 100), 0);
	assert_int_equal(cache_file_add(&c, 3, words, n), -EFBIG);
	assert_int_equal(cache_file_read(&c, 3, words), 0);
	expect_block(&c, 0, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_checked),
		cmocka_unit_test(layouts_are_checked),
		cmocka_unit_test(answers_are_checked),
		cmocka_unit_test(what_is_added_is_there),
		cmocka_unit_test(other_modules_find_nothing),
		cmocka_unit_test(broken_files_hold_nothing),
		cmocka_unit_test(forged_blocks_are_refused),
		cmocka_unit_test(two_may_add_at_once),
		cmocka_unit_test(a_file_is_begun_anew),
		cmocka_unit_test(files_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
