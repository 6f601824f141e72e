/* SPDX-License-Identifier: MIT */
/* merge_headers.c - what profiles must have in common to be merged, and the headers of the sum, as
 * google/pprof combines them (profile/merge.go). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "profile/private.h"

static bool same_text(
	const struct profile *a, uint32_t a_string, const struct profile *b, uint32_t b_string)
{
	return !strcmp(profile_text(a, a_string), profile_text(b, b_string));
}

static bool same_type(const struct profile *a, struct value_type a_type, const struct profile *b,
	struct value_type b_type)
{
	return same_text(a, a_type.type, b, b_type.type) &&
	       same_text(a, a_type.unit, b, b_type.unit);
}

static void describe_types(const struct profile *p, char *out, size_t size)
{
	size_t used = 0;
	*out = '\0';
	for (size_t i = 0; i < p->n_sample_types && used < size; i++) {
		int n = snprintf(out + used, size - used, "%s%s/%s", i ? " " : "",
			profile_text(p, p->sample_types[i].type),
			profile_text(p, p->sample_types[i].unit));
		used += n > 0 ? (size_t)n : 0;
	}
}

static int check_compatible(
	const struct profile *into, const struct profile *from, char *why, size_t why_size)
{
	bool same = into->n_sample_types == from->n_sample_types;
	for (size_t i = 0; same && i < into->n_sample_types; i++)
		same = same_type(into, into->sample_types[i], from, from->sample_types[i]);
	if (!same) {
		char ours[256], theirs[256];
		describe_types(into, ours, sizeof(ours));
		describe_types(from, theirs, sizeof(theirs));
		snprintf(why, why_size, "it measures %s, the others %s", theirs, ours);
		return -EINVAL;
	}
	if (!same_type(into, into->period_type, from, from->period_type)) {
		snprintf(why, why_size, "its period is in %s/%s, that of the others in %s/%s",
			profile_text(from, from->period_type.type),
			profile_text(from, from->period_type.unit),
			profile_text(into, into->period_type.type),
			profile_text(into, into->period_type.unit));
		return -EINVAL;
	}
	return 0;
}

/* Sets *to from the other profile if it is still empty. */
static int inherit_string(
	struct profile *into, uint32_t *to, const struct profile *from, uint32_t string)
{
	if (*to)
		return 0;
	int64_t id = profile_copy_string(into, from, string);
	if (id < 0)
		return (int)id;
	*to = (uint32_t)id;
	return 0;
}

int profile_adopt_types(struct profile *into, const struct profile *from)
{
	for (size_t i = 0; i < from->n_sample_types; i++) {
		int r = profile_add_sample_type(into,
			profile_text(from, from->sample_types[i].type),
			profile_text(from, from->sample_types[i].unit));
		if (r < 0)
			return r;
	}
	int r = inherit_string(into, &into->period_type.type, from, from->period_type.type);
	if (r == 0)
		r = inherit_string(into, &into->period_type.unit, from, from->period_type.unit);
	if (r == 0)
		r = inherit_string(into, &into->drop_frames, from, from->drop_frames);
	if (r == 0)
		r = inherit_string(into, &into->keep_frames, from, from->keep_frames);
	return r;
}

int profile_merge_headers(struct profile *into, const struct profile *from)
{
	int r = inherit_string(into, &into->default_sample_type, from, from->default_sample_type);
	if (r == 0)
		r = inherit_string(into, &into->doc_url, from, from->doc_url);
	for (size_t i = 0; r == 0 && i < from->n_comments; i++)
		r = profile_add_comment(into, profile_text(from, from->comments[i]));
	if (r < 0)
		return r;
	if (!into->time_nanos || (from->time_nanos && from->time_nanos < into->time_nanos))
		into->time_nanos = from->time_nanos;
	if (__builtin_add_overflow(
		    into->duration_nanos, from->duration_nanos, &into->duration_nanos))
		into->duration_nanos = INT64_MAX;
	if (into->period < from->period)
		into->period = from->period;
	return 0;
}

int profile_unite_types(
	struct profile *into, const struct profile *from, char *why, size_t why_size)
{
	return into->n_sample_types ? check_compatible(into, from, why, why_size)
				    : profile_adopt_types(into, from);
}
