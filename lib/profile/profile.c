/* SPDX-License-Identifier: MIT */
#include "profile/profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profile/private.h"
#include "profile/strings.h"
#include "util/grow.h"
#include "util/hash.h"

/* Makes the unused entry 0 of the tables; no pool is NULL, so an empty part of one is no special
 * case. */
static int begin_tables(struct profile *p)
{
	struct profile_private *v = p->private;
	int r = grow(p->lines, 0, v->line_capacity, 1);
	if (r == 0)
		r = grow(p->location_ids, 0, v->location_id_capacity, 1);
	if (r == 0)
		r = grow(p->labels, 0, v->label_capacity, 1);
	if (r == 0)
		r = grow(p->values, 0, v->value_capacity, 1);
	if (r == 0)
		r = grow(p->mappings, p->n_mappings, v->mapping_capacity, 1);
	if (r == 0)
		r = grow(p->functions, p->n_functions, v->function_capacity, 1);
	if (r == 0)
		r = grow(p->locations, p->n_locations, v->location_capacity, 1);
	if (r < 0)
		return r;
	p->mappings[p->n_mappings++] = (struct mapping){0};
	p->functions[p->n_functions++] = (struct function){0};
	p->locations[p->n_locations++] = (struct location){0};
	v->mappings.done = v->functions.done = v->locations.done = v->merge_mappings.done = 1;
	return 0;
}

struct profile *profile_new(void)
{
	struct profile *p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->private = calloc(1, sizeof(*p->private));
	p->strings = strings_new();
	if (!p->private || !p->strings || begin_tables(p) < 0) {
		profile_free(p);
		return NULL;
	}
	return p;
}

void profile_free(struct profile *p)
{
	if (!p)
		return;
	if (p->private) {
		intern_free(&p->private->mappings.ids);
		intern_free(&p->private->functions.ids);
		intern_free(&p->private->locations.ids);
		intern_free(&p->private->samples.ids);
		intern_free(&p->private->merge_mappings.ids);
		intern_free(&p->private->label_set_index);
		free(p->private->label_sets);
	}
	strings_free(p->strings);
	free(p->sample_types);
	free(p->mappings);
	free(p->functions);
	free(p->locations);
	free(p->lines);
	free(p->samples);
	free(p->values);
	free(p->location_ids);
	free(p->labels);
	free(p->comments);
	free(p->private);
	free(p);
}

