/* SPDX-License-Identifier: MIT */
/*
 * space.h - the address space of a process as a capture tells it, and libdwfl's walk through the
 * dump of a stack in it.
 */
#ifndef TRUTH_SPACE_H
#define TRUTH_SPACE_H

#include <elfutils/libdwfl.h>

#include "capture_file.h"
#include "code.h"

struct mapping {
	uint64_t start, end, offset;
	struct code_file *file; /* NULL: anonymous, or gone */
	uint64_t bias;
	char *name; /* base name of its path; "" if anonymous */
};

/* What libdwfl reads instead of a thread's memory. */
struct dump {
	const struct capture_record *record;
	/* It asked for what is behind the dump's end, on the way to the last caller; for what is
	 * below the stack pointer, where a register was saved that the code has taken back. */
	bool ended, below;
};

struct space {
	struct mapping *mappings; /* by address */
	size_t count, capacity;
	Dwfl *dwfl;
	struct dump dump;
};

#define WALK_FRAMES 1024

enum walk_end {
	WALK_ROOT,   /* CFI says that there is no caller */
	WALK_DUMP,   /* the dump does not have what leads to the caller */
	WALK_FAILED, /* libdwfl did not find a caller */
	WALK_LIMIT,
};

struct walk {
	uint64_t frames[WALK_FRAMES];
	size_t count;
	enum walk_end end;
};

/* A space by the lines of a CAPTURE_MAPS record. 0 or -errno. */
int space_new(struct space **made, struct code_files *files, const char *maps, size_t size);
void space_free(struct space *space);

/* The mapping that holds an address, or NULL. */
const struct mapping *space_find(const struct space *space, uint64_t address);
/* The name of the program: of the first file that is mapped. */
const char *space_program(const struct space *space);

enum cfi_kind {
	CFI_NONE,
	CFI_NORMAL,
	CFI_SIGNAL,
	CFI_ROOT, /* it says that there is no caller */
};
/* Whether there is CFI for the instruction at an address, as libdw sees it. */
enum cfi_kind space_cfi(const struct space *space, uint64_t address);

/* Unwinds a sample. */
void space_walk(struct space *space, const struct capture_record *sample, struct walk *walk);

#endif
