/* SPDX-License-Identifier: MIT */
/* legacy_private.h - what the readers of the legacy formats share: lines, stacks of addresses, and
 * the map of memory that comes behind them. */
#ifndef PROFD_PROFILE_LEGACY_PRIVATE_H
#define PROFD_PROFILE_LEGACY_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/profile.h"
#include "util/intern.h"

#define LEGACY_VALUES_MAX 4
#define LEGACY_GROUPS_MAX 8

/* A part of the input; NULL where a group did not match. */
struct span {
	const char *at;
	size_t length;
};

/* Lines of a text, without their ends. */
struct lines {
	const char *at, *end;
	struct span line; /* empty before the first and behind the last */
	bool too_long;
};

/* What the lines are matched with; compiled for each file. */
enum legacy_pattern {
	LEGACY_COUNT_HEAD,
	LEGACY_COUNT,
	LEGACY_HEAP_HEAD,
	LEGACY_HEAP,
	LEGACY_GROWTH_HEAD,
	LEGACY_CONTENTION,
	LEGACY_HEX,
	LEGACY_THREADZ,
	LEGACY_THREAD,
	LEGACY_MAPS,
	LEGACY_BRIEF_MAPS,
	LEGACY_LOG,
	LEGACY_LIBRARY,
	LEGACY_JAVA_ATTRIBUTE,
	LEGACY_JAVA_SAMPLE,
	LEGACY_JAVA_LOCATION,
	LEGACY_JAVA_FILE_LINE,
	LEGACY_JAVA_PATH,
	N_LEGACY_PATTERNS,
};

struct legacy_sample {
	uint32_t first, n; /* legacy.addresses, leaf first */
	int64_t values[LEGACY_VALUES_MAX];
	int64_t bytes; /* size of a block */
	bool has_bytes;
};

struct legacy {
	const uint8_t *data;
	size_t size;
	struct profile *p; /* gets samples and locations at the end */
	struct legacy_patterns *patterns;
	struct legacy_sample *samples;
	size_t n_samples, sample_capacity;
	uint64_t *addresses;
	size_t n_addresses, address_capacity;
	struct intern locations; /* of p, by address */
	uint64_t *location_addresses;
	size_t n_locations, location_capacity;
	char *why;
	size_t why_size;
};

/* The formats, in the order in which they are tried. 0, -ENODATA (not this one), -EBADMSG with a
 * line in l->why, -ENOMEM, -E2BIG. */
int legacy_read_cpu(struct legacy *l);
int legacy_read_heap(struct legacy *l);
int legacy_read_count(struct legacy *l);
int legacy_read_thread(struct legacy *l);
int legacy_read_contention(struct legacy *l);
int legacy_read_java(struct legacy *l);
/* Behind the header of a binary file: n words behind the samples. */
int legacy_read_java_cpu(struct legacy *l, const uint8_t *rest, size_t size);

/* ---- text --------------------------------------------------------------------------------- */

int legacy_patterns_new(struct legacy_patterns **out);
void legacy_patterns_free(struct legacy_patterns *p);
/* Whether it is found in the text; groups[0] is all of it. */
bool legacy_find(const struct legacy *l, enum legacy_pattern pattern, struct span text,
	struct span groups[LEGACY_GROUPS_MAX]);

struct lines lines_of(const void *data, size_t size);
/* False at the end, and at a line too long to be one. */
bool lines_next(struct lines *s);

struct span span_trim(struct span s);
bool span_starts(struct span s, const char *prefix);
bool span_equals(struct span s, const char *text);
bool span_contains(struct span s, const char *text);
/* Empty, or begins with '#'. */
bool span_is_comment(struct span s);
/* Decimal; with base 0 as Go reads literals (0x, 0b, 0o, 0). 0, or -EINVAL also beyond 64 bits. */
int span_number(struct span s, int base, int64_t *out);
int span_address(struct span s, int base, uint64_t *out);

/* -EBADMSG, with the line and what is wrong with it. */
int legacy_refuse(struct legacy *l, struct span line, const char *problem);

/* ---- building ----------------------------------------------------------------------------- */

/* Sample types of counts and something; period_type has no unit if NULL. 0, -ENOMEM. */
int legacy_add_type(struct legacy *l, const char *type, const char *unit, size_t unit_length);
int legacy_set_period(struct legacy *l, const char *type, const char *unit, int64_t period);
int legacy_add_sample(struct legacy *l, const int64_t *values, size_t n_values);
/* Appends a frame to the last sample. */
int legacy_add_address(struct legacy *l, uint64_t address);
/* All hex numbers of a text; each less `back`, the first one less `back_first`. */
int legacy_add_addresses(struct legacy *l, struct span text, uint64_t back_first, uint64_t back);
/* Removes the frame at `at` of a sample. */
void legacy_remove_frame(struct legacy *l, struct legacy_sample *s, size_t at);
uint64_t legacy_frame(const struct legacy *l, const struct legacy_sample *s, size_t at);

/* Makes locations of the addresses, in the order in which samples have them. */
int legacy_make_locations(struct legacy *l);
/* The location of an address, 0 if no sample has it. */
uint32_t legacy_location(const struct legacy *l, uint64_t address);
/* The leaf may stand twice: as a program counter, and one below, as a return address. */
void legacy_remove_double_leaves(struct legacy *l);
/* Gives the profile its samples. */
int legacy_make_samples(struct legacy *l);

/* ---- memory maps -------------------------------------------------------------------------- */

bool legacy_is_map_start(struct span line);
/* Reads the mappings that follow and makes locations that lie in them. */
int legacy_read_maps(struct legacy *l, struct lines *s);
/* Passes over everything up to the mappings first. */
int legacy_read_sections(struct legacy *l, struct lines *s);
/* Puts each location that has an address into a mapping, an empty one if need be. */
int legacy_place_locations(struct legacy *l);

/* As Go converts on amd64: what does not fit becomes the smallest integer. */
static inline int64_t legacy_integer(double value)
{
	return value >= -0x1p63 && value < 0x1p63 ? (int64_t)value : INT64_MIN;
}

/* How many times more than was seen there was: of samples taken each `rate` bytes on average. */
void legacy_unsample(int64_t *count, int64_t *size, int64_t rate);

#endif
