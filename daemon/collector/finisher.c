// SPDX-License-Identifier: MIT
#include "collector/finisher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "collector/mappings.h"
#include "collector/modules.h"
#include "collector/native_walk.h"
#include "collector/spaces.h"
#include "collector/tables.h"
#include "util/cleanup.h"

/* How long a sample waits. A page comes within a millisecond or two, a file that was never opened
 * within some more, unless the host is very busy: just after the start hundreds of pages are
 * wanted, and the helper waits for a CPU like everybody else. */
#define PATIENCE_NS (10 * 1000 * 1000 * 1000ULL)
_Static_assert(PATIENCE_NS + 2 * 1000 * 1000 * 1000ULL < PROCESSES_KEEP_DEAD_NS,
	"what a stack leads to must be known as long as it waits, and until it is resolved");
#define MAX_WAITING 4096
/* Things that may be missing in one stack: a page for each frame, and more. */
#define MAX_ATTEMPTS 1024

struct stack {
	struct stack *prev, *next;
	struct process *process; /* a reference */
	struct native_walk walk;
	struct profd_sample *sample; /* with its miss, and room for all frames */
	struct profd_miss *miss;     /* a copy, with the stack behind it */
	size_t bytes;
	uint64_t deadline, pass;
	unsigned attempts;
	/* What it waits for: a module, or else a page. */
	const struct module *module;
	uint32_t entry;
};

struct finisher {
	struct table_memory *memory;
	struct tables *tables;
	struct spaces *spaces;
	struct processes *processes;
	finisher_done done;
	void *userdata;
	size_t max_bytes;
	struct stack *waiting; /* in the order of arrival */
	uint64_t pass;	       /* through `waiting` */
	struct finisher_stats stats;
};

/* ---- one stack ---------------------------------------------------------------------------- */

static void stack_free(struct stack *s)
{
	process_unref(s->process);
	free(s->sample);
	free(s->miss);
	free(s);
}

static struct stack *stack_new(const struct profd_sample *sample, struct process *process)
{
	size_t frames = ((size_t)sample->n_kernel + PROFD_MAX_USER_FRAMES) * sizeof(uint64_t);
	struct stack *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->sample = malloc(sizeof(*sample) + frames);
	s->miss = malloc(sample->miss_size);
	s->process = process_ref(process);
	if (!s->sample || !s->miss) {
		stack_free(s);
		return NULL;
	}
	memcpy(s->sample, sample, profd_sample_bytes(sample));
	memcpy(s->miss, profd_sample_miss(sample), sample->miss_size);
	s->sample->miss_size = 0;
	/* From the beginning, then. */
	if (sample->flags & PROFD_SAMPLE_CAPTURED)
		s->sample->n_user = 1;
	s->sample->way = PROFD_WAY_FINISHED;
	s->bytes = sizeof(*s) + sizeof(*sample) + frames + sample->miss_size;
	return s;
}

static bool is_in_doubt(const struct stack *s)
{
	return s->miss->missing == PROFD_MISSING_TRUST;
}

static void finish(struct finisher *f, struct stack *s, int end)
{
	/* It breaks off by mappings that are true now, so it is no use to ask again soon. */
	if (is_in_doubt(s) && end != PROFD_END_COMPLETE)
		spaces_set_current(f->spaces, s->process);
	s->sample->user_end = (uint8_t)end;
	s->sample->head.size = profd_sample_bytes(s->sample);
	f->done(f->userdata, s->sample, s->miss, s->process);
	stack_free(s);
}

static struct module *module_at(struct stack *s)
{
	const struct table_frame *frame = &s->walk.walk.frame;
	const struct memory_map *map = mappings_find(
		process_mappings(s->process), frame->ip - !frame->exact);

	return map ? map->module : NULL;
}

enum { TRY_AGAIN = -1, WAIT = -2 };

static int use_space(struct finisher *f, struct stack *s)
{
	const struct table_frame *frame = &s->walk.walk.frame;
	uint64_t array;

	if (!process_mappings(s->process))
		process_refresh(f->processes, s->process, frame->ip);
	array = spaces_publish(f->spaces, s->process);
	if (!array)
		return PROFD_END_NOT_LOADED;
	s->walk.walk.first = TABLES_ARRAY_FIRST(array);
	s->walk.walk.count = TABLES_ARRAY_COUNT(array);
	s->sample->mappings = TABLES_ARRAY_VERSION(array);
	return TRY_AGAIN;
}

/* BPF may have stopped for a mapping that is known here by now. What is not there when the mappings
 * were read again, or could not be, is not asked for again soon. */
static int find_mapping(struct finisher *f, struct stack *s)
{
	const struct table_frame *frame = &s->walk.walk.frame;
	uint32_t walked = s->sample->mappings;
	bool known = module_at(s);
	bool mapped = known || process_refresh(f->processes, s->process, frame->ip - !frame->exact);
	int r = use_space(f, s);

	/* A file can be mapped beyond its code: that part is not in the array. */
	if (known && r == TRY_AGAIN && s->sample->mappings == walked)
		return PROFD_END_UNMAPPED;
	if (mapped)
		return r;
	spaces_set_current(f->spaces, s->process);
	return PROFD_END_UNMAPPED;
}

static int want_module(struct finisher *f, struct stack *s)
{
	struct module *module = module_at(s);

	if (!module)
		return PROFD_END_CHANGED;
	if (!tables_want_module(f->tables, module)) {
		spaces_module_known(f->spaces);
		return use_space(f, s);
	}
	s->module = module->same ? module->same : module;
	return WAIT;
}

