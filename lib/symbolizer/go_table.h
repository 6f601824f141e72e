/* SPDX-License-Identifier: MIT */
/*
 * go_table.h - functions, inlined calls and lines of Go programs from the table that their own
 * runtime needs (.gopclntab): it is there even in stripped ones.
 *
 * Source: Go's runtime, symtab.go, symtabinl.go and runtime2.go (BSD licence), and the design notes
 * "Go 1.2 Runtime Symbol Information". Read are the tables of Go 1.18 and later; 64-bit,
 * little-endian.
 */
#ifndef PROFD_SYMBOLIZER_GO_TABLE_H
#define PROFD_SYMBOLIZER_GO_TABLE_H

#include "symbolizer/elf_file.h"
#include "util/reader.h"

struct go_frame {
	const char *name;	   /* lives as long as the ELF file */
	const char *file;	   /* likewise; NULL: unknown */
	uint32_t line, start_line; /* 0: unknown */
};

struct go_table {
	const struct elf_file *file;
	struct reader names, units, files, values, functions; /* parts of the table */
	uint64_t n_functions;
	uint64_t text;	       /* address that all others count from */
	struct reader inlined; /* trees of inlined calls; empty: not found */
	uint32_t head_size;    /* of a function's fixed part */
	uint32_t call_size;    /* of an inlined call */
	uint32_t quantum;      /* that differences between addresses are counted in */
};

/* 0; -ENOENT: there is none; -ENOTSUP: of another version, or nobody can tell where the code
 * begins; -EBADMSG. */
int go_table_open(struct go_table *t, const struct elf_file *f);
/* The frames at an address, innermost first: how many, at most `max`; 0 outside of all functions.
 */
size_t go_table_frames(
	const struct go_table *t, uint64_t address, struct go_frame *frames, size_t max);

#endif
