/* SPDX-License-Identifier: MIT */
/*
 * select.h - which profiles answer a query: the files that were named, or those of the store that
 * a time range picks, or the default (DESIGN 8): this user's newest recording if it is under
 * an hour old, else the last five minutes of the continuous profile.
 *
 * Files are whole windows: each that overlaps the range is taken as it is. Recordings are
 * never mixed into a time range, since the same moments are in the continuous profile.
 */
#ifndef PROFD_CLI_SELECT_H
#define PROFD_CLI_SELECT_H

#include <stdbool.h>

#include "catalog.h"
#include "options.h"
#include "place.h"

struct time_range {
	time_t since, until, around; /* 0: not given */
	uint64_t last, within;	     /* s, 0: not given */
};

/* The moments that a range means: those from `since` to `until`, both with their windows. */
struct span {
	time_t since, until;
	bool open; /* it reaches to now: the open window belongs to it */
};

/* What is wrong with it, or NULL. */
const char *time_range_check(const struct time_range *range);
bool time_range_is_given(const struct time_range *range);
struct span time_range_span(const struct time_range *range, time_t now);

struct sources {
	struct place place;
	const char **paths; /* of `catalog`, or the caller's */
	char **shown;	    /* names of URLs among them that may be shown, or NULL */
	size_t n, capacity;
	size_t n_past; /* of the first so many, what was in use is not what is asked for */
	struct catalog catalog;
	int window; /* descriptor of the open window as pprof, or -1 */
};

/* The store's profiles of a type that answer a range; the default without one, which is then
 * printed to standard error. `now` is what `last` counts from. 0 or -errno, explained. */
int select_from_store(struct sources *s, const struct place *place, const char *type,
	const struct time_range *range, time_t now);
/* Whether a type, or NULL, is one that a store may have. 0 or -EINVAL, explained. */
int select_check_type(const struct command *c, const char *type);
/* Files as they are. 0 or -errno, explained. */
int select_files(struct sources *s, char **paths, size_t n);
/* A descriptor to read a source from; "-" is standard input; a URL is fetched. -errno with a line
 * in `why` that begins with its name, or explained. May be called by several threads at once. */
int select_open(const struct sources *s, size_t i, char *why, size_t why_size);
/* What messages call it: its path, or its URL without name and password. */
const char *select_name(const struct sources *s, size_t i);
void select_free(struct sources *s);

/* Indices into `c` of the windows of `type` that overlap [since, until] and began before
 * `before` (0: any). Returns how many were written to `out`, which has room for c->n. */
size_t select_windows(const struct catalog *c, const char *type, time_t since, time_t until,
	time_t before, size_t *out);
/* The newest recording of `type` by `uid` that was finished after `after`, or NULL. */
const struct store_entry *select_recording(
	const struct catalog *c, const char *type, uid_t uid, time_t after);

#endif
