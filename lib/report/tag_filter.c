/* SPDX-License-Identifier: MIT */
#include "report/tag_filter.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/units.h"
#include "report/format.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/log.h"

#define UNIT_SIZE 64

/* ---- ranges ------------------------------------------------------------------------------- */

struct bound {
	int64_t value;
	char unit[UNIT_SIZE];
};

/* "[+-]digits[letters]": moves on, or NULL. */
static const char *parse_bound(const char *at, struct bound *out)
{
	const char *digits = at + (*at == '+' || *at == '-');
	if (!isdigit((unsigned char)*digits))
		return NULL;
	char *end;
	errno = 0;
	out->value = strtoll(at, &end, 10);
	size_t n = 0;
	while (isalpha((unsigned char)end[n]))
		n++;
	if (errno || n >= sizeof(out->unit))
		return NULL;
	memcpy(out->unit, end, n);
	out->unit[n] = '\0';
	return end + n;
}

/* False if the text is no range. */
static bool parse_range(struct tag_filter *f, const char *text)
{
	struct bound first, second;
	const char *unit;
	bool open = *text == ':';
	const char *at = parse_bound(text + open, &first);
	if (!at || (open && *at))
		return false;
	f->least = f->most = units_scale(first.value, first.unit, first.unit, &unit);
	f->has_most = open || !*at;
	f->has_least = !open;
	if (*at == ':' && at[1]) {
		const char *other;
		at = parse_bound(at + 1, &second);
		if (!at || *at)
			return false;
		f->most = units_scale(second.value, second.unit, unit, &other);
		f->has_most = true;
		if (strcmp(unit, other) != 0)
			return false;
	} else if (*at && strcmp(at, ":") != 0) {
		return false;
	}
	f->unit = strdup(unit);
	return f->unit != NULL;
}

static bool in_range(const struct tag_filter *f, int64_t value, const char *unit)
{
	const char *scaled_unit;
	double scaled = units_scale(value, unit, f->unit, &scaled_unit);
	return !strcmp(scaled_unit, f->unit) && (!f->has_least || scaled >= f->least) &&
	       (!f->has_most || scaled <= f->most);
}

/* ---- parsing ------------------------------------------------------------------------------ */

static int add_pattern(struct tag_filter *f, const char *name, const char *text, size_t length,
	char *why, size_t why_size)
{
	char problem[512];
	_cleanup_free_ char *one = strndup(text, length);
	int r = one ? grow(f->patterns, f->n, f->capacity, 1) : -ENOMEM;
	if (r == 0)
		r = pattern_compile(&f->patterns[f->n], one, problem, sizeof(problem));
	if (r == 0)
		f->n++;
	else if (r == -EINVAL)
		snprintf(why, why_size, "parsing %s regexp: %s", name, problem);
	return r;
}

int tag_filter_parse(
	struct tag_filter *f, const char *name, const char *text, char *why, size_t why_size)
{
	const char *equals = strchr(text, '=');
	*f = (struct tag_filter){0};
	if (equals) {
		f->key = strndup(text, (size_t)(equals - text));
		if (!f->key)
			return -ENOMEM;
		text = equals + 1;
		if (!*f->key) {
			free(f->key);
			f->key = NULL;
		}
	}
	if (parse_range(f, text)) {
		f->is_range = true;
		log_info("%s:Interpreted '%s' as range, not regexp", name, text);
		return 0;
	}
	int r = 0;
	for (;;) {
		size_t n = strcspn(text, ",");
		r = add_pattern(f, name, text, n, why, why_size);
		if (r < 0 || !text[n])
			return r;
		text += n + 1;
	}
}

/* ---- matching ----------------------------------------------------------------------------- */

static bool of_key(const struct tag_filter *f, const struct profile *p, const struct label *l)
{
	return !f->key || !strcmp(profile_text(p, l->key), f->key);
}

static int matches_label(struct tag_filter *f, struct pattern *pattern, const struct profile *p,
	const struct label *l)
{
	const char *key = profile_text(p, l->key), *value = profile_text(p, l->str);
	if (f->key)
		return pattern_matches(pattern, value);
	size_t size = strlen(key) + strlen(value) + 2;
	int r = grow(f->buffer, 0, f->buffer_size, size);
	if (r < 0)
		return r;
	snprintf(f->buffer, size, "%s:%s", key, value);
	return pattern_matches(pattern, f->buffer);
}

/* Whether a text label of the sample matches the pattern. */
static int matches_pattern(struct tag_filter *f, struct pattern *pattern, const struct profile *p,
	const struct sample *s)
{
	for (size_t i = 0; i < s->n_labels; i++) {
		const struct label *l = &p->labels[s->first_label + i];
		if (!l->str || !of_key(f, p, l))
			continue;
		int r = matches_label(f, pattern, p, l);
		if (r)
			return r;
	}
	return 0;
}

int tag_filter_matches(struct tag_filter *f, const struct profile *p, const struct sample *s,
	const struct label_units *units)
{
	if (f->is_range) {
		for (size_t i = 0; i < s->n_labels; i++) {
			const struct label *l = &p->labels[s->first_label + i];
			if (!l->str && of_key(f, p, l) &&
				in_range(f, l->num, label_units_get(units, p, l->key)))
				return 1;
		}
		return 0;
	}
	/* With a key one pattern is enough, without one all must match. */
	for (size_t i = 0; i < f->n; i++) {
		int r = matches_pattern(f, f->patterns[i], p, s);
		if (r < 0 || (f->key && r) || (!f->key && !r))
			return r;
	}
	return f->key == NULL;
}

void tag_filter_free(struct tag_filter *f)
{
	for (size_t i = 0; i < f->n; i++)
		pattern_free(f->patterns[i]);
	free(f->patterns);
	free(f->key);
	free(f->unit);
	free(f->buffer);
	*f = (struct tag_filter){0};
}
