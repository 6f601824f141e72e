/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * unwind_abi.h - compiled unwind tables: what the compiler in the helper writes, and the BPF
 * programs and the helper's own unwinder read.
 *
 * A page block says, for each address in one page of UNWIND_PAGE_SIZE bytes of ELF virtual address
 * space, how to come from a frame to its caller. It is complete in itself: it can be loaded,
 * evicted, cached and moved alone, and it points nowhere but into itself. Nothing else of a module
 * is needed to use it, so also the few long rules stand in the block whose rows use them, rather
 * than in one table of the module that would have to be loaded with the first page and kept to
 * the last.
 *
 *     struct unwind_page      516 bytes: an index, one entry for each cell of 256 bytes of code
 *     struct unwind_row[]     4 bytes each, by address; a row is in force up to the next
 *     struct unwind_rule[]    12 bytes each, for rows that need more than 16 bits
 *
 * To look up `address` (of the page, 16 bits): cell = address >> 8; the row is the last one with
 * row.address <= address among rows[first[cell]] to rows[first[cell + 1]], both included: first[]
 * names the row in force at the cell's first byte, so a cell needs no row of its own to begin
 * with, and there is always a row: rows[0] is at address 0. A row's address counts from the page,
 * not from the cell, so that the row inherited from an earlier cell compares like all others; the
 * eight bits that this seems to waste would bring rules of 24 bits, and 16 are enough for all but
 * about one rule in fifty.
 *
 * A rule of 16 bits, all without UNWIND_ESCAPE:
 *
 *     CFA = (UNWIND_BASE_FP ? frame pointer : stack pointer) + 8 * (rule & UNWIND_CFA_MASK)
 *     slot = rule >> UNWIND_FP_SHIFT & UNWIND_FP_MASK
 *     the caller's frame pointer = slot ? *(CFA - 8 * (slot + 1)) : unchanged
 *     its stack pointer = CFA, its program counter = *(CFA - 8)
 *
 * With UNWIND_ESCAPE the low 15 bits are a number: one of enum unwind_kind, or, from
 * UNWIND_KINDS on, where in the block a struct unwind_rule begins, in units of 4 bytes.
 *
 * A program counter that is a return address is looked up one byte earlier: a call can be the last
 * instruction of its function. That of the innermost frame, and one that a rule with
 * UNWIND_RULE_SIGNAL leads to, is exact.
 *
 * What differs by architecture: what the registers are called (base is a DWARF number), and, on
 * those that return through a register, what the 16 bits mean.
 */
#ifndef PROFD_UNWIND_ABI_H
#define PROFD_UNWIND_ABI_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#define UNWIND_PAGE_SHIFT 16
#define UNWIND_PAGE_SIZE  (1 << UNWIND_PAGE_SHIFT)
#define UNWIND_CELL_SHIFT 8
#define UNWIND_CELLS	  (1 << (UNWIND_PAGE_SHIFT - UNWIND_CELL_SHIFT))
/* A cell has no more rows than bytes, and the one that it inherits: so many halvings find one. */
#define UNWIND_CELL_STEPS (UNWIND_CELL_SHIFT + 1)

#define UNWIND_ESCAPE	0x8000
#define UNWIND_BASE_FP	0x4000
#define UNWIND_FP_SHIFT 11
#define UNWIND_FP_MASK	7
#define UNWIND_CFA_MASK 0x07ff

enum unwind_kind {
	/* No CFI covers this code: padding aside, hand-written or generated. */
	UNWIND_NONE = 0,
	/* The outermost frame: its return address is undefined. */
	UNWIND_END,
	/* There is CFI, but it is broken, or says what rules cannot: ask the helper. */
	UNWIND_UNKNOWN,
	UNWIND_KINDS,
};

struct unwind_row {
	__u16 address;
	__u16 rule;
};

