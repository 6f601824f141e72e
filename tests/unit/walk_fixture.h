/* SPDX-License-Identifier: MIT */
/* walk_fixture.h - the whole walk (bpf/unwind_walk.h, natively) on the stack of a made-up program.
 */
#ifndef PROFD_TEST_WALK_FIXTURE_H
#define PROFD_TEST_WALK_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "collector/native_walk.h"
#include "stack_fixture.h"

#define PAGE (1u << PROFD_MISS_PAGE_SHIFT)

static struct program *p;
static struct native_walk walk;
static __u64 frames[PROFD_MAX_USER_FRAMES];
static size_t n_frames;

static inline int setup(void **state)
{
	p = program_new(1);
	return p ? 0 : -1;
}

static inline int teardown(void **state)
{
	program_free(p);
	return 0;
}

/* With p->miss as it is. */
static inline int go(void)
{
	walk = (struct native_walk){.memory = p->memory};
	walk.walk.count = 1;
	walk.walk.now = 77;
	native_walk_begin(&walk, &p->miss);
	frames[0] = p->miss.ip;
	n_frames = 1;
	return native_walk_run(&walk, frames, &n_frames, PROFD_MAX_USER_FRAMES);
}

static inline int walk_program(void)
{
	take_miss(p);
	return go();
}

/* The stack is what the program did. */
static inline void expect_program(void)
{
	__u64 expected[PROFD_MAX_USER_FRAMES];
	size_t n;
	int end = expected_stack(p, expected, &n);

	assert_int_equal(walk_program(), end);
	assert_int_equal(n_frames, n);
	assert_memory_equal(frames, expected, n * sizeof(*frames));
}

/* main, called by the root. */
static inline void begin(void)
{
	unsigned root = add_function(p, ROOT_END, 2, 0), main = add_function(p, BY_SP, 4, 1);

	call(p, root, 7);
	call(p, main, 20);
}

/* ... which has called a function that is not in the table yet. */
static inline void begin_with(enum how how, unsigned words, unsigned slot)
{
	begin();
	call(p, add_function(p, how, words, slot), 33);
	map_code(p);
}

#endif
