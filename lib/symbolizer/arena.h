/* SPDX-License-Identifier: MIT */
/*
 * arena.h - memory that is given back as a whole, in a scratch file or on the heap. What lies in a
 * file (unlinked, so that it goes with the process) is no private memory: the kernel writes it out
 * when it needs the room.
 */
#ifndef PROFD_SYMBOLIZER_ARENA_H
#define PROFD_SYMBOLIZER_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Several arenas can lie in one file. */
struct scratch_file {
	int fd;
	uint64_t size; /* up to where it may be used */
	uint64_t end;  /* of what is taken */
	uint64_t used; /* of that: what was given back between has no place on the disk */
	bool lacked;   /* somebody found no room in it; whoever wants to know clears it */
};

struct arena_chunk {
	uint8_t *bytes;
	size_t size;
	uint64_t offset; /* in the file */
};

/* Zero-initialised is empty. */
struct arena {
	struct scratch_file *file; /* borrowed; NULL: on the heap */
	struct arena_chunk *chunks;
	size_t n_chunks, capacity;
	size_t used;  /* of the last chunk */
	size_t bytes; /* of all chunks */
};

/* More than the debug information of any program takes: a bomb stops here, if the file has not
 * stopped it before. */
#define ARENA_MAX (4ULL << 30)
/* On the heap, which its owner limits further, there is no file to stop it. */
#define ARENA_HEAP_MAX (1ULL << 30)

/* Aligned for anything, not zeroed; or NULL: no memory, the disk is full, or the limits above. */
void *arena_alloc(struct arena *a, size_t size);
/* A copy of n elements; n may be 0. NULL as above. */
void *arena_copy(struct arena *a, const void *from, size_t n, size_t size);
/* Gives back what was allocated last, which had that size. */
void arena_undo(struct arena *a, size_t size);
/* What lies at the end of the file is free there, too; all of it once nobody has anything in it. */
void arena_free(struct arena *a);

#endif
