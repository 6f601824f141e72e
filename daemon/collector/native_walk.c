// SPDX-License-Identifier: MIT
#include "collector/native_walk.h"

#include <string.h>

#include "collector/table_memory.h"
#include "collector/tables.h"

#define native_of(pointer, member) \
	((struct native_walk *)((char *)(pointer)-offsetof(struct native_walk, member)))

/* ---- the shim: what unwind_table.h and unwind_walk.h ask for --------------------------------- */

#define PAGE_BYTES (1u << PROFD_MISS_PAGE_SHIFT)

/* Where in the copied pages an address lies, and how many bytes follow in its page, the last of
 * which may be cut short; NULL: it is not among them. */
static const char *find_in_stack(const struct profd_miss *miss, uint64_t address, size_t *left)
{
	uint64_t start = miss->sp - PROFD_RED_ZONE, offset, before;
	uint64_t page = (address >> PROFD_MISS_PAGE_SHIFT) - (start >> PROFD_MISS_PAGE_SHIFT);
	uint32_t first = PAGE_BYTES - (uint32_t)(start & (PAGE_BYTES - 1));

	if (address < start || page >= PROFD_MISS_WINDOW || !(miss->present >> page & 1))
		return NULL;
	*left = PAGE_BYTES - (address & (PAGE_BYTES - 1));
	before = miss->present & ((1ULL << page) - 1);
	offset = page ? (uint64_t)__builtin_popcountll(before >> 1) * PAGE_BYTES +
				 (before & 1 ? first : 0) + (address & (PAGE_BYTES - 1))
		      : address - start;
	if (offset >= miss->stack_size)
		return NULL;
	if (*left > miss->stack_size - offset)
		*left = miss->stack_size - offset;
	return (const char *)(miss + 1) + offset;
}

static int read_stack(const struct table_frame *f, void *to, size_t n, uint64_t address)
{
	const struct profd_miss *miss = native_of(f, walk.frame)->miss;

	while (n) {
		size_t left, part;
		const char *from = find_in_stack(miss, address, &left);

		if (!from)
			return -1;
		part = n < left ? n : left;
		memcpy(to, from, part);
		to = (char *)to + part;
		address += part;
		n -= part;
	}
	return 0;
}

static uint64_t read_register(const struct table_frame *f, uint32_t number)
{
	return number < PROFD_REGISTERS ? native_of(f, walk.frame)->miss->registers[number] : 0;
}

static const struct tables_map *map_at(const struct walk *w, uint32_t i)
{
	return i < TABLES_MAPS ? &native_of(w, walk)->memory->maps[i] : NULL;
}

static struct tables_entry *entry_at(const struct walk *w, uint32_t i)
{
	return i < TABLES_DIRECTORY ? &native_of(w, walk)->memory->directory[i] : NULL;
}

static bool leave_leaf(struct walk *w)
{
	const struct profd_miss *miss = native_of(w, walk)->miss;

	if (!miss->leaf_ip)
		return false;
	w->frame.ip = miss->leaf_ip;
	w->frame.sp = miss->leaf_sp;
	return true;
}

/* Masked, so that no block leads out of its chunk. */
#define TABLE_WORD(words, i)	      ((words)[(i) & (TABLES_CHUNK_WORDS - 1)])
#define TABLE_READ(f, to, n, address) read_stack(f, to, n, address)
#define TABLE_REGISTER(f, number)     read_register(f, number)
#define TABLE_SP		      7
#define TABLE_FP		      6
#define TABLE_USER_END		      (1ULL << 56)
#include "../../bpf/unwind_table.h"

static bool find_rule(
	const struct walk *w, struct table_rule *rule, uint32_t block, uint32_t address)
{
	const struct native_walk *n = native_of(w, walk);
	const uint32_t *words;

	if (block != TABLES_NOT_LOADED) {
		words = n->memory->chunks[block >> TABLES_CHUNK_SHIFT & (TABLES_MAX_CHUNKS - 1)];
	} else {
		words = n->tables ? tables_homeless(n->tables, w->page) : NULL;
		block = 0;
	}
	if (!words)
		return false;
	table_rule(rule, words, block, address);
	return true;
}

#define WALK_MAP(w, i)			   map_at(w, i)
#define WALK_ENTRY(w, i)		   entry_at(w, i)
#define WALK_RULE(w, rule, block, address) find_rule(w, rule, block, address)
#define WALK_FIND_MAP(w, address)	   walk_find_map(w, (w)->first, (w)->count, address)
#define WALK_LEAF(w)			   leave_leaf(w)
#include "../../bpf/unwind_walk.h"

/* ------------------------------------------------------------------------------------------- */

void native_walk_begin(struct native_walk *n, const struct profd_miss *miss)
{
	n->miss = miss;
	n->walk.frame = (struct table_frame){
		.ip = miss->ip,
		.sp = miss->sp,
		.fp = miss->fp,
		.innermost = miss->innermost,
		.registers = 1,
		.exact = miss->exact,
		.fp_lost = miss->fp_lost,
	};
}

int native_walk_run(struct native_walk *n, __u64 *frames, size_t *n_frames, size_t max)
{
	while (*n_frames < max) {
		int r = walk_step(&n->walk);

		if (r != WALK_GO_ON)
			return r;
		frames[(*n_frames)++] = walk_frame(&n->walk);
	}
	return PROFD_END_LIMIT;
}
