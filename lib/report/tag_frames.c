/* SPDX-License-Identifier: MIT */
#include "report/tag_frames.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/private.h"
#include "report/format.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/log.h"

struct tag_frames {
	struct profile *p;
	const char *unit;
	/* One after the other, to be found again. */
	size_t first_function, first_location;
	uint64_t next_id;
	uint32_t *stack;
	size_t n_stack, stack_capacity;
	/* The stacks of all samples, which take the place of the profile's. */
	uint32_t *ids;
	size_t n_ids, id_capacity;
};

/* The values of a label, with commas between them. *n is their number. */
static char *label_values(
	const struct tag_frames *t, const struct sample *s, const char *key, size_t *n)
{
	char *text = NULL, number[FORMAT_VALUE_SIZE];
	size_t size;
	bool units = false;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	*n = 0;
	for (int pass = 0; pass < 2; pass++) {
		bool numeric = pass == 1;
		for (size_t i = 0; i < s->n_labels; i++) {
			const struct label *l = &t->p->labels[s->first_label + i];
			if (strcmp(profile_text(t->p, l->key), key) != 0)
				continue;
			units |= !numeric && !l->str && l->num_unit;
			if ((l->str == 0) != numeric)
				continue;
			if (numeric)
				format_value(number, sizeof(number), l->num,
					units ? profile_text(t->p, l->num_unit) : "",
					units ? t->unit : "");
			fprintf(out, "%s%s", (*n)++ ? "," : "",
				numeric ? number : profile_text(t->p, l->str));
		}
	}
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

/* A location whose function has the values for a name and the key for a file. */
static int64_t find_or_add_location(struct tag_frames *t, const char *values, const char *key)
{
	struct profile *p = t->p;
	int64_t name = profile_string(p, values), file = profile_string(p, key);
	if (name < 0 || file < 0)
		return -ENOMEM;
	for (size_t i = t->first_function; i < p->n_functions; i++)
		if (p->functions[i].name == (uint32_t)name &&
			p->functions[i].filename == (uint32_t)file)
			return (int64_t)(t->first_location + (i - t->first_function));
	int64_t function = profile_append_function(
		p, &(struct function){.name = (uint32_t)name, .filename = (uint32_t)file});
	if (function < 0)
		return function;
	return profile_append_location(p, &(struct location){.id = t->next_id++},
		&(struct line){.function = (uint32_t)function}, 1);
}

/* Frames for the keys, the last first. */
static int push_frames(
	struct tag_frames *t, const struct sample *s, const char *keys, bool *matched)
{
	size_t end = keys ? strlen(keys) : 0;
	while (end > 0) {
		size_t start = end;
		while (start > 0 && keys[start - 1] != ',')
			start--;
		if (start < end) {
			size_t n;
			_cleanup_free_ char *key = strndup(keys + start, end - start);
			_cleanup_free_ char *values = key ? label_values(t, s, key, &n) : NULL;
			if (!values)
				return -ENOMEM;
			*matched |= n > 0;
			int64_t id = find_or_add_location(t, values, key);
			int r = id < 0 ? (int)id : grow(t->stack, t->n_stack, t->stack_capacity, 1);
			if (r < 0)
				return r;
			t->stack[t->n_stack++] = (uint32_t)id;
		}
		end = start ? start - 1 : 0;
	}
	return 0;
}

static int push_stack(struct tag_frames *t, const struct sample *s)
{
	int r = grow(t->stack, t->n_stack, t->stack_capacity, s->n_locations);
	if (r == 0 && s->n_locations) {
		memcpy(t->stack + t->n_stack, t->p->location_ids + s->first_location,
			s->n_locations * sizeof(*t->stack));
		t->n_stack += s->n_locations;
	}
	return r;
}

static int keep_stack(struct tag_frames *t, struct sample *s)
{
	int r = grow(t->ids, t->n_ids, t->id_capacity, t->n_stack + 1);
	if (r < 0)
		return r;
	if (t->n_stack)
		memcpy(t->ids + t->n_ids, t->stack, t->n_stack * sizeof(*t->ids));
	s->first_location = (uint32_t)t->n_ids;
	s->n_locations = (uint32_t)t->n_stack;
	t->n_ids += t->n_stack;
	return 0;
}

static int add_frames(struct tag_frames *t, const char *root, const char *leaf)
{
	bool matched_root = false, matched_leaf = false;
	int r = 0;
	for (size_t i = 0; r == 0 && i < t->p->n_samples; i++) {
		struct sample *s = &t->p->samples[i];
		_cleanup_free_ uint32_t *roots = NULL;
		/* Roots come first, so that locations are numbered as google/pprof does. */
		t->n_stack = 0;
		r = push_frames(t, s, root, &matched_root);
		size_t n_roots = t->n_stack;
		roots = calloc(n_roots + 1, sizeof(*roots));
		if (r == 0 && !roots)
			r = -ENOMEM;
		if (r < 0)
			break;
		if (n_roots)
			memcpy(roots, t->stack, n_roots * sizeof(*roots));
		t->n_stack = 0;
		r = push_frames(t, s, leaf, &matched_leaf);
		if (r == 0)
			r = push_stack(t, s);
		if (r == 0)
			r = grow(t->stack, t->n_stack, t->stack_capacity, n_roots);
		if (r == 0 && n_roots)
			memcpy(t->stack + t->n_stack, roots, n_roots * sizeof(*roots));
		t->n_stack += r == 0 ? n_roots : 0;
		if (r == 0)
			r = keep_stack(t, s);
	}
	if (r == 0 && root && *root && !matched_root)
		log_warning("TagRoot expression matched no samples");
	if (r == 0 && leaf && *leaf && !matched_leaf)
		log_warning("TagLeaf expression matched no samples");
	return r;
}

int tag_frames_add(struct profile *p, const char *root, const char *leaf, const char *unit)
{
	if ((!root || !*root) && (!leaf || !*leaf))
		return 0;
	struct tag_frames t = {.p = p,
		.unit = unit,
		.first_function = p->n_functions,
		.first_location = p->n_locations};
	for (size_t i = 1; i < p->n_locations; i++)
		if (shown_id(p->locations[i].id, i) >= t.next_id)
			t.next_id = shown_id(p->locations[i].id, i);
	t.next_id++;
	int r = add_frames(&t, root, leaf);
	if (r == 0) {
		free(p->location_ids);
		p->location_ids = take_ptr(t.ids);
		p->n_location_ids = t.n_ids;
		p->private->location_id_capacity = t.id_capacity;
	}
	free(t.ids);
	free(t.stack);
	return r;
}
