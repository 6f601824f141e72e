// SPDX-License-Identifier: MIT
/* Rules of return addresses, where the CFA counts from a register that the callee saves. */
#include "cfi_fixture.h"

#define CALLER	  (CODE + 0x1000)
#define CALLEE	  (CODE + 0x2000)
#define CALL_SIZE 5
#define R12	  12

static uint8_t code[2 * UNWIND_PAGE_SIZE];

static void put_call(uint64_t at, uint64_t target)
{
	int32_t distance = (int32_t)(target - at - CALL_SIZE);

	code[at - CODE] = 0xe8;
	memcpy(code + (at - CODE) + 1, &distance, sizeof(distance));
}

/* A caller of 0x100 bytes whose CFA is rbx + 24, or what its program says, and a callee that saves
 * rbx at CFA - 40 from its third byte on, or does what its program says. */
struct pair {
	uint64_t caller, callee;
	const uint8_t *caller_program, *callee_program;
	size_t caller_size, callee_size;
};

static const uint8_t by_rbx[] = {DW_CFA_def_cfa, RBX, 24};
static const uint8_t saves_rbx[] = {DW_CFA_advance_loc | 2, DW_CFA_offset | RBX, 5};

static const struct pair usual = {
	.caller = CALLER,
	.callee = CALLEE,
	.caller_program = by_rbx,
	.callee_program = saves_rbx,
	.caller_size = sizeof(by_rbx),
	.callee_size = sizeof(saves_rbx),
};

static void put_pair(struct fixture *f, const struct pair *pair)
{
	size_t cie;

	f->code = code;
	f->code_size = sizeof(code);
	f->frames.n = 0;
	cie = put_cie(&f->frames, &plain);
	put_fde(&f->frames, &plain, cie, pair->caller, 0x100, pair->caller_program,
		pair->caller_size);
	put_fde(&f->frames, &plain, cie, pair->callee, 0x100, pair->callee_program,
		pair->callee_size);
}

static void compile_pair(struct fixture *f, const struct pair *pair)
{
	put_pair(f, pair);
	compile_page(f, false, pair->caller & ~(uint64_t)(UNWIND_PAGE_SIZE - 1));
}

static int clear(void **state)
{
	memset(code, 0x90, sizeof(code));
	return setup(state);
}

static const struct unwind_rule plainly = {.base = RBX, .ra_offset = -8, .cfa_offset = 24};
static const struct unwind_rule at_call = {
	.base = RSP, .flags = UNWIND_RULE_DEREF, .ra_offset = -8, .cfa_add = 24, .cfa_offset = -40};

static void expect_call(const struct fixture *f, uint64_t at)
{
	expect_rule(f, at, &plainly);
	for (uint64_t i = 1; i < CALL_SIZE; i++)
		expect_rule(f, at + i, &at_call);
	expect_rule(f, at + CALL_SIZE, &plainly);
}

static void expect_no_call(const struct fixture *f, uint64_t at, const struct unwind_rule *rule)
{
	for (uint64_t i = 0; i <= CALL_SIZE; i++)
		expect_rule(f, at + i, rule);
}

static void test_calls(void **state)
{
	struct fixture *f = *state;

	put_call(CALLER + 0x10, CALLEE);
	put_call(CALLER + 0x20, CALLEE + 1); /* no function begins there */
	put_call(CALLER + 0x30, CALLEE);
	put_call(CALLER + 0x35, CALLEE);
	code[0x1041] = 0xe8; /* a byte in front of a call, and no call by itself */
	put_call(CALLER + 0x42, CALLEE);
	put_call(CALLER + 0xff - 3, CALLEE); /* not wholly in its function */
	compile_pair(f, &usual);
	expect_call(f, CALLER + 0x10);
	expect_no_call(f, CALLER + 0x20, &plainly);
	expect_call(f, CALLER + 0x30);
	expect_call(f, CALLER + 0x35);
	expect_rule(f, CALLER + 0x41, &plainly);
	expect_call(f, CALLER + 0x42);
	expect_rule(f, CALLER + 0xff, &plainly);
	assert_int_equal(AT(f, 0x1100), KIND(UNWIND_NONE));
}

