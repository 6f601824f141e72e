/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * unwind_bpf.h - the table-driven walk (unwind_walk.h) in BPF: what it needs of memory, as look-ups
 * in maps and reads of the current task.
 *
 * Step and searches are global functions: the verifier goes through each once for itself, and not
 * once for each state of its callers. So a plain loop of PROFD_MAX_USER_FRAMES steps passes on
 * every kernel, and neither bpf_loop nor tail calls are needed.
 */
#ifndef PROFD_BPF_UNWIND_BPF_H
#define PROFD_BPF_UNWIND_BPF_H

#include "arch.h"
#include "scratch.h"
#include "unwind_fp.h"

static __always_inline const struct tables_map *map_at(__u32 i)
{
	return bpf_map_lookup_elem(&profd_maps, &i);
}

static __always_inline struct tables_entry *entry_at(__u32 i)
{
	return bpf_map_lookup_elem(&profd_directory, &i);
}

static __always_inline const __u32 *chunk_of(__u32 block)
{
	__u32 chunk = block >> TABLES_CHUNK_SHIFT, zero = 0;
	void *inner = bpf_map_lookup_elem(&profd_tables, &chunk);

	return inner ? bpf_map_lookup_elem(inner, &zero) : NULL;
}

#define TABLE_WORD(words, i)	      ((words)[(i) & (TABLES_CHUNK_WORDS - 1)])
#define TABLE_READ(f, to, n, address) bpf_probe_read_user(to, n, (const void *)(address))
/* The context's registers are not copied for the few rules that want one: user space has them. */
#define TABLE_REGISTER(f, number) 0
#define TABLE_SP		  ARCH_DWARF_SP
#define TABLE_FP		  ARCH_DWARF_FP
#define TABLE_USER_END		  ARCH_USER_END
#include "unwind_table.h"

/* The 16 bits for an address of the page whose block that is. */
__weak __noinline int unwind_find_row(__u32 block, __u32 address)
{
	const __u32 *words = chunk_of(block);

	return words ? (int)table_find(words, block, address) : -1;
}

static __always_inline bool find_rule(struct table_rule *rule, __u32 block, __u32 address)
{
	int row = block == TABLES_NOT_LOADED ? -1 : unwind_find_row(block, address);

	if (row < 0)
		return false;
	rule->row = (__u32)row;
	if (table_row_is_short(rule->row))
		return true;
	const __u32 *words = chunk_of(block);
	if (words)
		table_long_rule(rule, words, block);
	return words;
}

#define WALK_MAP(w, i)			   map_at(i)
#define WALK_ENTRY(w, i)		   entry_at(i)
#define WALK_RULE(w, rule, block, address) find_rule(rule, block, address)
#define WALK_FIND_MAP(w, address)	   ((__u32)unwind_find_map((w)->first, (w)->count, address))
#define WALK_LEAF(w)			   fp_leave_frameless(&(w)->frame)

int unwind_find_map(__u32 first, __u32 count, __u64 address);
#include "unwind_memo.h"

__weak __noinline int unwind_find_map(__u32 first, __u32 count, __u64 address)
{
	return (int)walk_find_map(NULL, first, count, address);
}

/* Finds the current process among those whose mappings are known here. */
static __always_inline bool find_space(struct unwind *u, const struct profd_identity *process)
{
	__u32 set = (process->pid & (TABLES_SETS - 1)) * TABLES_WAYS;

#pragma clang loop unroll(full)
	for (__u32 i = 0; i < TABLES_WAYS; i++) {
		__u32 key = set + i;
		struct tables_space *space = bpf_map_lookup_elem(&profd_spaces, &key);
		if (!space || WALK_READ_ONCE(space->pid) != process->pid)
			continue;
		if (space->start_boottime != process->start_boottime ||
			space->exec_id != process->exec_id)
			return false;
		__u64 array = WALK_READ_ONCE(space->array);
		u->walk.current = space->flags & TABLES_SPACE_CURRENT;
		if (WALK_READ_ONCE(space->pid) != process->pid)
			return false;
		if (space->used != u->walk.now)
			space->used = u->walk.now;
		u->walk.first = TABLES_ARRAY_FIRST(array);
		u->walk.count = TABLES_ARRAY_COUNT(array);
		u->mappings = TABLES_ARRAY_VERSION(array);
		return true;
	}
	return false;
}

static __always_inline struct memo *memo_of(__u32 tid)
{
	__u32 key = tid & (MEMO_THREADS - 1);

	return bpf_map_lookup_elem(&profd_memos, &key);
}

static __always_inline void add_frame(struct scratch *scratch, struct unwind *u)
{
	scratch->frames[(u->first + u->n++) & FRAMES_MASK] = walk_frame(&u->walk);
}

