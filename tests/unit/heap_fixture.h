/* SPDX-License-Identifier: MIT */
/* heap_fixture.h - a heap and a window, and what is allocated in stacks of one frame. */
#ifndef PROFD_TEST_HEAP_FIXTURE_H
#define PROFD_TEST_HEAP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "collector/heap.h"
#include "collector/window.h"

#define ONE    (1ULL << PROFD_WEIGHT_SHIFT)
#define SECOND 1000000000ULL

struct fixture {
	struct heap *heap;
	struct window *window;
	unsigned forgotten;
};

static inline void forgotten(void *userdata, uint64_t address, uint32_t pid, uint64_t time)
{
	struct fixture *f = userdata;

	assert_int_equal(address % 16, 0);
	assert_int_equal(pid, 1 + address / 16 % 2);
	f->forgotten++;
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	const struct heap_limits limits = {.live = 100, .traced = 40};

	if (!f || heap_new(&f->heap, &limits, forgotten, f) ||
		window_new(&f->window, 0, 0, 1 << 24))
		return -1;
	window_keep_heap(f->window);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	heap_free(f->heap);
	window_unref(f->window);
	free(f);
	return 0;
}

static inline struct profd_alloc alloc_of(
	uint32_t pid, uint64_t address, uint64_t size, uint64_t weight)
{
	return (struct profd_alloc){
		.address = address,
		.size = size,
		.weight = weight,
		.kept = UINT32_MAX,
		.sample.process = {.pid = pid, .start_boottime = 1000 + pid},
	};
}

/* The stack with this number as its only frame. */
static inline uint32_t stack(struct fixture *f, uint64_t number)
{
	const struct frame frame = {NULL, number};
	uint32_t id;

	assert_int_equal(window_add(f->window,
				 &(struct window_sample){
					 .pid = 1, .comm = "x", .frames = &frame, .n_frames = 1},
				 &id),
		0);
	return id;
}

static inline void take(
	struct fixture *f, uint32_t pid, uint64_t address, uint64_t size, uint64_t number)
{
	struct profd_alloc alloc = alloc_of(pid, address, size, size * ONE);
	uint64_t allocation = heap_alloc(f->heap, &alloc, f->window);

	assert_int_not_equal(allocation, 0);
	heap_place(f->heap, allocation, f->window, stack(f, number));
}

static inline void give_back(struct fixture *f, uint32_t pid, uint64_t address)
{
	const struct profd_free freed = {
		.address = address,
		.process = {.pid = pid, .start_boottime = 1000 + pid},
	};

	heap_freed(f->heap, &freed, f->window);
}

static inline void assert_sums(struct fixture *f, uint64_t number, uint64_t alloc_objects,
	uint64_t alloc_bytes, uint64_t inuse_objects, uint64_t inuse_bytes)
{
	const struct window_heap *sums = window_heap(f->window, stack(f, number));

	assert_int_equal(sums->alloc_objects, alloc_objects * ONE);
	assert_int_equal(sums->alloc_bytes, alloc_bytes * ONE);
	assert_int_equal(sums->inuse_objects, inuse_objects * ONE);
	assert_int_equal(sums->inuse_bytes, inuse_bytes * ONE);
}

#endif
