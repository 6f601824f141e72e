/* SPDX-License-Identifier: MIT */
/* arch_x86_64.h - what the files for x86-64 share. */
#ifndef PROFD_UNWIND_ARCH_X86_64_H
#define PROFD_UNWIND_ARCH_X86_64_H

#include "unwind/arch.h"

/* DWARF numbers (System V ABI, AMD64 supplement, figure 3.36). */
#define RDX 1
#define RBX 3
#define RBP 6
#define RSP 7
#define R12 12
#define R15 15
#define RIP 16

#define WORD 8 /* bytes of a register and of a stack slot */

/* Patterns of code: a byte, or ANY. */
#define ANY    -1
#define FOUR   ANY, ANY, ANY, ANY
#define ENDBR  0xf3, 0x0f, 0x1e, 0xfa
#define NOPL_5 0x0f, 0x1f, 0x44, 0x00, 0x00

static inline bool x86_64_matches(
	const int16_t *pattern, size_t n, const uint8_t *code, size_t size)
{
	if (size < n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (pattern[i] != ANY && pattern[i] != code[i])
			return false;
	return true;
}

/* Is it code of the start files? Sets the stub's size and rows. size: at least 1. */
bool x86_64_is_crt(const uint8_t *code, size_t size, uint64_t address, struct unwind_stub *stub);
/* Is there, at an offset of code, where Go's runtime changes to the scheduler's stack? Likewise. */
bool x86_64_is_go_switch(
	const uint8_t *code, size_t size, uint64_t address, size_t at, struct unwind_stub *stub);
/* See struct unwind_arch. */
bool x86_64_find_stub(const uint8_t *code, size_t size, uint64_t address, struct unwind_stub *stub);
bool x86_64_find_sure(const uint8_t *code, size_t size, struct unwind_stub *stub);
bool x86_64_find_own(const uint8_t *code, size_t size, struct unwind_own *own);
uint64_t x86_64_jump_target(const uint8_t *code, size_t size, uint64_t address);

#endif
