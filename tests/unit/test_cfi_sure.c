// SPDX-License-Identifier: MIT
/* Code whose bytes count more than its CFI. */
#include "cfi_fixture.h"

#define RDX 1
#define R12 12

static uint8_t code[2 * UNWIND_PAGE_SIZE];

static const uint8_t musl[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
static const uint8_t sigreturn[] = {0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05};

static const struct unwind_rule returns = {.base = RSP,
	.flags = UNWIND_RULE_DEREF | UNWIND_RULE_FP_SAVED | UNWIND_RULE_FP_BASE |
		 UNWIND_RULE_RA_BASE | UNWIND_RULE_SIGNAL,
	.cfa_offset = 160,
	.fp_offset = 120,
	.ra_offset = 168};

static int clear(void **state)
{
	memset(code, 0x31, sizeof(code)); /* no padding */
	if (setup(state))
		return -1;
	((struct fixture *)*state)->code = code;
	((struct fixture *)*state)->code_size = sizeof(code);
	return 0;
}

/* CFI that says CFA = rsp + 16 of [start, end). */
static void cover(struct fixture *f, uint64_t start, uint64_t end)
{
	static const uint8_t program[] = {DW_CFA_def_cfa_offset, 16};

	f->frames.n = 0;
	put_fde(&f->frames, &plain, put_cie(&f->frames, &plain), CODE + start, end - start, program,
		sizeof(program));
}

/* ---- what a signal handler returns to ------------------------------------------------------ */

static void expect_returns(const struct fixture *f, uint64_t start, uint64_t end)
{
	for (uint64_t at = start; at < end; at++)
		expect_rule(f, at, &returns);
}

/* It holds from one byte before: behind code without CFI, behind a function, and within one. */
static void test_restorer(void **state)
{
	struct fixture *f = *state;

	memcpy(code + 0x101, musl, sizeof(musl));
	memcpy(code + 0x201, sigreturn, sizeof(sigreturn));
	compile(f);
	assert_int_equal(AT(f, 0xff), KIND(UNWIND_NONE));
	expect_returns(f, 0x100, 0x10a);
	assert_int_equal(AT(f, 0x10a), KIND(UNWIND_NONE));
	expect_returns(f, 0x200, 0x208);
	assert_int_equal(AT(f, 0x208), KIND(UNWIND_NONE));

	cover(f, 0xe0, 0x101);
	compile(f);
	assert_int_equal(AT(f, 0xff), SP(16, 0));
	expect_returns(f, 0x100, 0x10a);
	assert_int_equal(AT(f, 0x10a), KIND(UNWIND_NONE));

	cover(f, 0x101, 0x110);
	compile(f);
	assert_int_equal(AT(f, 0xff), KIND(UNWIND_NONE));
	expect_returns(f, 0x100, 0x10a);
	assert_int_equal(AT(f, 0x10a), SP(16, 0));
	assert_int_equal(AT(f, 0x110), KIND(UNWIND_NONE));

	cover(f, 0xe0, 0x110);
	compile(f);
	assert_int_equal(AT(f, 0xff), SP(16, 0));
	expect_returns(f, 0x100, 0x10a);
	assert_int_equal(AT(f, 0x10a), SP(16, 0));
}

/* A ret just before it is where a function returns. */
static void test_restorer_behind_ret(void **state)
{
	struct fixture *f = *state;

	memcpy(code + 0x101, musl, sizeof(musl));
	code[0x100] = 0xc3;
	cover(f, 0xe0, 0x101);
	compile(f);
	assert_int_equal(AT(f, 0x100), SP(16, 0));
	expect_returns(f, 0x101, 0x10a);
	memcpy(code, musl, sizeof(musl)); /* nothing is before it */
	compile(f);
	expect_returns(f, 0, sizeof(musl));
}

static void test_restorer_on_two_pages(void **state)
{
	struct fixture *f = *state;

	for (uint64_t before = 0; before <= sizeof(musl) + 1; before++) {
		uint64_t at = UNWIND_PAGE_SIZE - before;

		memset(code, 0x31, sizeof(code));
		memcpy(code + at, musl, sizeof(musl));
		compile(f);
		assert_int_equal(AT(f, at - 2), KIND(UNWIND_NONE));
		for (uint64_t i = 0; i <= sizeof(musl); i++)
			if (at - 1 + i < UNWIND_PAGE_SIZE)
				expect_rule(f, at - 1 + i, &returns);
		compile_page(f, false, CODE + UNWIND_PAGE_SIZE);
		for (uint64_t i = 0; i <= sizeof(musl); i++)
			if (at - 1 + i >= UNWIND_PAGE_SIZE)
				expect_rule(f, at - 1 + i, &returns);
		assert_int_equal(AT(f, at + sizeof(musl)), KIND(UNWIND_NONE));
	}
}

/* Other system calls, and one whose number is cut off. */
static void test_other_calls(void **state)
{
	struct fixture *f = *state;

	memcpy(code + 0x100, musl, sizeof(musl));
	code[0x103] = 0x10;
	memcpy(code, musl + 1, sizeof(musl) - 1);
	memcpy(code + 0x1f0, "\x0f\x05\x0f", 3);
	f->code_size = 0x1f3;
	compile(f);
	for (uint64_t at = 0; at < f->code_size; at++)
		assert_int_equal(AT(f, at), KIND(UNWIND_NONE));
}

/* ---- where processes and threads are made --------------------------------------------------- */

static void expect_in_register(
	const struct fixture *f, uint64_t start, uint64_t end, int16_t number)
{
	const struct unwind_rule rule = {
		.base = RSP, .flags = UNWIND_RULE_RA_REGISTER, .ra_offset = number};

	for (uint64_t at = start; at < end; at++)
		expect_rule(f, at, &rule);
}

static void test_vfork(void **state)
{
	static const uint8_t of_musl[] = {
		0x5a, 0xb8, 0x3a, 0, 0, 0, 0x0f, 0x05, 0x52, 0x48, 0x89, 0xc7, 0xe9, 1, 2, 3, 4};
	static const uint8_t of_go[] = {0x41, 0x5c, 0x0f, 0x05, 0x41, 0x54};
	struct fixture *f = *state;

	memcpy(code + 0x100, of_musl, sizeof(of_musl));
	memcpy(code + 0x220, of_go, sizeof(of_go));
	cover(f, 0x200, 0x240);
	compile(f);
	assert_int_equal(AT(f, 0xff), KIND(UNWIND_NONE));
	assert_int_equal(AT(f, 0x100), SP(8, 0));
	expect_in_register(f, 0x101, 0x109, RDX);
	assert_int_equal(AT(f, 0x109), SP(8, 0));
	assert_int_equal(AT(f, 0x110), SP(8, 0));
	assert_int_equal(AT(f, 0x111), KIND(UNWIND_NONE));
	assert_int_equal(AT(f, 0x21f), SP(16, 0));
	assert_int_equal(AT(f, 0x220), SP(8, 0));
	expect_in_register(f, 0x222, 0x226, R12);
	assert_int_equal(AT(f, 0x226), SP(16, 0));
}

/* What runtime.clone calls in the new thread has no caller further out. */
static void test_thread(void **state)
{
	static const uint8_t child[] = {
		0x41, 0xff, 0xd4, 0xbf, 0x6f, 0, 0, 0, 0xb8, 0x3c, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf2};
	struct fixture *f = *state;

	memcpy(code + 0x120, child, sizeof(child));
	cover(f, 0x100, 0x140);
	compile(f);
	assert_int_equal(AT(f, 0x11f), SP(16, 0));
	for (uint64_t at = 0x120; at < 0x120 + sizeof(child); at++)
		assert_int_equal(AT(f, at), KIND(UNWIND_END));
	assert_int_equal(AT(f, 0x120 + sizeof(child)), SP(16, 0));
}

#define SURE(name) cmocka_unit_test_setup_teardown(name, clear, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SURE(test_restorer),
		SURE(test_restorer_behind_ret),
		SURE(test_restorer_on_two_pages),
		SURE(test_other_calls),
		SURE(test_vfork),
		SURE(test_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
