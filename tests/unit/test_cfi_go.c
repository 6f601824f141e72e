// SPDX-License-Identifier: MIT
/* Functions of Go's runtime, as Go 1.22 and 1.26 have them, whose CFI is wrong. */
#include "cfi_fixture.h"

static uint8_t code[UNWIND_PAGE_SIZE];

#define FUNCTION 0x100 /* where the function of a test lies */

static int clear(void **state)
{
	memset(code, 0xcc, sizeof(code));
	if (setup(state))
		return -1;
	((struct fixture *)*state)->code = code;
	return 0;
}

/* A function whose CFI says, as Go's does, CFA = rsp + 8 for the first byte and + 16 behind it. */
static void put_function(struct fixture *f, uint64_t at, const void *bytes, size_t size)
{
	static const uint8_t program[] = {DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16};

	memcpy(code + at, bytes, size);
	if (!f->frames.n)
		put_cie(&f->frames, &plain);
	put_fde(&f->frames, &plain, 0, CODE + at, size, program, sizeof(program));
}

#define PUT(f, at, bytes) put_function((f), (at), (bytes), sizeof(bytes))

static void expect(const struct fixture *f, uint64_t start, uint64_t end, uint16_t rule)
{
	for (uint64_t at = start; at < end; at++)
		assert_int_equal(AT(f, at), rule);
}

static void expect_only(
	struct fixture *f, const void *bytes, size_t size, uint64_t from, uint16_t rule)
{
	f->frames.n = 0;
	put_function(f, FUNCTION, bytes, size);
	compile(f);
	if (from)
		assert_int_equal(AT(f, FUNCTION), SP(8, 0));
	expect(f, FUNCTION + 1, FUNCTION + from, SP(16, 0));
	expect(f, FUNCTION + from, FUNCTION + size, rule);
	assert_int_not_equal(AT(f, FUNCTION - 1), rule);
}

/* From an offset on, up to its end, this rule holds; before, CFI's. Without its byte `changed` it
 * is like any other function. */
static void expect_own(struct fixture *f, const void *bytes, size_t size, uint64_t from,
	uint16_t rule, size_t changed)
{
	uint8_t other[256];

	expect_only(f, bytes, size, from, rule);
	memcpy(other, bytes, size);
	other[changed] ^= 0x24;
	expect_only(f, other, size, 1, SP(16, 0));
}

#define OWN(f, bytes, from, rule, changed) \
	expect_own((f), (bytes), sizeof(bytes), (from), (rule), (changed))

/* ---- roots --------------------------------------------------------------------------------- */

static const uint8_t rt0[] = {
	0x48, 0x8b, 0x3c, 0x24, 0x48, 0x8d, 0x74, 0x24, 0x08, 0xe9, 0x12, 0, 0, 0};
static const uint8_t rt0_go[] = {0x48, 0x89, 0xf8, 0x48, 0x89, 0xf3, 0x48, 0x83, 0xec, 0x28, 0x48,
	0x83, 0xe4, 0xf0, 0x48, 0x89, 0x44, 0x24, 0x18, 0x48, 0x89, 0x5c, 0x24, 0x20, 0xe8, 1, 2, 3,
	4, 0xc3};
static const uint8_t goexit[] = {0x90, 0xe8, 0x3a, 0x23, 0, 0, 0x90};

static void test_roots(void **state)
{
	struct fixture *f = *state;
	uint8_t longer[9] = {0};

	OWN(f, rt0, 0, KIND(UNWIND_END), 9);
	OWN(f, rt0_go, 0, KIND(UNWIND_END), 12);
	OWN(f, goexit, 0, KIND(UNWIND_END), 6);
	/* A longer function that begins so is none. */
	memcpy(longer, goexit, sizeof(goexit));
	f->frames.n = 0;
	PUT(f, FUNCTION, longer);
	compile(f);
	assert_int_equal(AT(f, FUNCTION), SP(8, 0));
}

/* A program begins with a jump to its root; other jumps to it are functions. */
static void test_entry(void **state)
{
	static const uint8_t jump[] = {0xe9, 0xfb, 0, 0, 0};
	struct fixture *f = *state;

	PUT(f, FUNCTION, jump);
	PUT(f, FUNCTION + 0x100, rt0);
	compile(f);
	assert_int_equal(AT(f, FUNCTION), SP(8, 0));
	f->entry = CODE + FUNCTION;
	compile(f);
	expect(f, FUNCTION, FUNCTION + sizeof(jump), KIND(UNWIND_END));
	assert_int_not_equal(AT(f, FUNCTION - 1), KIND(UNWIND_END));
	code[FUNCTION + 0x100]++; /* not to a root */
	compile(f);
	assert_int_equal(AT(f, FUNCTION), SP(8, 0));
	memset(code + FUNCTION + 1, 0x7f, 4); /* out of the code */
	compile(f);
	assert_int_equal(AT(f, FUNCTION), SP(8, 0));
	memset(code + FUNCTION, 0x90, sizeof(jump)); /* no jump */
	compile(f);
	assert_int_equal(AT(f, FUNCTION), SP(8, 0));
}

