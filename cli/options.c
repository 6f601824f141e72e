// SPDX-License-Identifier: MIT
#include "options.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/grow.h"
#include "util/log.h"
#include "util/parse.h"

#define NAME_MAX_BYTES 63

void texts_free(struct texts *t)
{
	free(t->items);
	*t = (struct texts){0};
}

void ids_free(struct ids *t)
{
	free(t->items);
	*t = (struct ids){0};
}

int command_usage(const struct command *c, const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	log_error("%s: %s (see profctl %s --help)", c->name, text, c->name);
	return 2;
}

/* ---- names -------------------------------------------------------------------------------- */

static char plain(char c)
{
	return c == '_' ? '-' : c;
}

static bool begins(const char *typed, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!name[i] || plain(typed[i]) != plain(name[i]))
			return false;
	return true;
}

static bool same_name(const char *typed, size_t n, const char *name)
{
	return begins(typed, n, name) && !name[n];
}

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;
	return m < c ? m : c;
}

unsigned name_distance(const char *a, const char *b)
{
	unsigned row[NAME_MAX_BYTES + 1];
	size_t n = strnlen(b, NAME_MAX_BYTES);

	for (size_t j = 0; j <= n; j++)
		row[j] = (unsigned)j;
	for (size_t i = 0; i < NAME_MAX_BYTES && a[i]; i++) {
		unsigned diagonal = row[0];
		row[0] = (unsigned)i + 1;
		for (size_t j = 0; j < n; j++) {
			unsigned replace = diagonal + (plain(a[i]) != plain(b[j]));
			diagonal = row[j + 1];
			row[j + 1] = least(replace, row[j] + 1, diagonal + 1);
		}
	}
	return row[n];
}

unsigned name_miss(const char *typed, const char *name)
{
	return *typed && begins(typed, strlen(typed), name) ? 0 : name_distance(typed, name) + 1;
}

/* The option, and where its value lies in the command's struct. NULL: no such option. */
static const struct option *find(
	const struct command *c, const char *typed, size_t n, size_t *offset)
{
	for (const struct option_group *g = c->groups; g->title; g++)
		for (const struct option *o = g->options; o->name; o++)
			if (same_name(typed, n, o->name) ||
				(n == 1 && o->letter && typed[0] == o->letter)) {
				*offset = g->offset + o->offset;
				return o;
			}
	return NULL;
}

static int unknown(const struct command *c, const char *argument, size_t n)
{
	const char *nearest = "help";
	char typed[NAME_MAX_BYTES + 1];

	snprintf(typed, sizeof(typed), "%.*s", (int)(n < NAME_MAX_BYTES ? n : NAME_MAX_BYTES),
		argument);
	const char *name = typed + strspn(typed, "-");
	unsigned best = name_miss(name, nearest);
	for (const struct option_group *g = c->groups; g->title; g++)
		for (const struct option *o = g->options; o->name; o++) {
			unsigned distance = name_miss(name, o->name);
			if (distance < best) {
				best = distance;
				nearest = o->name;
			}
		}
	command_usage(c, "there is no option %s; the nearest is --%s", typed, nearest);
	return -EINVAL;
}

/* ---- values ------------------------------------------------------------------------------- */

static int bad_value(
	const struct command *c, const struct option *o, const char *value, const char *allowed)
{
	command_usage(c, "--%s: '%s' is not %s", o->name, value, allowed);
	return -EINVAL;
}

static int bad_number(const struct command *c, const struct option *o, const char *value)
{
	char allowed[64];

	snprintf(allowed, sizeof(allowed), "a number from %u to %u", o->min, o->max);
	return bad_value(c, o, value, allowed);
}

static int no_memory(void)
{
	log_error("out of memory");
	return -ENOMEM;
}

static int add_text(struct texts *t, const char *value)
{
	if (grow(t->items, t->n, t->capacity, 1))
		return no_memory();
	t->items[t->n++] = value;
	return 0;
}

static int add_ids(
	const struct command *c, const struct option *o, struct ids *t, const char *value)
{
	for (const char *from = value;;) {
		char one[16];
		size_t n = strcspn(from, ",");

		snprintf(one, sizeof(one), "%.*s", n < sizeof(one) ? (int)n : 0, from);
		if (grow(t->items, t->n, t->capacity, 1))
			return no_memory();
		if (parse_u32(one, o->min, o->max, &t->items[t->n]))
			return bad_number(c, o, value);
		t->n++;
		if (!from[n])
			return 0;
		from += n + 1;
	}
}

static int set_limit(
	const struct command *c, const struct option *o, uint32_t *out, const char *value)
{
	bool negative = value[0] == '-';
	uint32_t number;

	if (parse_u32(value + negative, 0, INT32_MAX, &number))
		return bad_value(c, o, value, "a number, with 0 for all and -1 for what suits");
	*out = !negative ? number : number == 1 ? UINT32_MAX : 0;
	return 0;
}

static int set_fraction(
	const struct command *c, const struct option *o, double *out, const char *value)
{
	char *end;
	double number = strtod(value, &end);

	if (end == value || *end || !(number >= 0 && number <= 1))
		return bad_value(c, o, value, "a fraction from 0 to 1");
	*out = number;
	return 0;
}

static int set_real(const struct command *c, const struct option *o, double *out, const char *value)
{
	char *end;
	double number = strtod(value, &end);

	if (end == value || *end || !isfinite(number))
		return bad_value(c, o, value, "a number");
	*out = number;
	return 0;
}

