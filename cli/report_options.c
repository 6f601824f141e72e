// SPDX-License-Identifier: MIT
#include "report_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/prepare.h"
#include "report/report.h"
#include "util/log.h"

#define AT(field)     offsetof(struct report_request, field)
#define CONFIG(field) offsetof(struct report_request, config.field)
#define FLAG(name, at, help)                               \
	{                                                  \
		name, 0, NULL, OPTION_FLAG, at, 0, 0, help \
	}
#define TEXT(name, argument, at, help)                         \
	{                                                      \
		name, 0, argument, OPTION_TEXT, at, 0, 0, help \
	}

const struct option REPORT_OPTIONS[] = {
	FLAG("cum", CONFIG(cum), "sort by cumulative value (functions with all that they call)"),
	FLAG("flat", CONFIG(flat), "sort by own value (the default)"),
	FLAG("functions", CONFIG(functions), "rows are functions (the default)"),
	FLAG("filefunctions", CONFIG(file_functions), "functions, by the file that they are in"),
	FLAG("files", CONFIG(files), "source files"),
	FLAG("lines", CONFIG(lines), "source lines"),
	FLAG("addresses", CONFIG(addresses), "addresses of instructions"),
	FLAG("noinlines", CONFIG(no_inlines),
		"inlined functions count for the function that they were inlined into"),
	FLAG("showcolumns", CONFIG(show_columns), "lines with their columns"),
	{"nodecount", 0, "N", OPTION_LIMIT, CONFIG(node_count), 0, 0,
		"at most N rows (0: all; -1, the default: all in top, 80 elsewhere)"},
	{"nodefraction", 0, "F", OPTION_FRACTION, CONFIG(node_fraction), 0, 0,
		"leave out what is below this share of the total (0.005)"},
	{"edgefraction", 0, "F", OPTION_FRACTION, CONFIG(edge_fraction), 0, 0,
		"leave out calls below this share (0.001)"},
	FLAG("notrim", AT(untrimmed), "leave out nothing: no nodecount, no fractions"),
	TEXT("unit", "UNIT", CONFIG(unit),
		"unit of the values, such as ms or MB (minimum: one that suits; auto: for each)"),
	{"divide_by", 0, "N", OPTION_REAL, CONFIG(divide_by), 0, 0,
		"divide all values, such as by a number of requests"},
	FLAG("mean", CONFIG(mean), "the mean: values divided by the samples' first value"),
	FLAG("call_tree", CONFIG(call_tree), "graphs: a function is one node for each way to it"),
	FLAG("compact_labels", CONFIG(compact_labels), "a short header"),
	FLAG("relative_percentages", CONFIG(relative_percentages),
		"shares of what the filters leave, not of everything"),
	{"base", 0, "FILE", OPTION_TEXTS, AT(base), 0, 0,
		"subtract this profile (may be repeated)"},
	{"diff_base", 0, "FILE", OPTION_TEXTS, AT(diff_base), 0, 0,
		"subtract it, and show shares of it (may be repeated)"},
	FLAG("normalize", AT(normalize), "scale to the totals of the base first"),
	FLAG("drop_negative", CONFIG(drop_negative), "leave out what is below zero"),
	TEXT("source_path", "DIRS", CONFIG(source_path),
		"where sources are, separated by colons (this directory; then DEBUGINFOD_URLS)"),
	TEXT("trim_path", "DIRS", CONFIG(trim_path), "what to cut from their paths before"),
	FLAG("intel_syntax", CONFIG(intel_syntax), "disasm, weblist: Intel's syntax"),
	FLAG("inuse_space", AT(inuse_space), "the same as --sample_index=inuse_space"),
	FLAG("inuse_objects", AT(inuse_objects), "the same as --sample_index=inuse_objects"),
	FLAG("alloc_space", AT(alloc_space), "the same as --sample_index=alloc_space"),
	FLAG("alloc_objects", AT(alloc_objects), "the same as --sample_index=alloc_objects"),
	FLAG("total_delay", AT(total_delay), "the same as --sample_index=delay"),
	FLAG("contentions", AT(contentions), "the same as --sample_index=contentions"),
	FLAG("mean_delay", AT(mean_delay), "the same as --mean --sample_index=delay"),
	{0},
};

