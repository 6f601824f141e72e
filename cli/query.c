// SPDX-License-Identifier: MIT
#include "query.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "profile/pprof.h"
#include "profile/select.h"
#include "report/format.h"
#include "util/cleanup.h"
#include "util/log.h"

#define PID_MAX 4194304 /* PID_MAX_LIMIT of 64-bit kernels (include/linux/threads.h) */

const struct option QUERY_STORE_OPTIONS[] = {
	{"type", 0, "TYPE", OPTION_TEXT, offsetof(struct query, type), 0, 0,
		"type of profile in the store (cpu)"},
	{"since", 0, "TIME", OPTION_TIME, offsetof(struct query, range.since), 0, 0,
		"windows that end after TIME: '14:00', '2026-11-21 14:00', '10m ago', ..."},
	{"until", 0, "TIME", OPTION_TIME, offsetof(struct query, range.until), 0, 0,
		"windows that begin before TIME (now)"},
	{"last", 0, "LENGTH", OPTION_DURATION, offsetof(struct query, range.last), 0, 0,
		"windows of the last 90s, 10m, 2h, ... with the one that is open"},
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
	const struct time_range *r = &q->range;
	const char *wrong = NULL;

	if (n_files && (r->since || r->until || r->last || q->type))
		wrong = "--type, --since, --until and --last pick from the store, and do not go "
			"with files";
	else if (r->last && (r->since || r->until))
		wrong = "--last does not go with --since and --until";
	else if (r->since && r->until && r->since > r->until)
		wrong = "--since is later than --until";
	if (!wrong)
		return 0;
	command_usage(c, "%s", wrong);
	return -EINVAL;
}

static int make_selection(const struct command *c, const struct query *q, struct selection *s)
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

struct gathering {
	struct profile *into;
	const struct selection *selection;
	bool alone; /* one input is taken as it is: merging would leave out and renumber */
	size_t skipped, merged;
};

/* Reads one profile to its end and closes it. A bad one is named and passed over: 0. */
static int gather(struct gathering *g, int fd, const char *name)
{
	struct profile *all = NULL, *some = NULL;
	char why[512] = "";

	int err = fd < 0 ? fd : pprof_read(&all, fd, name, why, sizeof(why));
	bool unreadable = err;
	if (!err && !selection_is_empty(g->selection))
		err = profile_select(&some, all, g->selection);
	if (!err && g->alone && !some) {
		profile_free(g->into);
		g->into = take_ptr(all);
	} else if (!err)
		err = profile_merge(g->into, some ? some : all, why, sizeof(why));
	profile_free(some);
	profile_free(all);
	if (err == -ENOMEM) {
		log_error("out of memory with %s", name);
	} else if (err) {
		/* The reader's own words begin with the name; select_open has explained itself. */
		if (fd >= 0 && unreadable && *why)
			log_warning("%s; it is left out", why);
		else if (fd >= 0)
			log_warning("%s is left out: %s", name, *why ? why : strerror(-err));
		g->skipped++;
	} else {
		g->merged++;
	}
	close_fd(fd);
	return err == -ENOMEM ? err : 0;
}

static int gather_all(struct gathering *g, struct sources *s)
{
	int err = 0;

	g->alone = s->n + (s->window >= 0) == 1;
	for (size_t i = 0; i < s->n && !err; i++)
		err = gather(g, select_open(s, i), s->paths[i]);
	if (!err && s->window >= 0)
		err = gather(g, take_fd(s->window), "the open window");
	if (!err && !g->merged)
		err = -ENODATA;
	if (!err && !g->into->n_samples)
		log_info("no sample is left: %s",
			selection_is_empty(g->selection)
				? "the profile is empty"
				: "none has all of the labels that were asked for");
	return err;
}

int query_load(const struct command *c, const struct query *q, const struct operands *files,
	struct profile **out, size_t *skipped)
{
	struct selection selection = {0};
	struct sources sources = {.window = -1};
	struct gathering g = {.selection = &selection};

	int err = check(c, q, files->n);
	if (!err)
		err = make_selection(c, q, &selection);
	if (!err)
		err = files->n ? select_files(&sources, files->items, files->n)
			       : select_from_store(&sources, &q->place, q->type ? q->type : "cpu",
					 &q->range, time(NULL));
	if (!err) {
		g.into = profile_new();
		err = g.into ? gather_all(&g, &sources) : -ENOMEM;
	}
	select_free(&sources);
	selection_free(&selection);
	*skipped = g.skipped;
	if (err)
		profile_free(g.into);
	else
		*out = g.into;
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
