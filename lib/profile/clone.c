/* SPDX-License-Identifier: MIT */
/* clone.c - a copy of a profile that can be changed without touching the first. */
#include <stdlib.h>
#include <string.h>

#include "profile/private.h"
#include "profile/strings.h"
#include "util/grow.h"

/* Makes room for n elements and copies them. False without memory. */
#define COPY(to, from, array, count, capacity)                              \
	(grow((to)->array, 0, (to)->private->capacity, (count) + 1) == 0 && \
		((count) == 0 ||                                            \
			memcpy((to)->array, (from)->array, (count) * sizeof(*(to)->array))))

/* Strings get the ids that they have. */
static bool copy_strings(struct profile *to, const struct profile *from)
{
	for (size_t i = 0; i < strings_count(from->strings); i++) {
		uint32_t id = (uint32_t)i;
		if (profile_copy_string(to, from, id) != (int64_t)id)
			return false;
	}
	return true;
}

static bool copy_tables(struct profile *to, const struct profile *from)
{
	size_t n_values = from->n_samples * from->n_sample_types;
	return COPY(to, from, sample_types, from->n_sample_types, sample_type_capacity) &&
	       COPY(to, from, mappings, from->n_mappings, mapping_capacity) &&
	       COPY(to, from, functions, from->n_functions, function_capacity) &&
	       COPY(to, from, locations, from->n_locations, location_capacity) &&
	       COPY(to, from, lines, from->n_lines, line_capacity) &&
	       COPY(to, from, samples, from->n_samples, sample_capacity) &&
	       COPY(to, from, values, n_values, value_capacity) &&
	       COPY(to, from, location_ids, from->n_location_ids, location_id_capacity) &&
	       COPY(to, from, labels, from->n_labels, label_capacity) &&
	       COPY(to, from, comments, from->n_comments, comment_capacity);
}

struct profile *profile_clone(const struct profile *from)
{
	struct profile *to = profile_new();
	if (!to || !copy_strings(to, from) || !copy_tables(to, from)) {
		profile_free(to);
		return NULL;
	}
	to->n_sample_types = from->n_sample_types;
	to->n_mappings = from->n_mappings;
	to->n_functions = from->n_functions;
	to->n_locations = from->n_locations;
	to->n_lines = from->n_lines;
	to->n_samples = from->n_samples;
	to->n_location_ids = from->n_location_ids;
	to->n_labels = from->n_labels;
	to->n_comments = from->n_comments;
	to->default_sample_type = from->default_sample_type;
	to->time_nanos = from->time_nanos;
	to->duration_nanos = from->duration_nanos;
	to->period_type = from->period_type;
	to->period = from->period;
	to->drop_frames = from->drop_frames;
	to->keep_frames = from->keep_frames;
	to->doc_url = from->doc_url;
	return to;
}
