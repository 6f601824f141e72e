/* SPDX-License-Identifier: MIT */
#include "profile/agree.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/private.h"
#include "profile/units.h"
#include "util/cleanup.h"

static const char *type_name(const struct profile *p, size_t i)
{
	return profile_text(p, p->sample_types[i].type);
}

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

/* ---- what to say -------------------------------------------------------------------------- */

static void describe_types(const struct profile *p, char *out, size_t size)
{
	size_t used = 0;
	*out = '\0';
	for (size_t i = 0; i < p->n_sample_types && used < size; i++) {
		int n = snprintf(out + used, size - used, "%s%s/%s", i ? " " : "", type_name(p, i),
			profile_text(p, p->sample_types[i].unit));
		used += n > 0 ? (size_t)n : 0;
	}
}

static int differ_in_types(
	const struct profile *into, const struct profile *from, char *why, size_t why_size)
{
	char ours[256], theirs[256];
	describe_types(into, ours, sizeof(ours));
	describe_types(from, theirs, sizeof(theirs));
	snprintf(why, why_size, "it measures %s, the others %s", theirs, ours);
	return -EINVAL;
}

static int differ_in_period(
	const struct profile *into, const struct profile *from, char *why, size_t why_size)
{
	snprintf(why, why_size, "its period is in %s/%s, that of the others in %s/%s",
		profile_text(from, from->period_type.type),
		profile_text(from, from->period_type.unit),
		profile_text(into, into->period_type.type),
		profile_text(into, into->period_type.unit));
	return -EINVAL;
}

static bool same_types(const struct profile *a, const struct profile *b)
{
	bool same = a->n_sample_types == b->n_sample_types;
	for (size_t i = 0; same && i < a->n_sample_types; i++)
		same = same_type(a, a->sample_types[i], b, b->sample_types[i]);
	return same;
}

void profile_forget_levels(struct profile *p)
{
	for (size_t t = 0; t < p->n_sample_types; t++) {
		if (strncmp(profile_text(p, p->sample_types[t].type), "inuse_", 6) != 0)
			continue;
		for (size_t i = 0; i < p->n_samples; i++)
			p->values[i * p->n_sample_types + t] = 0;
	}
}

static bool has_type(const struct profile *p, const char *name, size_t length)
{
	for (size_t t = 0; t < p->n_sample_types; t++)
		if (!strncmp(profile_text(p, p->sample_types[t].type), name, length))
			return true;
	return false;
}

static int append_type(struct profile *p, const char *type, const char *unit)
{
	int64_t type_id = profile_string(p, type), unit_id = profile_string(p, unit);

	if (type_id < 0 || unit_id < 0)
		return (int)(type_id < 0 ? type_id : unit_id);
	return profile_append_sample_type(
		p, (struct value_type){(uint32_t)type_id, (uint32_t)unit_id});
}

int profile_add_levels(struct profile *p)
{
	size_t before = p->n_sample_types, after = before + 2;
	int64_t *values;
	int r;

	if (!has_type(p, "alloc_space", sizeof("alloc_space")) || has_type(p, "inuse_", 6))
		return 0;
	values = calloc(p->n_samples * after + 1, sizeof(*values));
	if (!values)
		return -ENOMEM;
	r = append_type(p, "inuse_objects", "count");
	if (!r)
		r = append_type(p, "inuse_space", "bytes");
	if (r) {
		p->n_sample_types = before;
		free(values);
		return r;
	}
	for (size_t i = 0; i < p->n_samples; i++)
		memcpy(values + i * after, p->values + i * before, before * sizeof(*values));
	free(p->values);
	p->values = values;
	p->private->value_capacity = p->n_samples * after + 1;
	return 0;
}

int profile_check_types(
	const struct profile *into, const struct profile *from, char *why, size_t why_size)
{
	if (!same_types(into, from))
		return differ_in_types(into, from, why, why_size);
	if (!same_type(into, into->period_type, from, from->period_type))
		return differ_in_period(into, from, why, why_size);
	return 0;
}

/* ---- values ------------------------------------------------------------------------------- */