int profile_index_update(const struct profile *p, struct profile_index *index, size_t n,
	uint32_t bias, uint64_t (*hash)(const struct profile *p, size_t i))
{
	for (; index->done < n; index->done++) {
		int r = intern_add(&index->ids, hash(p, index->done), (uint32_t)index->done + bias);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- strings and headers ------------------------------------------------------------------ */

int64_t profile_string_n(struct profile *p, const char *text, size_t n)
{
	return strings_add(p->strings, text, n);
}

int64_t profile_string(struct profile *p, const char *text)
{
	return strings_add(p->strings, text, strlen(text));
}

const char *profile_text(const struct profile *p, uint32_t string)
{
	return strings_text(p->strings, string);
}

int profile_add_sample_type(struct profile *p, const char *type, const char *unit)
{
	/* Samples have one value for each type that there was. */
	if (p->n_samples)
		return -EINVAL;
	int64_t type_id = profile_string(p, type);
	int64_t unit_id = profile_string(p, unit);
	if (type_id < 0 || unit_id < 0)
		return (int)(type_id < 0 ? type_id : unit_id);
	return profile_append_sample_type(
		p, (struct value_type){(uint32_t)type_id, (uint32_t)unit_id});
}

int profile_append_sample_type(struct profile *p, struct value_type type)
{
	int r = grow(p->sample_types, p->n_sample_types, p->private->sample_type_capacity, 1);
	if (r == 0)
		p->sample_types[p->n_sample_types++] = type;
	return r;
}

int profile_append_comment(struct profile *p, uint32_t string)
{
	int r = grow(p->comments, p->n_comments, p->private->comment_capacity, 1);
	if (r < 0)
		return r;
	p->comments[p->n_comments++] = string;
	return 0;
}

int profile_add_comment(struct profile *p, const char *text)
{
	int64_t id = profile_string(p, text);
	if (id < 0)
		return (int)id;
	for (size_t i = 0; i < p->n_comments; i++) {
		if (p->comments[i] == id)
			return 0;
	}
	return profile_append_comment(p, (uint32_t)id);
}

/* ---- mappings and functions --------------------------------------------------------------- */

/* What is looked for: structs are compared by member, since padding has no value. */
struct wanted {
	const struct profile *p;
	const void *entry;
	const struct line *lines;
	size_t n_lines;
};

static uint64_t hash_mapping(const struct mapping *m)
{
	uint64_t words[] = {m->start, m->limit, m->offset, (uint64_t)m->file << 32 | m->build_id};
	return hash_bytes(words, sizeof(words));
}

static uint64_t hash_mapping_at(const struct profile *p, size_t i)
{
	return hash_mapping(&p->mappings[i]);
}

static bool equal_mapping(const void *userdata, uint32_t id)
{
	const struct wanted *w = userdata;
	const struct mapping *a = w->entry, *b = &w->p->mappings[id];
	return a->start == b->start && a->limit == b->limit && a->offset == b->offset &&
	       a->file == b->file && a->build_id == b->build_id &&
	       a->has_functions == b->has_functions && a->has_filenames == b->has_filenames &&
	       a->has_line_numbers == b->has_line_numbers &&
	       a->has_inline_frames == b->has_inline_frames;
}

int64_t profile_append_mapping(struct profile *p, const struct mapping *mapping)
{
	int r = grow(p->mappings, p->n_mappings, p->private->mapping_capacity, 1);
	if (r < 0)
		return r;
	p->mappings[p->n_mappings] = *mapping;
	return (int64_t)p->n_mappings++;
}

int64_t profile_add_mapping(struct profile *p, const struct mapping *mapping)
{
	struct profile_index *index = &p->private->mappings;
	int r = profile_index_update(p, index, p->n_mappings, 0, hash_mapping_at);
	if (r < 0)
		return r;
	struct wanted wanted = {.p = p, .entry = mapping};
	uint32_t id = intern_find(&index->ids, hash_mapping(mapping), equal_mapping, &wanted);
	return id ? id : profile_append_mapping(p, mapping);
}

static uint64_t hash_function(const struct function *f)
{
	uint64_t words[] = {
		(uint64_t)f->name << 32 | f->system_name, f->filename, (uint64_t)f->start_line};
	return hash_bytes(words, sizeof(words));
}

static uint64_t hash_function_at(const struct profile *p, size_t i)
{
	return hash_function(&p->functions[i]);
}

static bool equal_function(const void *userdata, uint32_t id)
{
	const struct wanted *w = userdata;
	const struct function *a = w->entry, *b = &w->p->functions[id];
	return a->name == b->name && a->system_name == b->system_name &&
	       a->filename == b->filename && a->start_line == b->start_line;
}

int64_t profile_append_function(struct profile *p, const struct function *function)
{
	int r = grow(p->functions, p->n_functions, p->private->function_capacity, 1);
	if (r < 0)
		return r;
	p->functions[p->n_functions] = *function;
	return (int64_t)p->n_functions++;
}

int64_t profile_add_function(struct profile *p, const struct function *function)
{
	struct profile_index *index = &p->private->functions;
	int r = profile_index_update(p, index, p->n_functions, 0, hash_function_at);
	if (r < 0)
		return r;
	struct wanted wanted = {.p = p, .entry = function};
	uint32_t id = intern_find(&index->ids, hash_function(function), equal_function, &wanted);
	return id ? id : profile_append_function(p, function);
}

int profile_set_name(struct profile *p, uint32_t function, uint32_t name)
{
	struct profile_index *index = &p->private->functions;
	if (!function || function >= p->n_functions)
		return -EINVAL;
	intern_free(&index->ids); /* it knows them by their names */
	index->done = 1;
	p->functions[function].name = name;
	return 0;
}

int profile_find_functions(
	struct profile *p, const struct function *functions, size_t n, uint32_t *ids)
{
	struct profile_index *index = &p->private->functions;
	uint64_t hashes[INTERN_BATCH];
	int r = profile_index_update(p, index, p->n_functions, 0, hash_function_at);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		hashes[i] = hash_function(&functions[i]);
		intern_prefetch(&index->ids, hashes[i]);
	}
	for (size_t i = 0; i < n; i++)
		__builtin_prefetch(&p->functions[intern_peek(&index->ids, hashes[i])]);
	for (size_t i = 0; i < n; i++) {
		struct wanted wanted = {.p = p, .entry = &functions[i]};
		ids[i] = intern_find(&index->ids, hashes[i], equal_function, &wanted);
	}
	return 0;
}

/* ---- locations ---------------------------------------------------------------------------- */

#define WORDS_AT_ONCE 12

static uint64_t hash_location(const struct location *l, const struct line *lines, size_t n_lines)
{
	uint64_t words[3 + WORDS_AT_ONCE] = {
		l->address, (uint64_t)l->mapping << 1 | l->is_folded, n_lines};
	uint64_t hash = 0;
	size_t n = 3;
	for (size_t i = 0; i < n_lines; i++) {
		if (n + 3 > sizeof(words) / sizeof(*words)) {
			hash = hash_more(hash, words, n * sizeof(*words));
			n = 0;
		}
		words[n++] = lines[i].function;
		words[n++] = (uint64_t)lines[i].line;
		words[n++] = (uint64_t)lines[i].column;
	}
	return hash_more(hash, words, n * sizeof(*words));
}

static uint64_t hash_location_at(const struct profile *p, size_t i)
{
	const struct location *l = &p->locations[i];
	return hash_location(l, p->lines + l->first_line, l->n_lines);
}

static bool equal_location(const void *userdata, uint32_t id)
{
	const struct wanted *w = userdata;
	const struct location *a = w->entry, *b = &w->p->locations[id];
	if (a->address != b->address || a->mapping != b->mapping || a->is_folded != b->is_folded ||
		w->n_lines != b->n_lines)
		return false;
	for (size_t i = 0; i < w->n_lines; i++) {
		const struct line *x = &w->lines[i], *y = &w->p->lines[b->first_line + i];
		if (x->function != y->function || x->line != y->line || x->column != y->column)
			return false;
	}
	return true;
}

/* Puts lines into the pool and gives them to a location. */
static int append_lines(struct profile *p, struct location *l, const struct line *lines, size_t n)
{
	int r = grow(p->lines, p->n_lines, p->private->line_capacity, n);
	if (r < 0)
		return r;
	l->first_line = (uint32_t)p->n_lines;
	l->n_lines = (uint32_t)n;
	if (n)
		memcpy(p->lines + p->n_lines, lines, n * sizeof(*lines));
	p->n_lines += n;
	return 0;
}

int64_t profile_append_location(struct profile *p, const struct location *location,
	const struct line *lines, size_t n_lines)
{
	int r = grow(p->locations, p->n_locations, p->private->location_capacity, 1);
	if (r < 0)
		return r;
	struct location *l = &p->locations[p->n_locations];
	*l = *location;
	r = append_lines(p, l, lines, n_lines);
	return r < 0 ? r : (int64_t)p->n_locations++;
}

static bool have_functions(const struct profile *p, const struct line *lines, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!lines[i].function || lines[i].function >= p->n_functions)
			return false;
	return true;
}