const struct option REPORT_FILTER_OPTIONS[] = {
	TEXT("focus", "REGEX", CONFIG(focus),
		"only stacks with a function, file or binary that matches"),
	TEXT("ignore", "REGEX", CONFIG(ignore), "no stacks with one that matches"),
	TEXT("hide", "REGEX", CONFIG(hide), "take frames that match out of the stacks"),
	TEXT("show", "REGEX", CONFIG(show), "take all other frames out of the stacks"),
	TEXT("show_from", "REGEX", CONFIG(show_from),
		"stacks from the outermost frame that matches on"),
	TEXT("prune_from", "REGEX", CONFIG(prune_from),
		"stacks down to the innermost frame that matches"),
	TEXT("tagfocus", "FILTER", CONFIG(tag_focus),
		"only samples with a label that matches: [key=]regex or [key=]1kb:64kb"),
	TEXT("tagignore", "FILTER", CONFIG(tag_ignore), "no samples with one that matches"),
	{"temporary", 0, "[=TIME]", OPTION_PERHAPS, CONFIG(temporary), 0, 0,
		"heap: only what was freed within TIME by the thread that allocated it, of "
		"profiles that were recorded with --temporary"},
	TEXT("tagshow", "REGEX", CONFIG(tag_show), "only labels whose key matches"),
	TEXT("taghide", "REGEX", CONFIG(tag_hide), "no labels whose key matches"),
	TEXT("tagroot", "KEYS", CONFIG(tag_root),
		"put the values of these labels at the root of the stacks"),
	TEXT("tagleaf", "KEYS", CONFIG(tag_leaf), "put them at their leaf"),
	{0},
};

struct report_request report_request_default(void)
{
	struct report_request r = {.config = REPORT_CONFIG_DEFAULTS};
	const char *servers = getenv("DEBUGINFOD_URLS");

	r.config.debuginfod = servers && *servers;
	return r;
}

void report_request_free(struct report_request *r)
{
	texts_free(&r->base);
	texts_free(&r->diff_base);
}

int report_request_settle(const struct command *c, struct report_request *r, struct query *q)
{
	const struct {
		bool given;
		const char *option, *type;
	} olds[] = {
		{r->total_delay, "--total_delay", "delay"},
		{r->mean_delay, "--mean_delay", "delay"},
		{r->contentions, "--contentions", "contentions"},
		{r->inuse_space, "--inuse_space", "inuse_space"},
		{r->inuse_objects, "--inuse_objects", "inuse_objects"},
		{r->alloc_space, "--alloc_space", "alloc_space"},
		{r->alloc_objects, "--alloc_objects", "alloc_objects"},
	};

	/* Nothing of it is in use. */
	if (r->config.temporary && !q->sample_index)
		q->sample_index = "alloc_space";
	for (size_t i = 0; i < sizeof(olds) / sizeof(olds[0]); i++) {
		if (!olds[i].given)
			continue;
		if (q->sample_index)
			log_warning("Multiple value selections, ignoring %s", olds[i].option);
		else
			q->sample_index = olds[i].type;
	}
	r->config.mean |= r->mean_delay;
	r->config.no_trim = r->untrimmed;
	if (r->base.n && r->diff_base.n)
		command_usage(c, "--base and --diff_base do not go together");
	else if (r->normalize && !r->base.n && !r->diff_base.n)
		command_usage(c, "--normalize needs a --base or --diff_base to scale to");
	else
		return 0;
	return -EINVAL;
}

/* The base is files; which of their samples, is the query's to say. */
static int load_base(const struct command *c, const struct report_request *r, const struct query *q,
	struct profile **out, size_t *skipped)
{
	const struct texts *files = r->base.n ? &r->base : &r->diff_base;
	struct operands operands = {.items = (char **)files->items, .n = files->n};
	struct query of_base = *q;

	of_base.type = NULL;
	of_base.range = (struct time_range){0};
	return query_load(c, &of_base, &operands, out, skipped);
}

