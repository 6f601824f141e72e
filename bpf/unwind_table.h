/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * unwind_table.h - one step from a frame to its caller by compiled rows (profd/unwind_abi.h).
 *
 * The same code runs in BPF and, behind a thin shim, in ordinary programs: to finish stacks in
 * user space, and below sanitizers. Who includes it first defines
 *
 *     TABLE_WORD(words, i)        words[i] of the memory that holds the block, safe for any i
 *     TABLE_READ(f, to, n, address)  reads n bytes of the unwound process; not 0: cannot
 *     TABLE_SLOT(f, to, address)  the same for a word of its stack; if not defined: TABLE_READ
 *     TABLE_REGISTER(f, number)   a register of the innermost frame by its DWARF number, any number
 *     TABLE_SP, TABLE_FP          the numbers of stack and frame pointer
 *     TABLE_USER_END              user addresses are below it
 *
 * Cost is cache lines, not instructions (a cold one is 100 to 700 ns): in the tables one for the
 * cell's two index entries and one, rarely two, for its rows; on the stack one for return address
 * and frame pointer, which mostly lie side by side and are then read together.
 */
#ifndef PROFD_BPF_UNWIND_TABLE_H
#define PROFD_BPF_UNWIND_TABLE_H

#include "unwind_state.h"

enum table_result {
	TABLE_CALLER = 0,  /* the frame is the caller's now */
	TABLE_END,	   /* it was the outermost one */
	TABLE_NONE,	   /* no CFI here */
	TABLE_UNKNOWN,	   /* CFI that rows cannot say */
	TABLE_NO_REGISTER, /* the rule needs a register whose value is not known */
	TABLE_REGISTERS,   /* it needs one of the innermost frame, and TABLE_REGISTER has none */
	TABLE_UNREADABLE,  /* a stack page that is not in memory */
	TABLE_IMPLAUSIBLE, /* the stack does not fall, or no code can be where it returns to */
};

#ifndef TABLE_SLOT
#define TABLE_SLOT(f, to, address) TABLE_READ(f, to, 8, address)
#endif

/* No code lies in the first page (vm.mmap_min_addr). */
#define TABLE_MIN_ADDRESS 4096

#define TABLE_ROWS (sizeof(struct unwind_page) / UNWIND_WORD)

/* What holds at an address, copied out of a block: its memory may be used anew meanwhile, so the
 * caller asks whether the block was still there before he follows it. */
struct table_rule {
	__u32 row;	       /* the 16 bits */
	__u32 head, more, cfa; /* of a long rule */
};

/* Entry i of a block's index: two lie in a word, the first in the low half. */
static __always_inline __u32 table_first(const __u32 *words, __u32 block, __u32 i)
{
	return TABLE_WORD(words, block + i / 2) >> (i & 1) * 16 & 0xffff;
}

/* The 16-bit rule for an address, which counts from the page. block: its first word. */
static __always_inline __u32 table_find(const __u32 *words, __u32 block, __u32 address)
{
	__u32 cell = address >> UNWIND_CELL_SHIFT & (UNWIND_CELLS - 1);
	__u32 low = table_first(words, block, cell), high = table_first(words, block, cell + 1);

	for (int i = 0; i < UNWIND_CELL_STEPS && low < high; i++) {
		__u32 middle = low + (high - low + 1) / 2;

		if ((TABLE_WORD(words, block + TABLE_ROWS + middle) & 0xffff) <= address)
			low = middle;
		else
			high = middle - 1;
	}
	return TABLE_WORD(words, block + TABLE_ROWS + low) >> 16;
}

static __always_inline __u32 table_row_is_short(__u32 row)
{
	return !(row & UNWIND_ESCAPE) || (row & (UNWIND_ESCAPE - 1)) < UNWIND_KINDS;
}

/* Copies the long rule that rule->row leads to. */
static __always_inline void table_long_rule(
	struct table_rule *rule, const __u32 *words, __u32 block)
{
	__u32 number = rule->row & (UNWIND_ESCAPE - 1);

	rule->head = TABLE_WORD(words, block + number);
	rule->more = TABLE_WORD(words, block + number + 1);
	rule->cfa = TABLE_WORD(words, block + number + 2);
}

/* block: the first word of the page that the address lies in; address: from the page. */
static __always_inline void table_rule(
	struct table_rule *rule, const __u32 *words, __u32 block, __u32 address)
{
	rule->row = table_find(words, block, address);
	if (!table_row_is_short(rule->row))
		table_long_rule(rule, words, block);
}

/* Those of a long rule's flags that are pairs, or might be. */
static __always_inline __u32 table_pair(__u32 flags)
{
	return flags & (UNWIND_RULE_PLT | UNWIND_RULE_DEREF | UNWIND_RULE_RA_BASE);
}

/* Makes the frame its caller's; flags are a long rule's. An address of zero is where hand-made
 * stacks begin. */
static __always_inline int table_leave(
	struct table_frame *f, __u64 cfa, __u64 ip, __u64 fp, __u32 flags)
{
	int signal = flags & UNWIND_RULE_SIGNAL;
	int elsewhere = (flags & UNWIND_RULE_ELSEWHERE) == UNWIND_RULE_ELSEWHERE;
	/* The innermost frame alone may have nothing on the stack. */
	int empty = f->innermost && table_pair(flags) == UNWIND_RULE_RA_REGISTER;

