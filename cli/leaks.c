// SPDX-License-Identifier: MIT
/* leaks.c - profctl leaks: which stacks keep more and more memory, by a recording that is made for
 * it or by heap profiles of several moments. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "json.h"
#include "leaks_report.h"
#include "output.h"
#include "query.h"
#include "record.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/parse.h"

#define UNSET	    UINT32_MAX
#define MAX_SECONDS (7 * 86400)
#define MAX_FILES   1000
#define MAX_NUMBER  16 /* as text */

struct leaks_options {
	struct query query; /* pids: to record, or which samples of the files */
	uint32_t seconds, sample_bytes;
	uint64_t older; /* s; 0: what suits */
	bool children, standalone, json;
	const char *min, *output, *suppressions;
	struct leaks_view view;
};

static const struct option RECORD_OPTIONS[] = {
	{"pid", 0, "P", OPTION_IDS, offsetof(struct leaks_options, query.pids), 1, PID_MAX,
		"record these processes (repeat, or separate by commas); with FILEs: only their "
		"samples"},
	{"children", 0, NULL, OPTION_FLAG, offsetof(struct leaks_options, children), 0, 0,
		"with --pid: also processes that they start from now on"},
	{"seconds", 0, "N", OPTION_NUMBER, offsetof(struct leaks_options, seconds), 0, MAX_SECONDS,
		"how long; 0: until Ctrl-C (30; with -- CMD until CMD ends)"},
	{"sample-bytes", 0, "N", OPTION_NUMBER, offsetof(struct leaks_options, sample_bytes), 1,
		UINT32_MAX, "bytes between samples, on average; 1: every allocation (524288)"},
	{"standalone", 0, NULL, OPTION_FLAG, offsetof(struct leaks_options, standalone), 0, 0,
		"run a private profd for this recording (needs root)"},
	{"output", 'o', "FILE", OPTION_TEXT, offsetof(struct leaks_options, output), 0, 0,
		"also write what was recorded to FILE, as pprof with ages"},
	{0},
};

static const struct option REPORT_OPTIONS[] = {
	{"older", 0, "LENGTH", OPTION_DURATION, offsetof(struct leaks_options, older), 0, 0,
		"what is in use for so long should have been freed (30s, or a third of the time "
		"that was looked at, if that is shorter)"},
	{"min", 0, "BYTES", OPTION_TEXT, offsetof(struct leaks_options, min), 0, 0,
		"leave out stacks with less in use (64K)"},
	{"stacks", 0, "N", OPTION_NUMBER, offsetof(struct leaks_options, view.n_stacks), 0,
		INT32_MAX, "at most N stacks (20; 0: all)"},
	{"suppressions", 0, "FILE", OPTION_TEXT, offsetof(struct leaks_options, suppressions), 0, 0,
		"leave out stacks with a function that a line of FILE, a regular expression, "
		"matches"},
	{"json", 0, NULL, OPTION_FLAG, offsetof(struct leaks_options, json), 0, 0,
		"print one JSON object"},
	{0},
};

static const struct option_group GROUPS[] = {
	{"Recording", RECORD_OPTIONS, 0},
	{"Report", REPORT_OPTIONS, 0},
	{"Names of FILEs", QUERY_NAME_OPTIONS, offsetof(struct leaks_options, query)},
	{"Places", PLACE_OPTIONS, offsetof(struct leaks_options, query.place)},
	{0},
};

/* ---- the report ----------------------------------------------------------------------------- */

static int print_json(const struct leaks *l, const struct leaks_view *v)
{
	_cleanup_json_ cJSON *all = leaks_report_describe(l, v);

	return json_print(all);
}

static int report(struct leaks *l, const struct leaks_options *o)
{
	int err = leaks_report_prepare(l, &o->view, (double)o->older);

	if (!err && o->older && l->older > l->span)
		log_warning("nothing can be older than %" PRIu64
			    " s, since only %.0f s were looked "
			    "at: take more --seconds, or a shorter --older",
			o->older, l->span);
	if (!err && o->json)
		err = print_json(l, &o->view);
	else if (!err)
		leaks_report_print(l, &o->view, stdout);
	if (err)
		log_error("the stacks cannot be judged: %s", strerror(-err));
	return err;
}

/* ---- files ---------------------------------------------------------------------------------- */

static int add_file(struct leaks *l, const struct leaks_options *o, char *path, size_t *skipped)
{
	struct operands one = {.items = (char *[]){path, NULL}, .n = 1};
	struct profile *p = NULL;
	char why[256] = "";
	size_t n_skipped;
	int err = query_load(&COMMAND_LEAKS, &o->query, &one, &p, &n_skipped);
	double time = err ? 0 : leaks_time(p);

	*skipped += n_skipped;
	/* What is alone has no need of a time. */
	if (!err && !n_skipped && time == 0 && l->max_moments > 1) {
		log_warning("%s is left out: it does not say what time it is of", path);
		++*skipped;
	} else if (!err && !n_skipped) {
		err = leaks_add(l, p, time, why, sizeof(why));
		if (err == -EINVAL) {
			log_warning("%s is left out: %s", path, why);
			++*skipped;
			err = 0;
		} else if (err) {
			log_error("%s: %s", path, strerror(-err));
		}
	}
	profile_free(p);
	/* The merging of one file fails only if it cannot be read, which was said. */
	return err == -ENOMEM || err == -E2BIG || err == -EINVAL ? err : 0;
}

static int report_files(const struct leaks_options *o, const struct operands *files)
{
	struct leaks l;
	size_t skipped = 0;
	int err = leaks_begin(&l, files->n);

	for (size_t i = 0; i < files->n && !err; i++)
		err = add_file(&l, o, files->items[i], &skipped);
	if (!err && !l.n_moments) {
		log_error("there is no heap profile to look at");
		err = -ENODATA;
	}
	if (!err)
		err = report(&l, o);
	leaks_free(&l);
	return query_exit(err, skipped);
}

