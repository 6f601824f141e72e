// SPDX-License-Identifier: MIT
/*
 * go_x86_64.c - functions of Go's runtime whose CFI is wrong. Go writes .debug_frame also for its
 * assembly, as if that moved the stack pointer by pushes alone; but it aligns it where the program
 * begins, and loads that of the scheduler's stack (g0). Go's own traceback knows these functions by
 * name; here it is by their bytes, which are nearly the same in Go 1.22 to 1.26, in every build
 * mode.
 *
 * Sources: Go runtime/asm_amd64.s, runtime/sys_linux_amd64.s, runtime/time_linux_amd64.s.
 */
#include "unwind/arch_x86_64.h"

/* ---- roots --------------------------------------------------------------------------------- */

#define JMP	 0xe9
#define JMP_SIZE 5
#define CALL_IT	 0xe8, FOUR

#define LENGTH(...) (sizeof((int16_t[]){__VA_ARGS__}) / sizeof(int16_t))
#define BYTES(...)  .bytes = {__VA_ARGS__}, .length = LENGTH(__VA_ARGS__)

struct form {
	int16_t bytes[24]; /* a byte, or ANY */
	uint8_t length;
};

/* _rt0_amd64: mov (%rsp), %rdi; lea 8(%rsp), %rsi; jmp */
static const struct form rt0 = {BYTES(0x48, 0x8b, 0x3c, 0x24, 0x48, 0x8d, 0x74, 0x24, 0x08, JMP)};
/* runtime.rt0_go, also where C's startup calls it: mov %rdi, %rax; mov %rsi, %rbx; sub $x, %rsp;
 * and $-16, %rsp; mov %rax, x(%rsp); mov %rbx, x(%rsp) */
static const struct form rt0_go = {BYTES(0x48, 0x89, 0xf8, 0x48, 0x89, 0xf3, 0x48, 0x83, 0xec, ANY,
	0x48, 0x83, 0xe4, 0xf0, 0x48, 0x89, 0x44, 0x24, ANY, 0x48, 0x89, 0x5c, 0x24, ANY)};
/* runtime.goexit, the root of each goroutine, is no more than: nop; call; nop */
static const struct form goexit = {BYTES(0x90, CALL_IT, 0x90)};
#define GOEXIT_LONGEST 8

static bool is(const struct form *form, const uint8_t *code, size_t size)
{
	return x86_64_matches(form->bytes, form->length, code, size);
}

static bool is_root(const uint8_t *code, size_t size)
{
	return is(&rt0, code, size) || is(&rt0_go, code, size) ||
	       (size <= GOEXIT_LONGEST && is(&goexit, code, size));
}

uint64_t x86_64_jump_target(const uint8_t *code, size_t size, uint64_t address)
{
	int32_t distance;

	if (size < JMP_SIZE || *code != JMP)
		return 0;
	memcpy(&distance, code + 1, sizeof(distance));
	return address + JMP_SIZE + (uint64_t)(int64_t)distance;
}

/* ---- on the scheduler's stack -------------------------------------------------------------- */

#define LONGEST_SWITCH 256 /* bytes of the function */

/* mov 56(%x), %rsp: what a goroutine's descriptor has as g.sched.sp */
#define SWITCH_SIZE 4
#define SCHED_SP    0x38

static bool is_switch(const uint8_t *code)
{
	return (code[0] & 0xfe) == 0x48 && code[1] == 0x8b && (code[2] & 0xf8) == 0x60 &&
	       code[3] == SCHED_SP;
}

/* What follows where the goroutine is left for good, of which nothing is left on this stack.
 * runtime.mcall: (mov $0, %rbp;) push %rax; mov (%rdx), %r12; call *%r12; (nop;) pop %rax; jmp.
 * runtime.morestack: mov $0, %rbp (or 104(%rbx), %rbp); call; call. */
#define NO_RBP 0x48, 0xc7, 0xc5, 0, 0, 0, 0
static const struct form leaves[] = {
	{BYTES(NO_RBP, 0x50, 0x4c, 0x8b, 0x22, 0x41, 0xff, 0xd4, ANY)},
	{BYTES(0x50, 0x4c, 0x8b, 0x22, 0x41, 0xff, 0xd4, ANY)},
	{BYTES(NO_RBP, CALL_IT, CALL_IT)},
	{BYTES(0x48, 0x8b, 0x6b, ANY, CALL_IT, CALL_IT)},
};

