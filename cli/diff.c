// SPDX-License-Identifier: MIT
/* diff.c - profctl diff: what changed between two selections, and what of it is only chance. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "json.h"
#include "output.h"
#include "profile/pprof.h"
#include "profile/subtract.h"
#include "query.h"
#include "report/compare.h"
#include "report/format.h"
#include "report/look.h"
#include "terminal.h"
#include "util/log.h"

struct diff {
	struct query query;
	bool cum, json, normalize;
	uint32_t node_count;
	double node_fraction;
	const char *unit, *output;
};

static const struct option REPORT_OPTIONS[] = {
	{"cum", 0, NULL, OPTION_FLAG, offsetof(struct diff, cum), 0, 0,
		"compare cumulative values (functions with all that they call)"},
	{"normalize", 0, NULL, OPTION_FLAG, offsetof(struct diff, normalize), 0, 0,
		"make the totals equal, to compare shares (else: the durations, to compare rates)"},
	{"nodecount", 0, "N", OPTION_NUMBER, offsetof(struct diff, node_count), 0, INT32_MAX,
		"at most N functions (0: all)"},
	{"nodefraction", 0, "F", OPTION_FRACTION, offsetof(struct diff, node_fraction), 0, 0,
		"leave out changes within noise that are below this share of the total (0.005)"},
	{"unit", 0, "UNIT", OPTION_TEXT, offsetof(struct diff, unit), 0, 0,
		"unit of the values, such as ms or MB (auto: one that suits each)"},
	{"json", 0, NULL, OPTION_FLAG, offsetof(struct diff, json), 0, 0, "print one JSON object"},
	{"output", 'o', "FILE", OPTION_TEXT, offsetof(struct diff, output), 0, 0,
		"write the difference as pprof to FILE instead, as -diff_base would make it"},
	{0},
};

static const struct option_group GROUPS[] = {
	{"Report", REPORT_OPTIONS, 0},
	{"Which samples", QUERY_SAMPLE_OPTIONS, offsetof(struct diff, query)},
	{"Names", QUERY_NAME_OPTIONS, offsetof(struct diff, query)},
	{"Which profiles of the store", QUERY_STORE_OPTIONS, offsetof(struct diff, query)},
	{"Places", PLACE_OPTIONS, offsetof(struct diff, query.place)},
	{0},
};

/* ---- one side ------------------------------------------------------------------------------- */

struct side {
	struct profile *p;
	struct functions functions;
	size_t type;
	double total; /* as it was counted */
};

static void side_free(struct side *s)
{
	functions_free(&s->functions);
	profile_free(s->p);
}

static int side_load(
	struct side *s, const struct query *q, const struct operands *files, size_t *skipped)
{
	size_t n_skipped;
	int err = query_load(&COMMAND_DIFF, q, files, &s->p, &n_skipped);

	*skipped += n_skipped;
	if (!err)
		err = query_sample_index(&COMMAND_DIFF, q, s->p, &s->type);
	if (err)
		return err;
	err = functions_count(&s->functions, s->p, s->type);
	if (err)
		log_error("cannot count the functions: %s", strerror(-err));
	s->total = s->functions.total.value;
	return err == -EINVAL ? -EIO : err;
}

static const char *type_name(const struct side *s)
{
	return profile_text(s->p, s->p->sample_types[s->type].type);
}

static const char *type_unit(const struct side *s)
{
	return profile_text(s->p, s->p->sample_types[s->type].unit);
}

/* ---- both ----------------------------------------------------------------------------------- */

struct both {
	const struct diff *d;
	struct side before, after;
	double scale; /* of what was before */
	enum { SCALED_BY_NOTHING, SCALED_BY_DURATION, SCALED_BY_TOTAL } scaled_by;
	struct comparison changes;
};

static int check_types(const struct both *b)
{
	if (!strcmp(type_name(&b->before), type_name(&b->after)) &&
		!strcmp(type_unit(&b->before), type_unit(&b->after)))
		return 0;
	log_error("they cannot be compared: before it is %s/%s, after it is %s/%s; choose with "
		  "--sample_index",
		type_name(&b->before), type_unit(&b->before), type_name(&b->after),
		type_unit(&b->after));
	return -EIO;
}

/* What is in use at a moment does not grow with the time that was looked at. */
static bool is_state(const struct side *s)
{
	static const char *const states[] = {"inuse_", "goroutine", "thread"};

	for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++)
		if (!strncmp(type_name(s), states[i], strlen(states[i])))
			return true;
	return false;
}

