/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * unwind_walk.h - walks a user stack by compiled rows (unwind_table.h), and by frame pointer
 * through code that has none: from an address to the mapping that holds it, to the directory, to
 * the block, to the rule, to the caller.
 *
 * The same code runs in BPF and in the collector, which finishes what BPF could not (and below
 * sanitizers). Beside the macros of unwind_table.h, who includes it first defines
 *
 *     WALK_MAP(w, i)        the i-th struct tables_map, or NULL
 *     WALK_ENTRY(w, i)      the i-th struct tables_entry of the directory, or NULL
 *     WALK_RULE(w, rule, block, address)
 *                           table_rule() in that block of w->page; false: it is not there
 *     WALK_FIND_MAP(w, address)
 *                           walk_find_map() in the array of w, perhaps as a function of its own
 *     WALK_LEAF(w)          true: the innermost frame's function has no frame (yet, or no more),
 *                           and w->frame is its caller's now; asked only where there are no rows
 *
 * A walk stops with an enum profd_unwind_end, for good, or with WALK_MISS, because something is
 * missing here that user space can get.
 */
#ifndef PROFD_BPF_UNWIND_WALK_H
#define PROFD_BPF_UNWIND_WALK_H

#include "unwind_state.h"
#include "unwind_table.h"

/* No frame is larger than a whole stack usually may be (RLIMIT_STACK is 8 MiB by default). */
#define WALK_MAX_FRAME (8ULL << 20)

/* walk.slot, beside the slots of rules of 16 bits. */
#define WALK_BY_FRAME_POINTER 9	   /* slot 1, and what it led to was looked up in the mappings */
#define WALK_ROOT	      10   /* an outermost frame, whatever lies on the stack */
#define WALK_USES_FP	      0x10 /* flag: by the frame pointer's value */
#define WALK_NOT_SIMPLE	      0xff /* a step by which nothing can be remembered */
#define WALK_NO_ROW	      UNWIND_ESCAPE /* walk.row */
_Static_assert(UNWIND_FP_MASK < WALK_BY_FRAME_POINTER, "no slot of a rule");

