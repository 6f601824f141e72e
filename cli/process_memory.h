/* SPDX-License-Identifier: MIT */
/*
 * process_memory.h - the memory of a process that stands still: reading it, and which parts of it
 * are roots of a leak scan.
 *
 * Sources: proc_pid_maps(5), proc_pid_mem(5); Documentation/admin-guide/mm/pagemap.rst.
 */
#ifndef PROFD_CLI_PROCESS_MEMORY_H
#define PROFD_CLI_PROCESS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "leak_scan.h"

struct process_memory {
	int mem, pagemap; /* pagemap: -1 where it cannot be had */
};

/* 0 or -errno; to be closed also then. */
int process_memory_open(struct process_memory *m, pid_t tid);
void process_memory_close(struct process_memory *m);
/* For struct leak_memory. Pages that were never touched are not worth reading. */
ssize_t process_memory_read(void *memory, uint64_t address, void *to, size_t size);

/* Roots, from the text of a maps file: what can be written to, of stacks what is in use, without
 * the blocks. complete: there are no other blocks; then what an allocator has around them, where
 * freed ones lie, is no root either. stacks: stack pointers. *out is to be freed. 0 or -ENOMEM. */
struct process_memory_facts {
	const struct control_block *blocks;
	size_t n_blocks;
	bool complete;
	const uint64_t *stacks;
	size_t n_stacks;
};
int process_memory_roots(
	FILE *maps, const struct process_memory_facts *facts, struct leak_range **out, size_t *n);

#endif