static void set_scale(struct both *b)
{
	double before = (double)b->before.p->duration_nanos;
	double after = (double)b->after.p->duration_nanos;

	b->scale = 1;
	if (b->d->normalize) {
		if (b->before.total > 0 && b->after.total > 0) {
			b->scale = b->after.total / b->before.total;
			b->scaled_by = SCALED_BY_TOTAL;
		}
	} else if (before > 0 && after > 0 && !is_state(&b->after)) {
		b->scale = after / before;
		b->scaled_by = SCALED_BY_DURATION;
	}
}

static bool is_shown(const struct both *b, const struct change *c)
{
	double total = fmax(fabs(b->before.total * b->scale), fabs(b->after.total));

	return c->mark == CHANGE_REAL || fabs(c->after - c->before) >= total * b->d->node_fraction;
}

/* ---- the table ------------------------------------------------------------------------------ */

static int64_t rounded(double value)
{
	return value >= 0x1p62 ? INT64_MAX : value <= -0x1p62 ? INT64_MIN : llround(value);
}

static void format_change(char *out, size_t size, const struct both *b, double value, bool sign)
{
	const char *plus = sign && value > 0 ? "+" : "";
	char text[FORMAT_VALUE_SIZE];

	format_value(text, sizeof(text), rounded(value), type_unit(&b->after), b->d->unit);
	snprintf(out, size, "%s%.*s", plus, FORMAT_VALUE_SIZE - 2, text);
}

static void print_side(const char *title, const struct side *s, const struct both *b)
{
	char total[FORMAT_VALUE_SIZE], when[64] = "", duration[FORMAT_VALUE_SIZE];
	time_t start = (time_t)(s->p->time_nanos / 1000000000);
	struct tm tm;

	format_change(total, sizeof(total), b, s->total, false);
	if (start && localtime_r(&start, &tm))
		strftime(when, sizeof(when), ", from %Y-%m-%d %H:%M:%S", &tm);
	printf("%s: %s %s%s", title, total, type_name(s), when);
	if (s->p->duration_nanos > 0) {
		format_value(duration, sizeof(duration), s->p->duration_nanos, "ns", "auto");
		printf(", %s long", duration);
	}
	putchar('\n');
}

static void print_head(const struct both *b, size_t shown, const struct report_config *config)
{
	print_side("Before", &b->before, b);
	print_side("After", &b->after, b);
	if (b->scaled_by == SCALED_BY_NOTHING)
		puts("Values are compared as they are");
	else
		printf("Before is multiplied by %.4g, so that %s are equal\n", b->scale,
			b->scaled_by == SCALED_BY_TOTAL ? "the totals" : "the durations");
	if (b->after.functions.exact || b->before.functions.exact)
		puts("?: nothing in these profiles says how much may be chance");
	else
		printf("*: more than sampling noise (at most %.0f%% of these are expected to be "
		       "chance); ~: may be noise\n",
			100 * COMPARE_FALSE_SHARE);
	printf("Showing %zu of %zu functions\n", shown, b->changes.n);
	printf("%s%10s %10s %10s %9s    %s%s\n", look(config, LOOK_HEAD), "before", "after",
		"change", "change%", b->d->cum ? "cum" : "flat", look(config, LOOK_PLAIN));
}

static void print_change(
	const struct both *b, const struct change *c, const struct report_config *config)
{
	static const enum look looks[] = {[CHANGE_NOISE] = LOOK_DIM,
		[CHANGE_REAL] = LOOK_PLAIN,
		[CHANGE_UNJUDGED] = LOOK_PLAIN};
	static const char marks[] = {
		[CHANGE_NOISE] = '~', [CHANGE_REAL] = '*', [CHANGE_UNJUDGED] = '?'};
	char before[FORMAT_VALUE_SIZE], after[FORMAT_VALUE_SIZE], change[FORMAT_VALUE_SIZE],
		share[32] = "new";

	format_change(before, sizeof(before), b, c->before, false);
	format_change(after, sizeof(after), b, c->after, false);
	format_change(change, sizeof(change), b, c->after - c->before, true);
	if (c->before != 0)
		snprintf(share, sizeof(share), "%+.1f%%",
			100 * (c->after - c->before) / fabs(c->before));
	bool more = c->mark == CHANGE_REAL && c->after > c->before;
	printf("%s%10s %10s %10s %9s  %c%s ", look(config, more ? LOOK_HOT : looks[c->mark]),
		before, after, change, share, marks[c->mark], look(config, LOOK_PLAIN));
	look_print(config, c->name, 0, 46, stdout);
	putchar('\n');
}

