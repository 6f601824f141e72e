/* SPDX-License-Identifier: MIT */
#include "profile/prune.h"

#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/private.h"
#include "util/cleanup.h"

#define PATTERN_MAX 8192

/* What becomes of a location in a stack. */
enum fate {
	FATE_STAYS,
	FATE_ENDS, /* lost its inner lines: nothing below it is shown */
	FATE_GOES, /* its outermost line matched */
};

static bool starts_with(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

/* The part of a name that is matched: without arguments, and without the dot of PowerPC's old ABI.
 * Returns where it starts. */
static const char *simplify(const char *name, size_t *length)
{
	static const char anonymous[] = "(anonymous namespace)", call[] = "operator";
	size_t n = strlen(call);
	name += *name == '.';
	const char *at = name;
	while (*(at += strcspn(at, "("))) {
		if (starts_with(at, anonymous))
			at += strlen(anonymous);
		else if (at[1] == ')' && (size_t)(at - name) >= n && starts_with(at - n, call))
			at += 2;
		else
			break; /* arguments */
	}
	*length = (size_t)(at - name);
	return name;
}

static bool matches(const regex_t *pattern, const char *text)
{
	return regexec(pattern, text, 0, NULL, 0) == 0;
}

/* The pattern comes from a file of others: no repetition counts, which multiply to any amount of
 * memory, no back references, which take exponential time, and no deep nesting. */
static bool is_tame(const char *pattern)
{
	if (strlen(pattern) > PATTERN_MAX || strchr(pattern, '{'))
		return false;
	for (const char *at = pattern; (at = strchr(at, '\\')) && at[1]; at += 2) {
		if (at[1] >= '0' && at[1] <= '9')
			return false;
	}
	return true;
}

/* Compiles "^(pattern)$". False if there is none or it is no regular expression. */
static bool compile(const struct profile *p, uint32_t pattern, regex_t *out)
{
	_cleanup_free_ char *anchored = NULL;
	if (!pattern || !is_tame(profile_text(p, pattern)))
		return false;
	if (asprintf(&anchored, "^(%s)$", profile_text(p, pattern)) < 0) {
		anchored = NULL;
		return false;
	}
	return regcomp(out, anchored, REG_EXTENDED | REG_NOSUB) == 0;
}

/* Marks the functions to drop. */
static int match_functions(
	const struct profile *p, const regex_t *drop, const regex_t *keep, bool *dropped)
{
	for (size_t i = 1; i < p->n_functions; i++) {
		size_t length;
		const char *name = simplify(profile_text(p, p->functions[i].name), &length);
		_cleanup_free_ char *text = strndup(name, length);
		if (!text)
			return -ENOMEM;
		dropped[i] = *profile_text(p, p->functions[i].name) && matches(drop, text) &&
			     !(keep && matches(keep, text));
	}
	return 0;
}

/* Cuts the lines of each location below the outermost one that matches, and says what follows. */
static void cut_lines(struct profile *p, const bool *dropped, enum fate *fates)
{
	for (size_t i = 1; i < p->n_locations; i++) {
		struct location *l = &p->locations[i];
		for (uint32_t k = l->n_lines; k-- > 0;) {
			if (!dropped[p->lines[l->first_line + k].function])
				continue;
			if (k + 1 == l->n_lines) {
				fates[i] = FATE_GOES;
			} else {
				fates[i] = FATE_ENDS;
				l->first_line += k + 1;
				l->n_lines -= k + 1;
			}
			break;
		}
	}
}

static void cut_stack(struct profile *p, struct sample *s, const enum fate *fates)
{
	bool shown = false;
	for (uint32_t i = s->n_locations; i-- > 0;) {
		enum fate fate = fates[p->location_ids[s->first_location + i]];
		if (fate == FATE_STAYS) {
			shown = true;
		} else if (shown) {
			uint32_t gone = fate == FATE_GOES ? i + 1 : i;
			s->first_location += gone;
			s->n_locations -= gone;
			return;
		}
	}
}

static int prune(struct profile *p, const regex_t *drop, const regex_t *keep)
{
	_cleanup_free_ bool *dropped = calloc(p->n_functions, sizeof(*dropped));
	_cleanup_free_ enum fate *fates = calloc(p->n_locations, sizeof(*fates));
	int r = dropped && fates ? match_functions(p, drop, keep, dropped) : -ENOMEM;
	if (r < 0)
		return r;
	cut_lines(p, dropped, fates);
	for (size_t i = 0; i < p->n_samples; i++)
		cut_stack(p, &p->samples[i], fates);
	/* What was cut has other hashes now. */
	intern_free(&p->private->locations.ids);
	intern_free(&p->private->samples.ids);
	p->private->locations.done = 1;
	p->private->samples.done = 0;
	return 0;
}

int profile_prune(struct profile *p)
{
	regex_t drop, keep;
	if (!compile(p, p->drop_frames, &drop))
		return 0;
	bool keeps = compile(p, p->keep_frames, &keep);
	int r = 0;
	/* A keep_frames that does not compile must not drop more than was meant. */
	if (keeps || !p->keep_frames)
		r = prune(p, &drop, keeps ? &keep : NULL);
	if (keeps)
		regfree(&keep);
	regfree(&drop);
	return r;
}
