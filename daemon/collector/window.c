/* SPDX-License-Identifier: MIT */
#include "collector/window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "util/grow.h"
#include "util/intern.h"

#define NS_PER_SECOND 1000000000ULL

struct window {
	unsigned references;
	uint64_t start, samples;
	uint32_t subsecond;
	size_t max_bytes;
	bool keep_times, keep_heap;

	/* Entry 0 of frames and comms is unused: the index knows ids from 1 on. Stacks and activity
	 * have id = index + 1. */
	struct window_frame *frames;
	size_t n_frames, frames_capacity;
	struct intern frame_index;

	struct window_stack *stacks;
	size_t n_stacks, stacks_capacity;
	struct window_heap *heap; /* keep_heap: of each stack */
	size_t heap_capacity;
	struct intern stack_index;
	uint32_t *ids; /* pool of the stacks' frame ids */
	size_t n_ids, ids_capacity;

	char (*comms)[PROFD_COMM_LEN];
	size_t n_comms, comms_capacity;
	struct intern comm_index;

	struct window_activity *activity;
	size_t n_activity, activity_capacity;
	struct intern activity_index;

	uint32_t *scratch; /* frame ids of the sample that is being added */
	size_t scratch_capacity;
};

int window_new(struct window **out, uint64_t start, uint32_t subsecond, size_t max_bytes)
{
	struct window *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->references = 1;
	w->start = start;
	w->subsecond = subsecond;
	w->max_bytes = max_bytes;
	if (grow(w->frames, 0, w->frames_capacity, 1) || grow(w->comms, 0, w->comms_capacity, 1)) {
		window_unref(w);
		return -ENOMEM;
	}
	memset(&w->frames[0], 0, sizeof(w->frames[0]));
	memset(&w->comms[0], 0, sizeof(w->comms[0]));
	w->n_frames = w->n_comms = 1;
	*out = w;
	return 0;
}

void window_keep_times(struct window *w)
{
	w->keep_times = true;
}

void window_keep_heap(struct window *w)
{
	w->keep_heap = true;
}

struct window_heap *window_heap(const struct window *w, uint32_t stack)
{
	return w->keep_heap ? &w->heap[stack] : NULL;
}

struct window *window_ref(struct window *w)
{
	w->references++;
	return w;
}

void window_unref(struct window *w)
{
	if (!w || --w->references)
		return;
	for (size_t i = 1; i < w->n_frames; i++)
		module_unref(w->frames[i].module);
	for (size_t i = 0; i < w->n_stacks; i++)
		process_unref(w->stacks[i].process);
	free(w->frames);
	free(w->stacks);
	free(w->heap);
	free(w->ids);
	free(w->comms);
	free(w->activity);
	free(w->scratch);
	intern_free(&w->frame_index);
	intern_free(&w->stack_index);
	intern_free(&w->comm_index);
	intern_free(&w->activity_index);
	free(w);
}

size_t window_bytes(const struct window *w)
{
	return sizeof(*w) + w->n_frames * sizeof(*w->frames) + w->n_stacks * sizeof(*w->stacks) +
	       (w->keep_heap ? w->n_stacks * sizeof(*w->heap) : 0) + w->n_ids * sizeof(*w->ids) +
	       w->n_comms * sizeof(*w->comms) + w->n_activity * sizeof(*w->activity) +
	       intern_bytes(&w->frame_index) + intern_bytes(&w->stack_index) +
	       intern_bytes(&w->comm_index) + intern_bytes(&w->activity_index);
}

/* What is new needs room; what is there already is counted even in a full window. */
static int room(const struct window *w)
{
	return window_bytes(w) < w->max_bytes ? 0 : -ENOSPC;
}

/* ---- frames ------------------------------------------------------------------------------- */

struct frame_key {
	const struct window *window;
	const struct frame *frame;
};

static bool frame_equal(const void *userdata, uint32_t id)
{
	const struct frame_key *key = userdata;
	const struct window_frame *have = &key->window->frames[id];

	return have->module == key->frame->module && have->offset == key->frame->offset;
}

static int add_frame(struct window *w, const struct frame *frame, uint32_t *id)
{
	struct frame_key key = {w, frame};
	uint64_t hash = XXH3_64bits_withSeed(
		&frame->offset, sizeof(frame->offset), (uintptr_t)frame->module);
	int r;

	*id = intern_find(&w->frame_index, hash, frame_equal, &key);
	if (*id)
		return 0;
	r = room(w);
	if (!r)
		r = grow(w->frames, w->n_frames, w->frames_capacity, 1);
	if (!r)
		r = intern_add(&w->frame_index, hash, (uint32_t)w->n_frames);
	if (r)
		return r;
	*id = (uint32_t)w->n_frames;
	w->frames[w->n_frames++] = (struct window_frame){
		.module = frame->module ? module_ref(frame->module) : NULL,
		.offset = frame->offset,
	};
	return 0;
}

