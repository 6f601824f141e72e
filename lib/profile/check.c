/* SPDX-License-Identifier: MIT */
/* check.c - what google/pprof's CheckValid (profile/profile.go) demands, in terms of this model:
 * ids are indices here, so unique and nonzero means in range. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "profile/profile.h"
#include "profile/strings.h"

__attribute__((format(printf, 3, 4))) static int refuse(
	char *why, size_t why_size, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(why, why_size, format, arguments);
	va_end(arguments);
	return -EBADMSG;
}

static bool lies_within(size_t first, size_t n, size_t total)
{
	return first <= total && n <= total - first;
}

static int check_samples(const struct profile *p, char *why, size_t why_size)
{
	size_t n_strings = strings_count(p->strings);
	if (p->n_samples && !p->n_sample_types)
		return refuse(why, why_size, "there are samples but no sample types");
	for (size_t i = 0; i < p->n_samples; i++) {
		const struct sample *s = &p->samples[i];
		if (!lies_within(s->first_location, s->n_locations, p->n_location_ids) ||
			!lies_within(s->first_label, s->n_labels, p->n_labels))
			return refuse(why, why_size, "sample %zu reaches beyond its pools", i);
		for (size_t k = 0; k < s->n_locations; k++) {
			uint32_t id = p->location_ids[s->first_location + k];
			if (!id || id >= p->n_locations)
				return refuse(why, why_size,
					"sample %zu names location %u, which does not exist", i,
					id);
		}
		for (size_t k = 0; k < s->n_labels; k++) {
			const struct label *l = &p->labels[s->first_label + k];
			if (l->key >= n_strings || l->str >= n_strings || l->num_unit >= n_strings)
				return refuse(why, why_size,
					"a label of sample %zu names a string that does not exist",
					i);
		}
	}
	return 0;
}

static int check_locations(const struct profile *p, char *why, size_t why_size)
{
	for (size_t i = 1; i < p->n_locations; i++) {
		const struct location *l = &p->locations[i];
		if (!lies_within(l->first_line, l->n_lines, p->n_lines))
			return refuse(why, why_size, "location %zu reaches beyond its pool", i);
		if (l->mapping >= p->n_mappings)
			return refuse(why, why_size,
				"location %zu names mapping %u, which does not exist", i,
				l->mapping);
		for (size_t k = 0; k < l->n_lines; k++) {
			uint32_t id = p->lines[l->first_line + k].function;
			if (!id || id >= p->n_functions)
				return refuse(why, why_size,
					"location %zu names function %u, which does not exist", i,
					id);
		}
	}
	return 0;
}

static int check_strings(const struct profile *p, char *why, size_t why_size)
{
	size_t n = strings_count(p->strings);
	for (size_t i = 1; i < p->n_mappings; i++) {
		if (p->mappings[i].file >= n || p->mappings[i].build_id >= n)
			return refuse(
				why, why_size, "mapping %zu names a string that does not exist", i);
	}
	for (size_t i = 1; i < p->n_functions; i++) {
		const struct function *f = &p->functions[i];
		if (f->name >= n || f->system_name >= n || f->filename >= n)
			return refuse(why, why_size,
				"function %zu names a string that does not exist", i);
	}
	for (size_t i = 0; i < p->n_sample_types; i++) {
		if (p->sample_types[i].type >= n || p->sample_types[i].unit >= n)
			return refuse(why, why_size,
				"sample type %zu names a string that does not exist", i);
	}
	for (size_t i = 0; i < p->n_comments; i++) {
		if (p->comments[i] >= n)
			return refuse(
				why, why_size, "comment %zu names a string that does not exist", i);
	}
	if (p->default_sample_type >= n || p->period_type.type >= n || p->period_type.unit >= n ||
		p->drop_frames >= n || p->keep_frames >= n || p->doc_url >= n)
		return refuse(why, why_size, "a header names a string that does not exist");
	return 0;
}

int profile_check(const struct profile *p, char *why, size_t why_size)
{
	int r = check_samples(p, why, why_size);
	if (r == 0)
		r = check_locations(p, why, why_size);
	if (r == 0)
		r = check_strings(p, why, why_size);
	return r;
}
