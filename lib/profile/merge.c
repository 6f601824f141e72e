/* SPDX-License-Identifier: MIT */
/*
 * merge.c - one profile's samples into another, with the keys of google/pprof's profile/merge.go:
 * a mapping is its build id (or file), offset and size; a location its place in the mapping and
 * its lines; labels count without regard to their order in the file. Beside the result it needs
 * memory for one id map of the source at a time.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/private.h"
#include "profile/strings.h"
#include "util/grow.h"
#include "util/hash.h"

/* Ids of `from` in `into`, 0 where not copied yet. */
struct copier {
	struct profile *into;
	const struct profile *from;
	uint32_t *strings, *mappings, *functions, *locations;
	/* Room for one sample or location. */
	uint32_t *stack;
	size_t stack_capacity;
	struct label *labels;
	size_t label_capacity;
	struct line *lines;
	size_t line_capacity;
};

static int copier_begin(struct copier *c, struct profile *into, const struct profile *from)
{
	*c = (struct copier){.into = into, .from = from};
	c->strings = calloc(strings_count(from->strings), sizeof(*c->strings));
	c->mappings = calloc(from->n_mappings, sizeof(*c->mappings));
	c->functions = calloc(from->n_functions, sizeof(*c->functions));
	c->locations = calloc(from->n_locations, sizeof(*c->locations));
	return c->strings && c->mappings && c->functions && c->locations ? 0 : -ENOMEM;
}

static void copier_end(struct copier *c)
{
	free(c->strings);
	free(c->mappings);
	free(c->functions);
	free(c->locations);
	free(c->stack);
	free(c->labels);
	free(c->lines);
}

int64_t profile_copy_string(struct profile *into, const struct profile *from, uint32_t string)
{
	return profile_string_n(
		into, strings_text(from->strings, string), strings_length(from->strings, string));
}

static int copy_string(struct copier *c, uint32_t string, uint32_t *out)
{
	if (string && !c->strings[string]) {
		int64_t id = profile_copy_string(c->into, c->from, string);
		if (id < 0)
			return (int)id;
		c->strings[string] = (uint32_t)id;
	}
	*out = string ? c->strings[string] : 0;
	return 0;
}

/* ---- mappings ----------------------------------------------------------------------------- */

struct mapping_key {
	uint64_t size, offset;
	uint64_t build_id_or_file; /* string */
};

static struct mapping_key mapping_key(const struct mapping *m)
{
	/* Rounded up to pages, so that small differences do not matter; wraps as google's does. */
	uint64_t size = (m->limit - m->start + 0xfff) & ~0xfffULL;
	return (struct mapping_key){size, m->offset, m->build_id ? m->build_id : m->file};
}

static uint64_t hash_mapping_key_at(const struct profile *p, size_t i)
{
	struct mapping_key key = mapping_key(&p->mappings[i]);
	return hash_bytes(&key, sizeof(key));
}

struct wanted_mapping {
	const struct profile *p;
	struct mapping_key key;
};

static bool equal_mapping_key(const void *userdata, uint32_t id)
{
	const struct wanted_mapping *w = userdata;
	struct mapping_key key = mapping_key(&w->p->mappings[id]);
	return key.size == w->key.size && key.offset == w->key.offset &&
	       key.build_id_or_file == w->key.build_id_or_file;
}

static int copy_mapping(struct copier *c, uint32_t mapping, uint32_t *out)
{
	if (!mapping || c->mappings[mapping]) {
		*out = c->mappings[mapping];
		return 0;
	}
	struct profile_index *index = &c->into->private->merge_mappings;
	struct mapping m = c->from->mappings[mapping];
	m.id = 0;
	int r = copy_string(c, m.file, &m.file);
	if (r == 0)
		r = copy_string(c, m.build_id, &m.build_id);
	if (r == 0)
		r = profile_index_update(
			c->into, index, c->into->n_mappings, 0, hash_mapping_key_at);
	if (r < 0)
		return r;
	struct wanted_mapping wanted = {c->into, mapping_key(&m)};
	uint64_t hash = hash_bytes(&wanted.key, sizeof(wanted.key));
	int64_t id = intern_find(&index->ids, hash, equal_mapping_key, &wanted);
	if (!id)
		id = profile_append_mapping(c->into, &m);
	if (id < 0)
		return (int)id;
	*out = c->mappings[mapping] = (uint32_t)id;
	return 0;
}

/* ---- functions, locations ----------------------------------------------------------------- */

static int copy_function(struct copier *c, uint32_t function, uint32_t *out)
{
	if (!c->functions[function]) {
		struct function f = c->from->functions[function];
		int r = copy_string(c, f.name, &f.name);
		if (r == 0)
			r = copy_string(c, f.system_name, &f.system_name);
		if (r == 0)
			r = copy_string(c, f.filename, &f.filename);
		if (r < 0)
			return r;
		int64_t id = profile_add_function(c->into, &f);
		if (id < 0)
			return (int)id;
		c->functions[function] = (uint32_t)id;
	}
	*out = c->functions[function];
	return 0;
}

