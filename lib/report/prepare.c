/* SPDX-License-Identifier: MIT */
#include "report/prepare.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/agree.h"
#include "profile/private.h"
#include "profile/prune.h"
#include "profile/strings.h"
#include "profile/subtract.h"
#include "report/names.h"
#include "report/numbers.h"
#include "util/cleanup.h"
#include "util/grow.h"

/* ---- one profile -------------------------------------------------------------------------- */

static int shorten_names(struct profile *p)
{
	_cleanup_free_ char *buffer = NULL;
	size_t capacity = 0;
	for (size_t i = 1; i < p->n_functions; i++) {
		struct function *f = &p->functions[i];
		int r = grow(buffer, 0, capacity, strings_length(p->strings, f->system_name) + 1);
		if (r < 0)
			return r;
		int64_t id = profile_string(p, shown_name(profile_text(p, f->name),
						       profile_text(p, f->system_name), buffer));
		if (id < 0)
			return (int)id;
		f->name = (uint32_t)id;
	}
	return 0;
}

static int add_empty_mapping(struct profile *p)
{
	int64_t id = profile_append_mapping(p, &(struct mapping){0});
	if (id < 0)
		return (int)id;
	for (size_t i = 1; i < p->n_locations; i++)
		p->locations[i].mapping = (uint32_t)id;
	return 0;
}

/* "scheme:…": where the profile came from, not a file. */
static bool is_url(const char *name)
{
	if (!isalpha((unsigned char)*name))
		return false;
	while (isalnum((unsigned char)*name) || (*name && strchr("+-.", *name)))
		name++;
	return *name == ':';
}

static void drop_urls(struct profile *p)
{
	for (size_t i = 1; i < p->n_mappings; i++) {
		struct mapping *m = &p->mappings[i];
		if (!m->build_id && is_url(profile_text(p, m->file)))
			m->file = 0;
	}
}

int report_take(struct profile *p)
{
	return p->n_mappings > 1 ? 0 : add_empty_mapping(p);
}

int report_prepare(struct profile *p)
{
	int r = shorten_names(p);
	if (r == 0)
		r = profile_prune(p);
	if (r == 0)
		drop_urls(p);
	return r;
}

/* ---- less another ------------------------------------------------------------------------- */

static double *new_ratios(const struct profile *p, double ratio)
{
	double *ratios = calloc(p->n_sample_types + 1, sizeof(*ratios));
	for (size_t k = 0; ratios && k < p->n_sample_types; k++)
		ratios[k] = ratio;
	return ratios;
}

static int64_t sum_values(const struct profile *p, size_t type)
{
	int64_t sum = 0;
	for (size_t i = 0; i < p->n_samples; i++)
		sum = wrapping_add(sum, p->values[i * p->n_sample_types + type]);
	return sum;
}

static int scale_to_base(struct profile *p, const struct profile *base)
{
	_cleanup_free_ double *ratios = new_ratios(p, 0);
	if (!ratios)
		return -ENOMEM;
	for (size_t k = 0; k < p->n_sample_types; k++) {
		int64_t ours = sum_values(p, k);
		ratios[k] = ours ? (double)sum_values(base, k) / (double)ours : 0;
	}
	profile_scale(p, ratios);
	return 0;
}

/* Merging leaves out samples of nothing, and what only they needed. */
static int merge_both(struct profile **out, const struct profile *p, const struct profile *base,
	char *why, size_t why_size)
{
	struct profile *sum = profile_new(), *clean = profile_new();
	int r = sum && clean ? profile_merge(sum, p, why, why_size) : -ENOMEM;
	if (r == 0)
		r = profile_merge(sum, base, why, why_size);
	if (r == 0)
		r = profile_merge(clean, sum, why, why_size);
	if (r == 0)
		*out = take_ptr(clean);
	profile_free(sum);
	profile_free(clean);
	return r;
}

int report_subtract(struct profile **p, struct profile *base, bool mark, bool normalize, char *why,
	size_t why_size)
{
	struct profile *difference = NULL;
	bool changed;
	int r = mark ? profile_mark_base(base) : 0;
	if (r == 0 && normalize)
		r = profile_check_types(*p, base, why, why_size);
	if (r == 0 && normalize)
		r = scale_to_base(*p, base);
	if (r == 0)
		r = profile_agree(*p, base, &changed, why, why_size);
	if (r == 0)
		r = profile_take_units(base, *p);
	_cleanup_free_ double *negative = new_ratios(base, -1);
	if (r == 0 && !negative)
		r = -ENOMEM;
	if (r == 0) {
		profile_scale(base, negative);
		r = merge_both(&difference, *p, base, why, why_size);
	}
	if (r == 0) {
		profile_free(*p);
		*p = difference;
	} else if (r == -ENOMEM) {
		snprintf(why, why_size, "out of memory");
	}
	return r;
}