int profile_set_lines(
	struct profile *p, uint32_t location, const struct line *lines, size_t n_lines)
{
	struct profile_index *index = &p->private->locations;
	if (!location || location >= p->n_locations || !have_functions(p, lines, n_lines))
		return -EINVAL;
	intern_free(&index->ids); /* it knows them by their lines */
	index->done = 1;
	return append_lines(p, &p->locations[location], lines, n_lines);
}

int64_t profile_add_location(struct profile *p, const struct location *location,
	const struct line *lines, size_t n_lines)
{
	if (location->mapping >= p->n_mappings || !have_functions(p, lines, n_lines))
		return -EINVAL;
	struct profile_index *index = &p->private->locations;
	int r = profile_index_update(p, index, p->n_locations, 0, hash_location_at);
	if (r < 0)
		return r;
	struct wanted wanted = {p, location, lines, n_lines};
	uint64_t hash = hash_location(location, lines, n_lines);
	uint32_t id = intern_find(&index->ids, hash, equal_location, &wanted);
	return id ? id : profile_append_location(p, location, lines, n_lines);
}

int profile_find_locations(
	struct profile *p, const struct location_and_lines *locations, size_t n, uint32_t *ids)
{
	struct profile_index *index = &p->private->locations;
	uint64_t hashes[INTERN_BATCH];
	int r = profile_index_update(p, index, p->n_locations, 0, hash_location_at);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		const struct location *l = &locations[i].location;
		hashes[i] = hash_location(l, locations[i].lines, l->n_lines);
		intern_prefetch(&index->ids, hashes[i]);
	}
	for (size_t i = 0; i < n; i++) {
		ids[i] = intern_peek(&index->ids, hashes[i]);
		__builtin_prefetch(&p->locations[ids[i]]);
	}
	for (size_t i = 0; i < n; i++)
		__builtin_prefetch(&p->lines[p->locations[ids[i]].first_line]);
	for (size_t i = 0; i < n; i++) {
		const struct location *l = &locations[i].location;
		struct wanted wanted = {p, l, locations[i].lines, l->n_lines};
		ids[i] = intern_find(&index->ids, hashes[i], equal_location, &wanted);
	}
	return 0;
}