/* And where it is come back to, which the frame pointer still leads to, runtime.systemstack:
 * mov %rdi, %rdx; mov (%rdi), %rdi; call *%rdi. Before calls of C (runtime.asmcgocall, nanotime1,
 * time.now): sub $x, %rsp; and $-16, %rsp. */
static const struct form returns[] = {
	{BYTES(0x48, 0x89, 0xfa, 0x48, 0x8b, 0x3f, 0xff, 0xd7)},
	{BYTES(0x48, 0x83, 0xec, ANY, 0x48, 0x83, 0xe4, 0xf0)},
};

/* push %rbp; mov %rsp, %rbp */
static const struct form prologue = {BYTES(0x55, 0x48, 0x89, 0xe5)};
static const struct unwind_own framed = {
	.from = 4,
	.rule = {.base = RBP,
		.flags = UNWIND_RULE_ELSEWHERE,
		.ra_offset = -WORD,
		.fp_offset = -2 * WORD,
		.cfa_offset = 2 * WORD},
	.instead_of = RSP,
	.least = 2 * WORD,
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* The length of the one that code begins with, or 0. */
static size_t one_of(const struct form *forms, size_t n, const uint8_t *code, size_t size)
{
	for (size_t i = 0; i < n; i++)
		if (is(&forms[i], code, size))
			return forms[i].length;
	return 0;
}

/* A switch of stacks, before `behind`. */
static bool switches(const uint8_t *code, size_t size, size_t behind, struct unwind_own *own)
{
	if (one_of(leaves, COUNT(leaves), code + behind, size - behind)) {
		*own = (struct unwind_own){.from = behind, .outermost = true};
		return true;
	}
	*own = framed;
	return is(&prologue, code, size) &&
	       one_of(returns, COUNT(returns), code + behind, size - behind);
}

/* ---- the same without CFI (go build -ldflags=-w) ------------------------------------------- */

#define GO_ALIGNMENT 16 /* of functions, with traps between them */
#define INT3	     0xcc
#define BEFORE	     160 /* bytes of such a function before it switches stacks */
#define AFTER	     192 /* and behind that */

/* Where the frame pointer was set, for what lies at an offset of the code. */
static bool is_framed(const uint8_t *code, size_t size, uint64_t address, size_t at)
{
	for (size_t i = at; at - i < BEFORE; i--) {
		if (!((address + i) % GO_ALIGNMENT) && is(&prologue, code + i, size - i))
			return true;
		if (!i || (code[i] == INT3 && code[i - 1] == INT3))
			return false;
	}
	return false;
}

/* Where the frame pointer is popped again; 0: nowhere near. */
static size_t end_of_frame(const uint8_t *code, size_t size, size_t at)
{
	static const uint8_t leave[] = {0x5d, 0xc3}; /* pop %rbp; ret */
	const uint8_t *found;

	found = memmem(code + at, size - at < AFTER ? size - at : AFTER, leave, sizeof(leave));
	return found ? (size_t)(found - code) : 0;
}

bool x86_64_is_go_switch(
	const uint8_t *code, size_t size, uint64_t address, size_t at, struct unwind_stub *stub)
{
	size_t behind = at + SWITCH_SIZE, length, end;

	/* Before the switch is done, it is still the goroutine's stack. */
	if (at >= SWITCH_SIZE && is_switch(code + at - SWITCH_SIZE)) {
		stub->n_rows = 0;
		stub->size = one_of(leaves, COUNT(leaves), code + at, size - at);
		return stub->size;
	}
	if (size < behind || !is_switch(code + at))
		return false;
	length = one_of(returns, COUNT(returns), code + behind, size - behind);
	end = length ? end_of_frame(code, size, behind + length) : 0;
	if (!end || !is_framed(code, size, address, at))
		return false;
	stub->rows[0] = (struct unwind_stub_row){0, framed.rule};
	stub->n_rows = 1;
	stub->size = end - at;
	return true;
}

/* ------------------------------------------------------------------------------------------- */

bool x86_64_find_own(const uint8_t *code, size_t size, struct unwind_own *own)
{
	const uint8_t *at = code, *end = code + size;

	if (is_root(code, size)) {
		*own = (struct unwind_own){.outermost = true};
		return true;
	}
	while (size <= LONGEST_SWITCH && (at = memchr(at, SCHED_SP, (size_t)(end - at)))) {
		size_t behind = (size_t)(++at - code);

		if (behind >= SWITCH_SIZE && is_switch(at - SWITCH_SIZE) &&
			switches(code, size, behind, own))
			return true;
	}
	return false;
}