/* ---- comms -------------------------------------------------------------------------------- */

struct comm_key {
	const struct window *window;
	const char *comm;
};

static bool comm_equal(const void *userdata, uint32_t id)
{
	const struct comm_key *key = userdata;

	return !strcmp(key->window->comms[id], key->comm);
}

static int add_comm(struct window *w, const char *comm, uint32_t *id)
{
	char text[PROFD_COMM_LEN] = "";
	struct comm_key key = {w, text};
	uint64_t hash;
	int r;

	strncat(text, comm, sizeof(text) - 1);
	hash = XXH3_64bits(text, strlen(text));
	*id = intern_find(&w->comm_index, hash, comm_equal, &key);
	if (*id)
		return 0;
	r = room(w);
	if (!r)
		r = grow(w->comms, w->n_comms, w->comms_capacity, 1);
	if (!r)
		r = intern_add(&w->comm_index, hash, (uint32_t)w->n_comms);
	if (r)
		return r;
	*id = (uint32_t)w->n_comms;
	memcpy(w->comms[w->n_comms++], text, sizeof(text));
	return 0;
}

/* ---- stacks ------------------------------------------------------------------------------- */

struct stack_key {
	const struct window *window;
	const struct window_stack *stack;
	const uint32_t *ids;
};

static bool stack_equal(const void *userdata, uint32_t id)
{
	const struct stack_key *key = userdata;
	const struct window_stack *have = &key->window->stacks[id - 1], *want = key->stack;

	return have->process == want->process && have->pid == want->pid && have->tid == want->tid &&
	       have->comm == want->comm && have->end == want->end &&
	       have->n_frames == want->n_frames &&
	       !memcmp(&key->window->ids[have->first], key->ids,
		       want->n_frames * sizeof(*key->ids));
}

static uint64_t stack_hash(const struct window_stack *s, const uint32_t *ids)
{
	const uint64_t head[] = {(uintptr_t)s->process, (uint64_t)s->pid << 32 | s->tid,
		(uint64_t)s->comm << 8 | s->end};

	return XXH3_64bits_withSeed(
		ids, s->n_frames * sizeof(*ids), XXH3_64bits(head, sizeof(head)));
}

/* For the stack that is going to be the next one. */
static int add_stack_frames(
	struct window *w, struct window_stack *stack, const uint32_t *ids, uint64_t hash)
{
	int r = grow(w->ids, w->n_ids, w->ids_capacity, stack->n_frames);

	if (!r)
		r = intern_add(&w->stack_index, hash, (uint32_t)w->n_stacks + 1);
	if (r)
		return r;
	stack->first = (uint32_t)w->n_ids;
	if (stack->n_frames)
		memcpy(&w->ids[w->n_ids], ids, stack->n_frames * sizeof(*ids));
	w->n_ids += stack->n_frames;
	return 0;
}

/* stack->count: how many more of it there are. */
static int count_stack(
	struct window *w, struct window_stack *stack, const uint32_t *ids, uint32_t *number)
{
	struct stack_key key = {w, stack, ids};
	uint64_t hash = stack_hash(stack, ids);
	uint32_t id = intern_find(&w->stack_index, hash, stack_equal, &key);
	int r;

	if (id && !w->keep_times) {
		w->stacks[id - 1].count += stack->count;
		*number = id - 1;
		return 0;
	}
	r = room(w);
	if (!r)
		r = grow(w->stacks, w->n_stacks, w->stacks_capacity, 1);
	if (!r && w->keep_heap)
		r = grow(w->heap, w->n_stacks, w->heap_capacity, 1);
	if (!r && !id)
		r = add_stack_frames(w, stack, ids, hash);
	if (r)
		return r;
	/* Samples that keep their time share the frames of the first with that stack. */
	if (id)
		stack->first = w->stacks[id - 1].first;
	if (stack->process)
		process_ref(stack->process);
	if (w->keep_heap)
		w->heap[w->n_stacks] = (struct window_heap){0};
	*number = (uint32_t)w->n_stacks;
	w->stacks[w->n_stacks++] = *stack;
	return 0;
}

/* ---- activity ----------------------------------------------------------------------------- */

struct activity_key {
	const struct window *window;
	uint32_t second, pid;
};

static bool activity_equal(const void *userdata, uint32_t id)
{
	const struct activity_key *key = userdata;
	const struct window_activity *have = &key->window->activity[id - 1];

	return have->second == key->second && have->pid == key->pid;
}

