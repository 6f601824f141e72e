/* SPDX-License-Identifier: MIT */
/*
 * stack_fixture.h - a program that is played: its functions are rules in a block (one for each 64
 * bytes of code), calls and signals put on its stack what a real one would, and so it is known what
 * walking the stack must find.
 */
#ifndef PROFD_TEST_STACK_FIXTURE_H
#define PROFD_TEST_STACK_FIXTURE_H

#include "profd/abi.h"
#include "table_fixture.h"

#define CODE	       0x400000ULL
#define CODE_PAGES     (UNWIND_PAGE_SIZE >> TABLES_MAP_SHIFT)
#define FUNCTION_BYTES 64
/* Stack pointers of one stack can differ in their upper halves. */
#define STACK_TOP   0x7ffe00001000ULL
#define STACK_BYTES (48u << 10)
/* The lowest part is another stack, for signal handlers. */
#define ALT_BYTES (8u << 10)
#define MAX_CALLS (PROFD_MAX_USER_FRAMES + 64)
#define DIRECTORY 100 /* the code's entry */
#define BLOCK	  16

enum how {
	BY_SP,
	BY_FP,
	BY_REGISTER_SAVED, /* a long rule: the CFA lies on top of the stack */
	LOSES_FP,	   /* a long rule: uses the register for something else */
	SWITCHES,	   /* by fp, and works on the other stack, as Go's runtime does */
	NO_ROWS,	   /* but a frame pointer */
	SIGNAL,		   /* what a handler returns to */
	ROOT_END,
	ROOT_NO_ROWS, /* with a frame pointer of zero */
	ROOT_ZERO,    /* by sp; the return address is zero */
	UNKNOWN,
};

struct function {
	enum how how;
	uint8_t words; /* of the frame, with the return address (with a frame pointer: below both)
			*/
	uint8_t slot;
};

/* What the registers are in a function while it has called another one. */
struct call {
	unsigned function;
	uint64_t ip, sp, fp;
	bool alternate; /* on the lower stack */
};

struct program {
	struct table_memory *memory;
	struct function functions[UNWIND_PAGE_SIZE / FUNCTION_BYTES];
	struct page_builder builder;
	unsigned n_functions;
	struct call calls[MAX_CALLS]; /* outermost first */
	unsigned n;
	uint64_t random;
	/* A miss and the stack that travels with it. */
	struct profd_miss miss;
	uint8_t copied[PROFD_MISS_STACK];
	uint8_t stack[STACK_BYTES];
};

/* xorshift64: the same numbers in each run. */
static inline uint64_t draw(struct program *p)
{
	p->random ^= p->random << 13;
	p->random ^= p->random >> 7;
	p->random ^= p->random << 17;
	return p->random;
}

static inline unsigned draw_below(struct program *p, unsigned n)
{
	return (unsigned)((draw(p) >> 11) % n);
}

/* ---- code --------------------------------------------------------------------------------- */

static inline void add_rows(struct page_builder *b, uint64_t address, const struct function *f)
{
	struct unwind_rule rule = rule_by_sp(f->words, f->slot);

	switch (f->how) {
	case BY_FP:
		rule = rule_by_fp();
		break;
	case BY_REGISTER_SAVED:
		rule.flags |= UNWIND_RULE_DEREF;
		rule.cfa_offset = 0;
		break;
	case LOSES_FP:
		rule.flags |= UNWIND_RULE_FP_LOST;
		break;
	case SWITCHES:
		rule = rule_by_fp();
		rule.flags = UNWIND_RULE_ELSEWHERE;
		break;
	case SIGNAL:
		rule = rule_of_signal();
		break;
	case NO_ROWS:
	case ROOT_NO_ROWS:
		page_add_kind(b, address, UNWIND_NONE);
		return;
	case ROOT_END:
		page_add_kind(b, address, UNWIND_END);
		return;
	case UNKNOWN:
		page_add_kind(b, address, UNWIND_UNKNOWN);
		return;
	case BY_SP:
	case ROOT_ZERO:
		break;
	}
	page_add_rule(b, address, &rule);
}

/* Its number. */
static inline unsigned add_function(struct program *p, enum how how, unsigned words, unsigned slot)
{
	struct function *f = &p->functions[p->n_functions];

	*f = (struct function){how, (uint8_t)words, (uint8_t)slot};
	add_rows(&p->builder, p->n_functions * FUNCTION_BYTES, f);
	return p->n_functions++;
}