int option_set(const struct command *c, const struct option *o, void *at, const char *value)
{
	switch (o->kind) {
	case OPTION_FLAG:
		return value && parse_bool(value, at) ? bad_value(c, o, value, "yes or no") : 0;
	case OPTION_NUMBER:
		return parse_u32(value, o->min, o->max, at) ? bad_number(c, o, value) : 0;
	case OPTION_LIMIT:
		return set_limit(c, o, at, value);
	case OPTION_FRACTION:
		return set_fraction(c, o, at, value);
	case OPTION_REAL:
		return set_real(c, o, at, value);
	case OPTION_PERHAPS:
		*(const char **)at = value ? value : "";
		return 0;
	case OPTION_TEXT:
		*(const char **)at = value;
		return 0;
	case OPTION_TEXTS:
		return add_text(at, value);
	case OPTION_IDS:
		return add_ids(c, o, at, value);
	case OPTION_DURATION:
		return parse_duration(value, at) || !*(uint64_t *)at
			       ? bad_value(c, o, value, "a duration such as 90s, 10m, 2h or 7d")
			       : 0;
	case OPTION_TIME:
		return parse_time(value, time(NULL), at)
			       ? bad_value(c, o, value,
					 "a time such as '14:00', '2026-11-21 14:00', '10m ago' or "
					 "'@1700000000'")
			       : 0;
	}
	return -EINVAL;
}

/* Takes argv[*at], and the next one if that is its value. */
static int take_option(const struct command *c, int argc, char **argv, int *at, void *values)
{
	const char *argument = argv[*at];
	const char *typed = argument + (argument[1] == '-' ? 2 : 1);
	size_t n = strcspn(typed, "="), offset;
	const char *value = typed[n] ? typed + n + 1 : NULL;
	const struct option *o = find(c, typed, n, &offset);

	if (!o)
		return unknown(c, argument, (size_t)(typed - argument) + n);
	void *field = (char *)values + offset;
	if (o->kind == OPTION_FLAG) {
		*(bool *)field = true;
		return option_set(c, o, field, value);
	}
	if (!value && o->kind != OPTION_PERHAPS) {
		if (*at + 1 >= argc || !strcmp(argv[*at + 1], "--")) {
			command_usage(c, "--%s needs a value (%s)", o->name, o->argument);
			return -EINVAL;
		}
		value = argv[++*at];
	}
	return option_set(c, o, field, value);
}

int command_option_size(const struct command *c, const char *argument)
{
	const char *typed = argument + strspn(argument, "-");
	size_t n = strcspn(typed, "="), offset;
	const struct option *o = find(c, typed, n, &offset);
	bool alone = typed[n] || (o && (o->kind == OPTION_FLAG || o->kind == OPTION_PERHAPS));

	return !o ? 0 : alone ? 1 : 2;
}

static bool asks_for_help(const char *argument)
{
	return !strcmp(argument, "--help") || !strcmp(argument, "-help") || !strcmp(argument, "-h");
}

enum options_result command_parse(
	const struct command *c, int argc, char **argv, void *values, struct operands *operands)
{
	*operands = (struct operands){.items = argv + 1};
	for (int i = 1; i < argc; i++) {
		if (operands->dashes || argv[i][0] != '-' || !argv[i][1]) {
			/* never overtakes i, so nothing unread is overwritten */
			operands->items[operands->n++] = argv[i];
		} else if (!strcmp(argv[i], "--")) {
			operands->dashes = true;
			operands->after = operands->n;
		} else if (asks_for_help(argv[i])) {
			command_help(c, stdout);
			return OPTIONS_HELP;
		} else if (take_option(c, argc, argv, &i, values)) {
			return OPTIONS_BAD;
		}
	}
	if (!operands->dashes)
		operands->after = operands->n;
	operands->items[operands->n] = NULL;
	return OPTIONS_OK;
}

/* ---- help --------------------------------------------------------------------------------- */

/* Text in lines of at most 60 columns behind a margin of 26, on the line that is already begun. */
static void print_help_text(const char *text, FILE *out)
{
	size_t column = 0;

	while (*text) {
		size_t n = strcspn(text, " ");
		if (column && column + 1 + n > 60) {
			fprintf(out, "\n%26s", "");
			column = 0;
		}
		fprintf(out, "%s%.*s", column ? " " : "", (int)n, text);
		column += n + (column ? 1 : 0);
		text += n + (text[n] == ' ');
	}
	fputc('\n', out);
}

static void print_option(
	const char *name, char letter, const char *argument, const char *help, FILE *out)
{
	char left[64];

	snprintf(left, sizeof(left), "%c%c%s --%s%s%s", letter ? '-' : ' ', letter ? letter : ' ',
		letter ? "," : " ", name, argument && *argument != '[' ? " " : "",
		argument ? argument : "");
	if (strlen(left) > 23)
		fprintf(out, "  %s\n%26s", left, "");
	else
		fprintf(out, "  %-23s ", left);
	print_help_text(help, out);
}

void command_help(const struct command *c, FILE *out)
{
	fprintf(out, "usage: profctl %s %s\n\n%s.\n", c->name, c->synopsis, c->summary);
	if (c->details)
		fprintf(out, "\n%s\n", c->details);
	for (const struct option_group *g = c->groups; g->title; g++) {
		fprintf(out, "\n%s:\n", g->title);
		for (const struct option *o = g->options; o->name; o++)
			print_option(o->name, o->letter, o->argument, o->help, out);
	}
	fprintf(out, "\nOther:\n");
	print_option("help", 'h', NULL, "print this and exit", out);
}
