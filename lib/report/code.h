/* SPDX-License-Identifier: MIT */
/*
 * code.h - the instructions that the lines of a function became, wherever it was inlined, with what
 * was counted in each: for weblist. They are read from the binaries that the mappings name. Where
 * those have no debug information, only instructions with samples are known by their line.
 */
#ifndef PROFD_REPORT_CODE_H
#define PROFD_REPORT_CODE_H

#include "report/private.h"

struct code_place {
	const char *file, *directory; /* as long as the coder is; NULL if unknown */
	int64_t line;
};

struct code_instruction {
	int64_t line; /* of the function */
	uint64_t address;
	unsigned length;
	char *text;
	int64_t flat, cum;
	/* Where it is from, if the line calls what was inlined: the lines of the inlined functions,
	 * the outermost first. */
	struct code_place *inlined;
	size_t n_inlined;
};

struct code {
	struct code_instruction *items; /* by line, then by address */
	size_t n, capacity;
};

struct coder;

/* For a graph whose lines are told apart, of a report that has kept its addresses. 0, -ENOMEM. */
int coder_new(struct coder **out, struct report *r, const struct graph *g);
void coder_free(struct coder *c);
/* What the function of a place, in its file, became. Why a binary cannot be read is logged, once.
 * 0, -ENOMEM; code_free() also then. */
int coder_find(struct coder *c, const struct graph_place *place, struct code *out);
void code_free(struct code *code);

#endif