static void test_last_call(void **state)
{
	struct fixture *f = *state;

	put_call(CALLER + 0xfb, CALLEE); /* as of a function that does not return */
	compile_pair(f, &usual);
	expect_rule(f, CALLER + 0xfb, &plainly);
	expect_rule(f, CALLER + 0xff, &at_call);
	assert_int_equal(AT(f, 0x1100), KIND(UNWIND_NONE));
}

static void test_page_border(void **state)
{
	const uint64_t border = CODE + UNWIND_PAGE_SIZE;
	struct pair pair = usual;
	struct fixture *f = *state;

	pair.caller = border - 0x80;
	for (uint64_t before = 1; before <= CALL_SIZE; before++) {
		uint64_t at = border - before;

		memset(code, 0x90, sizeof(code));
		put_call(at, CALLEE);
		put_pair(f, &pair);
		compile_page(f, false, CODE);
		expect_rule(f, at, &plainly);
		for (uint64_t i = 1; i < before; i++)
			expect_rule(f, at + i, &at_call);
		compile_page(f, false, border);
		for (uint64_t i = before; i < CALL_SIZE; i++)
			expect_rule(f, at + i, &at_call);
		expect_rule(f, at + CALL_SIZE, &plainly);
	}
}

static void expect_callee(struct fixture *f, const uint8_t *program, size_t size, bool good)
{
	struct pair pair = usual;

	pair.callee_program = program;
	pair.callee_size = size;
	compile_pair(f, &pair);
	if (good)
		expect_call(f, CALLER + 0x10);
	else
		expect_no_call(f, CALLER + 0x10, &plainly);
}

#define CALLEE_IS(good, ...)                                               \
	do {                                                               \
		const uint8_t program_[] = {__VA_ARGS__};                  \
		expect_callee(*state, program_, sizeof(program_), (good)); \
	} while (0)

static void test_callees(void **state)
{
	put_call(CALLER + 0x10, CALLEE);
	CALLEE_IS(true, DW_CFA_offset | RBX, 5);
	CALLEE_IS(true, DW_CFA_advance_loc | 2, DW_CFA_offset | RBX, 5, DW_CFA_remember_state,
		DW_CFA_advance_loc | 9, DW_CFA_restore | RBX, DW_CFA_advance_loc | 1,
		DW_CFA_restore_state);
	CALLEE_IS(false, DW_CFA_nop); /* it never saves it */
	CALLEE_IS(false, DW_CFA_offset | R12, 5);
	CALLEE_IS(false, DW_CFA_offset | RBX, 5, DW_CFA_advance_loc | 9, DW_CFA_offset | RBX, 6);
	CALLEE_IS(false, DW_CFA_offset | RBX, 5, DW_CFA_advance_loc | 9, DW_CFA_undefined, RBX);
	CALLEE_IS(false, DW_CFA_expression, RBX, 2, DW_OP_breg0 + RSP, 0);
	CALLEE_IS(false, DW_CFA_offset | RBX, 5, DW_CFA_advance_loc | 9, 0x3f); /* broken */

	/* It calls something before it saves the register. */
	CALLEE_IS(true, DW_CFA_advance_loc | 8, DW_CFA_offset | RBX, 5);
	memcpy(code + (CALLEE - CODE) + 6, "\xff\xd0", 2); /* call *%rax */
	CALLEE_IS(false, DW_CFA_advance_loc | 8, DW_CFA_offset | RBX, 5);
	CALLEE_IS(true, DW_CFA_advance_loc | 6, DW_CFA_offset | RBX, 5);
	CALLEE_IS(false, DW_CFA_advance_loc | 7, DW_CFA_offset | RBX, 5);
	code[CALLEE - CODE + 7] = 0xe0; /* jmp *%rax */
	CALLEE_IS(true, DW_CFA_advance_loc | 8, DW_CFA_offset | RBX, 5);
	code[CALLEE - CODE + 3] = 0xe8;
	CALLEE_IS(false, DW_CFA_advance_loc | 8, DW_CFA_offset | RBX, 5);
}

