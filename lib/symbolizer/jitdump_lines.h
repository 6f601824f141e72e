/* SPDX-License-Identifier: MIT */
/*
 * jitdump_lines.h - line tables of a jitdump (records JIT_CODE_DEBUG_INFO): from which address on
 * code comes from which line of which file.
 *
 * Two things that writers do make a table unsure. Many (V8, LLVM) add 64 to each address, since
 * perf takes away so much; whether one does, all tables of the file tell together. And V8 writes
 * names of files that are whatever lay in memory; from there on, nothing is where it should be. So
 * a table counts only if all of it makes sense.
 */
#ifndef PROFD_SYMBOLIZER_JITDUMP_LINES_H
#define PROFD_SYMBOLIZER_JITDUMP_LINES_H

#include <stdbool.h>

#include "symbolizer/jitdump_file.h"

#define JITDUMP_SHIFT 64u /* the size of an ELF header */

/* Where a table is, and what it is of. The writer may change the record meanwhile: what was checked
 * is kept, not read again. */
struct jitdump_table {
	uint64_t at, end; /* of the record; at 0: there is none */
	uint64_t n_entries;
	uint64_t code;	/* the address at which the code was loaded */
	uint64_t size;	/* of that code, which the caller sets */
	uint64_t first; /* the address of its first entry; UINT64_MAX: it has none */
};

struct jitdump_line {
	uint64_t file; /* where its name is in the dump; 0: there is no line */
	size_t file_size;
	uint32_t line;
};

struct jitdump_asked {
	uint64_t offset; /* behind the begin of the code */
	uint64_t from;	 /* that of the entry its line is from */
	struct jitdump_line line;
};

/* Reads the head of a table that the record at `at` should be. False: it is none. */
bool jitdump_table_read(struct jitdump_file *f, uint64_t at, const struct jitdump_record *record,
	struct jitdump_table *table);

/* Takes `bytes` that were looked at, and a share of those read meanwhile, from *budget. False: so
 * much is not left, and nothing is now. */
bool jitdump_spend(struct jitdump_file *f, uint64_t *budget, uint64_t bytes);

/* The lines of n places in code, sorted by offset; line.file is 0 where there is none. `shift`:
 * what is to be taken from all addresses. Goes through the table once, and counts *budget down by
 * the bytes looked at. False: the table makes no sense, or *budget is used up; then the lines mean
 * nothing. */
bool jitdump_table_lines(struct jitdump_file *f, const struct jitdump_table *table, uint64_t shift,
	uint64_t *budget, struct jitdump_asked *asked, size_t n);

#endif
