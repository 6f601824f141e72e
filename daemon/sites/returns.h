/* SPDX-License-Identifier: MIT */
/*
 * returns.h - the rets by which a function can be left: its own, and those of functions that it
 * jumps to as its last act. Return probes are of no use where an exception may pass; probes on
 * these are.
 *
 * The code is followed from the entry on, both ways at each branch, over calls, but not into them.
 * What catches an exception is not followed: who comes there has got no memory.
 */
#ifndef PROFD_SITES_RETURNS_H
#define PROFD_SITES_RETURNS_H

#include "sites/image.h"
#include "symbolizer/plt_x86_64.h"
#include "unwind/cfi_header.h"

/* Instructions of one function, and those that it jumps to. */
#define RETURNS_MAX_STEPS 4096
/* Places from which it is still to be followed. */
#define RETURNS_MAX_TODO 256
/* Functions of a file that never return. */
#define RETURNS_MAX_ENDLESS 64

struct returns {
	const struct image *image; /* borrowed */
	struct plt plt;
	struct cfi_header frames; /* where functions begin; without a table nobody knows */
	uint64_t endless[RETURNS_MAX_ENDLESS];
	size_t n_endless;
	unsigned steps, lookups; /* that are left for all functions of the file */

	/* Of the function that is followed. */
	uint64_t seen[2 * RETURNS_MAX_STEPS]; /* addresses, hashed; 0: a free place */
	size_t n_seen;
	uint64_t todo[RETURNS_MAX_TODO];
	size_t n_todo;
};

void returns_open(struct returns *r, const struct image *image);
/* To be told each function that the file has a name for, before returns_find. */
void returns_learn(struct returns *r, const char *name, uint64_t address);
/* Writes their addresses, at most `max`. Returns how many there are; 0: not all of them can be
 * found, or there are more. */
size_t returns_find(struct returns *r, uint64_t function, uint64_t *rets, size_t max);

#endif
