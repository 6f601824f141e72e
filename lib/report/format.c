/* SPDX-License-Identifier: MIT */
#include "report/format.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "profile/units.h"
#include "util/parse.h"

void format_value(char *out, size_t size, int64_t value, const char *from, const char *to)
{
	const char *unit;
	char number[FORMAT_VALUE_SIZE];
	double scaled = units_scale(value, from, to, &unit);
	int n = snprintf(number, sizeof(number), "%.2f", scaled);
	if (n > 3 && !strcmp(number + n - 3, ".00"))
		number[n - 3] = '\0';
	if (!strcmp(number, "0") || !strcmp(number, "-0"))
		snprintf(out, size, "0");
	else
		snprintf(out, size, "%s%s", number, unit);
}

void format_percentage(char *out, size_t size, int64_t value, int64_t total)
{
	double share = total ? fabs((double)value / (double)total) * 100 : 0;
	if (share >= 99.95 && share <= 100.05)
		snprintf(out, size, "  100%%");
	else if (share >= 1)
		snprintf(out, size, "%5.2f%%", share);
	else
		snprintf(out, size, "%5.2g%%", share);
}

/* ---- sample types ------------------------------------------------------------------------- */

static const char *type_name(const struct profile *p, size_t i)
{
	return profile_text(p, p->sample_types[i].type);
}

static bool find_type(const struct profile *p, const char *name, size_t *index)
{
	for (size_t i = 0; i < p->n_sample_types; i++) {
		if (!strcmp(type_name(p, i), name)) {
			*index = i;
			return true;
		}
	}
	return false;
}

static void say_types(const struct profile *p, const char *name, char *why, size_t why_size)
{
	int n = snprintf(why, why_size, "there is no sample type \"%s\" in it; there is:", name);
	size_t used = n > 0 ? (size_t)n : 0;
	for (size_t i = 0; i < p->n_sample_types && used < why_size; i++) {
		n = snprintf(why + used, why_size - used, " %s", type_name(p, i));
		used += n > 0 ? (size_t)n : 0;
	}
}

int format_sample_index(
	const struct profile *p, const char *name, size_t *index, char *why, size_t why_size)
{
	static const char in_use[] = "inuse_";
	uint64_t number;
	if (!p->n_sample_types) {
		snprintf(why, why_size, "it has no sample types, so nothing can be shown");
		return -EINVAL;
	}
	if (!name || !*name) {
		const char *preset = profile_text(p, p->default_sample_type);
		if (!*preset || !find_type(p, preset, index))
			*index = p->n_sample_types - 1;
		return 0;
	}
	int r = parse_u64(name, 0, p->n_sample_types - 1, &number);
	if (r == 0) {
		*index = (size_t)number;
		return 0;
	}
	if (r == -ERANGE) {
		snprintf(why, why_size, "sample type %s is outside of 0..%zu", name,
			p->n_sample_types - 1);
		return r;
	}
	if (find_type(p, name, index))
		return 0;
	/* Old heap profiles say "space" where new ones say "inuse_space". */
	if (!strncmp(name, in_use, sizeof(in_use) - 1) &&
		find_type(p, name + sizeof(in_use) - 1, index))
		return 0;
	say_types(p, name, why, why_size);
	return -EINVAL;
}
