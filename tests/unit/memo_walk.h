/* SPDX-License-Identifier: MIT */
/*
 * memo_walk.h - the walk with a memo of the thread's last stack (bpf/unwind_memo.h) in user space,
 * as bpf/unwind_bpf.h has it: by the shim of native_walk.c, which is why that is included as a
 * whole.
 */
#ifndef PROFD_TEST_MEMO_WALK_H
#define PROFD_TEST_MEMO_WALK_H

#include "collector/native_walk.c"
/* The memo needs the shim above; its loops have hints for clang. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#include "../../bpf/unwind_memo.h"
#pragma GCC diagnostic pop

struct memo_stack {
	struct native_walk walk;
	struct memo_walk along;
	struct memo_entry slow[MEMO_FRAMES];
	__u8 numbers[MEMO_FRAMES];
	__u64 frames[PROFD_MAX_USER_FRAMES];
	__u32 n;
	bool spans; /* see memo_begin() */
	/* What another CPU does meanwhile, called before each step; NULL: nothing. */
	void (*meanwhile)(void *userdata, struct memo *memo);
	void *userdata;
};

static inline void memo_stack_add(struct memo_stack *s)
{
	s->frames[s->n++] = walk_frame(&s->walk.walk);
}

static inline void memo_stack_wait(struct memo_stack *s, struct memo *memo)
{
	if (s->meanwhile)
		s->meanwhile(s->userdata, memo);
}

/* By rows. *recognised: the caller is one of the memo's. */
static inline int memo_stack_step(struct memo_stack *s, const struct memo *memo, bool *recognised)
{
	__u32 n = s->n - 1;
	int r;

	memo_note(&s->along, s->slow, s->numbers, &s->walk.walk.frame, n);
	r = walk_step(&s->walk.walk);
	memo_left(&s->along, s->slow, &s->walk.walk, n, r);
	if (r != WALK_GO_ON)
		return r;
	memo_stack_add(s);
	*recognised = memo_find(&s->along, memo, &s->walk.walk.frame, n + 1);
	return r;
}

static inline int memo_stack_recall(struct memo_stack *s, struct memo *memo)
{
	for (int i = 0; i < MEMO_FRAMES; i++) {
		bool same;
		int r;

		memo_stack_wait(s, memo);
		r = memo_step(&s->along, memo, &s->walk.walk.frame, &same);
		if (r != WALK_GO_ON)
			return r == WALK_BY_ROWS ? WALK_GO_ON : r;
		memo_stack_add(s);
		if (!same || s->n >= PROFD_MAX_USER_FRAMES)
			return r;
	}
	return PROFD_END_LIMIT;
}

/* From s->walk, which native_walk_begin has set, and its frame, to the end. */
static inline int memo_stack_walk(
	struct memo_stack *s, struct memo *memo, __u32 tid, __u32 mappings)
{
	s->frames[0] = s->walk.walk.frame.ip;
	s->n = 1;
	memo_begin(&s->along, memo, tid, mappings, false, s->spans);
	while (s->n < PROFD_MAX_USER_FRAMES) {
		bool recognised = false;
		int r;

		memo_stack_wait(s, memo);
		r = memo_stack_step(s, memo, &recognised);
		if (recognised)
			r = memo_stack_recall(s, memo);
		if (r == PROFD_END_COMPLETE)
			memo_keep(&s->along, memo, s->slow, s->numbers, s->n, tid, mappings,
				s->walk.walk.frame.sp);
		if (r != WALK_GO_ON)
			return r;
	}
	return PROFD_END_LIMIT;
}

#endif
