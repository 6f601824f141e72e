// SPDX-License-Identifier: MIT
#include "leak_scan.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define CHUNK (256u << 10)
#define PAGE  4096u

enum state { UNREACHED, POSSIBLE, REACHABLE, INDIRECT, DEFINITE };

struct scan {
	const struct control_block *blocks;
	size_t n;
	uint64_t low, high; /* all blocks are between */
	size_t last;	    /* block that was found */
	const struct leak_memory *memory;
	uint8_t *states;
	uint32_t *to_do; /* blocks whose content is to be looked at */
	size_t n_to_do;
	uint64_t *chunk;
};

static uint64_t end_of(const struct control_block *b)
{
	return b->address + (b->size ? b->size : 1);
}

/* The block that a word points into. False: into none. */
static bool find(struct scan *s, uint64_t word, size_t *found)
{
	size_t from = 0, to = s->n;

	if (word < s->low || word >= s->high)
		return false;
	/* What lies together often points to the same. */
	if (word - s->blocks[s->last].address < s->blocks[s->last].size) {
		*found = s->last;
		return true;
	}
	while (to - from > 1) {
		size_t middle = from + (to - from) / 2;

		if (s->blocks[middle].address <= word)
			from = middle;
		else
			to = middle;
	}
	*found = s->last = from;
	return word < end_of(&s->blocks[from]);
}

typedef void (*visit)(struct scan *s, uint64_t word, enum state by);

/* Each word of a part of memory. by: the state of what it belongs to. */
static void each_word(struct scan *s, uint64_t start, uint64_t end, visit handle, enum state by)
{
	start = (start + sizeof(uint64_t) - 1) & -sizeof(uint64_t);
	while (start < end && end - start >= sizeof(uint64_t)) {
		size_t size = end - start < CHUNK ? (size_t)(end - start) : CHUNK;
		ssize_t got = s->memory->read(s->memory->userdata, start, s->chunk, size);

		for (ssize_t i = 0; i < got / (ssize_t)sizeof(uint64_t); i++)
			handle(s, s->chunk[i], by);
		/* What could not be read as a whole ends before a page that cannot be. */
		if (got < 0)
			start = (start | (PAGE - 1)) + 1;
		else
			start += got ? (uint64_t)got & -sizeof(uint64_t) : size;
		if (got > 0 && got < (ssize_t)sizeof(uint64_t))
			start += sizeof(uint64_t);
	}
}

static void empty_to_do(struct scan *s, visit handle)
{
	while (s->n_to_do) {
		uint32_t i = s->to_do[--s->n_to_do];

		each_word(s, s->blocks[i].address, s->blocks[i].address + s->blocks[i].size, handle,
			(enum state)s->states[i]);
	}
}

/* A block is looked at again when it has become better. */
static void reach(struct scan *s, uint64_t word, enum state by)
{
	enum state state;
	size_t i;

	if (!find(s, word, &i))
		return;
	state = by == REACHABLE && word == s->blocks[i].address ? REACHABLE : POSSIBLE;
	if (s->states[i] >= state)
		return;
	s->states[i] = (uint8_t)state;
	s->to_do[s->n_to_do++] = (uint32_t)i;
}

static void reach_start(struct scan *s, uint64_t word, enum state by)
{
	size_t i;

	if (find(s, word, &i) && word == s->blocks[i].address)
		reach(s, word, by);
}

/* What was taken for the head of lost blocks may be behind another one. */
static void lose(struct scan *s, uint64_t word, enum state by)
{
	size_t i;

	(void)by;
	if (!find(s, word, &i))
		return;
	if (s->states[i] == UNREACHED)
		s->to_do[s->n_to_do++] = (uint32_t)i;
	if (s->states[i] == UNREACHED || s->states[i] == DEFINITE)
		s->states[i] = INDIRECT;
}

static void sort_out_lost(struct scan *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->states[i] != UNREACHED)
			continue;
		/* It does not lose itself, if its own blocks point back. */
		s->states[i] = INDIRECT;
		s->to_do[s->n_to_do++] = (uint32_t)i;
		empty_to_do(s, lose);
		s->states[i] = DEFINITE;
	}
}

static void run(struct scan *s, const struct leak_roots *roots)
{
	for (size_t i = 0; i < roots->n_words; i++)
		reach(s, roots->words[i], REACHABLE);
	for (size_t i = 0; i < roots->n_ranges; i++)
		each_word(s, roots->ranges[i].start, roots->ranges[i].end,
			roots->ranges[i].starts_only ? reach_start : reach, REACHABLE);
	empty_to_do(s, reach);
	sort_out_lost(s);
}

int leak_scan(const struct control_block *blocks, size_t n, const struct leak_roots *roots,
	const struct leak_memory *memory, char *kinds)
{
	static const char characters[] = {
		[POSSIBLE] = CONTROL_REACH_POSSIBLE,
		[REACHABLE] = CONTROL_REACH_REACHABLE,
		[INDIRECT] = CONTROL_REACH_INDIRECT,
		[DEFINITE] = CONTROL_REACH_DEFINITE,
	};
	_cleanup_free_ uint8_t *states = calloc(n + 1, 1);
	/* Each is in it twice at most: as possible, and as reachable. */
	_cleanup_free_ uint32_t *to_do = calloc(2 * n + 1, sizeof(*to_do));
	_cleanup_free_ uint64_t *chunk = malloc(CHUNK);
	struct scan s = {
		.blocks = blocks,
		.n = n,
		.memory = memory,
		.states = states,
		.to_do = to_do,
		.chunk = chunk,
	};

	if (!states || !to_do || !chunk)
		return -ENOMEM;
	if (!n)
		return 0;
	s.low = blocks[0].address;
	s.high = end_of(&blocks[n - 1]);
	run(&s, roots);
	for (size_t i = 0; i < n; i++)
		kinds[i] = characters[states[i]];
	return 0;
}
