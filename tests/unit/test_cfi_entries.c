// SPDX-License-Identifier: MIT
/* Every form of CIE and FDE, several of them together, code without any, and the limits. */
#include "cfi_fixture.h"

/* ---- entries ------------------------------------------------------------------------------ */

static void expect_form(struct fixture *f, const struct form *form)
{
	static const uint8_t program[] = {DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16};

	f->frames.n = 0;
	put_fde(&f->frames, form, put_cie(&f->frames, form), CODE + 0x20, 0x100, program,
		sizeof(program));
	put_number(&f->frames, 0, 4);
	compile_page(f, form->debug_frame, CODE);
	assert_int_equal(AT(f, 0x1f), KIND(UNWIND_NONE));
	assert_int_equal(AT(f, 0x20), SP(8, 0));
	assert_int_equal(AT(f, 0x21), SP(16, 0));
	assert_int_equal(AT(f, 0x11f), SP(16, 0));
	assert_int_equal(AT(f, 0x120), KIND(UNWIND_NONE));
}

static void test_encodings(void **state)
{
	static const uint8_t encodings[] = {DW_EH_PE_absptr, DW_EH_PE_uleb128, DW_EH_PE_udata4,
		DW_EH_PE_udata8, DW_EH_PE_sdata4, DW_EH_PE_sdata8, DW_EH_PE_pcrel | DW_EH_PE_absptr,
		DW_EH_PE_pcrel | DW_EH_PE_sdata4, DW_EH_PE_pcrel | DW_EH_PE_sdata8,
		DW_EH_PE_pcrel | DW_EH_PE_udata8};
	struct form form = plain;

	for (size_t i = 0; i < sizeof(encodings); i++) {
		form.encoding = encodings[i];
		form.data = &encodings[i];
		expect_form(*state, &form);
	}
}

static void test_augmentations(void **state)
{
	static const uint8_t r = DW_EH_PE_pcrel | DW_EH_PE_sdata4;
	static const uint8_t plr[] = {DW_EH_PE_indirect | DW_EH_PE_pcrel | DW_EH_PE_sdata4, 1, 2, 3,
		4, DW_EH_PE_pcrel | DW_EH_PE_sdata4, r};
	static const uint8_t aligned[] = {
		r, DW_EH_PE_aligned, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, DW_EH_PE_omit};
	struct form form = plain;

	form.augmentation = "zPLR";
	form.data = plr;
	form.data_size = sizeof(plr);
	expect_form(*state, &form);
	form.augmentation = "zRPL";
	form.data = aligned;
	form.data_size = sizeof(aligned);
	expect_form(*state, &form);
	form.augmentation = "";
	form.encoding = DW_EH_PE_absptr;
	expect_form(*state, &form);
}

static void test_versions(void **state)
{
	static const uint8_t versions[] = {1, 3, 4};
	struct form form = plain;

	for (int wide = 0; wide < 2; wide++) {
		form = plain;
		form.long_length = wide;
		expect_form(*state, &form);
		form.debug_frame = true;
		form.augmentation = "";
		form.encoding = DW_EH_PE_absptr;
		for (size_t i = 0; i < sizeof(versions); i++) {
			form.version = versions[i];
			expect_form(*state, &form);
		}
	}
}

static void expect_refused(struct fixture *f, const struct form *form)
{
	f->frames.n = 0;
	put_fde(&f->frames, form, put_cie(&f->frames, form), CODE, 0x100, "", 0);
	compile_page(f, form->debug_frame, CODE);
	assert_int_equal(AT(f, 0), KIND(UNWIND_NONE));
	assert_int_equal(f->page.first[UNWIND_CELLS], 0);
}

static void test_refused_entries(void **state)
{
	static const uint8_t wrong[] = {DW_EH_PE_textrel | DW_EH_PE_sdata4,
		DW_EH_PE_datarel | DW_EH_PE_sdata4, DW_EH_PE_indirect | DW_EH_PE_absptr, 0x07};
	struct fixture *f = *state;
	struct form form = plain;
	size_t n;

	form.augmentation = "zX";
	expect_refused(f, &form);
	form = plain;
	form.version = 2;
	expect_refused(f, &form);
	form = plain;
	for (size_t i = 0; i < sizeof(wrong); i++) {
		form.data = &wrong[i];
		expect_refused(f, &form);
	}
	/* Cut off at every length: never more than is there. */
	put_fde(&f->frames, &plain, put_cie(&f->frames, &plain), CODE, 0x100, "", 0);
	for (n = f->frames.n; n--;) {
		f->frames.n = n;
		compile(f);
	}
	form = plain;
	form.return_register = RBX;
	f->frames.n = 0;
	put_fde(&f->frames, &form, put_cie(&f->frames, &form), CODE, 0x100, "", 0);
	compile(f);
	assert_int_equal(AT(f, 0), KIND(UNWIND_UNKNOWN));
}