/* walk_step(), if need be. */
static __always_inline int step_by_rows(struct unwind *u)
{
	struct walk *w = &u->walk;
	__u64 address = w->frame.ip - !w->frame.exact;
	__u32 place = rules_place(address, u->mappings);
	struct known_rule *known = bpf_map_lookup_elem(&profd_rules, &place);
	struct table_rule rule = {};
	int row = known ? rules_get(known, address, u->mappings) : -1;

	if (row >= 0) {
		rule.row = (__u32)row;
		return walk_short(w, &rule);
	}
	int r = walk_step(w);
	if (known && w->row != WALK_NO_ROW)
		rules_put(known, address, u->mappings, w->row);
	return r;
}

/* One step of scratch entry `key` by rows; the caller's address was added to its frames with
 * WALK_GO_ON and WALK_RECOGNISED. */
__weak __noinline int unwind_step(__u32 key)
{
	struct scratch *scratch = bpf_map_lookup_elem(&profd_scratch, &key);
	if (!scratch)
		return PROFD_END_UNREADABLE;

	struct unwind *u = &scratch->unwind;
	struct memo *memo = memo_of(u->tid);
	if (!memo)
		return PROFD_END_UNREADABLE;

	__u32 n = u->n - 1;
	memo_note(&u->memo, scratch->slow, scratch->slow_numbers, &u->walk.frame, n);
	int r = step_by_rows(u);
	memo_left(&u->memo, scratch->slow, &u->walk, n, r);
	if (r != WALK_GO_ON)
		return r;
	add_frame(scratch, u);
	return memo_find(&u->memo, memo, &u->walk.frame, n + 1) ? WALK_RECOGNISED : WALK_GO_ON;
}

/* Verifiers go through a loop once for each round, so long ones are loops of short ones: what is
 * around those costs them nothing. */
#define RECALL_AT_ONCE 8

/* Steps along the memo: WALK_RECOGNISED if there may be more. */
__weak __noinline int unwind_recall_some(__u32 key)
{
	struct scratch *scratch = bpf_map_lookup_elem(&profd_scratch, &key);
	if (!scratch)
		return PROFD_END_UNREADABLE;

	struct unwind *u = &scratch->unwind;
	struct memo *memo = memo_of(u->tid);
	if (!memo)
		return PROFD_END_UNREADABLE;
#pragma clang loop unroll(disable)
	for (int i = 0; i < RECALL_AT_ONCE; i++) {
		bool same;
		int r = memo_step(&u->memo, memo, &u->walk.frame, &same);
		if (r == WALK_BY_ROWS)
			return WALK_GO_ON;
		if (r != WALK_GO_ON)
			return r;
		add_frame(scratch, u);
		if (!same || u->n >= PROFD_MAX_USER_FRAMES)
			return r;
	}
	return WALK_RECOGNISED;
}

/* Steps along the memo, as long as the stack is as it was. */
__weak __noinline int unwind_recall(__u32 key)
{
	int r = WALK_RECOGNISED;

#pragma clang loop unroll(disable)
	for (int i = 0; i < MEMO_FRAMES / RECALL_AT_ONCE && r == WALK_RECOGNISED; i++)
		r = unwind_recall_some(key);
	return r == WALK_RECOGNISED ? PROFD_END_LIMIT : r;
}

/* The stack is whole: the next one of this thread may share its outer frames. */
__weak __noinline int unwind_keep(__u32 key)
{
	struct scratch *scratch = bpf_map_lookup_elem(&profd_scratch, &key);
	if (!scratch)
		return 0;

	struct unwind *u = &scratch->unwind;
	struct memo *memo = memo_of(u->tid);
	if (!memo)
		return 0;
	if (u->preemptible)
		__sync_fetch_and_add(&memo->writers, 1);
	if (WALK_READ_ONCE(memo->writers) == u->preemptible)
		memo_keep(&u->memo, memo, scratch->slow, scratch->slow_numbers, u->n, u->tid,
			u->mappings, u->walk.frame.sp);
	if (u->preemptible)
		__sync_fetch_and_add(&memo->writers, -1);
	return 0;
}

static __always_inline int table_walk(struct scratch *scratch, __u32 key)
{
	struct unwind *u = &scratch->unwind;
	const struct profd_sample *sample = (void *)scratch->sample;
	struct memo *memo = memo_of(sample->tid);

	scratch->frames[u->first & FRAMES_MASK] = u->walk.frame.ip;
	u->n = 1;
	u->way = PROFD_WAY_TABLE;
	u->tid = sample->tid;
	u->walk.now = (__u32)(sample->head.time >> TABLES_USED_SHIFT);
	if (!memo || !find_space(u, &sample->process)) {
		u->walk.missing = PROFD_MISSING_PROCESS;
		return WALK_MISS;
	}
	memo_begin(&u->memo, memo, u->tid, u->mappings, u->preemptible, u->preemptible);
#pragma clang loop unroll(disable)
	for (int i = 1; i < PROFD_MAX_USER_FRAMES && u->n < PROFD_MAX_USER_FRAMES; i++) {
		int r = unwind_step(key);
		if (r == WALK_RECOGNISED)
			r = unwind_recall(key);
		if (r == PROFD_END_COMPLETE)
			unwind_keep(key);
		if (r != WALK_GO_ON)
			return r;
	}
	return PROFD_END_LIMIT;
}

#endif
