/* SPDX-License-Identifier: MIT */
/*
 * profile.h - the profile model: what a pprof file says, in memory. It is built by the daemon
 * (interning as it goes), read from files of any producer, merged, filtered and written.
 *
 * Ids of strings, mappings, functions and locations are indices; string 0 is "", and id 0 of
 * mappings, functions and locations means "none" (entry 0 of those arrays is unused), so the ids
 * written to a file are exactly 1..N in order, as Parca wants. Pools hold the variable parts.
 * Limits: 2^31 entries in each table; every adder returns -E2BIG beyond, -ENOMEM without memory.
 *
 * Source: google/pprof proto/profile.proto.
 */
#ifndef PROFD_PROFILE_H
#define PROFD_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct value_type {
	uint32_t type, unit; /* strings */
};

/* Mappings and locations have, where they were read from a file, also the id that they had there;
 * it is shown by the report `raw` and means nothing else. 0: the same as the index. */
struct mapping {
	uint64_t id;
	uint64_t start, limit, offset;
	uint32_t file, build_id; /* strings */
	bool has_functions, has_filenames, has_line_numbers, has_inline_frames;
};

struct function {
	uint32_t name, system_name, filename; /* strings */
	int64_t start_line;
};

struct line {
	uint32_t function;
	int64_t line, column;
};

struct location {
	uint64_t id;
	uint64_t address;
	uint32_t mapping;
	uint32_t first_line, n_lines; /* profile.lines; innermost inlined function first */
	bool is_folded;
};

static inline uint64_t shown_id(uint64_t id, size_t index)
{
	return id ? id : index;
}

struct label {
	uint32_t key;
	uint32_t str; /* 0: numeric */
	int64_t num;
	uint32_t num_unit;
};

struct sample {
	uint32_t first_location, n_locations; /* profile.location_ids; leaf first */
	uint32_t first_label, n_labels;	      /* profile.labels */
	/* values: profile.values[index of sample * n_sample_types …] */
};

struct string_table; /* profile/strings.h */
struct intern;	     /* util/intern.h */

struct profile {
	struct string_table *strings;
	struct value_type *sample_types;
	size_t n_sample_types;
	uint32_t default_sample_type; /* string */
	struct mapping *mappings;
	size_t n_mappings; /* entry 0 counts: ids are 1..n-1 */
	struct function *functions;
	size_t n_functions;
	struct location *locations;
	size_t n_locations;
	struct line *lines;
	size_t n_lines;
	struct sample *samples;
	size_t n_samples;
	int64_t *values; /* n_samples * n_sample_types */
	uint32_t *location_ids;
	size_t n_location_ids;
	struct label *labels;
	size_t n_labels;
	uint32_t *comments; /* strings */
	size_t n_comments;
	int64_t time_nanos, duration_nanos;
	struct value_type period_type;
	int64_t period;
	uint32_t drop_frames, keep_frames, doc_url; /* strings */
	/* capacities and the indices that make adders intern; private to lib/profile */
	struct profile_private *private;
};

struct profile *profile_new(void);			   /* NULL without memory */
struct profile *profile_clone(const struct profile *from); /* NULL without memory */
void profile_free(struct profile *p);

/* ---- building: each returns an id (or 0) and interns equal things to one id; -errno on failure -
 */

/* Interns `text` (any bytes but NUL; not valid UTF-8 is replaced by U+FFFD, since consumers refuse
 * the file otherwise). */
int64_t profile_string(struct profile *p, const char *text);
int64_t profile_string_n(struct profile *p, const char *text, size_t n);
const char *profile_text(const struct profile *p, uint32_t string);
int profile_add_sample_type(struct profile *p, const char *type, const char *unit);
int64_t profile_add_mapping(struct profile *p, const struct mapping *mapping);
int64_t profile_add_function(struct profile *p, const struct function *function);
/* `lines` are copied; location->first_line and n_lines are ignored. */
int64_t profile_add_location(struct profile *p, const struct location *location,
	const struct line *lines, size_t n_lines);
/* Gives a function another name, a string of the profile. 0 or -EINVAL (no such function). */
int profile_set_name(struct profile *p, uint32_t function, uint32_t name);
/* Gives a location of the profile other lines. 0, -EINVAL (no such location or function), -E2BIG,
 * -ENOMEM. */
int profile_set_lines(
	struct profile *p, uint32_t location, const struct line *lines, size_t n_lines);
/* Adds values to an equal sample (same locations and labels) if there is one, else appends.
 * `values` has n_sample_types entries. Labels are compared in order: pass them in a fixed one. */
int profile_add_sample(struct profile *p, const uint32_t *locations, size_t n_locations,
	const struct label *labels, size_t n_labels, const int64_t *values);
int profile_add_comment(struct profile *p, const char *text);

/* ---- whole profiles ----------------------------------------------------------------------- */

/* google/pprof's CheckValid, and that ids resolve. 0 or -EBADMSG with a line in `why`. */
int profile_check(const struct profile *p, char *why, size_t why_size);

/* Adds all of `from` to `into`, as google/pprof merges: durations add up, the earliest time,
 * the maximum period; equal mappings (file or build id, offset, size rounded to 4 KiB), functions,
 * locations, samples are one. An empty `into` (no sample types) takes over types of `from`. -EINVAL
 * with a line in `why` when sample or period types differ. */
int profile_merge(struct profile *into, const struct profile *from, char *why, size_t why_size);

#endif
