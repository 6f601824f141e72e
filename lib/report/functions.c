/* SPDX-License-Identifier: MIT */
#include "report/functions.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/strings.h"
#include "report/names.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/hash.h"

/* ---- events --------------------------------------------------------------------------------- */

/* How to tell the number of events behind a sample's value. */
struct event_rule {
	enum { EVENTS_COUNTED, EVENTS_OF_HEAP, EVENTS_UNKNOWN } kind;
	size_t count; /* COUNTED: the value that counts them; OF_HEAP: objects */
	size_t bytes; /* OF_HEAP */
	double rate;  /* OF_HEAP: mean bytes between samples */
};

static bool is_type(const struct profile *p, size_t i, const char *type)
{
	return !strcmp(profile_text(p, p->sample_types[i].type), type);
}

static bool has_unit(const struct profile *p, size_t i, const char *unit)
{
	return !strcmp(profile_text(p, p->sample_types[i].unit), unit);
}

double functions_heap_events(double objects, double bytes, double rate)
{
	/* Objects of a mean size, each of which was seen with this chance. */
	return objects > 0 ? objects * -expm1(-bytes / objects / rate) : 0;
}

/* "inuse_objects" and "inuse_space" are two sides of one thing. */
static bool are_partners(const struct profile *p, size_t objects, size_t space)
{
	const char *a = profile_text(p, p->sample_types[objects].type);
	const char *b = profile_text(p, p->sample_types[space].type);
	size_t n = strcspn(a, "_");

	return !strncmp(a, b, n) && !strcmp(a + n, "_objects") && !strcmp(b + n, "_space");
}

static struct event_rule find_rule(const struct profile *p, size_t type)
{
	static const char *const counts[] = {"samples", "contentions"};

	for (size_t i = 0; i < p->n_sample_types; i++)
		for (size_t k = 0; k < p->n_sample_types; k++)
			if (are_partners(p, i, k) && (i == type || k == type) && p->period > 1)
				return (struct event_rule){EVENTS_OF_HEAP, i, k, (double)p->period};
	for (size_t k = 0; k < sizeof(counts) / sizeof(*counts); k++)
		for (size_t i = 0; i < p->n_sample_types; i++)
			if (is_type(p, i, counts[k]) && has_unit(p, i, "count"))
				return (struct event_rule){.kind = EVENTS_COUNTED, .count = i};
	return (struct event_rule){.kind = EVENTS_UNKNOWN};
}

static double events_of(const struct event_rule *rule, const int64_t *values)
{
	double count = fabs((double)values[rule->count]);

	switch (rule->kind) {
	case EVENTS_COUNTED:
		return count;
	case EVENTS_OF_HEAP:
		return functions_heap_events(count, fabs((double)values[rule->bytes]), rule->rate);
	default:
		return 0;
	}
}

/* Of n events of equal weight w: n w². */
static struct noisy noisy_value(const struct event_rule *rule, const int64_t *values, size_t type)
{
	double value = (double)values[type], events = events_of(rule, values);
	return (struct noisy){value, events > 0 ? value * value / events : 0};
}

static void add(struct noisy *sum, struct noisy more)
{
	sum->value += more.value;
	sum->variance += more.variance;
}

/* ---- names ---------------------------------------------------------------------------------- */

struct wanted {
	const struct functions *f;
	uint32_t name;
};

static bool equal_name(const void *userdata, uint32_t id)
{
	const struct wanted *w = userdata;
	return w->f->items[id - 1].name == w->name;
}

static int find_or_add(struct functions *f, uint32_t name, uint32_t *out)
{
	struct wanted wanted = {f, name};
	uint64_t hash = hash_bytes(&name, sizeof(name));
	uint32_t id = intern_find(&f->index, hash, equal_name, &wanted);

	if (!id) {
		int r = grow(f->items, f->n, f->capacity, 1);
		if (r == 0)
			r = intern_add(&f->index, hash, (uint32_t)f->n + 1);
		if (r < 0)
			return r;
		f->items[f->n++] = (struct function_cost){.name = name};
		id = (uint32_t)f->n;
	}
	*out = id - 1;
	return 0;
}

static int add_named(struct functions *f, const char *name, uint32_t *out)
{
	int64_t id = strings_add(f->names, name, strlen(name));
	return id < 0 ? (int)id : find_or_add(f, (uint32_t)id, out);
}

static int add_unnamed(
	struct functions *f, const struct profile *p, uint32_t mapping, uint32_t *out)
{
	const char *file = profile_text(p, p->mappings[mapping].file);
	size_t length;
	const char *base = base_name(file, &length);
	_cleanup_free_ char *text = NULL;

	if (!*file)
		return add_named(f, "<unknown>", out);
	if (asprintf(&text, "[%.*s]", (int)length, base) < 0)
		return -ENOMEM;
	return add_named(f, text, out);
}