/* The first three are roots. */
#define ROOTS 3
static inline void add_any_functions(struct program *p)
{
	static const enum how roots[] = {ROOT_END, ROOT_NO_ROWS, ROOT_ZERO};
	static const enum how most[] = {BY_SP, BY_SP, BY_FP, NO_ROWS};

	for (size_t i = 0; i < ROOTS; i++)
		add_function(p, roots[i], 3, 0);
	for (int i = 0; i < 20; i++) {
		unsigned slot = draw_below(p, 4);

		add_function(p, most[draw_below(p, 4)], 1 + slot + draw_below(p, 5), slot);
	}
	add_function(p, BY_REGISTER_SAVED, 5, 2);
	add_function(p, LOSES_FP, 4, 0);
	add_function(p, SWITCHES, 1, 0);
	add_function(p, SIGNAL, 0, 0);
}
/* The last ones, which are no short rules. */
#define UNCOMMON 4

/* The functions are complete: maps them, as the only mapping. */
static inline void map_code(struct program *p)
{
	page_finish(&p->builder, p->memory->chunks[0] + BLOCK);
	p->memory->directory[DIRECTORY] = (struct tables_entry){.block = BLOCK};
	p->memory->maps[0] = (struct tables_map){
		.start = CODE,
		.pages = CODE_PAGES,
		.flags = TABLES_MAP_TABLE,
		.directory = DIRECTORY,
	};
}

static inline struct program *program_new(uint64_t seed)
{
	struct program *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->random = seed * 0x9e3779b97f4a7c15ULL + 1;
	p->memory = heap_new();
	if (!p->memory || p->memory->grow(p->memory)) {
		if (p->memory)
			heap_free(p->memory);
		free(p);
		return NULL;
	}
	page_begin(&p->builder, &unwind_arch_x86_64, 0);
	return p;
}

static inline void program_free(struct program *p)
{
	heap_free(p->memory);
	free(p);
}

/* ---- the stack ---------------------------------------------------------------------------- */

static inline void *stack_at(struct program *p, uint64_t address)
{
	uint64_t offset = address - (STACK_TOP - STACK_BYTES);

	if (offset > STACK_BYTES - sizeof(uint64_t))
		abort();
	return &p->stack[offset];
}

static inline void poke(struct program *p, uint64_t address, uint64_t value)
{
	memcpy(stack_at(p, address), &value, sizeof(value));
}

static inline uint64_t peek(struct program *p, uint64_t address)
{
	uint64_t value;

	memcpy(&value, stack_at(p, address), sizeof(value));
	return value;
}

static inline struct call *top(struct program *p)
{
	return &p->calls[p->n - 1];
}

static inline bool is_root(enum how how)
{
	return how == ROOT_END || how == ROOT_NO_ROWS || how == ROOT_ZERO;
}

static inline bool has_words(enum how how)
{
	return how == BY_FP || how == NO_ROWS || how == SWITCHES;
}

/* Below all that is in use of a stack. */
static inline uint64_t free_stack(const struct program *p, bool alternate)
{
	uint64_t lowest = alternate ? STACK_TOP - STACK_BYTES + ALT_BYTES : STACK_TOP;

	for (unsigned i = 0; i < p->n; i++)
		if (p->calls[i].alternate == alternate && p->calls[i].sp < lowest)
			lowest = p->calls[i].sp;
	return lowest;
}

/* Goes on with the other stack, if there is room. */
static inline void switch_stack(struct program *p, struct call *c)
{
	uint64_t from = free_stack(p, !c->alternate) - 2 * WORD;
	uint64_t end = STACK_TOP - STACK_BYTES + (c->alternate ? ALT_BYTES : 0) + 1024;

	if (from < end)
		return;
	c->alternate = !c->alternate;
	c->sp = from;
}

/* The kernel keeps the red zone, or changes to the other stack. */
static inline void enter_signal(struct program *p, struct call *c, bool alternate)
{
	const struct call *interrupted = top(p);
	uint64_t from = interrupted->sp - 128;

	if (alternate && !c->alternate) {
		from = free_stack(p, true);
		c->alternate = true;
	}
	c->sp = (from - SIGNAL_WORDS * WORD) & ~15ULL;
	c->fp = interrupted->fp;
	poke(p, c->sp + SIGNAL_FP, interrupted->fp);
	poke(p, c->sp + SIGNAL_SP, interrupted->sp);
	poke(p, c->sp + SIGNAL_IP, interrupted->ip);
}

