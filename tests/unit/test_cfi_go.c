// SPDX-License-Identifier: MIT
/* Functions of Go's runtime, as Go 1.22 and 1.26 have them, whose CFI is wrong. */
#include "cfi_fixture.h"

static uint8_t code[UNWIND_PAGE_SIZE];

#define INT3	 0xcc
#define FUNCTION 0x100 /* where the function of a test lies */

static int clear(void **state)
{
	memset(code, INT3, sizeof(code));
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

/* push %rbp; mov %rsp, %rbp */
#define PROLOGUE 0x55, 0x48, 0x89, 0xe5
static const uint8_t prologue[] = {PROLOGUE};

/* The rule behind the first byte of any function: CFI does not say that rbp was saved. */
static uint16_t body(const uint8_t *bytes, size_t size)
{
	bool saved = size >= sizeof(prologue) && !memcmp(bytes, prologue, sizeof(prologue));

	return SP(16, saved);
}

static void expect_only(
	struct fixture *f, const void *bytes, size_t size, uint64_t from, uint16_t rule)
{
	f->frames.n = 0;
	put_function(f, FUNCTION, bytes, size);
	compile(f);
	if (from)
		assert_int_equal(AT(f, FUNCTION), SP(8, 0));
	expect(f, FUNCTION + 1, FUNCTION + from, body(bytes, size));
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
	expect_only(f, other, size, 1, body(other, size));
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

/* By the frame pointer, which leads to another stack. */
static void expect_elsewhere(const struct fixture *f, uint64_t start, uint64_t end)
{
	const struct unwind_rule rule = {
		.base = RBP,
		.flags = UNWIND_RULE_ELSEWHERE,
		.ra_offset = -8,
		.fp_offset = -16,
		.cfa_offset = 16,
	};

	for (uint64_t at = start; at < end; at++)
		expect_rule(f, at, &rule);
}

static void expect_back(struct fixture *f, const uint8_t *bytes, size_t size, size_t changed)
{
	uint8_t other[256];

	f->frames.n = 0;
	put_function(f, FUNCTION, bytes, size);
	compile(f);
	assert_int_equal(AT(f, FUNCTION), SP(8, 0));
	expect(f, FUNCTION + 1, FUNCTION + 4, SP(16, 1));
	expect_elsewhere(f, FUNCTION + 4, FUNCTION + size);
	assert_int_equal(AT(f, FUNCTION - 1), KIND(UNWIND_NONE));
	memcpy(other, bytes, size);
	other[changed] ^= 0x24;
	expect_only(f, other, size, 1, body(other, size));
}

#define COMES_BACK(f, bytes, changed) expect_back((f), (bytes), sizeof(bytes), (changed))

static void test_come_back_to(void **state)
{
	static const uint8_t systemstack[] = {PROLOGUE, 0x48, 0x8b, 0x62, 0x38, 0x48, 0x89, 0xfa,
		0x48, 0x8b, 0x3f, 0xff, 0xd7, 0x48, 0x8b, 0x60, 0x38, 0x5d, 0xc3};
	static const uint8_t nanotime[] = {PROLOGUE, 0x48, 0x83, 0xec, 0x10, 0x48, 0x8b, 0x62, 0x38,
		0x48, 0x83, 0xec, 0x10, 0x48, 0x83, 0xe4, 0xf0, 0xff, 0xd0, 0x5d, 0xc3};
	static const uint8_t program[] = {DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16,
		DW_CFA_advance_loc | 18, DW_CFA_def_cfa_offset, 8};
	struct fixture *f = *state;

	COMES_BACK(f, systemstack, 3);
	COMES_BACK(f, systemstack, 14);
	COMES_BACK(f, nanotime, 18);
	/* Where the frame pointer was popped, CFI is right again. */
	f->frames.n = 0;
	put_fde(&f->frames, &plain, put_cie(&f->frames, &plain), CODE + FUNCTION,
		sizeof(systemstack) + 2, program, sizeof(program));
	memcpy(code + FUNCTION, systemstack, sizeof(systemstack));
	compile(f);
	expect_elsewhere(f, FUNCTION + 4, FUNCTION + 19);
	expect(f, FUNCTION + 19, FUNCTION + 21, SP(8, 0));
}

/* ---- frame pointers ------------------------------------------------------------------------ */

/* Go's functions look whether the stack is large enough, and then save it; where they return, it
 * was popped, and behind that other blocks follow. */
static void test_saved_frame_pointer(void **state)
{
	static const uint8_t function[] = {0x49, 0x3b, 0x66, 0x10, 0x76, 0x20, PROLOGUE, 0x48, 0x83,
		0xec, 0x18, 0xe8, 1, 2, 3, 4, 0x48, 0x83, 0xc4, 0x18, 0x5d, 0xc3, 0xe8, 1, 2, 3, 4};
	static const uint8_t program[] = {DW_CFA_advance_loc | 7, DW_CFA_def_cfa_offset, 16,
		DW_CFA_advance_loc | 7, DW_CFA_def_cfa_offset, 40, DW_CFA_advance_loc | 9,
		DW_CFA_def_cfa_offset, 16, DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 8,
		DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 40};
	struct fixture *f = *state;

	for (int changed = 0; changed < 2; changed++) {
		uint16_t slot = !changed;

		f->frames.n = 0;
		memcpy(code + FUNCTION, function, sizeof(function));
		code[FUNCTION + 8] ^= (uint8_t)changed;
		put_fde(&f->frames, &plain, put_cie(&f->frames, &plain), CODE + FUNCTION,
			sizeof(function), program, sizeof(program));
		compile(f);
		expect(f, FUNCTION, FUNCTION + 7, SP(8, 0));
		expect(f, FUNCTION + 7, FUNCTION + 14, SP(16, slot));
		expect(f, FUNCTION + 14, FUNCTION + 23, SP(40, slot));
		expect(f, FUNCTION + 23, FUNCTION + 24, SP(16, slot));
		expect(f, FUNCTION + 24, FUNCTION + 25, SP(8, 0));
		expect(f, FUNCTION + 25, FUNCTION + sizeof(function), SP(40, slot));
	}
}

/* Behind another register it lies elsewhere. */
static void test_frame_pointer_pushed_second(void **state)
{
	static const uint8_t function[] = {0x53, PROLOGUE, 0xc3};
	static const uint8_t program[] = {DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16,
		DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 24};
	struct fixture *f = *state;

	memcpy(code + FUNCTION, function, sizeof(function));
	put_fde(&f->frames, &plain, put_cie(&f->frames, &plain), CODE + FUNCTION, sizeof(function),
		program, sizeof(program));
	compile(f);
	expect(f, FUNCTION + 1, FUNCTION + 2, SP(16, 0));
	expect(f, FUNCTION + 2, FUNCTION + sizeof(function), SP(24, 0));
}

/* What CFI says of it counts. */
static void test_frame_pointer_in_cfi(void **state)
{
	static const uint8_t function[] = {PROLOGUE, 0xc3};
	static const uint8_t elsewhere[] = {
		DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 32, DW_CFA_offset | RBP, 4};
	static const uint8_t lost[] = {
		DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16, DW_CFA_undefined, RBP};
	struct fixture *f = *state;
	size_t cie = put_cie(&f->frames, &plain);

	memcpy(code + FUNCTION, function, sizeof(function));
	put_fde(&f->frames, &plain, cie, CODE + FUNCTION, sizeof(function), elsewhere,
		sizeof(elsewhere));
	compile(f);
	assert_int_equal(AT(f, FUNCTION + 1), SP(32, 3));
	f->frames.n = 0;
	put_fde(&f->frames, &plain, put_cie(&f->frames, &plain), CODE + FUNCTION, sizeof(function),
		lost, sizeof(lost));
	compile(f);
	assert_int_equal(long_rule(f, FUNCTION + 1).flags, UNWIND_RULE_FP_LOST);
}

/* ---- without CFI --------------------------------------------------------------------------- */

#define ROOM 0x20 /* of any size */
#define TO_C 0x48, 0x83, 0xec, ROOM, 0x48, 0x83, 0xe4, 0xf0
static const uint8_t systemstack_1_26[] = {PROLOGUE, 0x48, 0x8b, 0x7c, 0x24, 0x10, 0x49, 0x89, 0xd6,
	0x48, 0x8b, 0x62, 0x38, 0x48, 0x89, 0xfa, 0x48, 0x8b, 0x3f, 0xff, 0xd7, 0x48, 0x8b, 0x60,
	0x38, 0x5d, 0xc3, 0x48};
static const uint8_t nanotime_1_26[] = {PROLOGUE, 0x48, 0x83, 0xec, 0x10, 0x48, 0x8b, 0x62, 0x38,
	TO_C, 0xbf, 1, 0, 0, 0, 0xff, 0xd0, 0x4c, 0x89, 0xe4, 0x5d, 0xc3, 0x48};
static const uint8_t asmcgocall_1_26[] = {PROLOGUE, 0x48, 0x89, 0xe2, 0xe8, 1, 2, 3, 4, 0x48, 0x8b,
	0x66, 0x38, TO_C, 0x48, 0x89, 0x7c, 0x24, 0x08, 0xe8, 1, 2, 3, 4, 0x48, 0x89, 0xf4, 0x5d,
	0xc3, 0x48};
static const uint8_t mcall_1_26[] = {PROLOGUE, 0x49, 0x8b, 0x66, 0x38, 0x48, 0xc7, 0xc5, 0, 0, 0, 0,
	0x50, 0x4c, 0x8b, 0x22, 0x41, 0xff, 0xd4, 0x90, 0x58};

/* Compiles code without any CFI, in which that function lies. */
static void without_cfi(struct fixture *f, uint64_t at, const uint8_t *bytes, size_t size)
{
	struct cfi_source source = {
		.machine = EM_X86_64,
		.code = {{CODE, CODE + UNWIND_PAGE_SIZE, code}},
		.n_code = 1,
	};
	struct unwind_module *m;

	memset(code, INT3, sizeof(code));
	memcpy(code + at, bytes, size);
	assert_int_equal(unwind_module_open(&m, &source), 0);
	f->n_words = (size_t)unwind_module_compile(m, CODE, f->words);
	unwind_module_close(m);
}

#define WITHOUT_CFI(f, at, bytes) without_cfi((f), (at), (bytes), sizeof(bytes))

static void expect_switch(struct fixture *f, const uint8_t *bytes, size_t size, size_t from,
	size_t form, size_t behind)
{
	uint8_t other[256];

	without_cfi(f, FUNCTION, bytes, size);
	expect(f, FUNCTION, FUNCTION + from, KIND(UNWIND_NONE));
	expect_elsewhere(f, FUNCTION + from, FUNCTION + behind);
	expect(f, FUNCTION + behind, FUNCTION + size, KIND(UNWIND_NONE));
	/* At another place no function begins, and rbp may hold anything. */
	without_cfi(f, FUNCTION + 4, bytes, size);
	expect(f, FUNCTION, FUNCTION + 4 + size, KIND(UNWIND_NONE));
	/* Prologue, switch, and where the frame pointer is popped. */
	for (size_t i = 0; i < behind + 2; i++) {
		if (bytes[i] == ROOM || (i > 3 && i < from) || (i >= form && i < behind))
			continue;
		memcpy(other, bytes, size);
		other[i] ^= 0x24;
		without_cfi(f, FUNCTION, other, size);
		expect(f, FUNCTION, FUNCTION + size, KIND(UNWIND_NONE));
	}
}

static void test_switches_without_cfi(void **state)
{
	struct fixture *f = *state;

	expect_switch(f, systemstack_1_26, sizeof(systemstack_1_26), 12, 24, 28);
	expect_switch(f, nanotime_1_26, sizeof(nanotime_1_26), 8, 20, 30);
	expect_switch(f, asmcgocall_1_26, sizeof(asmcgocall_1_26), 12, 24, 37);
	WITHOUT_CFI(f, FUNCTION, mcall_1_26);
	expect(f, FUNCTION, FUNCTION + 8, KIND(UNWIND_NONE));
	expect(f, FUNCTION + 8, FUNCTION + 23, KIND(UNWIND_END));
	expect(f, FUNCTION + 23, FUNCTION + sizeof(mcall_1_26), KIND(UNWIND_NONE));
}

/* Long ones, as time.now, with the page's border anywhere in them. */
static void test_switches_on_two_pages(void **state)
{
	static const uint8_t to_c[] = {0x48, 0x8b, 0x62, 0x38, TO_C}, leave[] = {0x5d, 0xc3};
	enum { FROM = 140, BEHIND = FROM + 190, SIZE = BEHIND + 2 };
	static uint8_t two[2 * UNWIND_PAGE_SIZE];
	struct cfi_source source = {
		.machine = EM_X86_64,
		.code = {{CODE, CODE + sizeof(two), two}},
		.n_code = 1,
	};
	struct fixture *f = *state;

	for (uint64_t start = UNWIND_PAGE_SIZE - 352; start <= UNWIND_PAGE_SIZE; start += 16) {
		struct unwind_module *m;

		memset(two, INT3, sizeof(two));
		memset(two + start, 0x90, SIZE);
		memcpy(two + start, prologue, sizeof(prologue));
		memcpy(two + start + FROM, to_c, sizeof(to_c));
		memcpy(two + start + BEHIND, leave, sizeof(leave));
		assert_int_equal(unwind_module_open(&m, &source), 0);
		for (uint64_t page = 0; page < sizeof(two); page += UNWIND_PAGE_SIZE) {
			assert_true(unwind_module_compile(m, CODE + page, f->words) > 0);
			for (uint64_t at = start; at < start + SIZE; at++) {
				bool switched = at - start >= FROM && at - start < BEHIND;

				if (at - page >= UNWIND_PAGE_SIZE)
					continue;
				assert_int_equal(page_find(&f->page, (uint16_t)(at - page)) !=
							 KIND(UNWIND_NONE),
					switched);
			}
		}
		unwind_module_close(m);
	}
}

/* Cut off anywhere, at the end of the code, it is none or begins where it does. */
static void test_cut_switches(void **state)
{
	struct fixture *f = *state;

	for (uint64_t size = 16; size <= 48; size += 16) {
		size_t n = size < sizeof(systemstack_1_26) ? size : sizeof(systemstack_1_26);

		without_cfi(f, UNWIND_PAGE_SIZE - size, systemstack_1_26, n);
		expect(f, UNWIND_PAGE_SIZE - size, UNWIND_PAGE_SIZE - size + 12, KIND(UNWIND_NONE));
		if (n == sizeof(systemstack_1_26))
			expect_elsewhere(
				f, UNWIND_PAGE_SIZE - size + 12, UNWIND_PAGE_SIZE - size + 28);
		else
			expect(f, UNWIND_PAGE_SIZE - size + 12, UNWIND_PAGE_SIZE,
				KIND(UNWIND_NONE));
	}
	/* The code ends with each byte. */
	for (size_t n = 1; n < sizeof(systemstack_1_26); n++) {
		uint8_t *end = malloc(n);
		struct cfi_source source = {
			.machine = EM_X86_64,
			.code = {{CODE, CODE + n, end}},
			.n_code = 1,
		};
		struct unwind_module *m;

		assert_non_null(end);
		memcpy(end, systemstack_1_26, n);
		assert_int_equal(unwind_module_open(&m, &source), 0);
		assert_true(unwind_module_compile(m, CODE, f->words) > 0);
		/* pop %rbp and ret are the last but one. */
		assert_int_equal(AT(f, 12) != KIND(UNWIND_NONE), n >= 30);
		unwind_module_close(m);
		free(end);
	}
	/* A function ends in between. */
	WITHOUT_CFI(f, FUNCTION, systemstack_1_26);
	memset(code + FUNCTION + 4, INT3, 5);
	f->frames.n = 0;
	PUT(f, 0x1000, rt0);
	compile(f);
	expect(f, FUNCTION + 12, FUNCTION + 28, KIND(UNWIND_NONE));
}

static void test_has_rules(void **state)
{
	static const uint8_t sigreturn[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
	struct cfi_source source = {
		.machine = EM_X86_64,
		.code = {{CODE, CODE + UNWIND_PAGE_SIZE, code}},
		.n_code = 1,
	};

	for (int known = 0; known < 3; known++) {
		struct unwind_module *m;

		memcpy(code + FUNCTION, sigreturn, sizeof(sigreturn));
		code[FUNCTION] = known ? sigreturn[0] : INT3;
		source.code[0].bytes = known == 2 ? NULL : code;
		assert_int_equal(unwind_module_open(&m, &source), 0);
		assert_int_equal(unwind_module_has_rules(m), known == 1);
		unwind_module_close(m);
	}
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
		GO(test_saved_frame_pointer),
		GO(test_frame_pointer_pushed_second),
		GO(test_frame_pointer_in_cfi),
		GO(test_switches_without_cfi),
		GO(test_switches_on_two_pages),
		GO(test_cut_switches),
		GO(test_has_rules),
		GO(test_two_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