static void expect_caller(
	struct fixture *f, const uint8_t *program, size_t size, const struct unwind_rule *rule)
{
	struct pair pair = usual;
	static const uint8_t saves_all[] = {
		DW_CFA_offset | RBX, 5, DW_CFA_offset | R12, 5, DW_CFA_offset | R10, 5};

	pair.caller_program = program;
	pair.caller_size = size;
	pair.callee_program = saves_all;
	pair.callee_size = sizeof(saves_all);
	compile_pair(f, &pair);
	expect_rule(f, CALLER + 0x11, rule);
}

#define CALLER_IS(rule, ...)                                                \
	do {                                                                \
		const uint8_t program_[] = {__VA_ARGS__};                   \
		expect_caller(*state, program_, sizeof(program_), &(rule)); \
	} while (0)

static void test_callers(void **state)
{
	static const struct unwind_rule r10 = {.base = R10, .ra_offset = -8, .cfa_offset = 24};
	static const struct unwind_rule far = {.base = RBX, .ra_offset = -8, .cfa_offset = 0x8000};
	static const struct unwind_rule read = {
		.base = RBX, .flags = UNWIND_RULE_DEREF, .ra_offset = -8, .cfa_offset = 8};
	static const struct unwind_rule fp_by_base = {.base = RBX,
		.flags = UNWIND_RULE_FP_SAVED | UNWIND_RULE_FP_BASE,
		.ra_offset = -8,
		.fp_offset = 8,
		.cfa_offset = 24};
	struct unwind_rule fp_saved = at_call;

	fp_saved.flags |= UNWIND_RULE_FP_SAVED;
	fp_saved.fp_offset = -16;
	put_call(CALLER + 0x10, CALLEE);
	CALLER_IS(at_call, DW_CFA_def_cfa, R12, 24);
	CALLER_IS(fp_saved, DW_CFA_def_cfa, RBX, 24, DW_CFA_offset | RBP, 2);
	CALLER_IS(r10, DW_CFA_def_cfa, R10, 24); /* calls do not preserve it */
	CALLER_IS(far, DW_CFA_def_cfa, RBX, 0x80, 0x80, 2);
	CALLER_IS(read, DW_CFA_def_cfa_expression, 3, DW_OP_breg0 + RBX, 8, DW_OP_deref);
	CALLER_IS(fp_by_base, DW_CFA_def_cfa, RBX, 24, DW_CFA_expression, RBP, 2, DW_OP_breg0 + RBX,
		8);
}

/* Where there are no bytes, or the budget is used up, the function's own rule remains. */
static void test_limits(void **state)
{
	struct fixture *f = *state;
	struct pair pair = usual;
	static uint8_t program[MAX_BYTES / 2]; /* of DW_CFA_nop */

	put_call(CALLER + 0x10, CALLEE);
	put_pair(f, &usual);
	f->code = NULL;
	compile(f);
	expect_no_call(f, CALLER + 0x10, &plainly);

	memcpy(program, saves_rbx, sizeof(saves_rbx));
	pair.callee_program = program;
	pair.callee_size = sizeof(program);
	for (uint64_t i = 0; i < 20; i++)
		put_call(CALLER + 0x10 + i * 8, CALLEE);
	compile_pair(f, &pair);
	expect_call(f, CALLER + 0x10);
	expect_no_call(f, CALLER + 0x10 + UINT64_C(19) * 8, &plainly);
}

#define CALLS(name) cmocka_unit_test_setup_teardown(name, clear, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CALLS(test_calls),
		CALLS(test_last_call),
		CALLS(test_page_border),
		CALLS(test_callees),
		CALLS(test_callers),
		CALLS(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
