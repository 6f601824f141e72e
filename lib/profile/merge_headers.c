/* SPDX-License-Identifier: MIT */
/* merge_headers.c - the headers of a sum, as google/pprof combines them (profile/merge.go). */
#include "profile/agree.h"
#include "profile/private.h"

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
	return into->n_sample_types ? profile_check_types(into, from, why, why_size)
				    : profile_adopt_types(into, from);
}
