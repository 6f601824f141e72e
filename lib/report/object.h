/* SPDX-License-Identifier: MIT */
/*
 * object.h - the machine code of a binary that a mapping names: its symbols, and instructions with
 * the source lines that its DWARF has for them. The files are the user's own and are parsed by
 * libdw, here in the user's process.
 */
#ifndef PROFD_REPORT_OBJECT_H
#define PROFD_REPORT_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/profile.h"

struct object;

/* Opens the file of a mapping. 0 or -errno with a line in `why`: -ESTALE if it has another build-id
 * than the mapping. */
int object_open(struct object **out, const struct profile *p, const struct mapping *m, char *why,
	size_t why_size);
void object_close(struct object *o);

/* Symbols by address; several may have one. */
struct object_symbol {
	uint64_t address;
	const char *name;
};
const struct object_symbol *object_symbols(const struct object *o, size_t *n);

/* Where an address of the process lies in the file. False outside of the mapping. */
bool object_address(const struct object *o, uint64_t address, uint64_t *out);

struct instruction {
	uint64_t address;
	unsigned length;  /* bytes */
	char text[224];	  /* "mov    %rsp,%rbp" */
	const char *file; /* NULL if unknown; as long as the object is open */
	int line;
};

/* Disassembles [start, end) of the file, AT&T's syntax unless `intel`; `each` is called for each
 * instruction. 0, -ENOTSUP (not x86-64), -ENODATA (no code there), -ENOMEM. */
int object_disassemble(struct object *o, uint64_t start, uint64_t end, bool intel,
	void (*each)(void *arg, const struct instruction *i), void *arg);

/* A function that an instruction belongs to, and where in it. Texts last as long as the object. */
struct object_frame {
	const char *name, *linkage_name; /* NULL if unknown */
	const char *file;		 /* likewise */
	const char *directory;		 /* that a relative `file` is below; NULL if unknown */
	int line;			 /* 0 if unknown */
};

#define OBJECT_FRAMES_MAX 32

/* The functions that an instruction belongs to by the DWARF: the innermost inlined one first, the
 * one that has the code last. Returns how many, 0 without debug information. */
size_t object_frames(
	struct object *o, uint64_t address, struct object_frame frames[OBJECT_FRAMES_MAX]);

#endif