static int count_activity(struct window *w, uint64_t time, uint32_t pid)
{
	/* A late record can be older than the window it is counted in. */
	uint64_t since = time > w->start ? time - w->start : 0;
	uint32_t second = (uint32_t)((since + w->subsecond) / NS_PER_SECOND);
	struct activity_key key = {w, second, pid};
	const uint32_t text[] = {second, pid};
	uint64_t hash = XXH3_64bits(text, sizeof(text));
	uint32_t id = intern_find(&w->activity_index, hash, activity_equal, &key);
	int r;

	if (!id) {
		r = room(w);
		if (!r)
			r = grow(w->activity, w->n_activity, w->activity_capacity, 1);
		if (!r)
			r = intern_add(&w->activity_index, hash, (uint32_t)w->n_activity + 1);
		if (r)
			return r;
		w->activity[w->n_activity++] = (struct window_activity){second, pid, 0};
		id = (uint32_t)w->n_activity;
	}
	w->activity[id - 1].samples++;
	return 0;
}

static int compare_activity(const void *a, const void *b)
{
	const struct window_activity *x = a, *y = b;

	if (x->second != y->second)
		return x->second < y->second ? -1 : 1;
	return (x->pid > y->pid) - (x->pid < y->pid);
}

int window_activity(const struct window *w, struct window_activity **out, size_t *n)
{
	struct window_activity *sorted = calloc(w->n_activity + 1, sizeof(*sorted));

	if (!sorted)
		return -ENOMEM;
	if (w->n_activity)
		memcpy(sorted, w->activity, w->n_activity * sizeof(*sorted));
	qsort(sorted, w->n_activity, sizeof(*sorted), compare_activity);
	*out = sorted;
	*n = w->n_activity;
	return 0;
}

/* ---- the whole ---------------------------------------------------------------------------- */

int window_add(struct window *w, const struct window_sample *sample, uint32_t *number)
{
	struct window_stack stack = {
		.process = sample->process,
		.pid = sample->pid,
		.tid = sample->tid,
		.n_frames = (uint32_t)sample->n_frames,
		.end = (uint8_t)sample->end,
		.count = 1,
		.time = w->keep_times ? sample->time : 0,
	};
	int r = grow(w->scratch, 0, w->scratch_capacity, sample->n_frames);

	for (size_t i = 0; !r && i < sample->n_frames; i++)
		r = add_frame(w, &sample->frames[i], &w->scratch[i]);
	if (!r)
		r = add_comm(w, sample->comm, &stack.comm);
	if (!r)
		r = count_stack(w, &stack, w->scratch, number);
	if (r)
		return r;
	w->samples++;
	/* A timeline that lacks an entry is no lost sample. */
	(void)count_activity(w, sample->time, sample->pid);
	return 0;
}

static int carry(struct window *w, const struct window *from, const struct window_stack *there,
	uint32_t *number)
{
	struct window_stack stack = *there;
	const uint32_t *ids = window_stack_frames(from, there);
	int r = grow(w->scratch, 0, w->scratch_capacity, there->n_frames);

	stack.count = 0;
	for (size_t i = 0; !r && i < there->n_frames; i++) {
		const struct window_frame *f = window_frame(from, ids[i]);
		const struct frame frame = {.module = f->module, .offset = f->offset};

		r = add_frame(w, &frame, &w->scratch[i]);
	}
	if (!r)
		r = add_comm(w, window_comm(from, there->comm), &stack.comm);
	return r ? r : count_stack(w, &stack, w->scratch, number);
}

int window_carry(
	struct window *w, const struct window *from, uint32_t stack_there, uint32_t *number)
{
	size_t max_bytes = w->max_bytes, before = window_bytes(w);
	int r;

	w->max_bytes = SIZE_MAX;
	r = carry(w, from, window_stack(from, stack_there), number);
	/* As long as it lives it comes again: it is not to take the place of what is new. */
	w->max_bytes = max_bytes + (window_bytes(w) - before);
	return r;
}

uint64_t window_start(const struct window *w)
{
	return w->start;
}

uint64_t window_samples(const struct window *w)
{
	return w->samples;
}

size_t window_n_frames(const struct window *w)
{
	return w->n_frames - 1;
}

const struct window_frame *window_frame(const struct window *w, uint32_t id)
{
	return &w->frames[id];
}

size_t window_n_stacks(const struct window *w)
{
	return w->n_stacks;
}

const struct window_stack *window_stack(const struct window *w, size_t i)
{
	return &w->stacks[i];
}

const uint32_t *window_stack_frames(const struct window *w, const struct window_stack *stack)
{
	return &w->ids[stack->first];
}

const char *window_comm(const struct window *w, uint32_t comm)
{
	return w->comms[comm];
}
