/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * unwind_span.h - reads the stack by half a kilobyte instead of word by word.
 *
 * Return addresses are mostly near each other, so one read gets those of several frames. That saves
 * calls, and where the stack is cold its cache lines come in together: word by word each is waited
 * for, since what one word says leads to the next.
 *
 * Who includes it has defined TABLE_READ (unwind_table.h).
 */
#ifndef PROFD_BPF_UNWIND_SPAN_H
#define PROFD_BPF_UNWIND_SPAN_H

#include "unwind_state.h"

/* Forgets what was read. off: from now on, words one by one. */
static __always_inline void span_begin(struct stack_span *s, bool off)
{
	s->at = SPAN_NONE;
	s->off = off;
}

/* Reads the word at an address of the stack of f. Not 0: cannot. */
static __always_inline int span_read(
	struct stack_span *s, const struct table_frame *f, __u64 address, __u64 *to)
{
	__u64 at = address - s->at;

	if (s->off)
		return TABLE_READ(f, to, 8, address) != 0;
	if (address & 7 || at & 7 || at >= sizeof(s->words)) {
		at = 0;
		s->at = address;
		if (TABLE_READ(f, s->words, sizeof(s->words), address)) {
			/* The stack ends nearby: as far as it goes by single words. */
			s->off = 1;
			return TABLE_READ(f, to, 8, address) != 0;
		}
	}
	/* The compiler knows that it is in bounds; verifiers want to see it. */
	at /= 8;
	__asm__ volatile("" : "+r"(at));
	*to = s->words[at & (SPAN_WORDS - 1)];
	return 0;
}

#endif