	if (!ip)
		return TABLE_END;
	/* An interrupted stack may be another one: sigaltstack(2). */
	if ((cfa < f->sp || (cfa == f->sp && !empty)) && !signal && !elsewhere)
		return TABLE_IMPLAUSIBLE;
	if (ip < TABLE_MIN_ADDRESS || ip >= TABLE_USER_END)
		return TABLE_IMPLAUSIBLE;
	f->ip = ip;
	f->sp = cfa;
	f->fp = fp;
	f->innermost = 0;
	f->exact = signal != 0;
	if (flags & UNWIND_RULE_FP_LOST)
		f->fp_lost = 1;
	if (flags & UNWIND_RULE_FP_SAVED)
		f->fp_lost = 0;
	return TABLE_CALLER;
}

static __always_inline int table_short(struct table_frame *f, __u32 rule)
{
	__u32 slot = rule >> UNWIND_FP_SHIFT & UNWIND_FP_MASK;
	__u64 cfa = (rule & UNWIND_BASE_FP ? f->fp : f->sp) + 8 * (rule & UNWIND_CFA_MASK);
	__u64 pair[2] = {f->fp}; /* frame pointer, return address */

	if (rule & UNWIND_BASE_FP && f->fp_lost)
		return TABLE_NO_REGISTER;
	/* The lower one first: a span that begins there holds both. */
	if ((slot && TABLE_SLOT(f, &pair[0], cfa - 8 * (slot + 1))) ||
		TABLE_SLOT(f, &pair[1], cfa - 8))
		return TABLE_UNREADABLE;
	return table_leave(f, cfa, pair[1], pair[0], slot ? UNWIND_RULE_FP_SAVED : 0);
}

/* Without TABLE_CALLER, *value is not set. */
static __always_inline int table_base(const struct table_frame *f, __u32 number, __u64 *value)
{
	if (number == TABLE_SP)
		*value = f->sp;
	else if (number == TABLE_FP && !f->fp_lost)
		*value = f->fp;
	else if (number == TABLE_FP || !f->innermost)
		return TABLE_NO_REGISTER;
	else if (!f->registers)
		return TABLE_REGISTERS;
	else
		*value = TABLE_REGISTER(f, number);
	return TABLE_CALLER;
}

/* The low half of a word as a signed number, extended. */
static __always_inline __u64 table_signed(__u32 half)
{
	return (__u64)(__s64)(__s16)half;
}

static __always_inline int table_long(struct table_frame *f, const struct table_rule *rule)
{
	__u32 head = rule->head, flags = head >> 8 & 0xff, pair = table_pair(flags);
	__u64 ra_offset = table_signed(head >> 16), fp_offset = table_signed(rule->more);
	__u64 add = table_signed(rule->more >> 16);
	__u64 base = 0, named = 0, cfa, ip, fp = f->fp;
	int r = table_base(f, head & 0xff, &base);

	if (!r && (pair == UNWIND_RULE_RA_REGISTER || pair == UNWIND_RULE_INDEXED))
		r = table_base(f, head >> 16, &named);
	if (r)
		return r;
	cfa = base + (__u64)(__s64)(__s32)rule->cfa;
	if (pair == UNWIND_RULE_PLT)
		cfa += (f->ip & 15) >= add ? 8 : 0;
	if (pair == UNWIND_RULE_INDEXED) {
		cfa += 8 * named;
		ra_offset = -8ULL;
	}
	if (flags & UNWIND_RULE_DEREF) {
		if (TABLE_READ(f, &cfa, 8, cfa))
			return TABLE_UNREADABLE;
		cfa += add;
	}
	ip = named;
	if (pair != UNWIND_RULE_RA_REGISTER &&
		TABLE_READ(f, &ip, 8, (flags & UNWIND_RULE_RA_BASE ? base : cfa) + ra_offset))
		return TABLE_UNREADABLE;
	if (flags & UNWIND_RULE_FP_SAVED) {
		__u64 from = flags & UNWIND_RULE_FP_BASE ? base : cfa;

		if (flags & UNWIND_RULE_FP_OWN) {
			if (f->fp_lost)
				return TABLE_NO_REGISTER;
			from = f->fp;
		}
		if (TABLE_READ(f, &fp, 8, from + fp_offset))
			return TABLE_UNREADABLE;
	}
	return table_leave(f, cfa, ip, fp, flags);
}

/* Goes from a frame to its caller by the rule that holds at its ip (one byte earlier unless that is
 * exact). An enum table_result; the frame is changed only by TABLE_CALLER. */
static __always_inline int table_step(struct table_frame *f, const struct table_rule *rule)
{
	__u32 number = rule->row & (UNWIND_ESCAPE - 1);

	if (!(rule->row & UNWIND_ESCAPE))
		return table_short(f, rule->row);
	if (number < UNWIND_KINDS)
		return number == UNWIND_NONE  ? TABLE_NONE
		       : number == UNWIND_END ? TABLE_END
					      : TABLE_UNKNOWN;
	return table_long(f, rule);
}

#endif