static int subtract_base(const struct command *c, const struct report_request *r,
	const struct query *q, struct profile **p, size_t *skipped)
{
	struct profile *base = NULL;
	char why[512] = "";
	size_t more = 0;

	int err = load_base(c, r, q, &base, &more);
	if (!err)
		err = report_take(base);
	if (!err)
		err = report_subtract(p, base, r->diff_base.n, r->normalize, why, sizeof(why));
	if (err && *why)
		log_error("the base cannot be subtracted: %s", why);
	profile_free(base);
	*skipped += more;
	return err == -EINVAL ? -ENODATA : err;
}

static int load(const struct command *c, const struct report_request *r, const struct query *q,
	const struct operands *files, bool take, struct profile **out, size_t *skipped)
{
	bool has_base = r->base.n || r->diff_base.n;

	int err = query_load(c, q, files, out, skipped);
	if (!err && (take || has_base))
		err = report_take(*out);
	return !err && has_base ? subtract_base(c, r, q, out, skipped) : err;
}

int report_filter_samples(const struct report_request *r, struct profile **p)
{
	char why[512] = "";

	int err = report_filter(p, &r->config, why, sizeof(why));
	if (err)
		log_error("%s", *why ? why : strerror(-err));
	return err;
}

int report_load_samples(const struct command *c, const struct report_request *r,
	const struct query *q, const struct operands *files, struct profile **out, size_t *skipped)
{
	int err = load(c, r, q, files, false, out, skipped);

	return err ? err : report_filter_samples(r, out);
}

int report_load(const struct command *c, const struct report_request *r, const struct query *q,
	const struct operands *files, struct profile **out, size_t *skipped)
{
	int err = load(c, r, q, files, true, out, skipped);

	if (err)
		return err;
	err = report_prepare(*out);
	if (err)
		log_error("%s", strerror(-err));
	return err;
}

/* ---- which ones are given ----------------------------------------------------------------- */

/* What an option of REPORT_OPTIONS is about. */
enum about {
	ABOUT_LOOK, /* how a report looks */
	ABOUT_TYPE, /* which value of the samples */
	ABOUT_SAMPLES,
};

static enum about about(const char *name)
{
	static const struct {
		const char *name;
		enum about about;
	} others[] = {
		{"noinlines", ABOUT_SAMPLES},
		{"divide_by", ABOUT_SAMPLES},
		{"base", ABOUT_SAMPLES},
		{"diff_base", ABOUT_SAMPLES},
		{"normalize", ABOUT_SAMPLES},
		{"inuse_space", ABOUT_TYPE},
		{"inuse_objects", ABOUT_TYPE},
		{"alloc_space", ABOUT_TYPE},
		{"alloc_objects", ABOUT_TYPE},
		{"total_delay", ABOUT_TYPE},
		{"contentions", ABOUT_TYPE},
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (!strcmp(others[i].name, name))
			return others[i].about;
	return ABOUT_LOOK;
}

/* Of the kinds of options that the tables above have. */
static bool is_same(enum option_kind kind, const void *a, const void *b)
{
	switch (kind) {
	case OPTION_FLAG:
		return *(const bool *)a == *(const bool *)b;
	case OPTION_LIMIT:
		return *(const uint32_t *)a == *(const uint32_t *)b;
	case OPTION_TEXT:
		return *(const char *const *)a == *(const char *const *)b;
	case OPTION_TEXTS:
		return ((const struct texts *)a)->n == ((const struct texts *)b)->n;
	default:
		return *(const double *)a == *(const double *)b;
	}
}

static bool is_given(const struct option *o, const struct report_request *r)
{
	struct report_request untouched = report_request_default();

	return !is_same(o->kind, (const char *)r + o->offset, (const char *)&untouched + o->offset);
}

const char *report_request_look(const struct report_request *r)
{
	for (const struct option *o = REPORT_OPTIONS; o->name; o++)
		if (about(o->name) == ABOUT_LOOK && is_given(o, r))
			return o->name;
	return NULL;
}

bool report_request_takes_all(const struct report_request *r)
{
	for (const struct option *o = REPORT_FILTER_OPTIONS; o->name; o++)
		if (is_given(o, r))
			return false;
	for (const struct option *o = REPORT_OPTIONS; o->name; o++)
		if (about(o->name) == ABOUT_SAMPLES && is_given(o, r))
			return false;
	return true;
}