static void test_signal_frame(void **state)
{
	static const uint8_t program[] = {DW_CFA_def_cfa_expression, 4, DW_OP_breg0 + RSP, 0xa0, 1,
		DW_OP_deref, DW_CFA_expression, RBP, 3, DW_OP_breg0 + RSP, 0xf8, 0,
		DW_CFA_expression, RSP, 3, DW_OP_breg0 + RSP, 0xa0, 1, DW_CFA_expression, RIP, 3,
		DW_OP_breg0 + RSP, 0xa8, 1};
	static const struct unwind_rule rule = {.base = RSP,
		.flags = UNWIND_RULE_DEREF | UNWIND_RULE_FP_SAVED | UNWIND_RULE_FP_BASE |
			 UNWIND_RULE_RA_BASE | UNWIND_RULE_SIGNAL,
		.cfa_offset = 160,
		.fp_offset = 120,
		.ra_offset = 168};
	struct fixture *f = *state;
	struct form form = plain;

	form.augmentation = "zRS";
	put_fde(&f->frames, &form, put_cie(&f->frames, &form), CODE, 0x10, program,
		sizeof(program));
	compile(f);
	expect_rule(f, 0, &rule);
}

/* ---- sections ----------------------------------------------------------------------------- */

#define OFFSET(n) DW_CFA_def_cfa_offset, n

static void put_function(struct bytes *b, const struct form *form, size_t cie, uint64_t start,
	uint64_t size, uint8_t cfa)
{
	const uint8_t program[] = {OFFSET(cfa)};

	put_fde(b, form, cie, start, size, program, sizeof(program));
}

static void test_overlap(void **state)
{
	struct fixture *f = *state;
	size_t cie = put_cie(&f->frames, &plain);

	/* Not in order; the second lies in the first; a third elsewhere than in code. */
	put_function(&f->frames, &plain, cie, CODE + 0x40, 0x20, 24);
	put_function(&f->frames, &plain, cie, CODE, 0x100, 16);
	put_function(&f->frames, &plain, cie, CODE - 0x1000, 0x20, 32);
	compile(f);
	assert_int_equal(AT(f, 0x3f), SP(16, 0));
	assert_int_equal(AT(f, 0x40), SP(24, 0));
	assert_int_equal(AT(f, 0x60), KIND(UNWIND_NONE));
	assert_int_equal(f->page.first[UNWIND_CELLS], 2);
}

static void test_two_sections(void **state)
{
	struct form debug = {.debug_frame = true,
		.version = 3,
		.augmentation = "",
		.encoding = DW_EH_PE_absptr,
		.return_register = RIP};
	struct fixture *f = *state;
	size_t cie = put_cie(&f->frames, &plain);

	put_function(&f->frames, &plain, cie, CODE + 0x40, 0x20, 24);
	put_function(&f->frames, &plain, cie, CODE + 0x80, 0x20, 32);
	cie = put_cie(&f->more, &debug);
	put_function(&f->more, &debug, cie, CODE + 0x20, 0x70, 16);
	put_function(&f->more, &debug, cie, CODE + 0xb0, 0x10, 40);
	compile(f);
	assert_int_equal(AT(f, 0x1f), KIND(UNWIND_NONE));
	assert_int_equal(AT(f, 0x20), SP(16, 0));
	assert_int_equal(AT(f, 0x40), SP(24, 0));
	assert_int_equal(AT(f, 0x60), SP(16, 0));
	assert_int_equal(AT(f, 0x80), SP(32, 0));
	assert_int_equal(AT(f, 0xa0), KIND(UNWIND_NONE));
	assert_int_equal(AT(f, 0xb0), SP(40, 0));
	assert_int_equal(AT(f, 0xc0), KIND(UNWIND_NONE));
}

