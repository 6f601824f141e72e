// SPDX-License-Identifier: MIT
/* CFI compiled from hand-made bytes: every instruction, every form of an entry, and what is broken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dwarf.h>
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "unwind/compile.h"
#include "unwind/page.h"

#define CODE	  0x10000ULL /* one page of it */
#define FRAMES	  0x800000ULL
#define RBX	  3
#define RBP	  6
#define RSP	  7
#define R10	  10
#define RIP	  16
#define MAX_BYTES 65536

/* ---- making entries ----------------------------------------------------------------------- */

struct bytes {
	uint8_t data[MAX_BYTES];
	size_t n;
};

static void put(struct bytes *b, const void *data, size_t n)
{
	assert_true(n <= MAX_BYTES - b->n);
	memcpy(b->data + b->n, data, n);
	b->n += n;
}

static void put_number(struct bytes *b, uint64_t value, size_t size)
{
	put(b, &value, size); /* little-endian */
}

struct form {
	bool debug_frame, long_length;
	uint8_t version, encoding, return_register;
	const char *augmentation;
	const uint8_t *data; /* of the augmentation */
	size_t data_size;
};

static const struct form plain = {
	.version = 1,
	.encoding = DW_EH_PE_pcrel | DW_EH_PE_sdata4,
	.return_register = RIP,
	.augmentation = "zR",
	.data = (const uint8_t[]){DW_EH_PE_pcrel | DW_EH_PE_sdata4},
	.data_size = 1,
};

/* Begins an entry; end_entry fills in its length. */
static size_t begin_entry(struct bytes *b, const struct form *f, uint64_t identity)
{
	size_t at = b->n;

	if (f->long_length)
		put_number(b, 0xffffffff, 4);
	put_number(b, 0, f->long_length ? 8 : 4);
	put_number(b, identity, f->long_length && f->debug_frame ? 8 : 4);
	return at;
}

static void end_entry(struct bytes *b, const struct form *f, size_t at)
{
	size_t field = f->long_length ? 4 : 0, size = f->long_length ? 8 : 4;
	uint64_t length = b->n - at - field - size;

	memcpy(b->data + at + field, &length, size);
}

/* data_align -8, code_align 1, CFA = rsp + 8, the return address at CFA - 8. Returns its offset. */
static size_t put_cie(struct bytes *b, const struct form *f)
{
	static const uint8_t program[] = {DW_CFA_def_cfa, RSP, 8, DW_CFA_offset | RIP, 1};
	size_t at = begin_entry(b, f, f->debug_frame ? UINT64_MAX : 0);

	put_number(b, f->version, 1);
	put(b, f->augmentation, strlen(f->augmentation) + 1);
	if (f->version == 4)
		put_number(b, 8, 2); /* address size; no segments */
	put_number(b, 1, 1);
	put_number(b, 0x78, 1); /* -8 */
	put_number(b, f->return_register, 1);
	if (*f->augmentation == 'z') {
		put_number(b, f->data_size, 1);
		put(b, f->data, f->data_size);
	}
	put(b, program, sizeof(program));
	end_entry(b, f, at);
	return at;
}

static void put_address(struct bytes *b, uint8_t encoding, uint64_t value)
{
	static const uint8_t sizes[] = {8, 0, 2, 4, 8};

	if ((encoding & 0x70) == DW_EH_PE_pcrel)
		value -= FRAMES + b->n;
	if ((encoding & 0xf) == DW_EH_PE_uleb128) {
		for (; value > 0x7f; value >>= 7)
			put_number(b, (value & 0x7f) | 0x80, 1);
		put_number(b, value, 1);
	} else {
		put_number(b, value, sizes[encoding & 7]);
	}
}

static size_t put_fde(struct bytes *b, const struct form *f, size_t cie, uint64_t start,
	uint64_t size, const void *program, size_t program_size)
{
	size_t head = f->long_length ? 12 : 4, at;

	at = begin_entry(b, f, f->debug_frame ? cie : b->n + head - cie);
	put_address(b, f->encoding, start);
	put_address(b, f->encoding & 0xf, size);
	if (*f->augmentation == 'z')
		put_number(b, 0, 1);
	put(b, program, program_size);
	end_entry(b, f, at);
	return at;
}

/* ---- compiling them ----------------------------------------------------------------------- */