/* The innermost function calls another one (or is interrupted, for a signal), whose call comes from
 * offset 1 to FUNCTION_BYTES - 1. */
static inline void call(struct program *p, unsigned function, unsigned offset)
{
	const struct function *f = &p->functions[function];
	uint64_t cfa = p->n ? top(p)->sp : STACK_TOP;
	struct call c = {.function = function, .ip = CODE + function * FUNCTION_BYTES + offset};

	if (p->n == MAX_CALLS || !offset || offset >= FUNCTION_BYTES)
		abort();
	if (p->n) {
		c.fp = top(p)->fp;
		c.alternate = top(p)->alternate;
	}
	if (f->how == SIGNAL) {
		enter_signal(p, &c, offset & 1);
		p->calls[p->n++] = c;
		return;
	}
	if (!is_root(f->how) || f->how == ROOT_ZERO)
		poke(p, cfa - WORD, is_root(f->how) ? 0 : top(p)->ip);
	c.sp = cfa - f->words * WORD;
	if (has_words(f->how)) {
		poke(p, cfa - 2 * WORD, c.fp);
		c.fp = cfa - 2 * WORD;
		c.sp = c.fp - f->words * WORD;
	} else if (f->slot) {
		poke(p, cfa - (f->slot + 1u) * WORD, c.fp);
		c.fp = draw(p);
	} else if (f->how == LOSES_FP) {
		c.fp = draw(p);
	}
	if (f->how == BY_REGISTER_SAVED)
		poke(p, c.sp, cfa);
	if (f->how == SWITCHES)
		switch_stack(p, &c);
	p->calls[p->n++] = c;
}

/* Has it room for another call, wherever it is? */
static inline bool has_room(const struct program *p)
{
	const struct call *c = &p->calls[p->n - 1];
	uint64_t bottom = STACK_TOP - STACK_BYTES;

	return !p->n || c->sp - bottom > (c->alternate ? 1024 : ALT_BYTES + 1024);
}

static inline void leave(struct program *p)
{
	p->n--;
}

/* ---- what a walk must find ---------------------------------------------------------------- */

/* frames[] as in a sample; returns why it ends. */
static inline int expected_stack(const struct program *p, __u64 *frames, size_t *n)
{
	bool lost = false, exact = false;

	*n = 0;
	for (unsigned i = p->n; i--;) {
		const struct function *f = &p->functions[p->calls[i].function];

		frames[(*n)++] = p->calls[i].ip | (exact ? PROFD_FRAME_EXACT : 0);
		if (*n == PROFD_MAX_USER_FRAMES)
			return PROFD_END_LIMIT;
		/* A zero in the register of a leaf says nothing about its callers. */
		if (f->how == ROOT_NO_ROWS && (lost || *n == 1))
			return PROFD_END_FRAME_POINTER;
		if (is_root(f->how))
			return PROFD_END_COMPLETE;
		if (f->how == UNKNOWN || ((f->how == BY_FP || f->how == SWITCHES) && lost))
			return PROFD_END_RULE;
		/* Only what lies above comes along. */
		if (f->how == SWITCHES && p->calls[i].fp < p->calls[p->n - 1].sp - PROFD_RED_ZONE)
			return PROFD_END_UNREADABLE;
		if (f->how == NO_ROWS && lost)
			return PROFD_END_FRAME_POINTER;
		if (f->how == BY_FP || f->how == SWITCHES || f->how == SIGNAL || f->slot)
			lost = false;
		else if (f->how == LOSES_FP)
			lost = true;
		exact = f->how == SIGNAL;
	}
	return PROFD_END_LIMIT;
}

/* Fills in p->miss, as if the innermost function had been interrupted. */
static inline void take_miss(struct program *p)
{
	const struct call *c = top(p);
	uint64_t start = c->sp - PROFD_RED_ZONE, size = STACK_TOP - start;
	uint64_t pages = (STACK_TOP >> PROFD_MISS_PAGE_SHIFT) - (start >> PROFD_MISS_PAGE_SHIFT);

	p->miss = (struct profd_miss){
		.ip = c->ip,
		.sp = c->sp,
		.fp = c->fp,
		.innermost = 1,
		.exact = 1,
		.stack_size = (uint32_t)size,
		.present = (1ULL << pages) - 1,
	};
	memcpy(p->copied, &p->stack[STACK_BYTES - size], size);
}

#endif
