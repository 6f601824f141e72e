/* SPDX-License-Identifier: MIT */
#include "profile/prune.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/private.h"
#include "util/cleanup.h"

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

/* Compiles "^(pattern)$" to *out: NULL if there is none or it is no regular expression. */
static int compile(const struct profile *p, uint32_t pattern, struct pattern **out)
{
	_cleanup_free_ char *anchored = NULL;
	char why[256];
	*out = NULL;
	if (!pattern)
		return 0;
	if (asprintf(&anchored, "^(%s)$", profile_text(p, pattern)) < 0) {
		anchored = NULL;
		return -ENOMEM;
	}
	int r = pattern_compile(out, anchored, why, sizeof(why));
	return r == -EINVAL ? 0 : r;
}

static bool matches(struct pattern *pattern, const char *name)
{
	size_t length;
	name = simplify(name, &length);
	return pattern_matches_n(pattern, name, length);
}

/* Marks the functions to drop. */
static void match_functions(
	const struct profile *p, struct pattern *drop, struct pattern *keep, bool *dropped)
{
	for (size_t i = 1; i < p->n_functions; i++) {
		const char *name = profile_text(p, p->functions[i].name);
		dropped[i] = *name && matches(drop, name) && !(keep && matches(keep, name));
	}
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

/* What was cut has other hashes now. */
static void forget_hashes(struct profile *p)
{
	intern_free(&p->private->locations.ids);
	intern_free(&p->private->samples.ids);
	p->private->locations.done = 1;
	p->private->samples.done = 0;
}

static int prune(struct profile *p, struct pattern *drop, struct pattern *keep)
{
	_cleanup_free_ bool *dropped = calloc(p->n_functions, sizeof(*dropped));
	_cleanup_free_ enum fate *fates = calloc(p->n_locations, sizeof(*fates));
	if (!dropped || !fates)
		return -ENOMEM;
	match_functions(p, drop, keep, dropped);
	cut_lines(p, dropped, fates);
	for (size_t i = 0; i < p->n_samples; i++)
		cut_stack(p, &p->samples[i], fates);
	forget_hashes(p);
	return 0;
}

int profile_prune(struct profile *p)
{
	struct pattern *drop = NULL, *keep = NULL;
	int r = compile(p, p->drop_frames, &drop);
	if (r == 0)
		r = compile(p, p->keep_frames, &keep);
	/* A keep_frames that does not compile must not drop more than was meant. */
	if (r == 0 && drop && (keep || !p->keep_frames))
		r = prune(p, drop, keep);
	pattern_free(drop);
	pattern_free(keep);
	return r;
}

/* Cuts the lines within the innermost one that matches. False if none does. */
static bool cut_inner_lines(const struct profile *p, struct location *l, const bool *matched)
{
	for (uint32_t k = 0; k < l->n_lines; k++) {
		if (matched[p->lines[l->first_line + k].function]) {
			l->first_line += k;
			l->n_lines -= k;
			return true;
		}
	}
	return false;
}

int profile_prune_from(struct profile *p, struct pattern *from)
{
	_cleanup_free_ bool *matched = calloc(p->n_functions, sizeof(*matched));
	_cleanup_free_ bool *ends = calloc(p->n_locations, sizeof(*ends));
	if (!matched || !ends)
		return -ENOMEM;
	match_functions(p, from, NULL, matched);
	for (size_t i = 1; i < p->n_locations; i++)
		ends[i] = cut_inner_lines(p, &p->locations[i], matched);
	for (size_t i = 0; i < p->n_samples; i++) {
		struct sample *s = &p->samples[i];
		uint32_t k = 0;
		while (k < s->n_locations && !ends[p->location_ids[s->first_location + k]])
			k++;
		if (k == s->n_locations)
			continue;
		s->first_location += k;
		s->n_locations -= k;
	}
	forget_hashes(p);
	return 0;
}