/* The place of the mapping that holds an address, in the array [first, first + count). */
#define WALK_NO_MAP (~0U)
static __always_inline __u32 walk_find_map(
	const struct walk *w, __u32 first, __u32 count, __u64 address)
{
	__u32 low = first, high = first + count; /* the first map that starts above is in between */
	const struct tables_map *map;

	for (int i = 0; i < TABLES_MAP_STEPS && low < high; i++) {
		__u32 middle = low + (high - low) / 2;

		map = WALK_MAP(w, middle);
		if (!map)
			return WALK_NO_MAP;
		if (map->start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	map = low > first ? WALK_MAP(w, low - 1) : NULL;
	if (!map || (address - map->start) >> TABLES_MAP_SHIFT >= map->pages)
		return WALK_NO_MAP;
	return low - 1;
}

/* ---- code without rows -------------------------------------------------------------------- */

/* A step counts only if the frame address rises and the return address lies in code: code that was
 * built without frame pointers uses the register for anything. */
static __always_inline int walk_frame_pointer(struct walk *w)
{
	struct table_frame *f = &w->frame;
	__u64 pair[2] = {};

	if (f->innermost && WALK_LEAF(w)) {
		f->innermost = f->exact = 0;
		return WALK_GO_ON;
	}
	if (f->fp_lost)
		return PROFD_END_FRAME_POINTER;
	if (!f->fp) { /* the ABI's mark of the outermost frame; in a leaf it says nothing */
		w->slot = WALK_ROOT | WALK_USES_FP;
		return f->innermost ? PROFD_END_FRAME_POINTER : PROFD_END_COMPLETE;
	}
	if (f->fp < f->sp || f->fp - f->sp > WALK_MAX_FRAME || f->fp & 7)
		return PROFD_END_FRAME_POINTER;
	if (TABLE_READ(f, pair, sizeof(pair), f->fp))
		return PROFD_END_UNREADABLE;
	if (!pair[1])
		return PROFD_END_COMPLETE;
	if (pair[1] < TABLE_MIN_ADDRESS || pair[1] >= TABLE_USER_END ||
		WALK_FIND_MAP(w, pair[1] - 1) == WALK_NO_MAP)
		return PROFD_END_FRAME_POINTER;
	f->ip = pair[1];
	f->sp = f->fp + sizeof(pair);
	f->fp = pair[0];
	f->innermost = f->exact = 0;
	w->slot = WALK_BY_FRAME_POINTER | WALK_USES_FP;
	return WALK_GO_ON;
}

/* ---- code with rows ----------------------------------------------------------------------- */

static __always_inline int walk_miss(struct walk *w, enum profd_missing missing)
{
	w->missing = (__u8)missing;
	return WALK_MISS;
}

static __always_inline int walk_result(struct walk *w, int result)
{
	switch (result) {
	case TABLE_CALLER:
		return WALK_GO_ON;
	case TABLE_END:
		return PROFD_END_COMPLETE;
	case TABLE_UNREADABLE:
		return PROFD_END_UNREADABLE;
	case TABLE_IMPLAUSIBLE:
		return PROFD_END_IMPLAUSIBLE;
	case TABLE_REGISTERS:
		return walk_miss(w, PROFD_MISSING_REGISTER);
	default:
		return PROFD_END_RULE;
	}
}

/* A caller further away than a frame can be large is on another stack: Rust and OCaml have such,
 * and say so in their CFI. Or the CFA counted from a register or a slot that held something else
 * than CFI says; then it is no return address that was found there.
 *
 * A memo has one high half for all addresses of stacks, so it does not go from one to another. */
static __always_inline int walk_rule(struct walk *w, const struct table_rule *rule)
{
	struct table_frame from = w->frame;
	int r = table_step(&w->frame, rule);

	if (r != TABLE_CALLER || w->frame.exact || w->frame.sp - from.sp <= WALK_MAX_FRAME)
		return r;
	if (WALK_FIND_MAP(w, w->frame.ip - 1) == WALK_NO_MAP) {
		w->frame = from;
		return TABLE_IMPLAUSIBLE;
	}
	if (w->frame.sp >> 32 != from.sp >> 32)
		w->slot = WALK_NOT_SIMPLE;
	return r;
}

/* By a rule of 16 bits. */
static __always_inline int walk_short(struct walk *w, const struct table_rule *rule)
{
	w->slot = (rule->row >> UNWIND_FP_SHIFT & UNWIND_FP_MASK) |
		  (rule->row & UNWIND_BASE_FP ? WALK_USES_FP : 0);
	return walk_result(w, walk_rule(w, rule));
}

/* offset: of the address that is looked up, from the module's first page. */
static __always_inline int walk_rows(struct walk *w, __u32 page, __u32 offset)
{
	struct tables_entry *entry = WALK_ENTRY(w, page);
	struct table_rule rule = {};
	__u32 block;

	if (!entry)
		return PROFD_END_RULE;
	block = WALK_READ_ONCE(entry->block);
	if (entry->used != w->now)
		entry->used = w->now;
	if (block == TABLES_NO_CFI)
		return walk_frame_pointer(w);
	w->page = page;
	if (!WALK_RULE(w, &rule, block, offset & (UNWIND_PAGE_SIZE - 1)) ||
		WALK_READ_ONCE(entry->block) != block)
		return walk_miss(w, PROFD_MISSING_PAGE);
	if (rule.row == (UNWIND_ESCAPE | UNWIND_NONE))
		return walk_frame_pointer(w);
	if (!(rule.row & UNWIND_ESCAPE)) {
		w->row = (__u16)rule.row;
		return walk_short(w, &rule);
	}
	if (rule.row == (UNWIND_ESCAPE | UNWIND_END))
		w->slot = WALK_ROOT;
	return walk_result(w, walk_rule(w, &rule));
}

/* ------------------------------------------------------------------------------------------- */

/* Goes from w->frame to its caller: WALK_GO_ON, WALK_MISS, or an enum profd_unwind_end. */
static __always_inline int walk_step(struct walk *w)
{
	__u64 address = w->frame.ip - !w->frame.exact;
	__u32 i = WALK_FIND_MAP(w, address), flags;
	const struct tables_map *map = i == WALK_NO_MAP ? NULL : WALK_MAP(w, i);
	__u32 offset;

	w->slot = WALK_NOT_SIMPLE;
	w->row = WALK_NO_ROW;
	if (!map)
		return w->current ? PROFD_END_UNMAPPED : walk_miss(w, PROFD_MISSING_MAPPING);
	flags = WALK_READ_ONCE(map->flags);
	if (flags & TABLES_MAP_PENDING)
		return walk_miss(w, PROFD_MISSING_MODULE);
	if (!(flags & TABLES_MAP_TABLE))
		return walk_frame_pointer(w);
	offset = (__u32)(address - map->start) + map->offset;
	return walk_rows(w, map->directory + (offset >> UNWIND_PAGE_SHIFT), offset);
}

/* As it stands in profd_sample.frames: nothing is said of the first one, which always is exact. */
static __always_inline __u64 walk_frame(const struct walk *w)
{
	return w->frame.ip | (w->frame.exact && !w->frame.innermost ? PROFD_FRAME_EXACT : 0);
}

#endif