/* What does not fit becomes the smallest integer, as in Go on amd64. */
static int64_t whole(double value)
{
	return value >= -0x1p63 && value < 0x1p63 ? (int64_t)value : INT64_MIN;
}

void profile_scale(struct profile *p, const double *ratios)
{
	size_t n = p->n_sample_types, kept = 0;
	bool changes = false;
	for (size_t k = 0; k < n; k++)
		changes |= ratios[k] != 1;
	if (!changes)
		return;
	for (size_t i = 0; i < p->n_samples; i++) {
		int64_t *from = p->values + i * n, *to = p->values + kept * n;
		bool keep = false;
		for (size_t k = 0; k < n; k++) {
			to[k] = ratios[k] == 1 ? from[k]
					       : whole(round((double)from[k] * ratios[k]));
			keep |= ratios[k] != 1 && to[k];
		}
		p->samples[kept] = p->samples[i];
		kept += keep;
	}
	p->n_samples = kept;
}

/* Leaves the types of these indices, in this order. */
static int keep_types(struct profile *p, const size_t *indices, size_t n)
{
	size_t before = p->n_sample_types;
	bool same = n == before;
	for (size_t k = 0; k < n; k++)
		same &= indices[k] == k;
	if (same)
		return 0;
	_cleanup_free_ struct value_type *types = calloc(n, sizeof(*types));
	_cleanup_free_ int64_t *values = calloc(n, sizeof(*values));
	if (!types || !values)
		return -ENOMEM;
	bool has_default = false;
	for (size_t k = 0; k < n; k++) {
		types[k] = p->sample_types[indices[k]];
		has_default |= same_text(p, types[k].type, p, p->default_sample_type);
	}
	if (!has_default)
		p->default_sample_type = types[0].type;
	for (size_t i = 0; i < p->n_samples; i++) {
		for (size_t k = 0; k < n; k++)
			values[k] = p->values[i * before + indices[k]];
		memcpy(p->values + i * n, values, n * sizeof(*values));
	}
	memcpy(p->sample_types, types, n * sizeof(*types));
	p->n_sample_types = n;
	return 0;
}

/* ---- one profile -------------------------------------------------------------------------- */

/* The only type of this name; n_sample_types if there is none, or more than one. */
static size_t find_type(const struct profile *p, const char *name)
{
	size_t found = p->n_sample_types;
	for (size_t i = 0; i < p->n_sample_types; i++) {
		if (strcmp(type_name(p, i), name) != 0)
			continue;
		if (found < p->n_sample_types)
			return p->n_sample_types;
		found = i;
	}
	return found;
}

int profile_drop_ambiguous_types(struct profile *p, char *why, size_t why_size)
{
	_cleanup_free_ size_t *kept = calloc(p->n_sample_types + 1, sizeof(*kept));
	size_t n = 0;
	if (!kept)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_sample_types; i++)
		if (find_type(p, type_name(p, i)) == i)
			kept[n++] = i;
	if (n || !p->n_sample_types)
		return keep_types(p, kept, n);
	snprintf(why, why_size, "all that it measures has the name '%s'", type_name(p, 0));
	return -EINVAL;
}

/* ---- two ---------------------------------------------------------------------------------- */

/* The types that both have: where they are, and what their values are multiplied by. */
struct common {
	size_t n;
	size_t *a, *b;
	double *a_ratios, *b_ratios;
};

static void common_free(struct common *c)
{
	free(c->a);
	free(c->b);
	free(c->a_ratios);
	free(c->b_ratios);
}

static double ratio(const char *from, const char *to)
{
	const char *unit;
	return strcmp(from, to) != 0 ? units_scale(1, from, to, &unit) : 1;
}

/* What brings two units to the finer of them. False if they do not convert. */
static bool find_ratios(const char *a, const char *b, double *of_a, double *of_b)
{
	*of_a = *of_b = 1;
	if (!units_convert(a, b))
		return false;
	if (ratio(b, a) < 1)
		*of_a = ratio(a, b);
	else
		*of_b = ratio(b, a);
	return true;
}