struct fixture {
	struct bytes frames, more; /* more: .debug_frame behind an .eh_frame */
	uint8_t *code;
	uint64_t code_size;
	struct cfi_section header;
	union {
		uint32_t words[UNWIND_PAGE_WORDS];
		struct unwind_page page;
	};
	size_t n_words;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	if (f)
		f->code_size = UNWIND_PAGE_SIZE;
	return f ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void compile_page(struct fixture *f, bool debug_frame, uint64_t page)
{
	struct cfi_source source = {
		.machine = EM_X86_64,
		.code = {{CODE, CODE + f->code_size, f->code}},
		.n_code = 1,
		.frames = {{f->frames.data, f->frames.n, debug_frame ? 0 : FRAMES, !debug_frame},
			{f->more.data, f->more.n, 0, false}},
		.n_frames = f->more.n ? 2 : 1,
		.header = f->header,
	};
	struct unwind_module *m;
	int n;

	assert_int_equal(unwind_module_open(&m, &source), 0);
	n = unwind_module_compile(m, page, f->words);
	assert_in_range(n, 1, UNWIND_PAGE_WORDS);
	f->n_words = (size_t)n;
	assert_int_equal(f->page.rows[0].address, 0);
	unwind_module_close(m);
}

static void compile(struct fixture *f)
{
	compile_page(f, false, CODE);
}

#define KIND(kind)     (UNWIND_ESCAPE | (kind))
#define SP(cfa, slot)  ((slot) << UNWIND_FP_SHIFT | (cfa) / 8)
#define FP(cfa, slot)  (UNWIND_BASE_FP | SP(cfa, slot))
#define AT(f, address) page_find(&(f)->page, (uint16_t)(address))

static struct unwind_rule long_rule(const struct fixture *f, uint64_t address)
{
	uint16_t rule = AT(f, address);
	size_t word = rule & (UNWIND_ESCAPE - 1U);