/* How many rows there will be. */
static size_t count_shown(const struct both *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->changes.n; i++)
		n += is_shown(b, &b->changes.items[i]);
	return b->d->node_count && n > b->d->node_count ? b->d->node_count : n;
}

static void print_table(const struct both *b)
{
	struct report_config config = {0};
	size_t left = count_shown(b);

	terminal_dress(&config);
	print_head(b, left, &config);
	for (size_t i = 0; i < b->changes.n && left; i++) {
		if (!is_shown(b, &b->changes.items[i]))
			continue;
		print_change(b, &b->changes.items[i], &config);
		left--;
	}
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static void describe_side(cJSON *all, const char *key, const struct side *s)
{
	cJSON *o = cJSON_AddObjectToObject(all, key);

	cJSON_AddNumberToObject(o, "total", s->total);
	cJSON_AddNumberToObject(o, "start", (double)s->p->time_nanos / 1e9);
	cJSON_AddNumberToObject(o, "duration_nanoseconds", (double)s->p->duration_nanos);
}

static void describe_change(cJSON *array, const struct change *c)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "name", c->name);
	cJSON_AddNumberToObject(o, "before", c->before);
	cJSON_AddNumberToObject(o, "after", c->after);
	cJSON_AddNumberToObject(o, "change", c->after - c->before);
	if (c->mark != CHANGE_UNJUDGED) {
		cJSON_AddNumberToObject(o, "p", c->p);
		cJSON_AddBoolToObject(o, "significant", c->mark == CHANGE_REAL);
	}
	cJSON_AddItemToArray(array, o);
}

static int print_json(const struct both *b)
{
	static const char *const scaled_by[] = {[SCALED_BY_NOTHING] = "nothing",
		[SCALED_BY_DURATION] = "duration",
		[SCALED_BY_TOTAL] = "total"};
	_cleanup_json_ cJSON *all = cJSON_CreateObject();
	size_t left = count_shown(b);

	cJSON_AddStringToObject(all, "sample_type", type_name(&b->after));
	cJSON_AddStringToObject(all, "unit", type_unit(&b->after));
	cJSON_AddStringToObject(all, "value", b->d->cum ? "cum" : "flat");
	describe_side(all, "before", &b->before);
	describe_side(all, "after", &b->after);
	cJSON_AddNumberToObject(all, "scale", b->scale);
	cJSON_AddStringToObject(all, "normalized_by", scaled_by[b->scaled_by]);
	cJSON_AddNumberToObject(all, "false_share", COMPARE_FALSE_SHARE);
	cJSON *functions = cJSON_AddArrayToObject(all, "functions");
	for (size_t i = 0; i < b->changes.n && left; i++) {
		if (!is_shown(b, &b->changes.items[i]))
			continue;
		describe_change(functions, &b->changes.items[i]);
		left--;
	}
	return json_print(all);
}

/* ---- pprof ---------------------------------------------------------------------------------- */

static int write_profile(void *what, int fd)
{
	return pprof_write(what, fd);
}

static int write_pprof(struct both *b)
{
	char why[256] = "";
	int err = profile_subtract(b->after.p, b->before.p, b->scale, why, sizeof(why));

	if (err) {
		log_error("no difference can be written: %s", *why ? why : strerror(-err));
		return -EIO;
	}
	/* The value that was asked for is the one to be shown first. */
	b->after.p->default_sample_type = b->after.p->sample_types[b->after.type].type;
	return output_write(b->d->output, true, write_profile, b->after.p);
}

static int show(struct both *b)
{
	int err = compare_functions(
		&b->changes, &b->before.functions, &b->after.functions, b->scale, b->d->cum);

	if (!err && b->d->json)
		err = print_json(b);
	else if (!err)
		print_table(b);
	if (!err && fflush(stdout))
		err = -errno;
	if (err && err != -EPIPE)
		log_error("cannot print the table: %s", strerror(-err));
	return err ? -EIO : 0;
}

/* ---- the command line ----------------------------------------------------------------------- */

/* What is not said behind --against is as before it. */
static void inherit(struct query *q, const struct query *from)
{
	if (!q->type)
		q->type = from->type;
	if (!time_range_is_given(&q->range))
		q->range = from->range;
}

static const char *either(const char *given, const char *otherwise)
{
	return given ? given : otherwise;
}