static int copy_location(struct copier *c, uint32_t location, uint32_t *out)
{
	if (c->locations[location]) {
		*out = c->locations[location];
		return 0;
	}
	struct location l = c->from->locations[location];
	l.id = 0;
	uint32_t mapping;
	int r = copy_mapping(c, l.mapping, &mapping);
	if (r < 0)
		return r;
	/* The same file may have been loaded elsewhere. */
	l.address += c->into->mappings[mapping].start - c->from->mappings[l.mapping].start;
	l.mapping = mapping;
	r = grow(c->lines, 0, c->line_capacity, l.n_lines);
	if (r < 0)
		return r;
	for (size_t i = 0; i < l.n_lines; i++) {
		c->lines[i] = c->from->lines[l.first_line + i];
		r = copy_function(c, c->lines[i].function, &c->lines[i].function);
		if (r < 0)
			return r;
	}
	int64_t id = profile_add_location(c->into, &l, c->lines, l.n_lines);
	if (id < 0)
		return (int)id;
	*out = c->locations[location] = (uint32_t)id;
	return 0;
}

/* ---- samples ------------------------------------------------------------------------------ */

/* Strings before numbers, each by key; labels of one key stay in their order. */
static bool label_precedes(const struct profile *p, const struct label *a, const struct label *b)
{
	if (!a->str != !b->str)
		return a->str != 0;
	return a->key != b->key && strcmp(profile_text(p, a->key), profile_text(p, b->key)) < 0;
}

/* Returns whether something moved. */
static bool sort_labels(const struct profile *p, struct label *labels, size_t n)
{
	bool moved = false;
	for (size_t i = 1; i < n; i++) {
		struct label label = labels[i];
		size_t k = i;
		for (; k > 0 && label_precedes(p, &label, &labels[k - 1]); k--)
			labels[k] = labels[k - 1];
		moved |= k != i;
		labels[k] = label;
	}
	return moved;
}

/* What is in the target already may have its labels in another order. */
static void sort_own_labels(struct profile *p)
{
	struct profile_private *v = p->private;
	bool moved = false;
	for (; v->samples_sorted < p->n_samples; v->samples_sorted++) {
		const struct sample *s = &p->samples[v->samples_sorted];
		if (s->n_labels)
			moved |= sort_labels(p, p->labels + s->first_label, s->n_labels);
	}
	if (moved) {
		intern_free(&v->samples.ids);
		v->samples.done = 0;
	}
}

static int copy_labels(struct copier *c, const struct sample *s)
{
	int r = grow(c->labels, 0, c->label_capacity, s->n_labels);
	for (size_t i = 0; r == 0 && i < s->n_labels; i++) {
		struct label label = c->from->labels[s->first_label + i];
		r = copy_string(c, label.key, &label.key);
		if (r == 0)
			r = copy_string(c, label.str, &label.str);
		if (r == 0)
			r = copy_string(c, label.num_unit, &label.num_unit);
		c->labels[i] = label;
	}
	if (r == 0)
		sort_labels(c->into, c->labels, s->n_labels);
	return r;
}

static bool all_zero(const int64_t *values, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (values[i])
			return false;
	}
	return true;
}

static int copy_sample(struct copier *c, size_t index)
{
	const struct profile *from = c->from;
	const struct sample *s = &from->samples[index];
	const int64_t *values = from->values + index * from->n_sample_types;
	if (all_zero(values, from->n_sample_types))
		return 0;
	int r = grow(c->stack, 0, c->stack_capacity, s->n_locations);
	for (size_t i = 0; r == 0 && i < s->n_locations; i++)
		r = copy_location(c, from->location_ids[s->first_location + i], &c->stack[i]);
	if (r == 0)
		r = copy_labels(c, s);
	return r < 0 ? r
		     : profile_add_sample(
			       c->into, c->stack, s->n_locations, c->labels, s->n_labels, values);
}

int profile_copy_samples(struct profile *into, const struct profile *from,
	bool (*keep)(const void *userdata, const struct profile *p, const struct sample *sample),
	const void *userdata)
{
	struct copier c;
	uint32_t main_mapping;
	int r = copier_begin(&c, into, from);
	sort_own_labels(into);
	/* The first mapping is the main program (profile.proto): it stays the first. */
	if (r == 0 && into->n_mappings == 1 && from->n_mappings > 1)
		r = copy_mapping(&c, 1, &main_mapping);
	for (size_t i = 0; r == 0 && i < from->n_samples; i++) {
		if (!keep || keep(userdata, from, &from->samples[i]))
			r = copy_sample(&c, i);
	}
	into->private->samples_sorted = into->n_samples;
	copier_end(&c);
	return r;
}

/* ---- headers ------------------------------------------------------------------------------ */

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

int profile_merge(struct profile *into, const struct profile *from, char *why, size_t why_size)
{
	int r = into->n_sample_types ? check_compatible(into, from, why, why_size)
				     : profile_adopt_types(into, from);
	if (r == 0)
		r = profile_merge_headers(into, from);
	if (r == 0)
		r = profile_copy_samples(into, from, NULL, NULL);
	if (r == -ENOMEM || r == -E2BIG)
		snprintf(why, why_size, "%s",
			r == -ENOMEM ? "out of memory" : "the merged profile is too large");
	return r;
}
