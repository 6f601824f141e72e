/* SPDX-License-Identifier: MIT */
/*
 * process_fixture.h - processes that do not exist, with the mappings that a test gives them; pids
 * are above every pid_max.
 */
#ifndef PROFD_TEST_PROCESS_FIXTURE_H
#define PROFD_TEST_PROCESS_FIXTURE_H

#include "collector/process.h"
#include "fake_clock.h"
#include "fake_unwinder.h"

#define PID 1900000001u

static inline struct process *new_process(uint32_t pid, uint64_t start, uint32_t exec_id)
{
	const struct profd_identity identity = {
		.pid = pid, .start_boottime = start, .exec_id = exec_id};
	struct process *process = process_new(&identity);

	assert_non_null(process);
	return process;
}

/* Maps a module's first 64 KiB, or unmaps (NULL). */
static inline void map(struct process *process, uint64_t start, struct module *module)
{
	assert_int_equal(mappings_add(&process->mappings, start, UNWIND_PAGE_SIZE, 0, module), 0);
}

#endif