enum unwind_rule_flags {
	/* CFA = *(base + cfa_offset) + cfa_add; without it CFA = base + cfa_offset. */
	UNWIND_RULE_DEREF = 1 << 0,
	/* CFA = base + cfa_offset, + 8 if the low four bits of the program counter are at least
	 * cfa_add: the entries of a PLT that pushes before it jumps. */
	UNWIND_RULE_PLT = 1 << 1,
	/* The caller's frame pointer was saved at fp_offset from the CFA, or ... */
	UNWIND_RULE_FP_SAVED = 1 << 2,
	/* ... (with FP_SAVED) from base, or ... */
	UNWIND_RULE_FP_BASE = 1 << 3,
	/* ... (with FP_SAVED) from where the frame pointer is now, or ... */
	UNWIND_RULE_FP_OWN = 1 << 7,
	/* ... it is lost. Without any of these it is unchanged. */
	UNWIND_RULE_FP_LOST = 1 << 4,
	/* The return address was saved at ra_offset from base; without it, from the CFA. */
	UNWIND_RULE_RA_BASE = 1 << 5,
	/* The caller was interrupted here: its program counter is exact. */
	UNWIND_RULE_SIGNAL = 1 << 6,

	/* All eight bits are taken. Pairs that contradict each other as such have a meaning of
	 * their own, and then neither of the two flags has its usual one. */

	/* The return address is in the register whose number stands in ra_offset, as in vfork(): a
	 * word on the stack would be the child's to overwrite. Nothing may lie on the stack then,
	 * so the CFA may be where the stack pointer is. Only the innermost frame's registers are
	 * known, here as for base. */
	UNWIND_RULE_RA_REGISTER = UNWIND_RULE_PLT | UNWIND_RULE_RA_BASE,
	/* CFA = *(base + cfa_offset + 8 * register ra_offset) + cfa_add: the old stack pointer lies
	 * behind an array on the stack, as in OpenSSL's multiplication of large numbers. The return
	 * address was saved at -8 from the CFA. */
	UNWIND_RULE_INDEXED = UNWIND_RULE_PLT | UNWIND_RULE_DEREF,
	/* The frame pointer was saved, and the caller's stack is another one: the CFA may lie
	 * anywhere. Go's runtime calls on its own stack what a goroutine wants of it. */
	UNWIND_RULE_ELSEWHERE = UNWIND_RULE_FP_SAVED | UNWIND_RULE_FP_LOST,
};

struct unwind_rule {
	__u8 base;  /* register, by its DWARF number */
	__u8 flags; /* enum unwind_rule_flags */
	__s16 ra_offset;
	__s16 fp_offset;
	__s16 cfa_add;
	__s32 cfa_offset;
};

struct unwind_page {
	/* first[UNWIND_CELLS] is the page's last row. */
	__u16 first[UNWIND_CELLS + 1];
	__u16 n_rules;
	struct unwind_row rows[];
};

#define UNWIND_WORD sizeof(__u32)
/* A block is at most as large as the code that it describes (4 bytes for each byte of code would
 * be the worst case; compilers need a tenth of this): what does not fit is UNWIND_UNKNOWN. */
#define UNWIND_PAGE_WORDS (UNWIND_PAGE_SIZE / UNWIND_WORD)
/* Long rules in one page; beyond that, UNWIND_UNKNOWN. */
#define UNWIND_PAGE_RULES 256

_Static_assert(sizeof(struct unwind_page) % UNWIND_WORD == 0, "rows must be aligned");
_Static_assert(sizeof(struct unwind_row) == UNWIND_WORD, "a row is a word");
_Static_assert(sizeof(struct unwind_rule) == 3 * UNWIND_WORD, "a rule is three words");
_Static_assert(sizeof(struct unwind_page) / UNWIND_WORD >= UNWIND_KINDS, "kinds are no place");
_Static_assert(UNWIND_PAGE_WORDS <= UNWIND_ESCAPE, "15 bits must reach the whole block");

#endif