/* A function on two pages, and one behind it. */
static void test_page_border(void **state)
{
	static const uint8_t program[] = {
		DW_CFA_advance_loc1, 0x20, OFFSET(16), DW_CFA_advance_loc1, 0x20, OFFSET(24)};
	struct fixture *f = *state;
	size_t cie = put_cie(&f->frames, &plain);

	f->code_size = 2 * UNWIND_PAGE_SIZE - 0x100;
	put_fde(&f->frames, &plain, cie, CODE + 0xffd0, 0x60, program, sizeof(program));
	put_function(&f->frames, &plain, cie, CODE + 0x10030, 0x10, 32);
	compile(f);
	assert_int_equal(AT(f, 0xffcf), KIND(UNWIND_NONE));
	assert_int_equal(AT(f, 0xffd0), SP(8, 0));
	assert_int_equal(AT(f, 0xffff), SP(16, 0));
	compile_page(f, false, CODE + UNWIND_PAGE_SIZE);
	assert_int_equal(AT(f, 0), SP(16, 0));
	assert_int_equal(AT(f, 0xf), SP(16, 0));
	assert_int_equal(AT(f, 0x10), SP(24, 0));
	assert_int_equal(AT(f, 0x2f), SP(24, 0));
	assert_int_equal(AT(f, 0x30), SP(32, 0));
	assert_int_equal(AT(f, 0x40), KIND(UNWIND_NONE));
}

/* The index names the row that is in force at the first byte of each 256. */
static void test_index(void **state)
{
	struct fixture *f = *state;
	size_t cie = put_cie(&f->frames, &plain);

	put_function(&f->frames, &plain, cie, CODE + 0x200, 0x100, 16);
	put_function(&f->frames, &plain, cie, CODE + 0x301, 0x1ff, 24);
	compile(f);
	assert_int_equal(f->page.first[0], 0);
	assert_int_equal(f->page.first[1], 0);
	assert_int_equal(f->page.first[2], 1);
	assert_int_equal(f->page.first[3], 2);
	assert_int_equal(f->page.first[4], 3);
	assert_int_equal(f->page.first[5], 4);
	assert_int_equal(f->page.first[UNWIND_CELLS], 4);
	assert_int_equal(AT(f, 0x2ff), SP(16, 0));
	assert_int_equal(AT(f, 0x300), KIND(UNWIND_NONE));
	assert_int_equal(AT(f, 0x301), SP(24, 0));
}

/* .eh_frame_hdr is used where it is good: an FDE that it leaves out is not found. */
static void test_header(void **state)
{
	struct fixture *f = *state;
	struct bytes *b = calloc(1, sizeof(*b));
	size_t cie = put_cie(&f->frames, &plain), fde[2];
	const uint64_t header = FRAMES - 0x1000;
	int32_t table[4];

	assert_non_null(b);
	fde[0] = put_fde(&f->frames, &plain, cie, CODE, 0x10, "", 0);
	fde[1] = put_fde(&f->frames, &plain, cie, CODE + 0x10, 0x10, "", 0);
	put_fde(&f->frames, &plain, cie, CODE + 0x20, 0x10, "", 0);
	for (int i = 0; i < 2; i++) {
		table[2 * i] = (int32_t)(CODE + 0x10 * (uint64_t)i - header);
		table[2 * i + 1] = (int32_t)(FRAMES + fde[i] - header);
	}
	put(b, "\1\x1b\3\x3b", 4);
	put_number(b, FRAMES - (header + 4), 4);
	put_number(b, 2, 4);
	put(b, table, sizeof(table));
	f->header = (struct cfi_section){b->data, b->n, header, true};
	compile(f);
	assert_int_equal(AT(f, 0x1f), SP(8, 0));
	assert_int_equal(AT(f, 0x20), KIND(UNWIND_NONE));

	for (size_t at = 0; at < b->n; at++) { /* whatever is broken, the scan finds them all */
		b->data[at] ^= 0x40;
		compile(f);
		b->data[at] ^= 0x40;
		assert_int_equal(AT(f, 0x20), SP(8, 0));
	}
	for (f->header.size = 0; f->header.size < b->n; f->header.size++) {
		compile(f);
		assert_int_equal(AT(f, 0x20), SP(8, 0));
	}
	free(b);
}

/* ---- code without CFI --------------------------------------------------------------------- */