/* ---- on the scheduler's stack -------------------------------------------------------------- */

/* push %rbp; mov %rsp, %rbp */
#define PROLOGUE 0x55, 0x48, 0x89, 0xe5

static void test_left_for_good(void **state)
{
	static const uint8_t mcall[] = {PROLOGUE, 0x49, 0x8b, 0x66, 0x38, 0x48, 0xc7, 0xc5, 0, 0, 0,
		0, 0x50, 0x4c, 0x8b, 0x22, 0x41, 0xff, 0xd4, 0x90, 0x58, 0xe9, 0x24, 0x3d, 0, 0,
		0x5d, 0xc3};
	static const uint8_t mcall_1_22[] = {PROLOGUE, 0x49, 0x8b, 0x66, 0x38, 0x50, 0x4c, 0x8b,
		0x22, 0x41, 0xff, 0xd4, 0x58, 0xe9, 0x8c, 0x47, 0, 0, 0x5d, 0xc3};
	static const uint8_t morestack[] = {0x48, 0x8b, 0x1b, 0x48, 0x8b, 0x63, 0x38, 0x48, 0xc7,
		0xc5, 0, 0, 0, 0, 0xe8, 0x43, 0x3d, 0, 0, 0xe8, 0xde, 0x17, 0, 0, 0xc3};
	static const uint8_t morestack_1_22[] = {0x48, 0x8b, 0x1b, 0x48, 0x8b, 0x63, 0x38, 0x48,
		0x8b, 0x6b, 0x68, 0xe8, 0xa6, 0x47, 0, 0, 0xe8, 0xa1, 0x1b, 0, 0, 0xc3};
	struct fixture *f = *state;

	OWN(f, mcall, 8, KIND(UNWIND_END), 7);
	OWN(f, mcall_1_22, 8, KIND(UNWIND_END), 13);
	OWN(f, morestack, 7, KIND(UNWIND_END), 5);
	OWN(f, morestack_1_22, 7, KIND(UNWIND_END), 16);
}

static void test_come_back_to(void **state)
{
	static const uint8_t systemstack[] = {PROLOGUE, 0x48, 0x8b, 0x62, 0x38, 0x48, 0x89, 0xfa,
		0x48, 0x8b, 0x3f, 0xff, 0xd7, 0x48, 0x8b, 0x60, 0x38, 0x5d, 0xc3};
	static const uint8_t nanotime[] = {PROLOGUE, 0x48, 0x83, 0xec, 0x10, 0x48, 0x8b, 0x62, 0x38,
		0x48, 0x83, 0xec, 0x10, 0x48, 0x83, 0xe4, 0xf0, 0xff, 0xd0, 0x5d, 0xc3};
	static const uint8_t program[] = {DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16,
		DW_CFA_advance_loc | 18, DW_CFA_def_cfa_offset, 8};
	struct fixture *f = *state;

	OWN(f, systemstack, 4, FP(16, 1), 3);
	OWN(f, systemstack, 4, FP(16, 1), 14);
	OWN(f, nanotime, 4, FP(16, 1), 18);
	/* Where the frame pointer was popped, CFI is right again. */
	f->frames.n = 0;
	put_fde(&f->frames, &plain, put_cie(&f->frames, &plain), CODE + FUNCTION,
		sizeof(systemstack) + 2, program, sizeof(program));
	memcpy(code + FUNCTION, systemstack, sizeof(systemstack));
	compile(f);
	expect(f, FUNCTION + 4, FUNCTION + 19, FP(16, 1));
	expect(f, FUNCTION + 19, FUNCTION + 21, SP(8, 0));
}

/* On two pages each holds its part. */
static void test_two_pages(void **state)
{
	static uint8_t more[2 * UNWIND_PAGE_SIZE];
	struct fixture *f = *state;

	memcpy(more + UNWIND_PAGE_SIZE - 12, rt0_go, sizeof(rt0_go));
	put_fde(&f->frames, &plain, put_cie(&f->frames, &plain), CODE + UNWIND_PAGE_SIZE - 12,
		sizeof(rt0_go), "", 0);
	f->code = more;
	f->code_size = sizeof(more);
	compile(f);
	expect(f, UNWIND_PAGE_SIZE - 12, UNWIND_PAGE_SIZE, KIND(UNWIND_END));
	compile_page(f, false, CODE + UNWIND_PAGE_SIZE);
	expect(f, 0, sizeof(rt0_go) - 12, KIND(UNWIND_END));
	assert_int_equal(AT(f, sizeof(rt0_go) - 12), KIND(UNWIND_NONE));
}

#define GO(name) cmocka_unit_test_setup_teardown(name, clear, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		GO(test_roots),
		GO(test_entry),
		GO(test_left_for_good),
		GO(test_come_back_to),
		GO(test_two_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
