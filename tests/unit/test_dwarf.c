// SPDX-License-Identifier: MIT
/* The parts of DWARF that profd reads itself, from bytes made by hand: entries of units, lists of
 * ranges and tables of lines; whole, cut off anywhere, and with what linkers leave behind. */
#include "bytes_fixture.h"

#include <dwarf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "symbolizer/die_ranges.h"
#include "symbolizer/line_table.h"

/* A copy that ends where it says, for who reads beyond it. */
static uint8_t *copy(const struct bytes *b, size_t size)
{
	uint8_t *bytes = malloc(size ? size : 1);

	assert_non_null(bytes);
	memcpy(bytes, b->at, size);
	return bytes;
}

/* ---- lines -------------------------------------------------------------------------------- */

enum { LINE_BASE = -5, LINE_RANGE = 14, OPCODE_BASE = 10 };

static void put_special(struct bytes *b, int lines, int step)
{
	put(b, (uint64_t)(lines - LINE_BASE + LINE_RANGE * step + OPCODE_BASE), 1);
}

/* Lines 10 and 12 of a.c and 13 of inc/b.h, from `low` on, 16 bytes. */
static void put_sequence(struct bytes *b, uint64_t low)
{
	put(b, 0, 1);
	put(b, 9, 1);
	put(b, DW_LNE_set_address, 1);
	put(b, low, 8);
	put(b, DW_LNS_advance_line, 1);
	put(b, 9, 1);
	put(b, DW_LNS_copy, 1);
	put_special(b, 2, 4);
	put(b, DW_LNS_set_file, 1);
	put(b, 2, 1);
	put_special(b, 1, 4);
	put(b, DW_LNS_advance_pc, 1);
	put(b, 8, 1);
	put(b, 0, 1);
	put(b, 1, 1);
	put(b, DW_LNE_end_sequence, 1);
}

/* Of DWARF 4, with a sequence at each of the addresses. */
static struct bytes line_section(const uint64_t *lows, size_t n)
{
	static const uint8_t lengths[OPCODE_BASE - 1] = {0, 1, 1, 1, 1, 0, 0, 0, 1};
	struct bytes b = {.n = 0};
	size_t header;

	put(&b, 0, 4);
	put(&b, 4, 2);
	header = b.n;
	put(&b, 0, 4);
	put(&b, 1, 1); /* least step */
	put(&b, 1, 1); /* operations of one */
	put(&b, 1, 1); /* is a statement */
	put(&b, (uint8_t)LINE_BASE, 1);
	put(&b, LINE_RANGE, 1);
	put(&b, OPCODE_BASE, 1);
	for (size_t i = 0; i < sizeof(lengths); i++)
		put(&b, lengths[i], 1);
	put_text(&b, "inc");
	put(&b, 0, 1);
	put_text(&b, "a.c");
	put(&b, 0, 3);
	put_text(&b, "b.h");
	put(&b, 1, 1);
	put(&b, 0, 2);
	put(&b, 0, 1);
	set_word(&b, header, b.n - header - 4);
	for (size_t i = 0; i < n; i++)
		put_sequence(&b, lows[i]);
	set_word(&b, 0, b.n - 4);
	return b;
}

static int read_lines(struct line_table *t, const uint8_t *bytes, size_t size)
{
	struct dwarf_sections sections = {.line = {bytes, size}};

	*t = (struct line_table){0};
	return line_table_read(t, &sections, 0, 8);
}

static void expect_rows(const struct line_table *t, size_t first, uint64_t low)
{
	static const uint32_t starts[] = {0, 4, 8, 16}, lines[] = {10, 12, 13, 0};

	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(t->base + t->rows[first + i].start, low + starts[i]);
		assert_int_equal(t->rows[first + i].line, lines[i]);
	}
	assert_int_equal(t->rows[first].file, 1);
	assert_int_equal(t->rows[first + 2].file, 2);
}

static void lines_are_read(void **state)
{
	/* What the linker dropped begins at 0; sequences come in any order. */
	static const uint64_t lows[] = {0x2000, 0, 0x1000};
	struct bytes b = line_section(lows, 3);
	struct line_table t;

	assert_int_equal(read_lines(&t, b.at, b.n), 0);
	assert_int_equal(t.n_rows, 8);
	expect_rows(&t, 0, 0x1000);
	expect_rows(&t, 4, 0x2000);
	assert_int_equal(t.n_files, 3);
	assert_string_equal(t.files[1].name, "a.c");
	assert_null(t.files[1].folder);
	assert_string_equal(t.files[2].name, "b.h");
	assert_string_equal(t.files[2].folder, "inc");
	line_table_free(&t);
}

