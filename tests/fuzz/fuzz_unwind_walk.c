// SPDX-License-Identifier: MIT
/*
 * The whole walk over mappings, a directory, a block, registers and a stack that are anything, then
 * the same with a memo that is anything: it must read within all of them, end, and get ahead by
 * each step.
 *
 * An input is a struct input, then its mappings, entries, words and bytes of stack; what is left is
 * the memo's.
 */
#include <stdlib.h>
#include <string.h>

#include "../unit/memo_walk.h"
#include "../unit/table_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_MAPS    64
#define MAX_ENTRIES 64
#define BLOCK	    16
#define TID	    1
#define VERSION	    1

struct input {
	uint64_t ip, sp, fp, leaf_ip, leaf_sp, present, some_register;
	uint16_t n_words, stack_size;
	uint8_t n_maps, n_entries, flags, n_memo;
	uint32_t sp_high; /* the memo's */
};

enum { INNERMOST = 1, EXACT = 2, FP_LOST = 4, CURRENT = 8, SPANS = 16 };

struct bytes {
	const uint8_t *at;
	size_t left;
};

/* Copies up to n elements; returns how many there were. */
static size_t take(struct bytes *b, void *to, size_t n, size_t size)
{
	if (n > b->left / size)
		n = b->left / size;
	if (n)
		memcpy(to, b->at, n * size);
	b->at += n * size;
	b->left -= n * size;
	return n;
}

static void require(bool good)
{
	if (!good)
		abort();
}

/* ---- what is walked over ------------------------------------------------------------------ */

static struct table_memory *memory_of(struct bytes *b, const struct input *in)
{
	static struct table_memory *m;

	if (!m) {
		m = heap_new();
		require(m && !m->grow(m));
	}
	memset(m->maps, 0, MAX_MAPS * sizeof(*m->maps));
	memset(m->directory, 0, MAX_ENTRIES * sizeof(*m->directory));
	memset(m->chunks[0], 0, (BLOCK + UINT16_MAX) * sizeof(uint32_t));
	take(b, m->maps, in->n_maps % (MAX_MAPS + 1), sizeof(*m->maps));
	take(b, m->directory, in->n_entries % (MAX_ENTRIES + 1), sizeof(*m->directory));
	take(b, m->chunks[0] + BLOCK, in->n_words, sizeof(uint32_t));
	return m;
}

/* Exactly as large as it says. */
static struct profd_miss *miss_of(struct bytes *b, const struct input *in)
{
	size_t size = in->stack_size < b->left ? in->stack_size : b->left;
	struct profd_miss *miss = malloc(sizeof(*miss) + size);

	require(miss);
	*miss = (struct profd_miss){
		.ip = in->ip,
		.sp = in->sp,
		.fp = in->fp,
		.leaf_ip = in->leaf_ip,
		.leaf_sp = in->leaf_sp,
		.innermost = in->flags & INNERMOST,
		.exact = !!(in->flags & EXACT),
		.fp_lost = !!(in->flags & FP_LOST),
		.present = in->present,
		.stack_size = (__u32)take(b, miss + 1, size, 1),
	};
	for (int i = 0; i < PROFD_REGISTERS; i++)
		miss->registers[i] = in->some_register + 8 * (__u64)i;
	return miss;
}

static void begin(struct native_walk *n, const struct table_memory *memory,
	const struct profd_miss *miss, const struct input *in)
{
	*n = (struct native_walk){.memory = memory};
	n->walk.count = in->n_maps % (MAX_MAPS + 1);
	n->walk.current = !!(in->flags & CURRENT);
	native_walk_begin(n, miss);
}

/* ---- walks -------------------------------------------------------------------------------- */

static void check_end(int r)
{
	require(r == WALK_MISS || (r >= 0 && r < PROFD_END_COUNT));
}

/* By a long rule to another stack: at least code has to be there. */
static bool went_elsewhere(const struct walk *w)
{
	return w->slot == WALK_NOT_SIMPLE && WALK_FIND_MAP(w, w->frame.ip - 1) != WALK_NO_MAP;
}

static void step_by_step(struct native_walk *n)
{
	for (int i = 0; i < PROFD_MAX_USER_FRAMES; i++) {
		struct table_frame before = n->walk.frame, *f = &n->walk.frame;
		int r = walk_step(&n->walk);
		bool leaf = before.innermost && f->ip == n->miss->leaf_ip &&
			    f->sp == n->miss->leaf_sp;

		if (r != WALK_GO_ON) {
			check_end(r);
			require(!memcmp(&before, f, sizeof(before)));
			require(r != WALK_MISS || n->walk.missing != PROFD_MISSING_NOTHING);
			return;
		}
		require(!f->innermost);
		require(leaf || (f->ip >= TABLE_MIN_ADDRESS && f->ip < TABLE_USER_END));
		require(leaf || f->exact || f->sp > before.sp || went_elsewhere(&n->walk));
	}
}

static void all_at_once(struct native_walk *n)
{
	__u64 *frames = malloc(PROFD_MAX_USER_FRAMES * sizeof(*frames));
	size_t n_frames = 1;

	require(frames);
	check_end(native_walk_run(n, frames, &n_frames, PROFD_MAX_USER_FRAMES));
	require(n_frames <= PROFD_MAX_USER_FRAMES);
	free(frames);
}

static void count_steps(void *userdata, struct memo *memo)
{
	require(++*(unsigned *)userdata <= 2 * PROFD_MAX_USER_FRAMES + MEMO_FRAMES);
}

static void with_memo(struct memo_stack *s, struct memo *memo)
{
	unsigned steps = 0;

	s->meanwhile = count_steps;
	s->userdata = &steps;
	check_end(memo_stack_walk(s, memo, TID, VERSION));
	require(s->n <= PROFD_MAX_USER_FRAMES);
	for (__u32 i = 1; i < s->n; i++)
		require((s->frames[i] & ~PROFD_FRAME_EXACT) < TABLE_USER_END ||
			s->frames[i] == s->walk.miss->leaf_ip);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct memo_stack s;
	struct bytes b = {data, size};
	struct memo *memo = calloc(1, sizeof(*memo));
	struct native_walk n;
	struct input in;

	if (memo && take(&b, &in, 1, sizeof(in))) {
		const struct table_memory *memory = memory_of(&b, &in);
		struct profd_miss *miss = miss_of(&b, &in);

		*memo = (struct memo){
			.tid = TID, .mappings = VERSION, .n = in.n_memo, .sp_high = in.sp_high};
		take(&b, memo->entries, MEMO_FRAMES, sizeof(memo->entries[0]));
		begin(&n, memory, miss, &in);
		step_by_step(&n);
		begin(&n, memory, miss, &in);
		all_at_once(&n);
		s.spans = in.flags & SPANS;
		for (int i = 0; i < 2; i++) { /* once more with what was kept */
			begin(&s.walk, memory, miss, &in);
			with_memo(&s, memo);
		}
		free(miss);
	}
	free(memo);
	return 0;
}
