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
	/* The labels of a sample come again in others. */
	struct known_labels {
		uint32_t first, n; /* from->labels */
		struct label_set ours;
		uint64_t hash; /* of ours */
	} * known;
	size_t n_known, known_capacity;
	struct intern known_index; /* by index + 1 */
	/* Samples that are added together, and their stacks, one behind the other. */
	struct ready_sample ready[INTERN_BATCH];
	size_t n_ready;
	uint32_t *stacks;
	size_t n_stacks, stack_capacity;
	/* Room for the lines of one location. */
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
	/* Never NULL, so a sample without locations is no special case. */
	int r = grow(c->stacks, 0, c->stack_capacity, 1);
	return r == 0 && c->strings && c->mappings && c->functions && c->locations ? 0 : -ENOMEM;
}

static void copier_end(struct copier *c)
{
	free(c->strings);
	free(c->mappings);
	free(c->functions);
	free(c->locations);
	free(c->known);
	intern_free(&c->known_index);
	free(c->stacks);
	free(c->lines);
}

int64_t profile_copy_string(struct profile *into, const struct profile *from, uint32_t string)
{
	return strings_add_clean(into->strings, strings_text(from->strings, string),
		strings_length(from->strings, string));
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

/* Of a location that was not copied yet. */
static int copy_location(struct copier *c, uint32_t location, uint32_t *out)
{
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

/* ---- looking ahead ------------------------------------------------------------------------ */

/* Most of what is copied is in the target already. Finding it all in advance, in batches, does not
 * wait for memory each time; what is not found is copied when a sample needs it. */

static bool is_found(const struct copier *c, uint32_t string)
{
	return !string || c->strings[string];
}

static void find_mappings(struct copier *c)
{
	const struct profile_index *index = &c->into->private->merge_mappings;
	for (size_t i = 1; i < c->from->n_mappings; i++) {
		struct mapping m = c->from->mappings[i];
		if (!is_found(c, m.file) || !is_found(c, m.build_id))
			continue;
		m.file = c->strings[m.file];
		m.build_id = c->strings[m.build_id];
		struct wanted_mapping wanted = {c->into, mapping_key(&m)};
		uint64_t hash = hash_bytes(&wanted.key, sizeof(wanted.key));
		c->mappings[i] = intern_find(&index->ids, hash, equal_mapping_key, &wanted);
	}
}

static int find_functions(struct copier *c)
{
	struct function wanted[INTERN_BATCH];
	uint32_t which[INTERN_BATCH], ids[INTERN_BATCH];
	size_t n = 0;
	int r = 0;
	for (size_t i = 1; r == 0 && i < c->from->n_functions; i++) {
		struct function f = c->from->functions[i];
		if (is_found(c, f.name) && is_found(c, f.system_name) && is_found(c, f.filename)) {
			wanted[n] = (struct function){c->strings[f.name], c->strings[f.system_name],
				c->strings[f.filename], f.start_line};
			which[n++] = (uint32_t)i;
		}
		if (n < INTERN_BATCH && i + 1 < c->from->n_functions)
			continue;
		r = profile_find_functions(c->into, wanted, n, ids);
		while (r == 0 && n--)
			c->functions[which[n]] = ids[n];
		n = 0;
	}
	return r;
}

/* The location as it would be in the target. False: something of it is not there yet. */
static bool translate_location(const struct copier *c, uint32_t location, struct location *out,
	struct line *lines, size_t max_lines)
{
	struct location l = c->from->locations[location];
	l.id = 0;
	uint32_t mapping = c->mappings[l.mapping];
	if ((l.mapping && !mapping) || l.n_lines > max_lines)
		return false;
	for (size_t i = 0; i < l.n_lines; i++) {
		lines[i] = c->from->lines[l.first_line + i];
		lines[i].function = c->functions[lines[i].function];
		if (!lines[i].function)
			return false;
	}
	l.address += c->into->mappings[mapping].start - c->from->mappings[l.mapping].start;
	l.mapping = mapping;
	*out = l;
	return true;
}

#define LINES_AHEAD 8 /* a location with more inlined calls is looked up when it is needed */

static int find_locations(struct copier *c)
{
	struct location_and_lines wanted[INTERN_BATCH];
	struct line lines[INTERN_BATCH][LINES_AHEAD];
	uint32_t which[INTERN_BATCH], ids[INTERN_BATCH];
	size_t n = 0;
	int r = 0;
	for (size_t i = 1; r == 0 && i < c->from->n_locations; i++) {
		wanted[n].lines = lines[n];
		if (translate_location(c, (uint32_t)i, &wanted[n].location, lines[n], LINES_AHEAD))
			which[n++] = (uint32_t)i;
		if (n < INTERN_BATCH && i + 1 < c->from->n_locations)
			continue;
		r = profile_find_locations(c->into, wanted, n, ids);
		while (r == 0 && n--)
			c->locations[which[n]] = ids[n];
		n = 0;
	}
	return r;
}

static int look_ahead(struct copier *c)
{
	struct profile_index *index = &c->into->private->merge_mappings;
	int r = profile_index_update(c->into, index, c->into->n_mappings, 0, hash_mapping_key_at);
	if (r < 0)
		return r;
	strings_find_all(c->into->strings, c->from->strings, c->strings);
	find_mappings(c);
	r = find_functions(c);
	return r < 0 ? r : find_locations(c);
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

struct wanted_set {
	const struct profile *p;
	const struct label *labels;
	size_t n;
};

static bool equal_set(const void *userdata, uint32_t id)
{
	const struct wanted_set *w = userdata;
	struct label_set set = w->p->private->label_sets[id - 1];
	return set.n == w->n && profile_equal_labels(w->p->labels + set.first, w->labels, w->n);
}

/* Of labels at the end of the pool: makes them part of it, unless it has the same already. */
static int keep_labels(struct profile *p, size_t n, struct label_set *out, uint64_t *hash)
{
	struct profile_private *v = p->private;
	struct wanted_set wanted = {p, p->labels + p->n_labels, n};
	*hash = profile_hash_labels(wanted.labels, n);
	uint32_t id = intern_find(&v->label_set_index, *hash, equal_set, &wanted);
	if (!id) {
		int r = grow(v->label_sets, v->n_label_sets, v->label_set_capacity, 1);
		id = (uint32_t)v->n_label_sets + 1;
		if (r == 0)
			r = intern_add(&v->label_set_index, *hash, id);
		if (r < 0)
			return r;
		v->label_sets[v->n_label_sets++] = (struct label_set){
			(uint32_t)p->n_labels, (uint32_t)n};
		p->n_labels += n;
	}
	*out = v->label_sets[id - 1];
	return 0;
}

static int copy_new_labels(struct copier *c, struct known_labels *known)
{
	struct profile *p = c->into;
	int r = grow(p->labels, p->n_labels, p->private->label_capacity, known->n);
	for (size_t i = 0; r == 0 && i < known->n; i++) {
		struct label label = c->from->labels[known->first + i];
		r = copy_string(c, label.key, &label.key);
		if (r == 0)
			r = copy_string(c, label.str, &label.str);
		if (r == 0)
			r = copy_string(c, label.num_unit, &label.num_unit);
		p->labels[p->n_labels + i] = label;
	}
	if (r < 0)
		return r;
	sort_labels(p, p->labels + p->n_labels, known->n);
	return keep_labels(p, known->n, &known->ours, &known->hash);
}

struct wanted_labels {
	const struct copier *c;
	const struct label *labels;
	size_t n;
};

static bool equal_known(const void *userdata, uint32_t id)
{
	const struct wanted_labels *w = userdata;
	const struct known_labels *k = &w->c->known[id - 1];
	return k->n == w->n && profile_equal_labels(w->c->from->labels + k->first, w->labels, w->n);
}

/* The labels of a sample in the target's pool, with their hash. */
static int copy_labels(
	struct copier *c, const struct sample *s, struct label_set *ours, uint64_t *hash)
{
	const struct label *labels = c->from->labels + s->first_label;
	struct wanted_labels wanted = {c, labels, s->n_labels};
	uint64_t hash_of_theirs = profile_hash_labels(labels, s->n_labels);
	uint32_t id = intern_find(&c->known_index, hash_of_theirs, equal_known, &wanted);
	if (!id) {
		int r = grow(c->known, c->n_known, c->known_capacity, 1);
		if (r < 0)
			return r;
		c->known[c->n_known] = (struct known_labels){
			.first = s->first_label, .n = s->n_labels};
		r = copy_new_labels(c, &c->known[c->n_known]);
		id = (uint32_t)c->n_known + 1;
		if (r == 0)
			r = intern_add(&c->known_index, hash_of_theirs, id);
		if (r < 0)
			return r;
		c->n_known++;
	}
	*ours = c->known[id - 1].ours;
	*hash = c->known[id - 1].hash;
	return 0;
}

static bool all_zero(const int64_t *values, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (values[i])
			return false;
	}
	return true;
}

static int flush_samples(struct copier *c)
{
	size_t n = c->n_ready, at = 0;
	/* The stacks are where they will stay only now. */
	for (size_t i = 0; i < n; i++) {
		c->ready[i].locations = c->stacks + at;
		at += c->ready[i].n_locations;
	}
	c->n_ready = c->n_stacks = 0;
	return profile_count_samples(c->into, c->ready, n);
}

static int copy_stack(struct copier *c, const struct sample *s)
{
	const uint32_t *from = c->from->location_ids + s->first_location;
	int r = grow(c->stacks, c->n_stacks, c->stack_capacity, s->n_locations);
	uint32_t *stack = c->stacks + c->n_stacks;
	for (size_t i = 0; r == 0 && i < s->n_locations; i++) {
		stack[i] = c->locations[from[i]];
		if (!stack[i])
			r = copy_location(c, from[i], &stack[i]);
	}
	return r;
}

static int copy_sample(struct copier *c, size_t index)
{
	const struct profile *from = c->from;
	const struct sample *s = &from->samples[index];
	const int64_t *values = from->values + index * from->n_sample_types;
	struct label_set labels = {0};
	uint64_t hash = 0;
	if (all_zero(values, from->n_sample_types))
		return 0;
	int r = copy_stack(c, s);
	if (r == 0)
		r = copy_labels(c, s, &labels, &hash);
	if (r < 0)
		return r;
	c->ready[c->n_ready++] = (struct ready_sample){
		.n_locations = s->n_locations,
		.labels = labels,
		.hash = profile_hash_sample(c->stacks + c->n_stacks, s->n_locations, hash),
		.values = values,
	};
	c->n_stacks += s->n_locations;
	return c->n_ready == INTERN_BATCH ? flush_samples(c) : 0;
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
	if (r == 0 && !keep)
		r = look_ahead(&c);
	for (size_t i = 0; r == 0 && i < from->n_samples; i++) {
		if (!keep || keep(userdata, from, &from->samples[i]))
			r = copy_sample(&c, i);
	}
	if (r == 0)
		r = flush_samples(&c);
	into->private->samples_sorted = into->n_samples;
	copier_end(&c);
	return r;
}

int profile_unshare_labels(struct profile *p)
{
	struct profile_private *v = p->private;
	size_t n = 0, at = 0;
	for (size_t i = 0; i < p->n_samples; i++)
		n += p->samples[i].n_labels;
	if (n == p->n_labels)
		return 0;
	struct label *labels = reallocarray(NULL, n + 1, sizeof(*labels));
	if (!labels)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_samples; i++) {
		struct sample *s = &p->samples[i];
		memcpy(labels + at, p->labels + s->first_label, s->n_labels * sizeof(*labels));
		s->first_label = (uint32_t)at;
		at += s->n_labels;
	}
	free(p->labels);
	p->labels = labels;
	p->n_labels = n;
	v->label_capacity = n + 1;
	v->n_label_sets = 0;
	intern_free(&v->label_set_index);
	return 0;
}

int profile_merge(struct profile *into, const struct profile *from, char *why, size_t why_size)
{
	int r = profile_unite_types(into, from, why, why_size);
	if (r == 0)
		r = profile_merge_headers(into, from);
	if (r == 0)
		r = profile_copy_samples(into, from, NULL, NULL);
	if (r == 0)
		r = profile_unshare_labels(into);
	if (r == -ENOMEM || r == -E2BIG)
		snprintf(why, why_size, "%s",
			r == -ENOMEM ? "out of memory" : "the merged profile is too large");
	return r;
}