static int want_page(struct finisher *f, struct stack *s)
{
	uint32_t entry = s->walk.walk.page;

	if (tables_want_page(f->tables, entry)) {
		s->module = NULL;
		s->entry = entry;
		return WAIT;
	}
	return s->attempts ? PROFD_END_NOT_LOADED : TRY_AGAIN;
}

/* Gets what the walk stopped for: TRY_AGAIN, WAIT, or how the stack ends. */
static int get_missing(struct finisher *f, struct stack *s)
{
	switch (s->walk.walk.missing) {
	case PROFD_MISSING_PROCESS:
		return use_space(f, s);
	case PROFD_MISSING_MAPPING:
		return find_mapping(f, s);
	case PROFD_MISSING_MODULE:
		return want_module(f, s);
	case PROFD_MISSING_PAGE:
		return want_page(f, s);
	default:
		return PROFD_END_RULE;
	}
}

/* Brings a stack as far as it goes. True if it was handed on; it is not in the list then. */
static bool advance(struct finisher *f, struct stack *s)
{
	struct profd_sample *sample = s->sample;
	int r;

	do {
		size_t n = sample->n_user;

		r = native_walk_run(
			&s->walk, sample->frames + sample->n_kernel, &n, PROFD_MAX_USER_FRAMES);
		if (n != sample->n_user)
			s->attempts = 0;
		sample->n_user = (uint16_t)n;
		if (r == WALK_MISS)
			r = get_missing(f, s);
		if (r == TRY_AGAIN && ++s->attempts > MAX_ATTEMPTS)
			r = PROFD_END_NOT_LOADED;
	} while (r == TRY_AGAIN);
	if (r == WAIT)
		return false;
	finish(f, s, r);
	return true;
}

/* ---- those that wait ---------------------------------------------------------------------- */

static void enqueue(struct finisher *f, struct stack *s)
{
	DL_APPEND(f->waiting, s);
	f->stats.waiting++;
	f->stats.waiting_bytes += s->bytes;
}

static void dequeue(struct finisher *f, struct stack *s)
{
	DL_DELETE(f->waiting, s);
	f->stats.waiting--;
	f->stats.waiting_bytes -= s->bytes;
}

/* The array that it was walked with may be no more: its process may have ended meanwhile. */
static void go_on(struct finisher *f, struct stack *s)
{
	int r = use_space(f, s);

	if (r != TRY_AGAIN)
		finish(f, s, r);
	else if (!advance(f, s))
		enqueue(f, s);
}

void finisher_add(struct finisher *f, const struct profd_sample *sample, struct process *process,
	uint64_t now)
{
	bool room = f->stats.waiting < MAX_WAITING && f->stats.waiting_bytes < f->max_bytes;
	struct stack *s = room ? stack_new(sample, process) : NULL;

	f->stats.misses[profd_sample_miss(sample)->missing]++;
	if (!s) {
		f->stats.refused++;
		f->done(f->userdata, sample, profd_sample_miss(sample), process);
		return;
	}
	s->deadline = now + PATIENCE_NS;
	s->walk.memory = f->memory;
	s->walk.tables = f->tables;
	native_walk_begin(&s->walk, s->miss);
	s->walk.walk.now = (uint32_t)(now >> TABLES_USED_SHIFT);
	go_on(f, s);
}

/* Handing one on can lead back to finisher_flush, so the list is gone through from its start after
 * each; those that were seen to wait for something else are marked by `pass`. */
void finisher_resume(struct finisher *f, const struct module *module, uint32_t entry)
{
	uint64_t pass = ++f->pass;
	struct stack *s;

	if (module)
		spaces_module_known(f->spaces);
	for (s = f->waiting; s;) {
		bool mine = module ? s->module == module : !s->module && s->entry == entry;

		if (!mine || s->pass == pass) {
			s = s->next;
			continue;
		}
		s->pass = pass;
		dequeue(f, s);
		go_on(f, s);
		s = f->waiting;
	}
}

static void give_up(struct finisher *f, struct stack *s)
{
	dequeue(f, s);
	f->stats.overdue++;
	finish(f, s, PROFD_END_NOT_LOADED);
}

/* They arrive in the order of their deadlines, but for those that went on and wait again. */
void finisher_expire(struct finisher *f, uint64_t now)
{
	for (struct stack *s = f->waiting; s;) {
		if (s->deadline > now) {
			s = s->next;
			continue;
		}
		give_up(f, s);
		s = f->waiting;
	}
}

void finisher_flush(struct finisher *f, uint32_t session)
{
	for (struct stack *s = f->waiting; s;) {
		if (s->sample->session != session) {
			s = s->next;
			continue;
		}
		give_up(f, s);
		s = f->waiting;
	}
}

uint64_t finisher_oldest(const struct finisher *f)
{
	const struct stack *s;
	uint64_t oldest = UINT64_MAX;

	DL_FOREACH (f->waiting, s) {
		if (s->sample->head.time < oldest)
			oldest = s->sample->head.time;
	}
	return oldest;
}

/* ------------------------------------------------------------------------------------------- */

int finisher_new(struct finisher **out, struct table_memory *memory, struct tables *tables,
	struct spaces *spaces, struct processes *processes, size_t max_bytes, finisher_done done,
	void *userdata)
{
	struct finisher *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->memory = memory;
	f->tables = tables;
	f->spaces = spaces;
	f->processes = processes;
	f->done = done;
	f->userdata = userdata;
	f->max_bytes = max_bytes;
	*out = f;
	return 0;
}

void finisher_free(struct finisher *f)
{
	struct stack *s, *next;

	if (!f)
		return;
	DL_FOREACH_SAFE(f->waiting, s, next)
	stack_free(s);
	free(f);
}

struct finisher_stats finisher_stats(const struct finisher *f)
{
	return f->stats;
}
