// SPDX-License-Identifier: MIT
/*
 * sure_x86_64.c - code that is believed by its bytes, whatever CFI says of it: what a signal
 * handler returns to, where a process or a thread begins, and where it is copied.
 *
 * CFI is often missing there, or (Go writes it for all of its assembly) does not know that the
 * stack pointer was realigned, is that of another stack, or points to a signal's frame.
 *
 * Sources: glibc sysdeps/unix/sysv/linux/x86_64/libc_sigaction.c; musl src/signal/x86_64/restore.s,
 * src/process/x86_64/vfork.s; Go runtime/sys_linux_amd64.s, runtime/asm_amd64.s and
 * syscall/asm_linux_amd64.s, whose bytes are the same in Go 1.22 to 1.26; Linux
 * arch/x86/include/uapi/asm/sigcontext.h (what a signal frame holds).
 */
#include "unwind/arch_x86_64.h"

#define SYSCALL	    0x0f, 0x05
#define RET	    0xc3
#define LONGEST	    20
#define MOST_RULES  3
#define LENGTH(...) (sizeof((int16_t[]){__VA_ARGS__}) / sizeof(int16_t))
#define BYTES(...)  .bytes = {__VA_ARGS__}, .length = LENGTH(__VA_ARGS__)

/* ---- around system calls ------------------------------------------------------------------- */

/* The stack pointer is at a struct ucontext, whose general registers begin at 40: r8 to r15, rdi,
 * rsi, rbp, rbx, rdx, rax, rcx, rsp, rip. */
static const struct unwind_rule returns = {
	.base = RSP,
	.flags = UNWIND_RULE_DEREF | UNWIND_RULE_FP_SAVED | UNWIND_RULE_FP_BASE |
		 UNWIND_RULE_RA_BASE | UNWIND_RULE_SIGNAL,
	.cfa_offset = 160,
	.fp_offset = 120,
	.ra_offset = 168,
};
#define ON_STACK                                                    \
	{                                                           \
		.base = RSP, .cfa_offset = WORD, .ra_offset = -WORD \
	}
#define IN_REGISTER(number)                                                           \
	{                                                                             \
		.base = RSP, .flags = UNWIND_RULE_RA_REGISTER, .ra_offset = (number), \
	}

struct form {
	struct unwind_stub_row rows[MOST_RULES]; /* none: it is the outermost frame */
	int16_t bytes[LONGEST];			 /* a byte, or ANY */
	uint8_t n_rows;
	uint8_t length;
	uint8_t syscall; /* where in it that is */
	bool restorer;	 /* its rule is `returns` */
};

static const struct form forms[] = {
	/* rt_sigreturn is system call 15: mov $15, %rax; syscall, or with %eax */
	{BYTES(0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, SYSCALL), .syscall = 7, .restorer = true},
	{BYTES(0xb8, 0x0f, 0, 0, 0, SYSCALL), .syscall = 5, .restorer = true},
	/* musl's vfork: pop %rdx; mov $58, %eax; syscall; push %rdx; mov %rax, %rdi; jmp */
	{BYTES(0x5a, 0xb8, 0x3a, 0, 0, 0, SYSCALL, 0x52, 0x48, 0x89, 0xc7, 0xe9, FOUR),
		.syscall = 6, .rows = {{0, ON_STACK}, {1, IN_REGISTER(RDX)}, {9, ON_STACK}},
		.n_rows = 3},
	/* Go's rawVforkSyscall: pop %r12; syscall; push %r12 */
	{BYTES(0x41, 0x5c, SYSCALL, 0x41, 0x54), .syscall = 2,
		.rows = {{0, ON_STACK}, {2, IN_REGISTER(R12)}}, .n_rows = 2},
	/* A thread of Go, at the end of runtime.clone: call *%r12; mov $111, %edi; mov $60, %eax;
	 * syscall (exit); jmp back */
	{BYTES(0x41, 0xff, 0xd4, 0xbf, 0x6f, 0, 0, 0, 0xb8, 0x3c, 0, 0, 0, SYSCALL, 0xeb, 0xf2),
		.syscall = 13},
};

/* A handler returns to the first byte of a restorer, and return addresses are looked up one byte
 * earlier. That byte is padding or the end of a longer instruction, where nobody is ever seen;
 * only a ret stands for itself. */
static bool begins_early(const uint8_t *code, size_t at, size_t from)
{
	return at > from && code[at - 1] != RET;
}

static bool take(const struct form *form, const uint8_t *code, size_t at, struct unwind_stub *stub)
{
	bool early = form->restorer && begins_early(code, at, stub->offset);

	stub->offset = at - early;
	stub->size = form->length + (size_t)early;
	stub->n_rows = form->n_rows;
	memcpy(stub->rows, form->rows, sizeof(form->rows));
	if (form->restorer) {
		stub->rows[0] = (struct unwind_stub_row){0, returns};
		stub->n_rows = 1;
	}
	return true;
}

bool x86_64_find_sure(const uint8_t *code, size_t size, struct unwind_stub *stub)
{
	static const uint8_t syscall[] = {SYSCALL};
	const uint8_t *at = code + stub->offset;

	while ((at = memmem(at, size - (size_t)(at - code), syscall, sizeof(syscall)))) {
		size_t offset = (size_t)(at - code);

		for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
			size_t start = offset - forms[i].syscall;

			if (offset >= stub->offset + forms[i].syscall &&
				x86_64_matches(forms[i].bytes, forms[i].length, code + start,
					size - start))
				return take(&forms[i], code, start, stub);
		}
		at += sizeof(syscall);
	}
	return false;
}
