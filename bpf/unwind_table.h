/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * unwind_table.h - one step from a frame to its caller by compiled rows (profd/unwind_abi.h).
 *
 * The same code runs in BPF and, behind a thin shim, in ordinary programs: to finish stacks in
 * user space, and below sanitizers. Who includes it first defines
 *
 *     TABLE_WORD(i)               word i of the memory that holds the blocks, safe for any i
 *     TABLE_READ(to, n, address)  reads n bytes of the unwound process; not 0: cannot
 *     TABLE_REGISTER(f, number)   a register of the innermost frame by its DWARF number
 *     TABLE_SP, TABLE_FP          the numbers of stack and frame pointer
 *     TABLE_USER_END              user addresses are below it
 *
 * Cost is cache lines, not instructions (a cold one is 100 to 700 ns): in the tables one for the
 * cell's two index entries and one, rarely two, for its rows; on the stack one for return address
 * and frame pointer, which mostly lie side by side and are then read together.
 */
#ifndef PROFD_BPF_UNWIND_TABLE_H
#define PROFD_BPF_UNWIND_TABLE_H

#include "profd/unwind_abi.h"

enum table_result {
	TABLE_CALLER = 0,  /* the frame is the caller's now */
	TABLE_END,	   /* it was the outermost one */
	TABLE_NONE,	   /* no CFI here */
	TABLE_UNKNOWN,	   /* CFI that rows cannot say */
	TABLE_NO_REGISTER, /* the rule needs a register whose value is not known */
	TABLE_UNREADABLE,  /* a stack page that is not in memory */
	TABLE_IMPLAUSIBLE, /* the stack does not fall, or no code can be where it returns to */
};

struct table_frame {
	__u64 ip, sp, fp;
	__u8 innermost; /* TABLE_REGISTER works */
	__u8 exact;	/* ip is where the frame was interrupted, not a return address */
	__u8 fp_lost;
};

/* No code lies in the first page (vm.mmap_min_addr). */
#define TABLE_MIN_ADDRESS 4096

#define TABLE_ROWS (sizeof(struct unwind_page) / UNWIND_WORD)

/* Entry i of a block's index: two lie in a word, the first in the low half. */
static __always_inline __u32 table_first(__u32 block, __u32 i)
{
	return TABLE_WORD(block + i / 2) >> (i & 1) * 16 & 0xffff;
}

/* The 16-bit rule for an address, which counts from the page. block: its first word. */
static __always_inline __u32 table_find(__u32 block, __u32 address)
{
	__u32 cell = address >> UNWIND_CELL_SHIFT & (UNWIND_CELLS - 1);
	__u32 low = table_first(block, cell), high = table_first(block, cell + 1);

	for (int i = 0; i < UNWIND_CELL_STEPS && low < high; i++) {
		__u32 middle = low + (high - low + 1) / 2;

		if ((TABLE_WORD(block + TABLE_ROWS + middle) & 0xffff) <= address)
			low = middle;
		else
			high = middle - 1;
	}
	return TABLE_WORD(block + TABLE_ROWS + low) >> 16;
}

/* Makes the frame its caller's; flags are a long rule's. An address of zero is where hand-made
 * stacks begin. */
static __always_inline int table_leave(
	struct table_frame *f, __u64 cfa, __u64 ip, __u64 fp, __u32 flags)
{
	int signal = flags & UNWIND_RULE_SIGNAL;

	if (!ip)
		return TABLE_END;
	/* An interrupted stack may be another one: sigaltstack(2). */
	if ((cfa <= f->sp && !signal) || ip < TABLE_MIN_ADDRESS || ip >= TABLE_USER_END)
		return TABLE_IMPLAUSIBLE;
	f->ip = ip;
	f->sp = cfa;
	f->fp = fp;
	f->innermost = 0;
	f->exact = signal != 0;
	if (flags & UNWIND_RULE_FP_SAVED)
		f->fp_lost = 0;
	if (flags & UNWIND_RULE_FP_LOST)
		f->fp_lost = 1;
	return TABLE_CALLER;
}

