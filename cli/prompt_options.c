// SPDX-License-Identifier: MIT
/* prompt_options.c - variables of the prompt: the options of reports, as pprof names them. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "prompt.h"
#include "report/format.h"
#include "util/grow.h"
#include "util/log.h"
#include "util/parse.h"

const char *const PROMPT_VARIABLES[] = {"call_tree", "compact_labels", "divide_by", "drop_negative",
	"edgefraction", "focus", "granularity", "hide", "ignore", "intel_syntax", "mean",
	"nodecount", "nodefraction", "noinlines", "output", "prune_from", "relative_percentages",
	"sample_index", "show", "show_from", "showcolumns", "sort", "source_path", "tagfocus",
	"taghide", "tagignore", "tagleaf", "tagroot", "tagshow", "trim", "trim_path", "unit",
	/* values of granularity and sort, which can be set by themselves */
	"addresses", "cum", "filefunctions", "files", "flat", "functions", "lines", NULL};

static const char *const GRAINS[] = {
	"addresses", "filefunctions", "files", "functions", "lines", NULL};
static const char *const SORTS[] = {"cum", "flat", NULL};

static const struct option *find_in(const struct option *table, const char *name)
{
	for (const struct option *o = table; o->name; o++)
		if (!strcmp(o->name, name))
			return o;
	return NULL;
}

static const struct option *find(const char *name)
{
	const struct option *o = find_in(REPORT_OPTIONS, name);

	return o ? o : find_in(REPORT_FILTER_OPTIONS, name);
}

static bool is_in(const char *const *names, const char *name)
{
	for (; *names; names++)
		if (!strcmp(*names, name))
			return true;
	return false;
}

static void *field_of(const struct prompt *s, const struct option *o)
{
	return (char *)&s->request + o->offset;
}

/* The text stays until the prompt ends. */
static const char *own(struct prompt *s, const char *text)
{
	if (!text || grow(s->owned.items, s->owned.n, s->owned.capacity, 1))
		return NULL;
	char *copy = strdup(text);
	if (copy)
		s->owned.items[s->owned.n++] = copy;
	return copy;
}

/* One of a group of flags: the others are off then. */
static int choose(struct prompt *s, const char *const *group, const char *name)
{
	if (!is_in(group, name)) {
		log_error("'%s' is none of its values; 'help' lists them", name);
		return -EINVAL;
	}
	for (const char *const *other = group; *other; other++)
		*(bool *)field_of(s, find(*other)) = !strcmp(*other, name);
	return 0;
}

static int set_sample_index(struct prompt *s, const char *value)
{
	char why[512];
	size_t index;

	if (format_sample_index(s->p, value, &index, why, sizeof(why))) {
		log_error("sample_index: %s", why);
		return -EINVAL;
	}
	s->query.sample_index = *value ? own(s, value) : NULL;
	return 0;
}

static int set_flag(bool *flag, const char *name, const char *value)
{
	if (!value || !*value)
		*flag = true;
	else if (!strcmp(value, "t") || !strcmp(value, "y"))
		*flag = true;
	else if (!strcmp(value, "f") || !strcmp(value, "n"))
		*flag = false;
	else if (parse_bool(value, flag)) {
		log_error("%s: '%s' is not yes or no", name, value);
		return -EINVAL;
	}
	return 0;
}

static int assign_option(struct prompt *s, const struct option *o, const char *value)
{
	const char *kept = o->kind == OPTION_TEXT ? own(s, value) : value;
	return kept ? option_set(&COMMAND_PROMPT, o, field_of(s, o), kept) : -ENOMEM;
}

static int assign_named(struct prompt *s, const char *name, const char *value)
{
	if (!strcmp(name, "granularity"))
		return choose(s, GRAINS, value);
	if (!strcmp(name, "sort"))
		return choose(s, SORTS, value);
	if (!strcmp(name, "sample_index"))
		return set_sample_index(s, value);
	if (!strcmp(name, "output")) {
		s->output = *value ? own(s, value) : NULL;
		return 0;
	}
	const struct option *o = find(name);
	return o ? assign_option(s, o, value) : -ENOENT;
}

/* A flag; without a value it is set. */
static int assign_flag(struct prompt *s, const char *name, const char *value)
{
	const struct option *o = find(name);
	bool on = true;

	int err = set_flag(&on, name, value);
	if (err)
		return err;
	if (!strcmp(name, "trim"))
		s->request.config.no_trim = !on;
	else if (is_in(GRAINS, name) || is_in(SORTS, name))
		return on ? choose(s, is_in(GRAINS, name) ? GRAINS : SORTS, name) : 0;
	else if (o)
		*(bool *)field_of(s, o) = on;
	return 0;
}

int prompt_assign(struct prompt *s, const char *name, const char *value)
{
	const struct option *o = find(name);

	if (!is_in(PROMPT_VARIABLES, name))
		return -ENOENT;
	if ((o && o->kind == OPTION_FLAG) || !strcmp(name, "trim"))
		return assign_flag(s, name, value);
	if (!value) {
		log_error("please specify a value, e.g. %s=<val>", name);
		return -EINVAL;
	}
	return assign_named(s, name, value);
}

/* ---- options ------------------------------------------------------------------------------ */

