/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * unwind_memo.h - a thread's last stack, which proves the outer frames of the next one.
 *
 * Most samples of a thread share their outer frames with the one before. If at some frame program
 * counter and stack pointer are what they were then, and mappings have not changed, the same rule
 * holds; so the caller's return address lies where it lay then, and only has to be read again. That
 * is so for each frame further out as long as what is read is what it was; where it is not, it is
 * right all the same, and the walk goes on by rows from there. So a memo makes no stack other than
 * it would be: it saves the search for rules, nothing else. The frame pointer is only read, and
 * then must be what it was, where a rule counts from it.
 *
 * It is kept outermost frame first, so that what has not changed stays where it is. Only stacks
 * that reached their root are kept; of those, the part outside of the last step that was not simple
 * (a signal frame, a long rule).
 *
 * Programs on other CPUs, of threads whose tids fall into the same place, may write it meanwhile,
 * and so may a clock that interrupts a program: `sequence` is odd for that time, and what was
 * copied counts only if it has not changed. (Order of loads and stores: as in profd/tables.h.)
 *
 * Two must not write entries at a time, or the memo would lead from one stack into another. Between
 * a look at `sequence` and the store that makes it odd there are some nanoseconds. Other CPUs do no
 * harm in that time, since a thread writes entries only if the memo was its own before it began to
 * walk: it takes it over first, and empty. A program that is preempted then can take long; such
 * programs also count themselves in `writers`, before they look, and whoever finds somebody else
 * there writes nothing. (That is exact, needs no result of an atomic operation, which BPF has
 * since 5.12 only, and costs the clocks nothing: they only look.)
 */
#ifndef PROFD_BPF_UNWIND_MEMO_H
#define PROFD_BPF_UNWIND_MEMO_H

#include "unwind_span.h"
#include "unwind_walk.h"

#define MEMO_SLOT_SHIFT 56 /* above any user address */
#define MEMO_ADDRESS	((1ULL << MEMO_SLOT_SHIFT) - 1)

/* Makes the memo, of another thread so far, one of this thread, without entries. */
static __always_inline void memo_take(struct memo_walk *m, struct memo *memo, __u32 tid)
{
	m->sequence += 2;
	WALK_READ_ONCE(memo->n) = 0;
	WALK_READ_ONCE(memo->tid) = tid;
	WALK_READ_ONCE(memo->sequence) = m->sequence;
}

/* Sets out along the memo of a thread. spans: its stack is read by spans (unwind_span.h), as far as
 * it goes. */
static __always_inline void memo_begin(struct memo_walk *m, struct memo *memo, __u32 tid,
	__u32 mappings, bool preemptible, bool spans)
{
	m->sequence = WALK_READ_ONCE(memo->sequence);
	WALK_BARRIER();
	m->left = memo->n;
	m->depth = m->n_slow = m->simple = 0;
	m->fp_at = 0;
	m->broken = 0;
	span_begin(&m->span, !spans);
	if (m->sequence & 1 || memo->tid != tid || memo->mappings != mappings ||
		m->left > MEMO_FRAMES)
		m->left = 0;
	if (memo->tid != tid && !(m->sequence & 1) && !memo->writers && !preemptible)
		memo_take(m, memo, tid);
}

/* How many entries a frame can pass by. More are left to the next frames. */
#define MEMO_SKIP 4

/* Is frame number n one of the memo's? Then it is entry m->at. */
static __always_inline bool memo_find(
	struct memo_walk *m, const struct memo *memo, const struct table_frame *f, __u32 n)
{
	struct memo_entry e = {};

	/* A signal handler's stack can lie anywhere: nothing is passed by for its frames. */
	if (!m->left || f->exact || f->fp_lost || memo->sp_high != f->sp >> 32)
		return false;
#pragma clang loop unroll(full)
	for (int i = 0; i < MEMO_SKIP; i++) {
		e = memo->entries[(m->left - 1) & (MEMO_FRAMES - 1)];
		if (e.sp >= (__u32)f->sp || !--m->left)
			break;
	}
	WALK_BARRIER();
	if (!m->left || e.sp != (__u32)f->sp || (e.ip & MEMO_ADDRESS) != f->ip ||
		WALK_READ_ONCE(memo->sequence) != m->sequence)
		return false;
	m->at = m->left - 1;
	m->fp_at = 0;
	m->broken |= m->depth && m->depth != n + m->at;
	m->depth = n + m->at;
	return true;
}

/* Reads the frame pointer, which nobody has asked for since the last frame that saved it. */
static __always_inline void memo_frame_pointer(struct memo_walk *m, struct table_frame *f)
{
	if (m->fp_at && TABLE_READ(f, &f->fp, 8, m->fp_at))
		f->fp_lost = 1;
	m->fp_at = 0;
}