static void lines_may_end_anywhere(void **state)
{
	static const uint64_t lows[] = {0x1000, 0x2000};
	struct bytes b = line_section(lows, 2);

	for (size_t size = 0; size < b.n; size++) {
		uint8_t *bytes = copy(&b, size);
		struct line_table t;

		int r = read_lines(&t, bytes, size);
		/* A sequence counts when it is whole. */
		assert_true(r == 0 || r == -EBADMSG);
		assert_int_equal(t.n_rows % 4, 0);
		assert_true(t.n_rows < 8);
		if (t.n_rows)
			expect_rows(&t, 0, 0x1000);
		line_table_free(&t);
		free(bytes);
	}
}

/* ---- entries ------------------------------------------------------------------------------ */

static void put_abbreviation(
	struct bytes *b, unsigned code, unsigned tag, bool has_children, const unsigned *attributes)
{
	put(b, code, 1);
	put(b, tag, 1);
	put(b, has_children, 1);
	for (; *attributes; attributes += 2) {
		put(b, attributes[0], 1);
		put(b, attributes[1], 1);
	}
	put(b, 0, 2);
}

static struct bytes abbreviations(void)
{
	static const unsigned none[] = {0};
	static const unsigned function[] = {
		DW_AT_low_pc, DW_FORM_addr, DW_AT_high_pc, DW_FORM_data4, 0};
	static const unsigned call[] = {DW_AT_abstract_origin, DW_FORM_ref4, DW_AT_low_pc,
		DW_FORM_addr, DW_AT_high_pc, DW_FORM_data4, DW_AT_call_file, DW_FORM_data1,
		DW_AT_call_line, DW_FORM_data1, 0};
	static const unsigned variable[] = {DW_AT_name, DW_FORM_string, 0};
	struct bytes b = {.n = 0};

	put_abbreviation(&b, 1, DW_TAG_compile_unit, true, none);
	put_abbreviation(&b, 2, DW_TAG_subprogram, true, function);
	put_abbreviation(&b, 3, DW_TAG_inlined_subroutine, false, call);
	put_abbreviation(&b, 4, DW_TAG_variable, false, variable);
	put(&b, 0, 1);
	return b;
}

/* A unit with two functions; the first has a call and a variable. */
static struct bytes unit(void)
{
	struct bytes b = {.n = 0};

	put(&b, 1, 1);
	put(&b, 2, 1);
	put(&b, 0x1000, 8);
	put(&b, 0x80, 4);
	put(&b, 3, 1);
	put(&b, 0, 4); /* itself */
	put(&b, 0x1010, 8);
	put(&b, 0x20, 4);
	put(&b, 1, 1);
	put(&b, 77, 1);
	put(&b, 4, 1);
	put_text(&b, "variable");
	put(&b, 0, 1);
	put(&b, 2, 1);
	put(&b, 0x2000, 8);
	put(&b, 0x10, 4);
	put(&b, 0, 1);
	put(&b, 0, 1);
	return b;
}

static int open_unit(struct dies *d, const uint8_t *info, size_t size, const struct bytes *abbrev)
{
	struct die_unit where = {.end = size, .version = 4, .address_size = 8, .offset_size = 4};

	*d = (struct dies){0};
	return dies_open(d, info, &where, abbrev->at, abbrev->n);
}

static void entries_come_in_their_order(void **state)
{
	static const unsigned tags[] = {DW_TAG_compile_unit, DW_TAG_subprogram,
		DW_TAG_inlined_subroutine, DW_TAG_variable, 0, DW_TAG_subprogram, 0, 0};
	struct bytes abbrev = abbreviations(), info = unit();
	struct dies d;
	struct die die;

	assert_int_equal(open_unit(&d, info.at, info.n, &abbrev), 0);
	for (size_t i = 0; i < sizeof(tags) / sizeof(*tags); i++) {
		assert_true(dies_next(&d, &die));
		assert_int_equal(die.tag, tags[i]);
		if (die.tag == DW_TAG_inlined_subroutine) {
			assert_int_equal(die.low, 0x1010);
			assert_int_equal(die.high, 0x1030);
			assert_int_equal(die.call_file, 1);
			assert_int_equal(die.call_line, 77);
		}
	}
	assert_false(dies_next(&d, &die));
	dies_close(&d);
}

