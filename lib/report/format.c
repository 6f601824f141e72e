/* SPDX-License-Identifier: MIT */
#include "report/format.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "util/parse.h"

struct unit {
	const char *name;
	const char *aliases[3]; /* lower case, singular */
	double factor;
};

/* Units that convert into each other, smallest first. */
struct unit_family {
	const struct unit *units;
	size_t n;
	struct unit fallback; /* where no unit fits */
};

static const struct unit memory_units[] = {
	{"B", {"b", "byte"}, 1},
	{"kB", {"kb", "kbyte", "kilobyte"}, 1024.0},
	{"MB", {"mb", "mbyte", "megabyte"}, 1048576.0},
	{"GB", {"gb", "gbyte", "gigabyte"}, 1073741824.0},
	{"TB", {"tb", "tbyte", "terabyte"}, 1099511627776.0},
	{"PB", {"pb", "pbyte", "petabyte"}, 1125899906842624.0},
};
static const struct unit time_units[] = {
	{"ns", {"ns", "nanosecond"}, 1},
	{"us", {"us", "microsecond"}, 1e3},
	{"ms", {"ms", "millisecond"}, 1e6},
	{"s", {"s", "sec", "second"}, 1e9},
	{"hrs", {"hour", "hr"}, 3600e9},
};
static const struct unit compute_units[] = {
	{"n*GCU", {"nanogcu"}, 1e-9},
	{"u*GCU", {"microgcu"}, 1e-6},
	{"m*GCU", {"milligcu"}, 1e-3},
	{"GCU", {"gcu"}, 1},
	{"k*GCU", {"kilogcu"}, 1e3},
	{"M*GCU", {"megagcu"}, 1e6},
	{"G*GCU", {"gigagcu"}, 1e9},
	{"T*GCU", {"teragcu"}, 1e12},
	{"P*GCU", {"petagcu"}, 1e15},
};

#define N(array) (sizeof(array) / sizeof((array)[0]))
static const struct unit_family families[] = {
	{memory_units, N(memory_units), {"B", {NULL}, 1}},
	{time_units, N(time_units), {"s", {NULL}, 1e9}},
	{compute_units, N(compute_units), {"GCU", {NULL}, 1}},
};

/* Without regard to case and to a plural s. */
static const struct unit *find_unit(const struct unit_family *family, const char *name)
{
	char lower[32];
	size_t n = strlen(name);
	if (n >= sizeof(lower))
		return NULL;
	for (size_t i = 0; i <= n; i++)
		lower[i] = (char)tolower((unsigned char)name[i]);
	if (n > 2 && lower[n - 1] == 's')
		lower[n - 1] = '\0';
	for (size_t i = 0; i < family->n; i++) {
		for (size_t k = 0; k < N(family->units[i].aliases); k++) {
			const char *alias = family->units[i].aliases[k];
			if (alias && !strcmp(alias, lower))
				return &family->units[i];
		}
	}
	return NULL;
}

static bool is_automatic(const char *unit)
{
	return !strcmp(unit, "minimum") || !strcmp(unit, "auto");
}

static const struct unit *choose_unit(
	const struct unit_family *family, double value, const char *to)
{
	const struct unit *chosen = NULL;
	if (!is_automatic(to)) {
		chosen = find_unit(family, to);
	} else {
		for (size_t i = 0; i < family->n; i++) {
			if (value / family->units[i].factor >= 1)
				chosen = &family->units[i];
		}
	}
	return chosen ? chosen : &family->fallback;
}

double format_scale(int64_t value, const char *from, const char *to, const char **unit)
{
	if (value < 0 && value != INT64_MIN)
		return -format_scale(-value, from, to, unit);
	for (size_t i = 0; i < N(families); i++) {
		const struct unit *source = find_unit(&families[i], from);
		if (!source)
			continue;
		double base = (double)value * source->factor;
		const struct unit *target = choose_unit(&families[i], base, to);
		*unit = target->name;
		return base / target->factor;
	}
	bool dull = is_automatic(to) || !strcmp(to, "count") || !strcmp(to, "sample") ||
		    !strcmp(to, "unit");
	*unit = dull ? "" : to;
	return (double)value;
}

void format_value(char *out, size_t size, int64_t value, const char *from, const char *to)
{
	const char *unit;
	char number[FORMAT_VALUE_SIZE];
	double scaled = format_scale(value, from, to, &unit);
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