static void test_padding(void **state)
{
	static const uint8_t nops[] = {
		0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0, 0x0f, 0x1f, 0x40, 0, 0x90};
	static uint8_t code[UNWIND_PAGE_SIZE];
	struct fixture *f = *state;
	size_t cie = put_cie(&f->frames, &plain);

	for (uint64_t at = 0; at < 0x100; at += 0x20)
		put_fde(&f->frames, &plain, cie, CODE + at, 0x10, "", 0);
	memset(code, 0xcc, sizeof(code));
	memcpy(code + 0x10, nops, sizeof(nops));
	memset(code + 0x30, 0, 0x10);
	memcpy(code + 0x50, "\x31\xc0\xc3", 3); /* xor %eax, %eax; ret */
	memcpy(code + 0x7e, "\x0f\x1f", 2);	/* cut off by the next function */
	f->code = code;
	compile(f);
	assert_int_equal(AT(f, 0x18), SP(8, 0));
	assert_int_equal(AT(f, 0x38), SP(8, 0));
	assert_int_equal(AT(f, 0x50), KIND(UNWIND_NONE));
	assert_int_equal(AT(f, 0x60), SP(8, 0));
	assert_int_equal(AT(f, 0x70), KIND(UNWIND_NONE));
	assert_int_equal(AT(f, 0x90), SP(8, 0));
	assert_int_equal(AT(f, 0xf0), KIND(UNWIND_NONE));
	assert_int_equal(f->page.first[UNWIND_CELLS], 5);
}