static void children_can_be_skipped(void **state)
{
	struct bytes abbrev = abbreviations(), info = unit();
	struct dies d;
	struct die die;

	assert_int_equal(open_unit(&d, info.at, info.n, &abbrev), 0);
	assert_true(dies_next(&d, &die));
	assert_true(dies_next(&d, &die));
	assert_int_equal(die.low, 0x1000);
	assert_true(die.has_children);
	assert_true(dies_skip_children(&d, &die));
	assert_true(dies_next(&d, &die));
	assert_int_equal(die.low, 0x2000);
	assert_true(dies_seek(&d, 1));
	assert_true(dies_next(&d, &die));
	assert_int_equal(die.low, 0x1000);
	assert_false(dies_seek(&d, info.n + 1));
	dies_close(&d);
}

static void entries_may_end_anywhere(void **state)
{
	struct bytes abbrev = abbreviations(), info = unit();

	for (size_t size = 0; size < info.n; size++) {
		uint8_t *bytes = copy(&info, size);
		struct dies d;
		struct die die;
		size_t n = 0;

		if (!open_unit(&d, bytes, size, &abbrev))
			while (dies_next(&d, &die))
				n++;
		assert_true(n < 8);
		dies_close(&d);
		free(bytes);
	}
}

/* ---- ranges ------------------------------------------------------------------------------- */

static void expect_ranges(
	unsigned version, const struct bytes *b, size_t size, uint64_t (*wanted)[2], size_t n)
{
	uint8_t *bytes = copy(b, size);
	struct dies d = {
		.unit = {.version = (uint16_t)version, .address_size = 8, .offset_size = 4}};
	struct range_lists lists = {.section = bytes, .size = size, .base = 0x100};
	struct die die = {.has_ranges = true};
	struct die_ranges ranges;
	uint64_t low, high;

	die_ranges_open(&ranges, &d, &lists, &die);
	for (size_t i = 0; i < n; i++) {
		assert_true(die_ranges_next(&ranges, &low, &high));
		assert_int_equal(low, wanted[i][0]);
		assert_int_equal(high, wanted[i][1]);
	}
	assert_false(die_ranges_next(&ranges, &low, &high));
	free(bytes);
}

static void old_lists_have_pairs(void **state)
{
	uint64_t wanted[][2] = {{0x110, 0x120}, {0x5008, 0x5010}};
	struct bytes b = {.n = 0};

	put(&b, 0x10, 8);
	put(&b, 0x20, 8);
	put(&b, UINT64_MAX, 8); /* from here on, from another base */
	put(&b, 0x5000, 8);
	put(&b, 0x8, 8);
	put(&b, 0x10, 8);
	put(&b, 0, 16);
	expect_ranges(4, &b, b.n, wanted, 2);
	/* One that does not end, and one that ends within a pair. */
	expect_ranges(4, &b, 48, wanted, 2);
	expect_ranges(4, &b, 47, wanted, 1);
	expect_ranges(4, &b, 0, wanted, 0);
}

static void new_lists_have_kinds(void **state)
{
	uint64_t wanted[][2] = {{0x104, 0x108}, {0x5004, 0x5008}, {0x10, 0x20}, {0x30, 0x35}};
	struct bytes b = {.n = 0};

	put(&b, DW_RLE_offset_pair, 1);
	put(&b, 0x0804, 2);
	put(&b, DW_RLE_base_address, 1);
	put(&b, 0x5000, 8);
	put(&b, DW_RLE_offset_pair, 1);
	put(&b, 0x0804, 2);
	put(&b, DW_RLE_start_end, 1);
	put(&b, 0x10, 8);
	put(&b, 0x20, 8);
	put(&b, DW_RLE_start_length, 1);
	put(&b, 0x30, 8);
	put(&b, 5, 1);
	put(&b, DW_RLE_end_of_list, 1);
	expect_ranges(5, &b, b.n, wanted, 4);
	expect_ranges(5, &b, b.n - 1, wanted, 4);
	expect_ranges(5, &b, b.n - 2, wanted, 3);
	expect_ranges(5, &b, 2, wanted, 0);
	/* Without a table of addresses there is nothing at an index. */
	b.n = 0;
	put(&b, DW_RLE_startx_length, 1);
	put(&b, 0, 1);
	put(&b, 4, 1);
	expect_ranges(5, &b, b.n, wanted, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_read),
		cmocka_unit_test(lines_may_end_anywhere),
		cmocka_unit_test(entries_come_in_their_order),
		cmocka_unit_test(children_can_be_skipped),
		cmocka_unit_test(entries_may_end_anywhere),
		cmocka_unit_test(old_lists_have_pairs),
		cmocka_unit_test(new_lists_have_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