/* Which item each line of the profile is, and each location without lines. */
struct places {
	uint32_t *lines, *locations;
};

static int add_function(struct functions *f, const struct profile *p,
	const struct function *function, uint32_t mapping, uint32_t *out)
{
	const char *name = profile_text(p, function->name);
	_cleanup_free_ char *buffer = malloc(strings_length(p->strings, function->system_name) + 1);

	if (!buffer)
		return -ENOMEM;
	name = shown_name(name, profile_text(p, function->system_name), buffer);
	return *name ? add_named(f, name, out) : add_unnamed(f, p, mapping, out);
}

static int find_places(struct functions *f, const struct profile *p, struct places *places)
{
	int r = 0;

	places->lines = calloc(p->n_lines + 1, sizeof(*places->lines));
	places->locations = calloc(p->n_locations, sizeof(*places->locations));
	if (!places->lines || !places->locations)
		return -ENOMEM;
	for (size_t i = 1; i < p->n_locations && r == 0; i++) {
		const struct location *l = &p->locations[i];
		if (!l->n_lines)
			r = add_unnamed(f, p, l->mapping, &places->locations[i]);
		for (size_t k = l->first_line; k < l->first_line + l->n_lines && r == 0; k++)
			r = add_function(f, p, &p->functions[p->lines[k].function], l->mapping,
				&places->lines[k]);
	}
	return r;
}

/* ---- counting ------------------------------------------------------------------------------- */

static void count_frame(
	struct functions *f, uint32_t item, size_t sample, bool is_leaf, struct noisy value)
{
	struct function_cost *cost = &f->items[item];

	if (is_leaf)
		add(&cost->flat, value);
	if (cost->seen == sample)
		return;
	cost->seen = sample;
	add(&cost->cum, value);
}

static void count_sample(struct functions *f, const struct profile *p, const struct places *places,
	size_t index, struct noisy value)
{
	const struct sample *s = &p->samples[index];
	bool is_leaf = true;

	add(&f->total, value);
	for (size_t i = 0; i < s->n_locations; i++) {
		uint32_t id = p->location_ids[s->first_location + i];
		const struct location *l = &p->locations[id];
		if (!l->n_lines) {
			count_frame(f, places->locations[id], index + 1, is_leaf, value);
			is_leaf = false;
		}
		for (size_t k = l->first_line; k < l->first_line + l->n_lines; k++) {
			count_frame(f, places->lines[k], index + 1, is_leaf, value);
			is_leaf = false;
		}
	}
}

int functions_count(struct functions *f, const struct profile *p, size_t type)
{
	struct places places = {0};

	*f = (struct functions){0};
	if (type >= p->n_sample_types)
		return -EINVAL;
	struct event_rule rule = find_rule(p, type);
	f->names = strings_new();
	f->exact = rule.kind == EVENTS_UNKNOWN;
	int r = f->names ? find_places(f, p, &places) : -ENOMEM;
	for (size_t i = 0; i < p->n_samples && r == 0; i++)
		count_sample(f, p, &places, i,
			noisy_value(&rule, p->values + i * p->n_sample_types, type));
	free(places.lines);
	free(places.locations);
	return r;
}

static void add_times(struct noisy *sum, struct noisy more, double sign)
{
	sum->value += sign * more.value;
	/* Noise never cancels out. */
	sum->variance += more.variance;
}

int functions_add(struct functions *into, const struct functions *from, double sign)
{
	if (!into->names)
		into->names = strings_new();
	if (!into->names)
		return -ENOMEM;
	for (size_t i = 0; i < from->n; i++) {
		uint32_t item;
		int r = add_named(into, functions_name(from, &from->items[i]), &item);
		if (r < 0)
			return r;
		add_times(&into->items[item].flat, from->items[i].flat, sign);
		add_times(&into->items[item].cum, from->items[i].cum, sign);
	}
	add_times(&into->total, from->total, sign);
	into->exact |= from->exact;
	return 0;
}

void functions_free(struct functions *f)
{
	strings_free(f->names);
	free(f->items);
	intern_free(&f->index);
	*f = (struct functions){0};
}

const char *functions_name(const struct functions *f, const struct function_cost *cost)
{
	return strings_text(f->names, cost->name);
}

const struct function_cost *functions_find(const struct functions *f, const char *name)
{
	int64_t id = strings_find(f->names, name, strlen(name));
	if (id < 0)
		return NULL;
	struct wanted wanted = {f, (uint32_t)id};
	uint32_t key = (uint32_t)id;
	uint32_t item = intern_find(&f->index, hash_bytes(&key, sizeof(key)), equal_name, &wanted);
	return item ? &f->items[item - 1] : NULL;
}
