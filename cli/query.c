// SPDX-License-Identifier: MIT
#include "query.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "binaries.h"
#include "profile/gather.h"
#include "renaming.h"
#include "report/format.h"
#include "util/cleanup.h"
#include "util/log.h"

const struct option QUERY_STORE_OPTIONS[] = {
	{"type", 0, "TYPE", OPTION_TEXT, offsetof(struct query, type), 0, 0,
		"type of profile in the store (cpu)"},
	{"since", 0, "TIME", OPTION_TIME, offsetof(struct query, range.since), 0, 0,
		"windows that end after TIME: '14:00', '2026-11-21 14:00', '10m ago', ..."},
	{"until", 0, "TIME", OPTION_TIME, offsetof(struct query, range.until), 0, 0,
		"windows that begin before TIME (now)"},
	{"last", 0, "LENGTH", OPTION_DURATION, offsetof(struct query, range.last), 0, 0,
		"windows of the last 90s, 10m, 2h, ... with the one that is open"},
	{"around", 0, "TIME", OPTION_TIME, offsetof(struct query, range.around), 0, 0,
		"windows around a moment"},
	{"within", 0, "LENGTH", OPTION_DURATION, offsetof(struct query, range.within), 0, 0,
		"with --around: so far before and after it (1m)"},
	{0},
};

const struct option QUERY_SAMPLE_OPTIONS[] = {
	{"pid", 0, "P", OPTION_IDS, offsetof(struct query, pids), 1, PID_MAX,
		"samples of these processes (repeat, or separate by commas)"},
	{"comm", 0, "NAME", OPTION_TEXTS, offsetof(struct query, comms), 0, 0,
		"samples of threads with this name (may be repeated)"},
	{"cgroup", 0, "PATH", OPTION_TEXTS, offsetof(struct query, cgroups), 0, 0,
		"samples of this cgroup and those below it (may be repeated)"},
	{"label", 0, "KEY=VALUE", OPTION_TEXTS, offsetof(struct query, labels), 0, 0,
		"samples with this label (may be repeated)"},
	{"sample_index", 0, "NAME", OPTION_TEXT, offsetof(struct query, sample_index), 0, 0,
		"which value of the samples, by name or number (the file's default, else the "
		"last)"},
	{0},
};

const struct option QUERY_NAME_OPTIONS[] = {
	{"symbolize", 0, "MODE", OPTION_TEXT, offsetof(struct query, symbolize), 0, 0,
		"names of addresses that have none: local (from the binaries, if they are here) "
		"or none"},
	{"debug_dirs", 0, "DIRS", OPTION_TEXT, offsetof(struct query, debug_dirs), 0, 0,
		"further folders with debug files, separated by colons (those of profd.conf)"},
	{"names", 0, "KIND", OPTION_TEXT, offsetof(struct query, names), 0, 0,
		"all names, made anew: short, with templates, or full, with parameters too (as "
		"they are; addresses that have none: short)"},
	{0},
};

void query_free(struct query *q)
{
	ids_free(&q->pids);
	texts_free(&q->comms);
	texts_free(&q->cgroups);
	texts_free(&q->labels);
}

int query_exit(int err, size_t skipped)
{
	if (err == -EINVAL)
		return 2;
	return err || skipped ? 1 : 0;
}

static int check(const struct command *c, const struct query *q, size_t n_files)
{
	const char *wrong = time_range_check(&q->range);

	if (!wrong && n_files && (time_range_is_given(&q->range) || q->type))
		wrong = "--type, --since, --until, --last and --around pick from the store, and do "
			"not go with files";
	if (!wrong && q->symbolize && strcmp(q->symbolize, "local") != 0 &&
		strcmp(q->symbolize, "none") != 0)
		wrong = "--symbolize is local or none: names come from files on this host only";
	if (!wrong && q->names && !renaming_is_kind(q->names))
		wrong = "--names is short, templates or full";
	if (!wrong)
		return select_check_type(c, q->type);
	command_usage(c, "%s", wrong);
	return -EINVAL;
}

int query_selection(const struct command *c, const struct query *q, struct selection *s)
{
	int err = 0;

	for (size_t i = 0; i < q->pids.n && !err; i++)
		err = selection_add_pid(s, q->pids.items[i]);
	for (size_t i = 0; i < q->comms.n && !err; i++)
		err = selection_add_comm(s, q->comms.items[i]);
	for (size_t i = 0; i < q->cgroups.n && !err; i++)
		err = selection_add_cgroup(s, q->cgroups.items[i]);
	for (size_t i = 0; i < q->labels.n && !err; i++) {
		err = selection_add_label(s, q->labels.items[i]);
		if (err == -EINVAL)
			command_usage(c, "--label: '%s' is not KEY=VALUE", q->labels.items[i]);
	}
	if (err && err != -EINVAL)
		log_error("%s", strerror(-err));
	return err;
}