static void test_stubs(void **state)
{
	static const uint8_t lld[] = {0xff, 0x25, 1, 2, 3, 4, 0x68, 0, 0, 0, 0, 0xe9, 5, 6, 7, 8};
	static const uint8_t mold[] = {
		0xf3, 0x0f, 0x1e, 0xfa, 0x41, 0xbb, 0, 0, 0, 0, 0xff, 0x25, 1, 2, 3, 4};
	static const uint8_t musl[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
	static const uint8_t clone[] = {0x0f, 0x05, 0x48, 0x85, 0xc0, 0x7c, 0x13, 0x74, 0x01, 0xc3};
	static uint8_t code[UNWIND_PAGE_SIZE];
	struct fixture *f = *state;

	memset(code, 0x90, sizeof(code));
	memcpy(code + 0x185, clone, sizeof(clone));
	memcpy(code + 0x20, lld, sizeof(lld));
	memcpy(code + 0x30, lld, sizeof(lld));
	memcpy(code + 0x40, mold, sizeof(mold));
	memcpy(code + 0x58, mold, sizeof(mold)); /* no PLT's entry begins there */
	memcpy(code + 0x71, musl, sizeof(musl));
	memcpy(code + 0xfff0, lld, sizeof(lld));
	f->code = code;
	f->frames.n = 0;
	compile(f);
	assert_int_equal(AT(f, 0x1f), KIND(UNWIND_NONE));
	assert_int_equal(long_rule(f, 0x20).cfa_add, 11);
	assert_int_equal(long_rule(f, 0x3f).cfa_offset, 8);
	assert_int_equal(AT(f, 0x40), SP(8, 0));
	assert_int_equal(AT(f, 0x50), KIND(UNWIND_NONE));
	assert_int_equal(AT(f, 0x6f), KIND(UNWIND_NONE));
	assert_int_equal(long_rule(f, 0x70).flags & UNWIND_RULE_SIGNAL, UNWIND_RULE_SIGNAL);
	assert_int_equal(long_rule(f, 0x79).ra_offset, 168);
	assert_int_equal(AT(f, 0x7a), KIND(UNWIND_NONE));
	assert_int_equal(AT(f, 0x184), KIND(UNWIND_NONE));
	assert_int_equal(AT(f, 0x185), SP(8, 0));
	assert_int_equal(AT(f, 0x18e), SP(8, 0));
	assert_int_equal(AT(f, 0x18f), KIND(UNWIND_NONE));
	assert_int_equal(long_rule(f, 0xffff).cfa_add, 11);
}

/* ---- limits ------------------------------------------------------------------------------- */

/* Another rule for every byte: the block stays within its limit, and says where it gave up. */
static void test_full_page(void **state)
{
	struct fixture *f = *state;
	uint8_t program[3 * 20000];
	size_t last;

	for (size_t i = 0; i < sizeof(program); i += 3) {
		program[i] = DW_CFA_def_cfa_offset;
		program[i + 1] = i & 1 ? 16 : 8;
		program[i + 2] = DW_CFA_advance_loc | 1;
	}
	put_fde(&f->frames, &plain, put_cie(&f->frames, &plain), CODE, 0xffff, program,
		sizeof(program));
	compile(f);
	last = f->page.first[UNWIND_CELLS];
	assert_int_equal(f->n_words, UNWIND_PAGE_WORDS);
	assert_int_equal(last, PAGE_MAX_ROWS - 1);
	assert_int_equal(AT(f, last - 1), SP((last - 1) & 1 ? 16 : 8, 0));
	assert_int_equal(AT(f, last), KIND(UNWIND_UNKNOWN));
	assert_int_equal(AT(f, 0xffff), KIND(UNWIND_UNKNOWN));
}

static void test_many_rules(void **state)
{
	struct fixture *f = *state;
	uint8_t program[4 * 300];

	for (size_t i = 0; i < 300; i++) {
		program[4 * i] = DW_CFA_def_cfa_offset;
		program[4 * i + 1] = (uint8_t)(0x80 | (i & 0x7f));
		program[4 * i + 2] = (uint8_t)(0x40 | i >> 7);
		program[4 * i + 3] = DW_CFA_advance_loc | 1;
	}
	put_fde(&f->frames, &plain, put_cie(&f->frames, &plain), CODE, 0x200, program,
		sizeof(program));
	compile(f);
	assert_int_equal(f->page.n_rules, UNWIND_PAGE_RULES);
	assert_int_equal(long_rule(f, 1).cfa_offset, 0x2001);
	assert_int_equal(AT(f, 8), SP(0x2008, 0));
	assert_int_equal(AT(f, 299), KIND(UNWIND_UNKNOWN));
}

static void test_budget(void **state)
{
	struct fixture *f = *state;
	uint8_t *program = calloc(1, MAX_BYTES / 2); /* of DW_CFA_nop */
	uint64_t i;
	size_t cie;

	assert_non_null(program);
	cie = put_cie(&f->frames, &plain);
	put_fde(&f->frames, &plain, cie, CODE, 0x10, program, MAX_BYTES / 2);
	put_fde(&f->frames, &plain, cie, CODE + 0x10, 0x10, program, MAX_BYTES / 4);
	compile(f);
	assert_int_equal(AT(f, 0x1f), SP(8, 0));
	/* One program that many FDEs share would take long. */
	f->frames.n = 0;
	cie = begin_entry(&f->frames, &plain, 0);
	put(&f->frames, "\1zR\0\1\x78\x10\1\x1b", 9);
	put(&f->frames, program, MAX_BYTES / 2);
	end_entry(&f->frames, &plain, cie);
	for (i = 0; i < 1000; i++) {
		size_t other = i & 1 ? cie : put_cie(&f->frames, &plain);

		put_fde(&f->frames, &plain, other, CODE + i, 1, "", 0);
	}
	compile(f);
	assert_int_equal(AT(f, 0), SP(8, 0));
	assert_int_equal(AT(f, 998), KIND(UNWIND_UNKNOWN));
	free(program);
}

static void test_nothing_to_compile(void **state)
{
	struct cfi_source source = {
		.machine = EM_S390, .code = {{CODE, CODE + 1, NULL}}, .n_code = 1};
	struct unwind_module *m;

	assert_int_equal(unwind_module_open(&m, &source), -ENOTSUP);
	source.machine = EM_X86_64;
	source.code[0].end = CODE + (5ULL << 30);
	assert_int_equal(unwind_module_open(&m, &source), -ENOEXEC);
	source.n_code = 0;
	assert_int_equal(unwind_module_open(&m, &source), -ENOEXEC);
	assert_null(m);
}

static void test_pages(void **state)
{
	struct cfi_source source = {.machine = EM_X86_64,
		.code = {{CODE + 0x100, CODE + 0x10001, NULL},
			{CODE + 0x50000, CODE + 0x50001, NULL}},
		.n_code = 2};
	struct unwind_module *m;

	assert_int_equal(unwind_module_open(&m, &source), 0);
	assert_int_equal(unwind_module_page(m, 0), CODE);
	assert_int_equal(unwind_module_page(m, CODE + 0x10000), CODE + 0x10000);
	assert_int_equal(unwind_module_page(m, CODE + 0x20000), CODE + 0x50000);
	assert_true(unwind_module_page(m, CODE + 0x60000) == UINT64_MAX);
	unwind_module_close(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_encodings),
		TEST(test_augmentations),
		TEST(test_versions),
		TEST(test_refused_entries),
		TEST(test_signal_frame),
		TEST(test_overlap),
		TEST(test_two_sections),
		TEST(test_page_border),
		TEST(test_index),
		TEST(test_header),
		TEST(test_padding),
		TEST(test_stubs),
		TEST(test_full_page),
		TEST(test_many_rules),
		TEST(test_budget),
		cmocka_unit_test(test_nothing_to_compile),
		cmocka_unit_test(test_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
