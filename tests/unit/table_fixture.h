/* SPDX-License-Identifier: MIT */
/*
 * table_fixture.h - what BPF maps hold in the daemon (collector/table_memory.h), on the heap, so
 * that a sanitizer sees its borders; and blocks made by hand.
 */
#ifndef PROFD_TEST_TABLE_FIXTURE_H
#define PROFD_TEST_TABLE_FIXTURE_H

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "collector/table_memory.h"
#include "unwind/arch_x86_64.h"
#include "unwind/page.h"

/* ---- memory ------------------------------------------------------------------------------- */

static inline int heap_grow(struct table_memory *m)
{
	uint32_t *chunk = calloc(1, TABLES_CHUNK_BYTES);

	if (!chunk)
		return -ENOMEM;
	m->chunks[m->n_chunks++] = chunk;
	return 0;
}

static inline void heap_free(struct table_memory *m)
{
	for (unsigned i = 0; i < m->n_chunks; i++)
		free(m->chunks[i]);
	free(m->directory);
	free(m->maps);
	free(m->spaces);
	free(m);
}

/* No chunk yet. NULL without memory. */
static inline struct table_memory *heap_new(void)
{
	struct table_memory *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->grow = heap_grow;
	m->directory = calloc(TABLES_DIRECTORY, sizeof(*m->directory));
	m->maps = calloc(TABLES_MAPS, sizeof(*m->maps));
	m->spaces = calloc(TABLES_SPACES, sizeof(*m->spaces));
	if (m->directory && m->maps && m->spaces)
		return m;
	heap_free(m);
	return NULL;
}

/* ---- rules -------------------------------------------------------------------------------- */

/* CFA = stack pointer + 8 * words; the frame pointer was saved in that word below the return
 * address, 0: not at all. */
static inline struct unwind_rule rule_by_sp(unsigned words, unsigned slot)
{
	return (struct unwind_rule){
		.base = RSP,
		.flags = slot ? UNWIND_RULE_FP_SAVED : 0,
		.ra_offset = -WORD,
		.fp_offset = slot ? (int16_t)(-WORD * (int)(slot + 1)) : 0,
		.cfa_offset = (int32_t)(words * WORD),
	};
}

/* push %rbp; mov %rsp, %rbp */
static inline struct unwind_rule rule_by_fp(void)
{
	return (struct unwind_rule){
		.base = RBP,
		.flags = UNWIND_RULE_FP_SAVED,
		.ra_offset = -WORD,
		.fp_offset = -2 * WORD,
		.cfa_offset = 2 * WORD,
	};
}

/* Where the kernel puts registers below a signal handler, from the stack pointer that its return
 * trampoline has (struct ucontext). */
enum { SIGNAL_FP = 120, SIGNAL_SP = 160, SIGNAL_IP = 168, SIGNAL_WORDS = 24 };

static inline struct unwind_rule rule_of_signal(void)
{
	return (struct unwind_rule){
		.base = RSP,
		.flags = UNWIND_RULE_DEREF | UNWIND_RULE_FP_SAVED | UNWIND_RULE_FP_BASE |
			 UNWIND_RULE_RA_BASE | UNWIND_RULE_SIGNAL,
		.ra_offset = SIGNAL_IP,
		.fp_offset = SIGNAL_FP,
		.cfa_offset = SIGNAL_SP,
	};
}

#endif
