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

/* Labels that merge has put in order: while it goes on, samples with the same ones share their
 * place in the pool. */
struct label_set {
	uint32_t first, n; /* profile.labels */
};

struct profile_private {
	size_t sample_type_capacity, mapping_capacity, function_capacity, location_capacity,
		line_capacity, sample_capacity, value_capacity, location_id_capacity,
		label_capacity, comment_capacity;
	struct profile_index mappings, functions, locations;
	struct profile_index samples;	     /* by index + 1 */
	struct profile_index merge_mappings; /* by the key of google/pprof's merge */
	struct label_set *label_sets;
	size_t n_label_sets, label_set_capacity;
	struct intern label_set_index; /* by index + 1 */
	size_t samples_sorted;	       /* samples whose labels are in merge's order */
};

/* profile.proto, inflated, to a profile. pprof_take_message takes the block over, which has one
 * byte more than `size`: pprof_read_lean, or pprof_read_labels without stacks. Errors as
 * pprof_parse. */
int pprof_read_message(
	struct profile **out, const uint8_t *data, size_t size, char *why, size_t why_size);
int pprof_take_message(struct profile **out, uint8_t *data, size_t size, bool no_stacks, char *why,
	size_t why_size);
/* Of a message that may be cut off; 0 if it is not before the samples. */
int64_t pprof_find_period(const uint8_t *data, size_t size);

/* Brings an index up to the first n entries of its table: hash(p, i) for each, stored as i + bias.
 * 0 or -ENOMEM. */
int profile_index_update(const struct profile *p, struct profile_index *index, size_t n,
	uint32_t bias, uint64_t (*hash)(const struct profile *p, size_t i));

int profile_append_sample_type(struct profile *p, struct value_type type);
/* Look up n ≤ INTERN_BATCH at once: ids[i], or 0. */
int profile_find_functions(
	struct profile *p, const struct function *functions, size_t n, uint32_t *ids);
struct location_and_lines {
	struct location location;
	const struct line *lines;
};
int profile_find_locations(
	struct profile *p, const struct location_and_lines *locations, size_t n, uint32_t *ids);
/* Each returns the new id. -E2BIG, -ENOMEM. */
int64_t profile_append_mapping(struct profile *p, const struct mapping *mapping);
int64_t profile_append_function(struct profile *p, const struct function *function);
int64_t profile_append_location(struct profile *p, const struct location *location,
	const struct line *lines, size_t n_lines);
/* Adds a sample even if there is one like it. 0, -ENOMEM. */
int profile_append_sample(struct profile *p, const uint32_t *locations, size_t n_locations,
	const struct label *labels, size_t n_labels, const int64_t *values);
/* A sample of locations and labels that the profile has; `hash` is profile_hash_sample of them. */
struct ready_sample {
	const uint32_t *locations;
	size_t n_locations;
	struct label_set labels;
	uint64_t hash;
	const int64_t *values;
};
uint64_t profile_hash_sample(
	const uint32_t *locations, size_t n_locations, uint64_t hash_of_labels);
/* Adds n ≤ INTERN_BATCH samples, in order, as profile_add_sample does. */
int profile_count_samples(struct profile *p, const struct ready_sample *samples, size_t n);
uint64_t profile_hash_labels(const struct label *labels, size_t n);
bool profile_equal_labels(const struct label *a, const struct label *b, size_t n);
int profile_append_comment(struct profile *p, uint32_t string);

/* Gives each sample labels of its own, as everybody but the functions here expects. 0, -ENOMEM. */
int profile_unshare_labels(struct profile *p);
/* Adds the samples of `from` that `keep` accepts (NULL: all) with what they need, but not those
 * whose values are all zero. Sample types must be the same. profile_unshare_labels must follow when
 * the last ones were copied. 0, -ENOMEM, -E2BIG. */
int profile_copy_samples(struct profile *into, const struct profile *from,
	bool (*keep)(const void *userdata, const struct profile *p, const struct sample *sample),
	const void *userdata);
/* Takes over the types of `from` if there are none yet; else they must be the same: -EINVAL with a
 * line in `why`. */
int profile_unite_types(
	struct profile *into, const struct profile *from, char *why, size_t why_size);
/* Takes over sample types, period type and frame filters where `into` has none. */
int profile_adopt_types(struct profile *into, const struct profile *from);
/* Adds up times, periods, comments, as google/pprof combines headers. */
int profile_merge_headers(struct profile *into, const struct profile *from);
/* Copies the text of a string of `from`. */
int64_t profile_copy_string(struct profile *into, const struct profile *from, uint32_t string);

#endif
