// SPDX-License-Identifier: MIT
/* The program of an FDE: every instruction, and what is broken. */
#include "cfi_fixture.h"

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
	PROGRAM(f, DW_CFA_offset | RBP, 8);
	assert_int_equal(AT(f, 0), SP(8, 7));
	PROGRAM(f, DW_CFA_offset | RBP, 9);
	assert_int_equal(long_rule(f, 0).fp_offset, -72);
	PROGRAM(f, DW_CFA_offset | RBP, 1);
	assert_int_equal(long_rule(f, 0).fp_offset, -8);
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

/* + 8 * a register */
#define INDEX(number) DW_OP_breg0 + (number), 0, DW_OP_lit8, DW_OP_mul, DW_OP_plus

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
}

/* As in OpenSSL's bn_mul_mont: behind an array of r9 words. */
static void test_formulas_behind_an_array(void **state)
{
	struct fixture *f = *state;
	static const struct unwind_rule indexed = {.base = RSP,
		.flags = UNWIND_RULE_INDEXED | UNWIND_RULE_FP_SAVED,
		.ra_offset = R9,
		.fp_offset = -24,
		.cfa_offset = 8,
		.cfa_add = 8};

	PROGRAM(f, DW_CFA_offset | RBP, 3, DW_CFA_def_cfa_expression, 10, DW_OP_breg0 + RSP, 8,
		INDEX(R9), DW_OP_deref, DW_OP_plus_uconst, 8);
	expect_rule(f, 0, &indexed);
	PROGRAM(f, DW_CFA_def_cfa_expression, 11, DW_OP_breg0 + RSP, 8, DW_OP_bregx, R9, 2,
		DW_OP_lit8, DW_OP_mul, DW_OP_plus, DW_OP_deref, DW_CFA_nop);
	assert_int_equal(AT(f, 0), KIND(UNWIND_UNKNOWN)); /* cut off: the size is one too much */
	PROGRAM(f, DW_CFA_def_cfa_expression, 9, DW_OP_breg0 + RSP, 8, DW_OP_bregx, R9, 2,
		DW_OP_lit8, DW_OP_mul, DW_OP_plus, DW_OP_deref, DW_CFA_nop);
	assert_int_equal(long_rule(f, 0).cfa_offset, 24);
	assert_int_equal(long_rule(f, 0).cfa_add, 0);
}

/* No word is read, or it is indexed; twice; by more; by what is no register; the return address is
 * elsewhere. */
static void test_formulas_that_rules_cannot_say(void **state)
{
	struct fixture *f = *state;

	PROGRAM(f, DW_CFA_def_cfa_expression, 7, DW_OP_breg0 + RSP, 8, INDEX(R9));
	assert_int_equal(AT(f, 0), KIND(UNWIND_UNKNOWN));
	PROGRAM(f, DW_CFA_def_cfa_expression, 8, DW_OP_breg0 + RSP, 8, DW_OP_deref, INDEX(R9));
	assert_int_equal(AT(f, 0), KIND(UNWIND_UNKNOWN));
	PROGRAM(f, DW_CFA_def_cfa_expression, 13, DW_OP_breg0 + RSP, 8, INDEX(R9), INDEX(R10),
		DW_OP_deref);
	assert_int_equal(AT(f, 0), KIND(UNWIND_UNKNOWN));
	PROGRAM(f, DW_CFA_def_cfa_expression, 8, DW_OP_breg0 + RSP, 8, DW_OP_breg0 + R9, 0,
		DW_OP_lit4, DW_OP_mul, DW_OP_plus, DW_OP_deref);
	assert_int_equal(AT(f, 0), KIND(UNWIND_UNKNOWN));
	PROGRAM(f, DW_CFA_def_cfa_expression, 8, DW_OP_breg0 + RSP, 8, INDEX(RIP), DW_OP_deref);
	assert_int_equal(AT(f, 0), KIND(UNWIND_UNKNOWN));
	PROGRAM(f, DW_CFA_def_cfa_expression, 8, DW_OP_breg0 + RSP, 8, INDEX(R9), DW_OP_deref,
		DW_CFA_offset | RIP, 2);
	assert_int_equal(AT(f, 0), KIND(UNWIND_UNKNOWN));
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
	static const struct unwind_rule vfork = {
		.base = RSP, .flags = UNWIND_RULE_RA_REGISTER, .ra_offset = RDI, .cfa_offset = 0};

	PROGRAM(f, DW_CFA_undefined, RIP);
	assert_int_equal(AT(f, 0), KIND(UNWIND_END));
	PROGRAM(f, DW_CFA_offset_extended_sf, RIP, 0x79);
	expect_rule(f, 0, &elsewhere);
	/* In a register: pop %rdi; syscall; push %rdi. */
	PROGRAM(f, DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 0, DW_CFA_register, RIP, RDI,
		DW_CFA_advance_loc | 8, DW_CFA_def_cfa_offset, 8);
	assert_int_equal(AT(f, 0), SP(8, 0));
	expect_rule(f, 1, &vfork);
	expect_rule(f, 8, &vfork);
	assert_int_equal(long_rule(f, 9).flags, UNWIND_RULE_RA_REGISTER);
	assert_int_equal(long_rule(f, 9).cfa_offset, 8);
	PROGRAM(f, DW_CFA_register, RIP, RIP, DW_CFA_advance_loc | 1, DW_CFA_register, RIP, 70,
		DW_CFA_advance_loc | 1, DW_CFA_register, RIP, RBX, DW_CFA_def_cfa_expression, 3,
		DW_OP_breg0 + RSP, 0, DW_OP_deref);
	assert_int_equal(AT(f, 0), KIND(UNWIND_UNKNOWN));
	assert_int_equal(AT(f, 1), KIND(UNWIND_UNKNOWN));
	assert_int_equal(AT(f, 2), KIND(UNWIND_UNKNOWN));
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
		TEST(test_formulas_behind_an_array),
		TEST(test_formulas_that_rules_cannot_say),
		TEST(test_return_address),
		TEST(test_broken_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