/* False if they have nothing in common, or units that do not convert. */
static bool find_common(struct common *c, const struct profile *a, const struct profile *b)
{
	for (size_t i = 0; i < a->n_sample_types; i++) {
		size_t k = find_type(b, type_name(a, i));
		if (k == b->n_sample_types || find_type(a, type_name(a, i)) != i)
			continue;
		if (!find_ratios(profile_text(a, a->sample_types[i].unit),
			    profile_text(b, b->sample_types[k].unit), &c->a_ratios[c->n],
			    &c->b_ratios[c->n]))
			return false;
		c->a[c->n] = i;
		c->b[c->n++] = k;
	}
	return c->n;
}

static int common_init(struct common *c, const struct profile *a)
{
	size_t n = a->n_sample_types + 1;
	*c = (struct common){
		.a = calloc(n, sizeof(*c->a)),
		.b = calloc(n, sizeof(*c->b)),
		.a_ratios = calloc(n, sizeof(*c->a_ratios)),
		.b_ratios = calloc(n, sizeof(*c->b_ratios)),
	};
	return c->a && c->b && c->a_ratios && c->b_ratios ? 0 : -ENOMEM;
}

/* Where the other one's unit is the finer one, it becomes ours. */
static int take_finer_unit(
	struct profile *a, uint32_t *unit, double of_a, const struct profile *b, uint32_t theirs)
{
	if (of_a == 1)
		return 0;
	int64_t id = profile_copy_string(a, b, theirs);
	if (id < 0)
		return (int)id;
	*unit = (uint32_t)id;
	return 0;
}

static int agree_on_periods(struct profile *a, struct profile *b)
{
	double of_a, of_b;
	if (!same_text(a, a->period_type.type, b, b->period_type.type) ||
		!find_ratios(profile_text(a, a->period_type.unit),
			profile_text(b, b->period_type.unit), &of_a, &of_b))
		return -EINVAL;
	int r = take_finer_unit(a, &a->period_type.unit, of_a, b, b->period_type.unit);
	a->period = of_a == 1 ? a->period : whole((double)a->period * of_a);
	b->period = of_b == 1 ? b->period : whole((double)b->period * of_b);
	return r;
}

static int apply(const struct common *c, struct profile *a, struct profile *b)
{
	int r = 0;
	for (size_t k = 0; r == 0 && k < c->n; k++)
		r = take_finer_unit(a, &a->sample_types[c->a[k]].unit, c->a_ratios[k], b,
			b->sample_types[c->b[k]].unit);
	if (r == 0)
		r = keep_types(a, c->a, c->n);
	if (r == 0)
		r = keep_types(b, c->b, c->n);
	if (r == 0) {
		profile_scale(a, c->a_ratios);
		profile_scale(b, c->b_ratios);
	}
	return r;
}

int profile_agree(struct profile *a, struct profile *b, bool *changed, char *why, size_t why_size)
{
	struct common c;
	*changed = false;
	if (profile_check_types(a, b, why, why_size) == 0)
		return 0;
	size_t before = a->n_sample_types;
	int r = common_init(&c, a);
	if (r == 0 && !find_common(&c, a, b))
		r = differ_in_types(a, b, why, why_size);
	if (r == 0) {
		r = agree_on_periods(a, b);
		if (r == -EINVAL)
			differ_in_period(a, b, why, why_size);
	}
	if (r == 0)
		r = apply(&c, a, b);
	for (size_t k = 0; k < c.n; k++)
		*changed |= c.a_ratios[k] != 1;
	*changed |= c.n != before;
	common_free(&c);
	return r;
}

int profile_take_units(struct profile *b, const struct profile *a)
{
	int64_t id = profile_copy_string(b, a, a->period_type.unit);
	if (id >= 0)
		b->period_type.unit = (uint32_t)id;
	for (size_t i = 0; id >= 0 && i < a->n_sample_types; i++) {
		id = profile_copy_string(b, a, a->sample_types[i].unit);
		if (id >= 0)
			b->sample_types[i].unit = (uint32_t)id;
	}
	return id < 0 ? (int)id : 0;
}
