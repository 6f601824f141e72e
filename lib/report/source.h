/* SPDX-License-Identifier: MIT */
/*
 * source.h - lines of source files, found by the paths that a profile has for them: an absolute
 * path as it is, a relative one below each directory of a search path and its parents (google/pprof
 * internal/report/source.go); and then, if that is wanted, on debuginfod's servers.
 */
#ifndef PROFD_REPORT_SOURCE_H
#define PROFD_REPORT_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct source_file {
	char *path;	    /* as the profile has it */
	char *text;	    /* whole, each line ended by a NUL */
	const char **lines; /* lines[0] is the first line */
	size_t n;
	char *problem; /* why it cannot be read; NULL if it was */
};

struct source_reader {
	char *search;		      /* directories, separated by colons */
	const char *trim;	      /* prefixes to cut, borrowed */
	struct source_server *server; /* NULL: none is asked */
	const char *build_id; /* of the binary that paths are from, for the server; borrowed */
	struct source_file *files;
	size_t n, capacity;
};

/* search and trim may be NULL: the working directory, nothing. 0 or -errno. */
int source_reader_init(
	struct source_reader *s, const char *search, const char *trim, bool debuginfod);
void source_reader_free(struct source_reader *s);
/* The file, read when it is asked for first; `problem` is set if it could not be. NULL without
 * memory. Good until the next call. */
const struct source_file *source_file(struct source_reader *s, const char *path);
/* Line `number` from 1 on, or NULL. */
const char *source_line(const struct source_file *f, int64_t number);

#endif
