// SPDX-License-Identifier: MIT
/* test_heap_peak.c - what was in use when most was, against one who copies everything each time. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/heap.h"
#include "collector/heap_ages.h"
#include "collector/window.h"

#define ONE	  (1ULL << PROFD_WEIGHT_SHIFT)
#define STACKS	  7
#define ADDRESSES 64
#define STEPS	  1500

enum state { FREE, USED, HELD };

struct block {
	enum state state;
	uint64_t size, stack;
};

/* What of each stack was allocated, and in use. */
struct truth {
	uint64_t allocated[STACKS], bytes[STACKS], objects[STACKS];
};

struct late {
	uint64_t allocation, stack;
};

struct fixture {
	struct heap *heap;
	struct window *window;
	uint32_t ids[STACKS];
	struct block blocks[2][ADDRESSES]; /* of two processes */
	struct late late[STEPS];
	size_t n_late;
	struct truth now, peak;
	uint64_t in_use, max, max_time, time, random;
};

static struct profd_identity process_of(unsigned process)
{
	return (struct profd_identity){.pid = process + 1, .start_boottime = 1001 + process};
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct heap_limits limits = {.live = 1000};

	if (!f || heap_new(&f->heap, &limits, NULL, NULL) || heap_keep_peak(f->heap) ||
		window_new(&f->window, 0, 0, 1 << 24))
		return -1;
	window_keep_heap(f->window);
	for (uint64_t i = 0; i < STACKS; i++) {
		const struct frame frame = {NULL, i};
		const struct window_sample sample = {
			.pid = 1, .comm = "x", .frames = &frame, .n_frames = 1};

		if (window_add(f->window, &sample, &f->ids[i]))
			return -1;
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	heap_free(f->heap);
	window_unref(f->window);
	free(f);
	return 0;
}

/* ---- what happens --------------------------------------------------------------------------- */

static uint64_t draw(struct fixture *f, uint64_t below)
{
	f->random ^= f->random << 13;
	f->random ^= f->random >> 7;
	f->random ^= f->random << 17;
	return (f->random >> 20) % below;
}

static void use(struct fixture *f, const struct block *b)
{
	f->now.bytes[b->stack] += b->size;
	f->now.objects[b->stack]++;
	f->in_use += b->size;
	if (f->in_use <= f->max)
		return;
	f->max = f->in_use;
	f->max_time = f->time;
	f->peak = f->now;
}

static void use_no_more(struct fixture *f, const struct block *b)
{
	f->now.bytes[b->stack] -= b->size;
	f->now.objects[b->stack]--;
	f->in_use -= b->size;
}

static void place(struct fixture *f, size_t i)
{
	heap_place(f->heap, f->late[i].allocation, f->window, f->ids[f->late[i].stack]);
	f->late[i] = f->late[--f->n_late];
}

static void allocate(struct fixture *f, unsigned process, uint64_t address, bool late)
{
	struct block *b = &f->blocks[process][address];
	struct profd_alloc alloc = {
		.head.time = f->time,
		.address = 16 * address + 16,
		.kept = UINT32_MAX,
		.sample.process = process_of(process),
	};

	b->state = USED;
	b->size = 1 + draw(f, 1000);
	b->stack = draw(f, STACKS);
	alloc.size = b->size;
	alloc.weight = b->size * ONE;
	f->now.allocated[b->stack] += b->size;
	use(f, b);
	f->late[f->n_late++] = (struct late){heap_alloc(f->heap, &alloc, f->window), b->stack};
	if (!late)
		place(f, f->n_late - 1);
}

static void tell_freed(struct fixture *f, unsigned process, uint64_t address, uint32_t flags)
{
	const struct profd_free freed = {
		.head.time = f->time,
		.address = 16 * address + 16,
		.process = process_of(process),
		.flags = flags,
	};

	heap_freed(f->heap, &freed, f->window);
}

static void change(struct fixture *f, unsigned process, uint64_t address, bool late)
{
	struct block *b = &f->blocks[process][address];

	switch (b->state) {
	case FREE:
		allocate(f, process, address, late);
		break;
	case USED:
		/* Some are reallocs. */
		b->state = draw(f, 4) ? FREE : HELD;
		tell_freed(f, process, address, b->state == HELD ? PROFD_FREE_HELD : 0);
		use_no_more(f, b);
		break;
	case HELD:
		b->state = USED;
		tell_freed(f, process, address, PROFD_FREE_RESTORED);
		use(f, b);
		break;
	}
}

static void end_process(struct fixture *f, unsigned process)
{
	heap_end_process(f->heap, process + 1, f->time);
	for (size_t i = 0; i < ADDRESSES; i++) {
		if (f->blocks[process][i].state == USED)
			use_no_more(f, &f->blocks[process][i]);
		f->blocks[process][i].state = FREE;
	}
}

static void check(struct fixture *f)
{
	struct heap_moment *m;
	uint64_t time, bytes;

	assert_int_equal(heap_peak_moment(f->heap, f->window, &time, &bytes, &m), 0);
	assert_int_equal(time, f->max_time);
	assert_int_equal(bytes, f->max);
	assert_int_equal(m->n_stacks, STACKS);
	for (size_t i = 0; i < STACKS; i++) {
		const struct window_heap *sums = &m->sums[f->ids[i]];

		assert_int_equal(sums->alloc_bytes, f->peak.allocated[i] * ONE);
		assert_int_equal(sums->inuse_bytes, f->peak.bytes[i] * ONE);
		assert_int_equal(sums->inuse_objects, f->peak.objects[i] * ONE);
	}
	heap_moment_free(m);
}

/* ---- tests ---------------------------------------------------------------------------------- */

/* late: stacks come after a while, in another order. */
static void run(struct fixture *f, uint64_t seed, bool late)
{
	f->random = seed * 88172645463325252ULL + 1;
	for (int i = 0; i < STEPS; i++) {
		f->time = 1000 + (uint64_t)i;
		change(f, (unsigned)draw(f, 2), draw(f, ADDRESSES), late);
		if (f->n_late && draw(f, 3))
			place(f, draw(f, f->n_late));
		if (!draw(f, 500))
			end_process(f, (unsigned)draw(f, 2));
		if (!late)
			check(f);
	}
	while (f->n_late)
		place(f, 0);
	check(f);
}

static void over_seeds(void **state, bool late)
{
	for (uint64_t seed = 1; seed <= 40; seed++) {
		void *own;

		assert_int_equal(setup(&own), 0);
		run(own, seed, late);
		teardown(&own);
	}
}

static void test_at_every_moment(void **state)
{
	over_seeds(state, false);
}

static void test_stacks_that_come_late(void **state)
{
	over_seeds(state, true);
}

static void test_nothing(void **state)
{
	struct fixture *f = *state;
	struct heap_moment *m;
	uint64_t time, bytes;

	assert_int_equal(heap_peak_moment(f->heap, f->window, &time, &bytes, &m), -ENODATA);
	assert_null(m);
	/* What nobody sees freed is allocated, and not in use. */
	struct profd_alloc alloc = {
		.address = 16,
		.size = 5,
		.weight = 5 * ONE,
		.kept = UINT32_MAX,
		.flags = PROFD_ALLOC_UNTRACKED,
		.sample.process = process_of(0),
	};
	heap_place(f->heap, heap_alloc(f->heap, &alloc, f->window), f->window, f->ids[0]);
	assert_int_equal(heap_peak_moment(f->heap, f->window, &time, &bytes, &m), -ENODATA);
	f->now.allocated[0] = 5;
	allocate(f, 0, 3, false);
	check(f);
}

static void test_what_is_limited(void **state)
{
	struct fixture *f = *state;
	struct heap_moment *m;
	uint64_t time, bytes;

	allocate(f, 0, 3, false);
	check(f);
	assert_int_equal(heap_limit(f->heap, 1, UINT32_MAX / 2, 0, f->window), 0);
	assert_int_equal(heap_peak_moment(f->heap, f->window, &time, &bytes, &m), -ENODATA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_at_every_moment),
		cmocka_unit_test(test_stacks_that_come_late),
		cmocka_unit_test_setup_teardown(test_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_limited, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