static const char *chosen(const struct prompt *s, const char *const *group, const char *none)
{
	for (; *group; group++)
		if (*(const bool *)field_of(s, find(*group)))
			return *group;
	return none;
}

static void write_value(const struct prompt *s, const struct option *o, char *out, size_t size)
{
	const void *field = field_of(s, o);
	const char *text;

	switch (o->kind) {
	case OPTION_FLAG:
		snprintf(out, size, "%s", *(const bool *)field ? "true" : "false");
		break;
	case OPTION_LIMIT:
		if (*(const uint32_t *)field == REPORT_NODE_COUNT_DEFAULT)
			snprintf(out, size, "-1");
		else
			snprintf(out, size, "%u", *(const uint32_t *)field);
		break;
	case OPTION_FRACTION:
	case OPTION_REAL:
		snprintf(out, size, "%g", *(const double *)field);
		break;
	default:
		text = *(const char *const *)field;
		snprintf(out, size, "%s", text && *text ? text : "\"\"");
	}
}

static void print_choices(const char *const *group, FILE *out)
{
	for (const char *const *name = group; *name; name++)
		fprintf(out, "%s%s", name == group ? "//: [" : " | ", *name);
	fputc(']', out);
}

static void print_types(const struct profile *p, FILE *out)
{
	for (size_t i = 0; i < p->n_sample_types; i++)
		fprintf(out, "%s%s", i ? " | " : "//: [", profile_text(p, p->sample_types[i].type));
	fputc(']', out);
}

static void print_option(const struct prompt *s, const char *name, FILE *out)
{
	const struct option *o = find(name);
	char value[256] = "";
	size_t index = 0;

	if (!strcmp(name, "granularity"))
		snprintf(value, sizeof(value), "%s", chosen(s, GRAINS, "(default)"));
	else if (!strcmp(name, "sort"))
		snprintf(value, sizeof(value), "%s", chosen(s, SORTS, "flat"));
	else if (!strcmp(name, "output"))
		snprintf(value, sizeof(value), "%s", s->output ? s->output : "\"\"");
	else if (!strcmp(name, "trim"))
		snprintf(value, sizeof(value), "%s", s->request.config.no_trim ? "false" : "true");
	else if (!strcmp(name, "sample_index") &&
		 !format_sample_index(s->p, s->query.sample_index, &index, value, sizeof(value)))
		snprintf(value, sizeof(value), "%s",
			profile_text(s->p, s->p->sample_types[index].type));
	else if (o)
		write_value(s, o, value, sizeof(value));
	fprintf(out, "  %-25s = %-20s ", name, value);
	if (!strcmp(name, "granularity"))
		print_choices(GRAINS, out);
	else if (!strcmp(name, "sort"))
		print_choices(SORTS, out);
	else if (!strcmp(name, "sample_index"))
		print_types(s->p, out);
	else if (!strcmp(value, "-1"))
		fputs("//: default", out);
	fputc('\n', out);
}

void prompt_print_options(const struct prompt *s, FILE *out)
{
	for (const char *const *name = PROMPT_VARIABLES; *name; name++)
		if (!is_in(GRAINS, *name) && !is_in(SORTS, *name))
			print_option(s, *name, out);
}

/* ---- help --------------------------------------------------------------------------------- */

static const char *help_of(const char *name)
{
	static const char *const others[][2] = {
		{"granularity", "what a row is: functions, filefunctions, files, lines, addresses"},
		{"sort", "what to sort by: flat or cum"},
		{"output", "file that reports go to, in place of the terminal"},
		{"trim", "leave out what is small (nodecount, nodefraction, edgefraction)"},
		{"sample_index", "which value of the samples, by name or number"},
		{NULL, NULL},
	};
	const struct option *o = find(name);

	for (size_t i = 0; others[i][0]; i++)
		if (!strcmp(others[i][0], name))
			return others[i][1];
	return o ? o->help : "";
}

static void print_one(const char *name, const char *help, FILE *out)
{
	fprintf(out, "    %-20s %s\n", name, help);
}

void prompt_print_help(const char *name, FILE *out)
{
	bool found = !name;

	if (!name)
		fprintf(out, "  Commands:\n");
	for (const struct prompt_command *c = PROMPT_COMMANDS; c->name; c++) {
		if (name && strcmp(name, c->name) != 0)
			continue;
		print_one(c->name, c->help, out);
		if (name)
			fprintf(out,
				"    Usage: %s %s[N] [focus_regex]... [-ignore_regex]... "
				"[-cum] [>file]\n",
				name, report_needs_symbol(c->kind) ? "regex " : "");
		found = true;
	}
	if (!name) {
		print_one("o/options", "List options and their current values", out);
		print_one("q/quit/exit/^D", "Leave", out);
		print_one(":", "Clear focus, ignore, hide, tagfocus, tagignore", out);
		fprintf(out, "\n  Options (name=value):\n");
	}
	for (const char *const *v = PROMPT_VARIABLES; *v; v++) {
		if (name && strcmp(name, *v) != 0)
			continue;
		print_one(*v, help_of(*v), out);
		found = true;
	}
	if (!name)
		fprintf(out, "\n  type \"help <cmd|option>\" for more information\n");
	if (!found)
		log_error("Unknown command: %s", name);
}
