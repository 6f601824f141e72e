// SPDX-License-Identifier: MIT
/*
 * stubs_x86_64.c - code that has no CFI, but always the same bytes: PLTs of linkers that write no
 * CFI for them, and (crt_x86_64.c) the start files, (go_x86_64.c) Go's changes of stacks. Where
 * there is CFI, it counts.
 *
 * Sources: binutils bfd/elf64-x86-64.c, lld ELF/Arch/X86_64.cpp, mold arch-x86-64.cc (PLTs); glibc
 * sysdeps/unix/sysv/linux/x86_64/clone.S, clone3.S.
 */
#include "unwind/arch_x86_64.h"

#define JMP_SLOT 0xff, 0x25, FOUR /* jmp *x(%rip) */
#define PUSH_GOT 0xff, 0x35, FOUR /* push x(%rip) */
#define PUSH_N	 0x68, FOUR	  /* push $n */
#define JMP_HEAD 0xe9, FOUR	  /* jmp, to the PLT's head */
#define NOPL_6	 0x66, NOPL_5
#define LONGEST	 18

struct form {
	int16_t bytes[LONGEST]; /* a byte, or ANY */
	uint8_t length;
	uint8_t covers; /* bytes that the rule is for */
	uint8_t align;	/* a power of two */
	struct unwind_rule rule;
};

/* `words` lie on the stack on entry (the return address, and what an entry pushed), one more from
 * `at` on. */
#define PUSHES(words, at)                                                          \
	{                                                                          \
		.base = RSP, .flags = UNWIND_RULE_PLT, .cfa_offset = (words)*WORD, \
		.cfa_add = (at), .ra_offset = -WORD                                \
	}
#define JUMPS                                                       \
	{                                                           \
		.base = RSP, .cfa_offset = WORD, .ra_offset = -WORD \
	}
/* The head of mold's PLT pushes twice; its last jump is left out.
 *
 * Last, where clone() and clone3() of glibc are while the kernel makes a thread: syscall; test
 * %rax, %rax; jl; je; ret. They have no CFI just there because the child comes out on another
 * stack; its three instructions up to where it has CFI again are given up. */
static const struct form forms[] = {
	{{JMP_SLOT, PUSH_N, JMP_HEAD}, 16, 16, 16, PUSHES(1, 11)},
	{{ENDBR, PUSH_N, JMP_HEAD}, 14, 16, 16, PUSHES(1, 9)},
	{{ENDBR, PUSH_N, 0xf2, JMP_HEAD}, 15, 16, 16, PUSHES(1, 9)},
	{{PUSH_GOT, JMP_SLOT}, 12, 16, 16, PUSHES(2, 6)},
	{{PUSH_GOT, 0xf2, JMP_SLOT}, 13, 16, 16, PUSHES(2, 6)},
	{{ENDBR, 0x41, 0x53, PUSH_GOT, JMP_SLOT}, 18, 12, 16, PUSHES(1, 6)},
	{{ENDBR, 0x41, 0xbb, FOUR, JMP_SLOT}, 16, 16, 16, JUMPS},
	{{ENDBR, JMP_SLOT, NOPL_6}, 16, 16, 16, JUMPS},
	{{ENDBR, 0xf2, JMP_SLOT, NOPL_5}, 16, 16, 16, JUMPS},
	{{ENDBR, JMP_SLOT, 0xcc, 0xcc}, 12, 16, 16, JUMPS},
	{{JMP_SLOT, 0x66, 0x90}, 8, 8, 8, JUMPS},
	{{JMP_SLOT, 0xcc, 0xcc}, 8, 8, 8, JUMPS},
	{{0x0f, 0x05, 0x48, 0x85, 0xc0, 0x7c, ANY, 0x74, ANY, 0xc3}, 10, 10, 1, JUMPS},
};

static bool matches(const struct form *form, const uint8_t *code, size_t size, uint64_t address)
{
	return form->bytes[0] == *code && !(address & (form->align - 1U)) && size >= form->covers &&
	       x86_64_matches(form->bytes, form->length, code, size);
}

/* The first bytes of all that is recognized: nearly all others are passed by. */
static const bool begins[256] = {
	[0x0f] = true,
	[0x48] = true,
	[0x49] = true,
	[0x50] = true,
	[0x55] = true,
	[0x80] = true,
	[0xb8] = true,
	[0xbe] = true,
	[0xf3] = true,
	[0xff] = true,
};

static const struct form *form_at(const uint8_t *code, size_t size, uint64_t address)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
		if (matches(&forms[i], code, size, address))
			return &forms[i];
	return NULL;
}

bool x86_64_find_stub(const uint8_t *code, size_t size, uint64_t address, struct unwind_stub *stub)
{
	for (size_t i = stub->offset; i < size; i++) {
		const struct form *form;

		if (!begins[code[i]])
			continue;
		form = form_at(code + i, size - i, address + i);
		if (!form && !x86_64_is_crt(code + i, size - i, address + i, stub) &&
			!x86_64_is_go_switch(code, size, address, i, stub))
			continue;
		stub->offset = i;
		if (form) {
			stub->size = form->covers;
			stub->rows[0] = (struct unwind_stub_row){0, form->rule};
			stub->n_rows = 1;
		}
		return true;
	}
	return false;
}