static __always_inline bool memo_is_frame_pointer(
	const struct memo *memo, const struct table_frame *f, __u32 fp)
{
	return !f->fp_lost && (__u32)f->fp == fp && memo->sp_high == f->fp >> 32;
}

/* Leaves the frame, which is entry m->at, as it was left then: WALK_GO_ON, and the caller is entry
 * m->at again if *same; WALK_BY_ROWS; or how the stack ends. */
static __always_inline int memo_step(
	struct memo_walk *m, const struct memo *memo, struct table_frame *f, bool *same)
{
	struct memo_entry from = memo->entries[m->at & (MEMO_FRAMES - 1)];
	struct memo_entry to = memo->entries[(m->at - 1) & (MEMO_FRAMES - 1)];
	__u64 cfa = (__u64)memo->sp_high << 32 | to.sp, how = from.ip >> MEMO_SLOT_SHIFT, ip;
	__u64 slot = how == (WALK_BY_FRAME_POINTER | WALK_USES_FP) ? 1 : how & UNWIND_FP_MASK;
	bool unchanged;
	int r;

	*same = false;
	WALK_BARRIER();
	unchanged = WALK_READ_ONCE(memo->sequence) == m->sequence;
	m->left = unchanged ? m->at : 0;
	if (unchanged && !m->at && how == WALK_ROOT)
		return PROFD_END_COMPLETE;
	if (how & WALK_USES_FP || !m->left)
		memo_frame_pointer(m, f);
	if (unchanged && !m->at && how == (WALK_ROOT | WALK_USES_FP) && !f->fp && !f->fp_lost)
		return PROFD_END_COMPLETE;
	/* Without a root that is known, a zero on the stack made it the outermost one. */
	if (!m->left || (how & WALK_USES_FP && !memo_is_frame_pointer(memo, f, from.fp)))
		return WALK_BY_ROWS;
	if (span_read(&m->span, f, cfa - 8, &ip))
		return PROFD_END_UNREADABLE;
	*same = ip == (to.ip & MEMO_ADDRESS);
	/* What a frame pointer led to was looked up in the mappings. */
	if (!*same && how == (WALK_BY_FRAME_POINTER | WALK_USES_FP))
		return WALK_BY_ROWS;
	m->at--;
	m->left = m->at;
	if (slot)
		m->fp_at = cfa - 8 * (slot + 1);
	r = walk_result(NULL, table_leave(f, cfa, ip, f->fp, 0));
	if (!*same)
		memo_frame_pointer(m, f);
	return r;
}

/* ---- keeping ------------------------------------------------------------------------------ */

/* Notes frame number n before it is left by rows; `slow` and `numbers` have room for MEMO_FRAMES:
 * a stack with more of them is not kept. */
static __always_inline void memo_note(struct memo_walk *m, struct memo_entry *slow, __u8 *numbers,
	const struct table_frame *f, __u32 n)
{
	__u32 i = m->n_slow & (MEMO_FRAMES - 1);

	slow[i].ip = f->ip;
	slow[i].sp = (__u32)f->sp;
	slow[i].fp = (__u32)f->fp;
	numbers[i] = (__u8)n;
	if (f->fp_lost || f->exact)
		m->simple = n + 1;
}

/* And how, when it was left; r is what walk_step said. */
static __always_inline void memo_left(
	struct memo_walk *m, struct memo_entry *slow, const struct walk *w, __u32 n, int r)
{
	slow[m->n_slow & (MEMO_FRAMES - 1)].ip |= (__u64)w->slot << MEMO_SLOT_SHIFT;
	m->n_slow++;
	if (w->slot == WALK_NOT_SIMPLE && r == WALK_GO_ON)
		m->simple = n + 1;
}

/* A whole stack of n frames: the memo becomes it. sp: of any of its frames. */
static __always_inline void memo_keep(struct memo_walk *m, struct memo *memo,
	const struct memo_entry *slow, const __u8 *numbers, __u32 n, __u32 tid, __u32 mappings,
	__u64 sp)
{
	if (n > MEMO_FRAMES || (m->depth && m->depth != n - 1))
		m->broken = 1;
	/* Somebody writes it now, or has since this walk began. */
	if (WALK_READ_ONCE(memo->sequence) != m->sequence || m->sequence & 1)
		return;
	if (memo->tid != tid) {
		memo_take(m, memo, tid);
		return;
	}
	WALK_READ_ONCE(memo->sequence) = m->sequence + 1;
	WALK_BARRIER();
	memo->mappings = mappings;
	memo->n = m->broken ? 0 : n - m->simple;
	memo->sp_high = (__u32)(sp >> 32);
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < MEMO_FRAMES; i++) {
		if (i >= m->n_slow || m->broken)
			break;
		memo->entries[(n - 1 - numbers[i]) & (MEMO_FRAMES - 1)] = slow[i];
	}
	WALK_BARRIER();
	WALK_READ_ONCE(memo->sequence) = m->sequence + 2;
}

#endif