/* ---- samples ------------------------------------------------------------------------------ */

uint64_t profile_hash_labels(const struct label *labels, size_t n)
{
	uint64_t words[3 * 8], hash = n;
	size_t filled = 0;
	for (size_t i = 0; i < n; i++) {
		words[filled++] = (uint64_t)labels[i].key << 32 | labels[i].str;
		words[filled++] = (uint64_t)labels[i].num;
		words[filled++] = labels[i].num_unit;
		if (filled == sizeof(words) / sizeof(*words) || i + 1 == n) {
			hash = hash_more(hash, words, filled * sizeof(*words));
			filled = 0;
		}
	}
	return hash;
}

bool profile_equal_labels(const struct label *a, const struct label *b, size_t n)
{
	for (size_t i = 0; a != b && i < n; i++) {
		if (a[i].key != b[i].key || a[i].str != b[i].str || a[i].num != b[i].num ||
			a[i].num_unit != b[i].num_unit)
			return false;
	}
	return true;
}

struct wanted_sample {
	const struct profile *p;
	const uint32_t *locations;
	size_t n_locations;
	const struct label *labels;
	size_t n_labels;
};

uint64_t profile_hash_sample(const uint32_t *locations, size_t n_locations, uint64_t hash_of_labels)
{
	return hash_more(hash_of_labels, locations, n_locations * sizeof(*locations));
}

static struct wanted_sample sample_at(const struct profile *p, size_t i)
{
	const struct sample *s = &p->samples[i];
	return (struct wanted_sample){p, p->location_ids + s->first_location, s->n_locations,
		p->labels + s->first_label, s->n_labels};
}

static uint64_t hash_sample_at(const struct profile *p, size_t i)
{
	struct wanted_sample s = sample_at(p, i);
	return profile_hash_sample(
		s.locations, s.n_locations, profile_hash_labels(s.labels, s.n_labels));
}

static bool equal_sample(const void *userdata, uint32_t id)
{
	const struct wanted_sample *a = userdata;
	struct wanted_sample b = sample_at(a->p, id - 1);
	if (a->n_locations != b.n_locations || a->n_labels != b.n_labels)
		return false;
	return (!b.n_locations ||
		       !memcmp(a->locations, b.locations, b.n_locations * sizeof(*b.locations))) &&
	       profile_equal_labels(a->labels, b.labels, b.n_labels);
}

static int append_sample(struct profile *p, const uint32_t *locations, size_t n_locations,
	struct label_set labels, const int64_t *values)
{
	struct profile_private *v = p->private;
	size_t n_values = p->n_sample_types * p->n_samples;
	int r = grow(p->samples, p->n_samples, v->sample_capacity, 1);
	if (r == 0)
		r = grow(p->location_ids, p->n_location_ids, v->location_id_capacity, n_locations);
	if (r == 0)
		r = grow(p->values, n_values, v->value_capacity, p->n_sample_types);
	if (r < 0)
		return r;
	p->samples[p->n_samples] = (struct sample){
		(uint32_t)p->n_location_ids, (uint32_t)n_locations, labels.first, labels.n};
	if (n_locations)
		memcpy(p->location_ids + p->n_location_ids, locations,
			n_locations * sizeof(*locations));
	if (p->n_sample_types)
		memcpy(p->values + n_values, values, p->n_sample_types * sizeof(*values));
	p->n_location_ids += n_locations;
	p->n_samples++;
	return 0;
}