static __always_inline int table_short(struct table_frame *f, __u32 rule)
{
	__u32 slot = rule >> UNWIND_FP_SHIFT & UNWIND_FP_MASK;
	__u64 cfa = (rule & UNWIND_BASE_FP ? f->fp : f->sp) + 8 * (rule & UNWIND_CFA_MASK);
	__u64 pair[2] = {f->fp}; /* frame pointer, return address */

	if (rule & UNWIND_BASE_FP && f->fp_lost)
		return TABLE_NO_REGISTER;
	if (slot == 1) {
		if (TABLE_READ(pair, sizeof(pair), cfa - sizeof(pair)))
			return TABLE_UNREADABLE;
	} else if (TABLE_READ(&pair[1], 8, cfa - 8) ||
		   (slot && TABLE_READ(&pair[0], 8, cfa - 8 * (slot + 1)))) {
		return TABLE_UNREADABLE;
	}
	return table_leave(f, cfa, pair[1], pair[0], slot ? UNWIND_RULE_FP_SAVED : 0);
}

/* Without TABLE_CALLER, *value is not set. */
static __always_inline int table_base(const struct table_frame *f, __u32 number, __u64 *value)
{
	if (number == TABLE_SP)
		*value = f->sp;
	else if (number == TABLE_FP && !f->fp_lost)
		*value = f->fp;
	else if (number != TABLE_FP && f->innermost)
		*value = TABLE_REGISTER(f, number);
	else
		return TABLE_NO_REGISTER;
	return TABLE_CALLER;
}

/* The low half of a word as a signed number, extended. */
static __always_inline __u64 table_signed(__u32 half)
{
	return (__u64)(__s64)(__s16)half;
}

static __always_inline int table_long(struct table_frame *f, __u32 rule)
{
	__u32 head = TABLE_WORD(rule), flags = head >> 8 & 0xff, more = TABLE_WORD(rule + 1);
	__u64 ra_offset = table_signed(head >> 16), fp_offset = table_signed(more);
	__u64 add = table_signed(more >> 16);
	__u64 base, cfa, ip, fp = f->fp;

	if (table_base(f, head & 0xff, &base))
		return TABLE_NO_REGISTER;
	cfa = base + (__u64)(__s64)(__s32)TABLE_WORD(rule + 2);
	if (flags & UNWIND_RULE_PLT)
		cfa += (f->ip & 15) >= add ? 8 : 0;
	if (flags & UNWIND_RULE_DEREF) {
		if (TABLE_READ(&cfa, 8, cfa))
			return TABLE_UNREADABLE;
		cfa += add;
	}
	if (TABLE_READ(&ip, 8, (flags & UNWIND_RULE_RA_BASE ? base : cfa) + ra_offset))
		return TABLE_UNREADABLE;
	if (flags & UNWIND_RULE_FP_SAVED) {
		__u64 from = flags & UNWIND_RULE_FP_BASE ? base : cfa;

		if (flags & UNWIND_RULE_FP_OWN) {
			if (f->fp_lost)
				return TABLE_NO_REGISTER;
			from = f->fp;
		}
		if (TABLE_READ(&fp, 8, from + fp_offset))
			return TABLE_UNREADABLE;
	}
	return table_leave(f, cfa, ip, fp, flags);
}

/* Goes from a frame to its caller. block: the page that its ip is looked up in (one byte earlier
 * unless it is exact); address: that ip, from the page. An enum table_result; the frame is changed
 * only by TABLE_CALLER. */
static __always_inline int table_step(struct table_frame *f, __u32 block, __u32 address)
{
	__u32 rule = table_find(block, address), number = rule & (UNWIND_ESCAPE - 1);

	if (!(rule & UNWIND_ESCAPE))
		return table_short(f, rule);
	if (number < UNWIND_KINDS)
		return number == UNWIND_NONE  ? TABLE_NONE
		       : number == UNWIND_END ? TABLE_END
					      : TABLE_UNKNOWN;
	return table_long(f, block + number);
}

#endif