/* ---- a recording ---------------------------------------------------------------------------- */

struct taking {
	const struct leaks_options *o;
	struct output out;
};

static int take(void *userdata, int fd, double seconds)
{
	struct taking *t = userdata;
	struct leaks l;
	int err = t->o->output ? output_copy(&t->out, fd) : 0;

	if (!err && t->o->output)
		err = output_commit(&t->out);
	if (err)
		return err;
	err = leaks_report_read(&l, fd, seconds);
	if (!err)
		err = report(&l, t->o);
	leaks_free(&l);
	return err;
}

/* The arguments of `profctl record`. */
struct words {
	char **items;
	size_t n, capacity;
};

static void add_word(struct words *w, const char *text)
{
	w->items[w->n++] = (char *)text;
}

static void add_number(struct words *w, const char *name, uint32_t value, char text[MAX_NUMBER])
{
	snprintf(text, MAX_NUMBER, "%" PRIu32, value);
	add_word(w, name);
	add_word(w, text);
}

static int record_and_report(const struct leaks_options *o, const struct operands *command)
{
	/* Ten options and their values besides. */
	size_t room = 32 + 2 * o->query.pids.n + command->n;
	_cleanup_free_ char **items = calloc(room, sizeof(*items));
	_cleanup_free_ char(*pids)[MAX_NUMBER] = calloc(o->query.pids.n + 1, sizeof(*pids));
	struct words w = {.items = items};
	char seconds[MAX_NUMBER], bytes[MAX_NUMBER];
	struct taking taking = {.o = o, .out = {.fd = -1}};

	if (!items || !pids) {
		log_error("out of memory");
		return 1;
	}
	if (o->output && output_open(&taking.out, o->output, true))
		return 1;
	for (const char *const *text = (const char *const[]){"record", "--type", "heap", "--ages",
		     "--store", o->query.place.store, "--socket", o->query.place.socket, NULL};
		*text; text++)
		add_word(&w, *text);
	if (o->children)
		add_word(&w, "--children");
	if (o->standalone)
		add_word(&w, "--standalone");
	if (o->seconds != UNSET)
		add_number(&w, "--seconds", o->seconds, seconds);
	if (o->sample_bytes)
		add_number(&w, "--sample-bytes", o->sample_bytes, bytes);
	for (size_t i = 0; i < o->query.pids.n; i++)
		add_number(&w, "--pid", o->query.pids.items[i], pids[i]);
	if (command->n)
		add_word(&w, "--");
	for (size_t i = 0; i < command->n; i++)
		add_word(&w, command->items[i]);
	int code = record_for(
		(int)w.n, items, &(struct record_taker){.take = take, .userdata = &taking});
	output_abort(&taking.out);
	return code;
}

/* ---- the command line ----------------------------------------------------------------------- */

static int check(struct leaks_options *o, const struct operands *rest)
{
	bool records = rest->dashes || !rest->n;

	if (rest->dashes && rest->after)
		return command_usage(
			&COMMAND_LEAKS, "it takes FILEs or a command behind --, not both");
	if (rest->dashes && !rest->n)
		return command_usage(&COMMAND_LEAKS, "there is no command behind --");
	if (rest->dashes && o->query.pids.n)
		return command_usage(&COMMAND_LEAKS, "--pid does not go with a command");
	if (records && !rest->n && !o->query.pids.n)
		return command_usage(
			&COMMAND_LEAKS, "whose leaks? Give --pid P, -- CMD, or heap profiles");
	if (!records && o->children)
		return command_usage(&COMMAND_LEAKS, "--children does not go with FILEs");
	if (!records && (o->seconds != UNSET || o->sample_bytes || o->output || o->standalone))
		return command_usage(&COMMAND_LEAKS,
			"--seconds, --sample-bytes, --standalone and -o are of a recording, and do "
			"not go with FILEs");
	if (rest->n > MAX_FILES && !records)
		return command_usage(&COMMAND_LEAKS, "more than %d files", MAX_FILES);
	if (o->min && parse_size(o->min, &o->view.min))
		return command_usage(
			&COMMAND_LEAKS, "--min: '%s' is not a size such as 64K or 1M", o->min);
	return 0;
}

static int run_leaks(struct leaks_options *o, const struct operands *rest)
{
	int code = check(o, rest);

	if (code)
		return code;
	if (o->suppressions && suppressions_load(&o->view.known, o->suppressions))
		return 1;
	return rest->dashes || !rest->n ? record_and_report(o, rest) : report_files(o, rest);
}

static int run(int argc, char **argv)
{
	struct leaks_options o = {
		.query.place = place_default(),
		.seconds = UNSET,
		.view = {.min = LEAKS_MIN, .n_stacks = LEAKS_STACKS},
	};
	struct operands rest;
	int code = 0;

	enum options_result parsed = command_parse(&COMMAND_LEAKS, argc, argv, &o, &rest);
	if (parsed == OPTIONS_OK)
		code = run_leaks(&o, &rest);
	suppressions_free(&o.view.known);
	query_free(&o.query);
	return parsed == OPTIONS_BAD ? 2 : code;
}

const struct command COMMAND_LEAKS = {
	.name = "leaks",
	.synopsis = "[OPTION...] --pid P, or -- CMD [ARG...], or FILE...",
	.summary = "Show which stacks keep more and more memory",
	.details =
		"It records heap profiles with ages, or reads those of one process at several\n"
		"moments (four at least, or one that was recorded with --ages). What is likely to\n"
		"be a leak comes first. With a command, the exit code is the command's.",
	.groups = GROUPS,
	.run = run,
};