int profile_append_sample(struct profile *p, const uint32_t *locations, size_t n_locations,
	const struct label *labels, size_t n_labels, const int64_t *values)
{
	struct label_set own = {(uint32_t)p->n_labels, (uint32_t)n_labels};
	int r = grow(p->labels, p->n_labels, p->private->label_capacity, n_labels);
	if (r < 0)
		return r;
	if (n_labels)
		memcpy(p->labels + p->n_labels, labels, n_labels * sizeof(*labels));
	r = append_sample(p, locations, n_locations, own, values);
	if (r == 0)
		p->n_labels += n_labels;
	return r;
}

/* Sums stay at the ends of the range rather than wrap. */
static int64_t add_saturated(int64_t a, int64_t b)
{
	int64_t sum;
	if (__builtin_add_overflow(a, b, &sum))
		return a < 0 ? INT64_MIN : INT64_MAX;
	return sum;
}

/* The values that a sample will be added to. NULL: there is no such sample. */
static int64_t *find_values(struct profile *p, const struct wanted_sample *wanted, uint64_t hash)
{
	uint32_t id = intern_find(&p->private->samples.ids, hash, equal_sample, wanted);
	return id ? p->values + (size_t)(id - 1) * p->n_sample_types : NULL;
}

static void add_values(int64_t *sum, const int64_t *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum[i] = add_saturated(sum[i], values[i]);
}

static int count_sample(struct profile *p, const struct ready_sample *s)
{
	struct wanted_sample wanted = {
		p, s->locations, s->n_locations, p->labels + s->labels.first, s->labels.n};
	int64_t *sum = find_values(p, &wanted, s->hash);
	if (sum) {
		add_values(sum, s->values, p->n_sample_types);
		return 0;
	}
	int r = append_sample(p, s->locations, s->n_locations, s->labels, s->values);
	/* Indexed at once, since its hash is known. */
	if (r == 0)
		r = intern_add(&p->private->samples.ids, s->hash, (uint32_t)p->n_samples);
	p->private->samples.done += r == 0;
	return r;
}

int profile_count_samples(struct profile *p, const struct ready_sample *samples, size_t n)
{
	struct profile_index *index = &p->private->samples;
	uint32_t ids[INTERN_BATCH];
	int r = profile_index_update(p, index, p->n_samples, 1, hash_sample_at);
	for (size_t i = 0; i < n; i++)
		intern_prefetch(&index->ids, samples[i].hash);
	for (size_t i = 0; i < n; i++) {
		ids[i] = intern_peek(&index->ids, samples[i].hash);
		if (ids[i])
			__builtin_prefetch(&p->samples[ids[i] - 1]);
	}
	for (size_t i = 0; i < n; i++) {
		if (!ids[i])
			continue;
		__builtin_prefetch(p->location_ids + p->samples[ids[i] - 1].first_location);
		__builtin_prefetch(p->values + (ids[i] - 1) * p->n_sample_types, 1);
	}
	for (size_t i = 0; r == 0 && i < n; i++)
		r = count_sample(p, &samples[i]);
	return r;
}

int profile_add_sample(struct profile *p, const uint32_t *locations, size_t n_locations,
	const struct label *labels, size_t n_labels, const int64_t *values)
{
	for (size_t i = 0; i < n_locations; i++) {
		if (!locations[i] || locations[i] >= p->n_locations)
			return -EINVAL;
	}
	int r = profile_index_update(p, &p->private->samples, p->n_samples, 1, hash_sample_at);
	if (r < 0)
		return r;
	struct wanted_sample wanted = {p, locations, n_locations, labels, n_labels};
	int64_t *sum = find_values(p, &wanted,
		profile_hash_sample(locations, n_locations, profile_hash_labels(labels, n_labels)));
	if (sum) {
		add_values(sum, values, p->n_sample_types);
		return 0;
	}
	return profile_append_sample(p, locations, n_locations, labels, n_labels, values);
}