/* Where names come from, likewise. */
static void inherit_names(struct query *q, const struct query *from)
{
	q->symbolize = either(q->symbolize, from->symbolize);
	q->debug_dirs = either(q->debug_dirs, from->debug_dirs);
	q->names = either(q->names, from->names);
	q->program = either(q->program, from->program);
}

/* The samples of `q`, or of `other` where it does not say which. */
static struct query with_samples(const struct query *q, const struct query *other)
{
	struct query whole = *q;

	if (!q->pids.n && !q->comms.n && !q->cgroups.n && !q->labels.n) {
		whole.pids = other->pids;
		whole.comms = other->comms;
		whole.cgroups = other->cgroups;
		whole.labels = other->labels;
	}
	return whole;
}

static int compare(const struct diff *d, const struct query *before, const struct operands *old,
	const struct operands *new)
{
	struct both b = {.d = d};
	struct query whole = with_samples(before, &d->query);
	size_t skipped = 0;
	int err = side_load(&b.before, &whole, old, &skipped);

	if (!err)
		err = side_load(&b.after, &d->query, new, &skipped);
	if (!err)
		err = check_types(&b);
	if (!err) {
		set_scale(&b);
		err = d->output ? write_pprof(&b) : show(&b);
	}
	comparison_free(&b.changes);
	side_free(&b.before);
	side_free(&b.after);
	return query_exit(err, skipped);
}

static int find_against(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (!strcmp(argv[i], "--against") || !strcmp(argv[i], "-against"))
			return i;
	return argc;
}

/* Two files: the older one first, as with diff(1). */
static int run_files(struct diff *d, struct operands *files)
{
	query_take_program(&d->query, files);
	if (files->n != 2)
		return command_usage(&COMMAND_DIFF, "what is compared with what? Name two files, "
						    "BEFORE AFTER, or put --against "
						    "between what is selected and what was before");
	struct operands old = {.items = files->items, .n = 1}, new = {files->items + 1, .n = 1};
	return compare(d, &d->query, &old, &new);
}

/* Both halves are command lines of their own; options of the report may be in either. */
static int run_halves(struct diff *d, struct operands *new, int argc, char **argv)
{
	struct diff second = *d;
	struct operands old;
	int code = 0;

	second.query = (struct query){.place = d->query.place};
	enum options_result parsed = command_parse(&COMMAND_DIFF, argc, argv, &second, &old);
	if (parsed == OPTIONS_OK) {
		query_take_program(&d->query, new);
		query_take_program(&second.query, &old);
		inherit_names(&second.query, &d->query);
		if (!old.n)
			inherit(&second.query, &d->query);
		/* Both sides show the same value, whoever names it. */
		if (!d->query.sample_index)
			d->query.sample_index = second.query.sample_index;
		second.query.sample_index = d->query.sample_index;
		/* Without files here, those of the first half are meant, with other samples. */
		struct diff both = second;
		both.query = d->query;
		code = compare(&both, &second.query,
			old.n || time_range_is_given(&second.query.range) ? &old : new, new);
	}
	query_free(&second.query);
	return parsed == OPTIONS_BAD ? 2 : code;
}

static int run(int argc, char **argv)
{
	struct diff d = {.query.place = place_default(), .node_fraction = 0.005, .unit = "auto"};
	int against = find_against(argc, argv), code = 2;
	bool halves = against < argc;
	struct operands files;

	/* The parser ends its part of argv with NULL, where --against was. */
	enum options_result parsed = command_parse(&COMMAND_DIFF, against, argv, &d, &files);
	if (parsed == OPTIONS_HELP)
		code = 0;
	else if (parsed == OPTIONS_OK && halves)
		code = run_halves(&d, &files, argc - against, argv + against);
	else if (parsed == OPTIONS_OK)
		code = run_files(&d, &files);
	query_free(&d.query);
	return code;
}

const struct command COMMAND_DIFF = {
	.name = "diff",
	.synopsis = "[OPTION...] --against [OPTION...], or BEFORE AFTER",
	.summary = "Show what changed, and what of it is more than chance",
	.details =
		"profctl diff --last 10m --against --around '1d ago'\n"
		"profctl diff --last 1h --comm new-server --against --comm old-server\n"
		"profctl diff monday.pb.gz tuesday.pb.gz\n"
		"\n"
		"Behind --against comes what was before. What is not said there is as it is said\n"
		"in front of it.",
	.groups = GROUPS,
	.run = run,
};
