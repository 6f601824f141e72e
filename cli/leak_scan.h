/* SPDX-License-Identifier: MIT */
/*
 * leak_scan.h - which blocks of memory a process can still reach: a conservative mark through its
 * memory. Each aligned word is a pointer if it looks like one into a block.
 *
 * A block is reachable if a root, or a reachable block, has a pointer to its start; possibly lost
 * if there are only pointers into the middle of it, or of one on the way to it; lost if there are
 * none; and indirectly lost if only lost blocks lead to it.
 */
#ifndef PROFD_CLI_LEAK_SCAN_H
#define PROFD_CLI_LEAK_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "profd/control.h"

struct leak_range {
	uint64_t start, end;
	bool starts_only; /* pointers into the middle are the allocator's own */
};

struct leak_roots {
	const struct leak_range *ranges; /* of memory */
	size_t n_ranges;
	const uint64_t *words; /* registers */
	size_t n_words;
};

struct leak_memory {
	/* Copies memory: returns how many bytes from `address` on could be read; 0: nothing worth
	 * reading is in that part; -1: its first page cannot be read. */
	ssize_t (*read)(void *userdata, uint64_t address, void *to, size_t size);
	void *userdata;
};

/* blocks: sorted by address. kinds: CONTROL_REACH_ characters, by block. 0 or -ENOMEM. */
int leak_scan(const struct control_block *blocks, size_t n, const struct leak_roots *roots,
	const struct leak_memory *memory, char *kinds);

#endif
