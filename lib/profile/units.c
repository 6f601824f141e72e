/* SPDX-License-Identifier: MIT */
#include "profile/units.h"

#include <ctype.h>
#include <string.h>

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

double units_scale(int64_t value, const char *from, const char *to, const char **unit)
{
	if (value < 0 && value != INT64_MIN)
		return -units_scale(-value, from, to, unit);
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

bool units_convert(const char *a, const char *b)
{
	for (size_t i = 0; i < N(families); i++)
		if (find_unit(&families[i], a) && find_unit(&families[i], b))
			return true;
	return !strcmp(a, b);
}
