/* SPDX-License-Identifier: MIT */
/* weblist.h - the same as list.c prints, with the instructions of each line behind it, as one HTML
 * page that needs nothing else. */
#ifndef PROFD_REPORT_WEBLIST_H
#define PROFD_REPORT_WEBLIST_H

#include "report/code.h"
#include "report/private.h"
#include "report/source.h"

struct weblist_function {
	const char *name, *file;
	const char *flat, *cum, *share; /* formatted */
	const char *problem;		/* why there is no source; NULL if there is */
};

struct weblist_line {
	const char *flat, *cum; /* formatted, "." for nothing */
	int64_t number;
	const char *text;
	double heat; /* 0 to 1: share of the function's cum */
	/* Of this line; none in list. */
	const struct code_instruction *code;
	size_t n_code;
};

/* Functions whose instructions are shown. */
#define WEBLIST_CODE_MAX 25

/* limited: there are more of them. */
void weblist_begin(const struct report *r, const char *total, bool limited);
void weblist_begin_function(FILE *out, const struct weblist_function *f);
/* `reader` has the sources of what was inlined. 0 or -ENOMEM. */
int weblist_line(
	const struct report *r, const struct weblist_line *line, struct source_reader *reader);
void weblist_end_function(FILE *out);
void weblist_end(FILE *out);

#endif