/* What is gathered from: the files, and behind them the open window if there is one. */
static int open_source(void *userdata, size_t i, char *why, size_t why_size)
{
	struct sources *s = userdata;
	return i < s->n ? select_open(s, i, why, why_size) : take_fd(s->window);
}

static const char *source_name(void *userdata, size_t i)
{
	const struct sources *s = userdata;
	return i < s->n ? select_name(s, i) : "the open window";
}

static void tell_skipped(void *userdata, size_t i, int err, const char *why)
{
	const struct sources *s = userdata;
	const char *name = source_name(userdata, i);
	bool only = s->n + (s->window >= 0) == 1; /* there is nothing it is left out of */

	if (err == -EBADMSG && binaries_is_program(name))
		log_warning("%s is a program and no profile: it goes before one, as in profctl top "
			    "PROGRAM FILE",
			name);
	else if (!strncmp(why, name, strlen(name)))
		log_warning("%s%s", why, only ? "" : "; it is left out");
	else
		log_warning(
			"%s%s: %s", name, only ? "" : " is left out", *why ? why : strerror(-err));
}

static int gather(struct sources *sources, const struct selection *selection, struct profile **out,
	size_t *skipped)
{
	struct gather g = {
		.n = sources->n + (sources->window >= 0),
		.open = open_source,
		.name = source_name,
		.skipped = tell_skipped,
		.userdata = sources,
		.selection = selection,
		.n_past = sources->n_past,
	};
	int err = profile_gather(out, &g, skipped);

	if (err == -ENOMEM)
		log_error("out of memory: take fewer files, or fewer samples with --pid, --comm or "
			  "--label");
	else if (err == -E2BIG)
		log_error("the merged profile has more than 2^31 entries of one kind: take fewer "
			  "files");
	if (!err && !(*out)->n_samples)
		log_info("no sample is left: %s",
			selection_is_empty(selection)
				? "the profile is empty"
				: "none has all of the labels that were asked for");
	return err;
}

/* ---- names -------------------------------------------------------------------------------- */

void query_take_program(struct query *q, struct operands *files)
{
	if (files->n < 2 || !binaries_is_program(files->items[0]))
		return;
	q->program = files->items[0];
	files->items++;
	files->n--;
}

struct unnamed {
	size_t n;
	char first[512];
};

static void note_unnamed(void *userdata, const struct naming_report *r)
{
	struct unnamed *u = userdata;

	if (r->why && !r->memory && !u->n++)
		snprintf(u->first, sizeof(u->first), "%.200s: %s", *r->path ? r->path : "a mapping",
			r->why);
}

struct naming query_naming(const struct query *q)
{
	return (struct naming){.debug_dirs = q->debug_dirs,
		.templates = q->names && strcmp(q->names, "short") != 0};
}

int query_rename(const struct query *q, struct profile *p)
{
	return q->names ? renaming_run(p, q->names) : 0;
}

static int name_addresses(const struct query *q, struct profile *p)
{
	struct unnamed unnamed = {0};
	struct naming naming = query_naming(q);
	naming.told = note_unnamed;
	naming.userdata = &unnamed;
	int err = binaries_locate(p, q->program);

	if (!err && (!q->symbolize || strcmp(q->symbolize, "none") != 0))
		err = naming_run(p, &naming);
	if (!err)
		err = query_rename(q, p);
	if (err)
		log_error("the profile's addresses get no names: %s", strerror(-err));
	else if (unnamed.n == 1)
		log_warning("no names from %s", unnamed.first);
	else if (unnamed.n)
		log_warning("no names from %zu binaries, the first being %s (profctl symbolize "
			    "tells of all)",
			unnamed.n, unnamed.first);
	return err;
}

int query_load(const struct command *c, const struct query *q, const struct operands *files,
	struct profile **out, size_t *skipped)
{
	struct selection selection = {0};
	struct sources sources = {.window = -1};

	*skipped = 0;
	int err = check(c, q, files->n);
	if (!err)
		err = query_selection(c, q, &selection);
	if (!err)
		err = files->n ? select_files(&sources, files->items, files->n)
			       : select_from_store(&sources, &q->place, q->type ? q->type : "cpu",
					 &q->range, time(NULL));
	if (!err)
		err = gather(&sources, &selection, out, skipped);
	if (!err)
		err = name_addresses(q, *out);
	select_free(&sources);
	selection_free(&selection);
	return err;
}

int query_sample_index(
	const struct command *c, const struct query *q, const struct profile *p, size_t *index)
{
	char why[512] = "";

	int err = format_sample_index(p, q->sample_index, index, why, sizeof(why));
	if (!err)
		return 0;
	if (q->sample_index) {
		command_usage(c, "--sample_index: %s", why);
		return -EINVAL;
	}
	log_error("%s", why);
	return -ENODATA;
}
