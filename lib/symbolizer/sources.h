/* SPDX-License-Identifier: MIT */
/*
 * sources.h - which further files (debug files, dwz's, .dwo) names came from or would have come
 * from: what was asked for, and which file that was. Names that are kept hold only as long as the
 * same questions lead to the same files.
 */
#ifndef PROFD_SYMBOLIZER_SOURCES_H
#define PROFD_SYMBOLIZER_SOURCES_H

#include <stdbool.h>
#include <stddef.h>

#include "symbolizer/debug_file.h"
#include "util/file_identity.h"

#define SOURCES_MAX 400 /* remembered of one module */

struct source {
	char *name;		   /* as it was asked for */
	struct file_identity file; /* all zeros: there was none */
};

struct sources {
	debug_want want; /* who has the files */
	void *userdata;
	struct source *all;
	size_t n, capacity;
	bool incomplete; /* more than SOURCES_MAX, without memory, or one has changed meanwhile */
};

/* A debug_want that remembers; userdata is the struct sources. */
int sources_want(void *sources, const char *name);
/* Which file a question leads to now. */
struct file_identity source_look(debug_want want, void *userdata, const char *name);
/* Forgets them; who has the files stays. */
void sources_clear(struct sources *s);

#endif
