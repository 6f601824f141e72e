/* SPDX-License-Identifier: MIT */
/*
 * private.h - what the files of lib/profile share: appending without looking for an equal entry
 * (readers keep a file as it is), and copying samples from one profile into another.
 */
#ifndef PROFD_PROFILE_PRIVATE_H
#define PROFD_PROFILE_PRIVATE_H

#include "profile/profile.h"
#include "util/intern.h"

/* An index over a table of the profile. It catches up with the table when it is needed, so a
 * profile that is only read, reported and freed never pays for it. */
struct profile_index {
	struct intern ids;
	size_t done; /* entries of the table that are in it */
};

struct profile_private {
	size_t sample_type_capacity, mapping_capacity, function_capacity, location_capacity,
		line_capacity, sample_capacity, value_capacity, location_id_capacity,
		label_capacity, comment_capacity;
	struct profile_index mappings, functions, locations;
	struct profile_index samples;	     /* by index + 1 */
	struct profile_index merge_mappings; /* by the key of google/pprof's merge */
	size_t samples_sorted;		     /* samples whose labels are in merge's order */
};

/* Brings an index up to the first n entries of its table: hash(p, i) for each, stored as i + bias.
 * 0 or -ENOMEM. */
int profile_index_update(const struct profile *p, struct profile_index *index, size_t n,
	uint32_t bias, uint64_t (*hash)(const struct profile *p, size_t i));

/* Each returns the new id. -E2BIG, -ENOMEM. */
int64_t profile_append_mapping(struct profile *p, const struct mapping *mapping);
int64_t profile_append_function(struct profile *p, const struct function *function);
int64_t profile_append_location(struct profile *p, const struct location *location,
	const struct line *lines, size_t n_lines);
int profile_append_sample(struct profile *p, const uint32_t *locations, size_t n_locations,
	const struct label *labels, size_t n_labels, const int64_t *values);
int profile_append_comment(struct profile *p, uint32_t string);

/* Adds the samples of `from` that `keep` accepts (NULL: all) with what they need, but not those
 * whose values are all zero. Sample types must be the same. 0, -ENOMEM, -E2BIG. */
int profile_copy_samples(struct profile *into, const struct profile *from,
	bool (*keep)(const void *userdata, const struct profile *p, const struct sample *sample),
	const void *userdata);
/* Takes over sample types, period type and frame filters where `into` has none. */
int profile_adopt_types(struct profile *into, const struct profile *from);
/* Adds up times, periods, comments, as google/pprof combines headers. */
int profile_merge_headers(struct profile *into, const struct profile *from);
/* Copies the text of a string of `from`. */
int64_t profile_copy_string(struct profile *into, const struct profile *from, uint32_t string);

#endif
