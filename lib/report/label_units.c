/* SPDX-License-Identifier: MIT */
#include "report/label_units.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/grow.h"
#include "util/log.h"

static struct label_unit *find(const struct label_units *u, uint32_t key)
{
	for (size_t i = 0; i < u->n; i++)
		if (u->items[i].key == key)
			return &u->items[i];
	return NULL;
}

/* Adds the pair if the list does not have it. */
static int add(struct label_units *u, uint32_t key, uint32_t unit)
{
	for (size_t i = 0; i < u->n; i++)
		if (u->items[i].key == key && u->items[i].unit == unit)
			return 0;
	int r = grow(u->items, u->n, u->capacity, 1);
	if (r == 0)
		u->items[u->n++] = (struct label_unit){key, unit};
	return r;
}

static int note(struct label_units *u, struct label_units *ignored, const struct label *l)
{
	struct label_unit *known = find(u, l->key);
	if (!known)
		return add(u, l->key, l->num_unit);
	if (!l->num_unit || known->unit == l->num_unit)
		return 0;
	if (known->unit)
		return add(ignored, l->key, l->num_unit);
	known->unit = l->num_unit;
	return 0;
}

static int guess(struct label_units *u, struct profile *p)
{
	for (size_t i = 0; i < u->n; i++) {
		struct label_unit *item = &u->items[i];
		const char *key = profile_text(p, item->key);
		if (item->unit)
			continue;
		bool bytes = !strcmp(key, "alignment") || !strcmp(key, "request");
		int64_t unit = bytes ? profile_string(p, "bytes") : (int64_t)item->key;
		if (unit < 0)
			return (int)unit;
		item->unit = (uint32_t)unit;
	}
	return 0;
}

static int compare_ignored(const void *a, const void *b, void *userdata)
{
	const struct label_unit *x = a, *y = b;
	const struct profile *p = userdata;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return strcmp(profile_text(p, x->unit), profile_text(p, y->unit));
}

static void tell_ignored(
	struct label_units *ignored, const struct label_units *u, struct profile *p)
{
	if (ignored->n)
		qsort_r(ignored->items, ignored->n, sizeof(*ignored->items), compare_ignored, p);
	for (size_t i = 0; i < ignored->n;) {
		uint32_t key = ignored->items[i].key;
		char units[256] = "";
		for (size_t used = 0; i < ignored->n && ignored->items[i].key == key; i++) {
			int n = snprintf(units + used, sizeof(units) - used, "%s%s",
				used ? ", " : "", profile_text(p, ignored->items[i].unit));
			used += n > 0 && (size_t)n < sizeof(units) - used ? (size_t)n : 0;
		}
		log_warning("For tag %s used unit %s, also encountered unit(s) %s",
			profile_text(p, key), label_units_get(u, p, key), units);
	}
}

int label_units_find(struct label_units *u, struct profile *p)
{
	struct label_units ignored = {0};
	int r = 0;
	for (size_t i = 0; r == 0 && i < p->n_samples; i++) {
		const struct sample *s = &p->samples[i];
		for (size_t k = 0; r == 0 && k < s->n_labels; k++) {
			const struct label *l = &p->labels[s->first_label + k];
			if (!l->str)
				r = note(u, &ignored, l);
		}
	}
	if (r == 0)
		r = guess(u, p);
	if (r == 0)
		tell_ignored(&ignored, u, p);
	label_units_free(&ignored);
	return r;
}

const char *label_units_get(const struct label_units *u, const struct profile *p, uint32_t key)
{
	const struct label_unit *known = find(u, key);
	return known ? profile_text(p, known->unit) : "";
}

void label_units_free(struct label_units *u)
{
	free(u->items);
	*u = (struct label_units){0};
}
