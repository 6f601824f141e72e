/* SPDX-License-Identifier: MIT */
#include "profile/select.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/private.h"
#include "util/cleanup.h"
#include "util/grow.h"

void selection_free(struct selection *s)
{
	for (size_t i = 0; i < s->n_terms; i++) {
		free(s->terms[i].key);
		free(s->terms[i].value);
	}
	free(s->terms);
	*s = (struct selection){0};
}

/* Terms of one key stay together, so that one pass can tell alternatives from conditions. */
static int add_term(
	struct selection *s, const char *key, size_t key_length, const char *value, bool below)
{
	_cleanup_free_ char *key_copy = strndup(key, key_length);
	_cleanup_free_ char *value_copy = strdup(value);
	if (!key_copy || !value_copy)
		return -ENOMEM;
	int r = grow(s->terms, s->n_terms, s->capacity, 1);
	if (r < 0)
		return r;
	size_t at = s->n_terms;
	for (size_t i = 0; i < s->n_terms; i++) {
		if (!strcmp(s->terms[i].key, key_copy))
			at = i + 1;
	}
	memmove(s->terms + at + 1, s->terms + at, (s->n_terms - at) * sizeof(*s->terms));
	s->terms[at] = (struct selection_term){take_ptr(key_copy), take_ptr(value_copy), below};
	s->n_terms++;
	return 0;
}

int selection_add_pid(struct selection *s, uint32_t pid)
{
	char text[16];
	snprintf(text, sizeof(text), "%" PRIu32, pid);
	return add_term(s, "pid", 3, text, false);
}

int selection_add_comm(struct selection *s, const char *comm)
{
	return add_term(s, "comm", 4, comm, false);
}

int selection_add_cgroup(struct selection *s, const char *cgroup)
{
	return add_term(s, "cgroup", 6, cgroup, true);
}

int selection_add_label(struct selection *s, const char *text)
{
	const char *equals = strchr(text, '=');
	if (!equals || equals == text)
		return -EINVAL;
	return add_term(s, text, (size_t)(equals - text), equals + 1, false);
}

bool selection_is_empty(const struct selection *s)
{
	return s->n_terms == 0;
}

/* "/a/b" lies below "/a", "a" and "/a/", not below "/ab". */
static bool is_below(const char *path, const char *top)
{
	path += strspn(path, "/");
	top += strspn(top, "/");
	size_t length = strlen(top);
	while (length && top[length - 1] == '/')
		length--;
	return !strncmp(path, top, length) &&
	       (!length || path[length] == '/' || path[length] == '\0');
}

static bool matches_value(
	const struct selection_term *term, const struct profile *p, const struct label *label)
{
	char number[24];
	const char *text = number;
	if (label->str)
		text = profile_text(p, label->str);
	else
		snprintf(number, sizeof(number), "%" PRId64, label->num);
	return term->below ? is_below(text, term->value) : !strcmp(text, term->value);
}

static bool matches_term(
	const struct selection_term *term, const struct profile *p, const struct sample *sample)
{
	for (size_t i = 0; i < sample->n_labels; i++) {
		const struct label *label = &p->labels[sample->first_label + i];
		if (!strcmp(profile_text(p, label->key), term->key) &&
			matches_value(term, p, label))
			return true;
	}
	return false;
}

bool select_sample(const struct selection *s, const struct profile *p, const struct sample *sample)
{
	for (size_t i = 0; i < s->n_terms;) {
		const char *key = s->terms[i].key;
		bool matched = false;
		for (; i < s->n_terms && !strcmp(s->terms[i].key, key); i++)
			matched = matched || matches_term(&s->terms[i], p, sample);
		if (!matched)
			return false;
	}
	return true;
}

static bool keep_sample(const void *userdata, const struct profile *p, const struct sample *sample)
{
	return select_sample(userdata, p, sample);
}

int profile_select(struct profile **out, const struct profile *in, const struct selection *s)
{
	struct profile *p = profile_new();
	if (!p)
		return -ENOMEM;
	int r = profile_adopt_types(p, in);
	if (r == 0)
		r = profile_merge_headers(p, in);
	if (r == 0)
		r = profile_copy_samples(p, in, keep_sample, s);
	if (r == 0)
		r = profile_unshare_labels(p);
	if (r < 0) {
		profile_free(p);
		return r;
	}
	*out = p;
	return 0;
}