	assert_true(rule & UNWIND_ESCAPE);
	assert_in_range(word, UNWIND_KINDS, f->n_words - 3);
	return *page_rule(&f->page, rule);
}

static void expect_rule(
	const struct fixture *f, uint64_t address, const struct unwind_rule *expected)
{
	struct unwind_rule rule = long_rule(f, address);

	assert_memory_equal(&rule, expected, sizeof(rule));
}

/* One function at CODE of 0x100 bytes with this program. */
static void compile_program(struct fixture *f, const void *program, size_t size)
{
	f->frames.n = 0;
	put_fde(&f->frames, &plain, put_cie(&f->frames, &plain), CODE, 0x100, program, size);
	compile(f);
}

#define PROGRAM(f, ...)                                           \
	do {                                                      \
		const uint8_t program_[] = {__VA_ARGS__};         \
		compile_program((f), program_, sizeof(program_)); \
	} while (0)

/* ---- instructions ------------------------------------------------------------------------- */

static void test_plain_function(void **state)
{
	struct fixture *f = *state;

	/* push %rbp; mov %rsp, %rbp; ...; pop %rbp; ret */
	PROGRAM(f, DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16, DW_CFA_offset | RBP, 2,
		DW_CFA_advance_loc | 3, DW_CFA_def_cfa_register, RBP, DW_CFA_advance_loc1, 0x50,
		DW_CFA_restore | RBP, DW_CFA_def_cfa, RSP, 8);
	assert_int_equal(AT(f, 0), SP(8, 0));
	assert_int_equal(AT(f, 1), SP(16, 1));
	assert_int_equal(AT(f, 3), SP(16, 1));
	assert_int_equal(AT(f, 4), FP(16, 1));
	assert_int_equal(AT(f, 0x53), FP(16, 1));
	assert_int_equal(AT(f, 0x54), SP(8, 0));
	assert_int_equal(AT(f, 0xff), SP(8, 0));
	assert_int_equal(AT(f, 0x100), KIND(UNWIND_NONE));
	assert_int_equal(AT(f, 0xffff), KIND(UNWIND_NONE));
	assert_int_equal(f->page.first[UNWIND_CELLS], 4);
}

static void test_advances(void **state)
{
	struct fixture *f = *state;
	uint8_t set[] = {
		DW_CFA_def_cfa_offset, 16, DW_CFA_set_loc, 0, 0, 0, 0, DW_CFA_def_cfa_offset, 24};

	PROGRAM(f, DW_CFA_advance_loc2, 0x20, 0, DW_CFA_def_cfa_offset, 16, DW_CFA_advance_loc4,
		0x20, 0, 0, 0, DW_CFA_def_cfa_offset, 24, DW_CFA_MIPS_advance_loc8, 0x10, 0, 0, 0,
		0, 0, 0, 0, DW_CFA_def_cfa_offset, 32);
	assert_int_equal(AT(f, 0x1f), SP(8, 0));
	assert_int_equal(AT(f, 0x20), SP(16, 0));
	assert_int_equal(AT(f, 0x40), SP(24, 0));
	assert_int_equal(AT(f, 0x50), SP(32, 0));
	/* set_loc is encoded as the FDE's addresses are. */
	for (int back = 0; back < 2; back++) {
		size_t cie, field;
		int32_t to;

		f->frames.n = 0;
		cie = put_cie(&f->frames, &plain);
		field = f->frames.n + 17 + 3;
		to = (int32_t)(CODE + 0x30 - (uint64_t)back * 0x40 - FRAMES - field);
		memcpy(set + 3, &to, sizeof(to));
		put_fde(&f->frames, &plain, cie, CODE, 0x100, set, sizeof(set));
		compile(f);
		assert_int_equal(AT(f, 0x2f), back ? KIND(UNWIND_UNKNOWN) : SP(16, 0));
		assert_int_equal(AT(f, 0x30), back ? KIND(UNWIND_UNKNOWN) : SP(24, 0));
	}
}

/* Beyond the function's end, an advance ends it. */
static void test_long_advance(void **state)
{
	struct fixture *f = *state;

	PROGRAM(f, DW_CFA_advance_loc2, 0x34, 0x12, DW_CFA_def_cfa_offset, 16);
	assert_int_equal(AT(f, 0xff), SP(8, 0));
	assert_int_equal(AT(f, 0x100), KIND(UNWIND_NONE));
}

static void test_register_rules(void **state)
{
	struct fixture *f = *state;
	static const struct unwind_rule lost = {
		.base = RSP, .flags = UNWIND_RULE_FP_LOST, .ra_offset = -8, .cfa_offset = 8};

	PROGRAM(f, DW_CFA_offset_extended, RBP, 3);
	assert_int_equal(AT(f, 0), SP(8, 2));
	PROGRAM(f, DW_CFA_offset_extended_sf, RBP, 4);
	assert_int_equal(AT(f, 0), SP(8, 3));
	PROGRAM(f, DW_CFA_GNU_negative_offset_extended, RBP, 0x7e & 0x3f);
	assert_int_equal(long_rule(f, 0).fp_offset, 62 * 8);
	PROGRAM(f, DW_CFA_offset | RBP, 2, DW_CFA_advance_loc | 1, DW_CFA_same_value, RBP,
		DW_CFA_advance_loc | 1, DW_CFA_offset | RBP, 2, DW_CFA_advance_loc | 1,
		DW_CFA_restore_extended, RBP);
	assert_int_equal(AT(f, 0), SP(8, 1));
	assert_int_equal(AT(f, 1), SP(8, 0));
	assert_int_equal(AT(f, 2), SP(8, 1));
	assert_int_equal(AT(f, 3), SP(8, 0));
	PROGRAM(f, DW_CFA_undefined, RBP);
	expect_rule(f, 0, &lost);
	PROGRAM(f, DW_CFA_register, RBP, RBX);
	expect_rule(f, 0, &lost);
	PROGRAM(f, DW_CFA_val_offset, RBP, 2);
	expect_rule(f, 0, &lost);
	PROGRAM(f, DW_CFA_val_offset_sf, RBP, 2);
	expect_rule(f, 0, &lost);
	PROGRAM(f, DW_CFA_val_expression, RBP, 2, DW_OP_breg0 + RSP, 0);
	expect_rule(f, 0, &lost);
	/* What a profiler does not need makes no row. */
	PROGRAM(f, DW_CFA_advance_loc | 1, DW_CFA_offset | RBX, 5, DW_CFA_advance_loc | 1,
		DW_CFA_offset_extended, 70, 5, DW_CFA_GNU_args_size, 0x20, DW_CFA_nop,
		DW_CFA_advance_loc | 1, DW_CFA_expression, 40, 1, DW_OP_lit0);
	assert_int_equal(AT(f, 9), SP(8, 0));
	assert_int_equal(f->page.first[UNWIND_CELLS], 1);
}

static void test_cfa_rules(void **state)
{
	struct fixture *f = *state;

	PROGRAM(f, DW_CFA_def_cfa_sf, RBP, 0x7e); /* -2 * -8 */
	assert_int_equal(AT(f, 0), FP(16, 0));
	PROGRAM(f, DW_CFA_def_cfa_offset_sf, 0x7d);
	assert_int_equal(AT(f, 0), SP(24, 0));
	PROGRAM(f, DW_CFA_def_cfa_offset, 0xf8, 0x7f);
	assert_int_equal(AT(f, 0), SP(0x3ff8, 0));
	PROGRAM(f, DW_CFA_def_cfa_offset, 0x80, 0x80, 1);
	assert_int_equal(long_rule(f, 0).cfa_offset, 0x4000);
	PROGRAM(f, DW_CFA_def_cfa_offset, 12);
	assert_int_equal(long_rule(f, 0).cfa_offset, 12);
	PROGRAM(f, DW_CFA_def_cfa_sf, RBP, 2);
	assert_int_equal(long_rule(f, 0).cfa_offset, -16);
	PROGRAM(f, DW_CFA_def_cfa_register, R10);
	assert_int_equal(long_rule(f, 0).base, R10);
	/* A register that no rule can name, and back. */
	PROGRAM(f, DW_CFA_def_cfa_register, 60, DW_CFA_advance_loc | 1, DW_CFA_def_cfa_register,
		RSP);
	assert_int_equal(AT(f, 0), KIND(UNWIND_UNKNOWN));
	assert_int_equal(AT(f, 1), SP(8, 0));
	PROGRAM(f, DW_CFA_def_cfa_offset, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f);
	assert_int_equal(AT(f, 0), KIND(UNWIND_UNKNOWN));
}

static void test_remember(void **state)
{
	struct fixture *f = *state;
	uint8_t deep[20];

	PROGRAM(f, DW_CFA_def_cfa_offset, 16, DW_CFA_offset | RBP, 2, DW_CFA_remember_state,
		DW_CFA_advance_loc | 4, DW_CFA_def_cfa_offset, 8, DW_CFA_restore | RBP,
		DW_CFA_remember_state, DW_CFA_advance_loc | 4, DW_CFA_def_cfa, RBP, 32,
		DW_CFA_advance_loc | 4, DW_CFA_restore_state, DW_CFA_advance_loc | 4,
		DW_CFA_restore_state);
	assert_int_equal(AT(f, 0), SP(16, 1));
	assert_int_equal(AT(f, 4), SP(8, 0));
	assert_int_equal(AT(f, 8), FP(32, 0));
	assert_int_equal(AT(f, 12), SP(8, 0));
	assert_int_equal(AT(f, 16), SP(16, 1));
	PROGRAM(f, DW_CFA_advance_loc | 4, DW_CFA_restore_state);
	assert_int_equal(AT(f, 3), SP(8, 0));
	assert_int_equal(AT(f, 4), KIND(UNWIND_UNKNOWN));
	memset(deep, DW_CFA_remember_state, sizeof(deep));
	compile_program(f, deep, sizeof(deep));
	assert_int_equal(AT(f, 0), KIND(UNWIND_UNKNOWN));
}

static void test_formulas(void **state)
{
	struct fixture *f = *state;
	static const struct unwind_rule openssl = {.base = RSP,
		.flags = UNWIND_RULE_DEREF,
		.ra_offset = -8,
		.cfa_offset = 152,
		.cfa_add = 8};
	static const struct unwind_rule realigned = {.base = RBP,
		.flags = UNWIND_RULE_DEREF | UNWIND_RULE_FP_SAVED | UNWIND_RULE_FP_BASE,
		.ra_offset = -8,
		.cfa_offset = -8};
	static const struct unwind_rule realigning = {.base = R10,
		.flags = UNWIND_RULE_FP_SAVED | UNWIND_RULE_FP_OWN,
		.ra_offset = -8,
		.cfa_offset = 0};
	static const struct unwind_rule plt = {.base = RSP,
		.flags = UNWIND_RULE_PLT,
		.ra_offset = -8,
		.cfa_offset = 8,
		.cfa_add = 11};

	PROGRAM(f, DW_CFA_def_cfa_expression, 6, DW_OP_breg0 + RSP, 0x98, 1, DW_OP_deref,
		DW_OP_plus_uconst, 8);
	expect_rule(f, 0, &openssl);
	PROGRAM(f, DW_CFA_def_cfa_expression, 7, DW_OP_bregx, RSP, 0x90, 1, DW_OP_plus_uconst, 8,
		DW_OP_deref, DW_CFA_nop);
	assert_int_equal(long_rule(f, 0).cfa_offset, 152);
	PROGRAM(f, DW_CFA_def_cfa, R10, 0, DW_CFA_expression, RBP, 2, DW_OP_breg0 + RBP, 0,
		DW_CFA_advance_loc | 4, DW_CFA_def_cfa_expression, 3, DW_OP_breg0 + RBP, 0x78,
		DW_OP_deref, DW_CFA_advance_loc | 4, DW_CFA_def_cfa, RSP, 8);
	expect_rule(f, 0, &realigning);
	expect_rule(f, 4, &realigned);
	assert_int_equal(AT(f, 8), SP(8, 0));
	PROGRAM(f, DW_CFA_def_cfa_expression, 11, DW_OP_breg0 + RSP, 8, DW_OP_breg0 + RIP, 0,
		DW_OP_lit15, DW_OP_and, DW_OP_lit11, DW_OP_ge, DW_OP_lit3, DW_OP_shl, DW_OP_plus);
	expect_rule(f, 0, &plt);
	/* What rules cannot say. */
	PROGRAM(f, DW_CFA_def_cfa_expression, 3, DW_OP_breg0 + RSP, 8, DW_OP_dup);
	assert_int_equal(AT(f, 0), KIND(UNWIND_UNKNOWN));
	PROGRAM(f, DW_CFA_def_cfa_expression, 1, DW_OP_breg0 + RSP);
	assert_int_equal(AT(f, 0), KIND(UNWIND_UNKNOWN));
	PROGRAM(f, DW_CFA_def_cfa_expression, 0);
	assert_int_equal(AT(f, 0), KIND(UNWIND_UNKNOWN));
	/* Half of a rule cannot change a formula. */
	PROGRAM(f, DW_CFA_def_cfa_expression, 2, DW_OP_breg0 + RSP, 8, DW_CFA_advance_loc | 1,
		DW_CFA_def_cfa_offset, 16);
	assert_int_equal(AT(f, 0), SP(8, 0));
	assert_int_equal(AT(f, 1), KIND(UNWIND_UNKNOWN));
}

static void test_return_address(void **state)
{
	struct fixture *f = *state;
	static const struct unwind_rule elsewhere = {
		.base = RSP, .flags = 0, .ra_offset = 56, .cfa_offset = 8};

	PROGRAM(f, DW_CFA_undefined, RIP);
	assert_int_equal(AT(f, 0), KIND(UNWIND_END));
	PROGRAM(f, DW_CFA_offset_extended_sf, RIP, 0x79);
	expect_rule(f, 0, &elsewhere);
	PROGRAM(f, DW_CFA_register, RIP, RBX);
	assert_int_equal(AT(f, 0), KIND(UNWIND_UNKNOWN));
	/* A stack pointer that is not the CFA. */
	PROGRAM(f, DW_CFA_val_offset, RSP, 0, DW_CFA_advance_loc | 1, DW_CFA_val_offset, RSP, 1);
	assert_int_equal(AT(f, 0), SP(8, 0));
	assert_int_equal(AT(f, 1), KIND(UNWIND_UNKNOWN));
}

static void test_broken_programs(void **state)
{
	struct fixture *f = *state;

	PROGRAM(f, DW_CFA_advance_loc | 8, 0x3f); /* no such instruction */
	assert_int_equal(AT(f, 7), SP(8, 0));
	assert_int_equal(AT(f, 8), KIND(UNWIND_UNKNOWN));
	assert_int_equal(AT(f, 0xff), KIND(UNWIND_UNKNOWN));
	assert_int_equal(AT(f, 0x100), KIND(UNWIND_NONE));
	PROGRAM(f, DW_CFA_advance_loc | 8, DW_CFA_def_cfa_offset, 0x80); /* cut off */
	assert_int_equal(AT(f, 7), SP(8, 0));
	assert_int_equal(AT(f, 8), KIND(UNWIND_UNKNOWN));
	PROGRAM(f, DW_CFA_advance_loc4, 1, 2); /* so is this */
	assert_int_equal(AT(f, 0), KIND(UNWIND_UNKNOWN));
	PROGRAM(f, DW_CFA_expression, RBP, 0x7f, 0); /* a formula longer than its entry */
	assert_int_equal(AT(f, 0), KIND(UNWIND_UNKNOWN));
}

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
	static uint8_t code[UNWIND_PAGE_SIZE];
	struct fixture *f = *state;

	memset(code, 0x90, sizeof(code));
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_plain_function),
		TEST(test_advances),
		TEST(test_long_advance),
		TEST(test_register_rules),
		TEST(test_cfa_rules),
		TEST(test_remember),
		TEST(test_formulas),
		TEST(test_return_address),
		TEST(test_broken_programs),
		TEST(test_encodings),
		TEST(test_augmentations),
		TEST(test_versions),
		TEST(test_refused_entries),
		TEST(test_signal_frame),
		TEST(test_overlap),
		TEST(test_two_sections),
		TEST(test_page_border),
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
