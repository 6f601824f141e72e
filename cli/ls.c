// SPDX-License-Identifier: MIT
/* ls.c - profctl ls: the profiles that there are for this user, what is in them, and when the host
 * was busy. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "catalog.h"
#include "chart.h"
#include "commands.h"
#include "json.h"
#include "process_names.h"
#include "report/format.h"
#include "select.h"
#include "terminal.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "window_activity.h"

#define DEFAULT_ROWS  10
#define TIMELINE_LEFT 31 /* columns of a terminal that its names take */
#define LEAST_COLUMNS 20
#define BUSIEST_WIDTH 26
#define PIPE_TIMELINE 90 /* columns of time where nothing says how wide it may be */

struct ls {
	struct place place;
	const char *type, *by;
	struct time_range range;
	struct span span; /* of the range */
	uint32_t rows;
	bool json, timeline, by_comm;
};

static const struct option OPTIONS[] = {
	{"timeline", 0, NULL, OPTION_FLAG, offsetof(struct ls, timeline), 0, 0,
		"show which moments were busy, and by whom, instead of a list"},
	{"by", 0, "pid|comm", OPTION_TEXT, offsetof(struct ls, by), 0, 0,
		"tell processes apart by pid, or by name, which reads all profiles (pid)"},
	{"rows", 0, "N", OPTION_NUMBER, offsetof(struct ls, rows), 1, CHART_MAX_ROWS,
		"with --timeline: this many processes (10)"},
	{"json", 0, NULL, OPTION_FLAG, offsetof(struct ls, json), 0, 0, "print one JSON object"},
	{0},
};

static const struct option WHICH_OPTIONS[] = {
	{"type", 0, "TYPE", OPTION_TEXT, offsetof(struct ls, type), 0, 0,
		"only this type (all; with --timeline cpu)"},
	{"since", 0, "TIME", OPTION_TIME, offsetof(struct ls, range.since), 0, 0,
		"only what was finished after TIME: '14:00', '2026-11-21', '10m ago', ..."},
	{"until", 0, "TIME", OPTION_TIME, offsetof(struct ls, range.until), 0, 0,
		"only what began before TIME"},
	{"last", 0, "LENGTH", OPTION_DURATION, offsetof(struct ls, range.last), 0, 0,
		"only what was finished in the last 90s, 10m, 2h, ..."},
	{"around", 0, "TIME", OPTION_TIME, offsetof(struct ls, range.around), 0, 0,
		"only what is around a moment"},
	{"within", 0, "LENGTH", OPTION_DURATION, offsetof(struct ls, range.within), 0, 0,
		"with --around: so far before and after it (1m)"},
	{0},
};

static const struct option_group GROUPS[] = {
	{"Options", OPTIONS, 0},
	{"Which profiles", WHICH_OPTIONS, 0},
	{"Places", PLACE_OPTIONS, offsetof(struct ls, place)},
	{0},
};

static bool is_wanted(const struct ls *l, const struct store_entry *e)
{
	if (l->type && strcmp(l->type, e->type) != 0)
		return false;
	if (e->start > l->span.until)
		return false;
	time_t end = e->recording ? e->mtime.tv_sec : e->start + (time_t)e->seconds;
	return end > l->span.since;
}

/* ---- the list ------------------------------------------------------------------------------- */

struct lister {
	const struct ls *ls;
	struct tally room;
	struct process_names names;
	cJSON *profiles; /* or NULL */
};

/* The name of a window's busiest process. By pid it is the one that the pid had when it was first
 * seen as the busiest; by comm each profile is read. */
static int name_busiest(
	struct lister *l, const struct store_entry *e, uint32_t pid, const char **name)
{
	int err = 0;

	if (l->ls->by_comm)
		tally_clear(&l->names.by_pid);
	if (!process_name_id(&l->names, pid))
		err = process_names_add(&l->names, e);
	*name = process_name(&l->names, pid);
	return err;
}

static void print_profile(
	const struct store_entry *e, const struct window_totals *t, const char *busiest)
{
	char start[32] = "?", seconds[16] = "-", size[FORMAT_VALUE_SIZE], samples[24] = "-",
	     cpu[FORMAT_VALUE_SIZE] = "-";
	struct tm local;

	if (localtime_r(&e->start, &local))
		strftime(start, sizeof(start), "%Y-%m-%d %H:%M:%S", &local);
	/* How long a recording took is in the file. */
	if (!e->recording)
		snprintf(seconds, sizeof(seconds), "%u", e->seconds);
	if (t->known)
		snprintf(samples, sizeof(samples), "%" PRIu64, t->samples);
	if (t->cpu_ns)
		format_value(cpu, sizeof(cpu), t->cpu_ns, "ns", "auto");
	format_value(size, sizeof(size), (int64_t)e->size, "bytes", "auto");
	printf("%-6s %-19s %7s %8s %9s  %-*.*s %9s  %s\n", e->type, start, seconds, samples, cpu,
		BUSIEST_WIDTH, BUSIEST_WIDTH, busiest, size, e->path);
}

static void describe(struct lister *l, const struct store_entry *e, const struct window_totals *t,
	const char *name)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "path", e->path);
	cJSON_AddStringToObject(o, "type", e->type);
	cJSON_AddBoolToObject(o, "recording", e->recording);
	cJSON_AddNumberToObject(o, "start", (double)e->start);
	if (!e->recording)
		cJSON_AddNumberToObject(o, "seconds", e->seconds);
	else
		cJSON_AddNumberToObject(o, "uid", e->uid);
	cJSON_AddNumberToObject(o, "size", (double)e->size);
	if (t->known)
		cJSON_AddNumberToObject(o, "samples", (double)t->samples);
	if (t->cpu_ns)
		cJSON_AddNumberToObject(o, "cpu_nanoseconds", (double)t->cpu_ns);
	if (t->busiest_samples) {
		cJSON *busiest = cJSON_AddObjectToObject(o, "busiest");
		cJSON_AddNumberToObject(busiest, "pid", t->busiest_pid);
		cJSON_AddStringToObject(busiest, "comm", name);
		cJSON_AddNumberToObject(busiest, "samples", (double)t->busiest_samples);
	}
	cJSON_AddItemToArray(l->profiles, o);
}

static void format_busiest(const struct lister *l, const struct window_totals *t, const char *name,
	char *out, size_t size)
{
	double share = 100.0 * (double)t->busiest_samples / (double)t->samples;

	if (l->ls->by_comm && *name)
		snprintf(out, size, "%.0f%% %s", share, name);
	else
		snprintf(out, size, "%.0f%% %u %s", share, t->busiest_pid, name);
}

static int list_one(struct lister *l, const struct store_entry *e)
{
	struct window_totals t;
	char busiest[96] = "-";
	const char *name = "";
	int err = window_totals_read(&t, e, &l->room);

	if (!err && t.busiest_samples)
		err = name_busiest(l, e, t.busiest_pid, &name);
	if (err)
		return err;
	if (t.busiest_samples)
		format_busiest(l, &t, name, busiest, sizeof(busiest));
	if (l->profiles)
		describe(l, e, &t, name);
	else
		print_profile(e, &t, busiest);
	return 0;
}

static int list_all(const struct ls *ls, const struct catalog *c, cJSON *profiles)
{
	struct lister l = {.ls = ls, .profiles = profiles};
	int err = process_names_init(&l.names);

	if (!profiles)
		printf("%-6s %-19s %7s %8s %9s  %-*s %9s  %s\n", "TYPE", "START", "SECONDS",
			"SAMPLES", "CPU", BUSIEST_WIDTH, "BUSIEST", "SIZE", "PATH");
	for (size_t i = 0; i < c->n && !err; i++)
		if (is_wanted(ls, &c->entries[i]))
			err = list_one(&l, &c->entries[i]);
	process_names_free(&l.names);
	tally_free(&l.room);
	return err;
}

/* ---- the timeline --------------------------------------------------------------------------- */

static size_t timeline_columns(void)
{
	unsigned width = terminal_width();

	if (!terminal_is_output())
		return PIPE_TIMELINE;
	return width > TIMELINE_LEFT + LEAST_COLUMNS ? width - TIMELINE_LEFT : LEAST_COLUMNS;
}

/* What chart_read explains is -ENODATA to the caller. */
static int show_timeline(const struct ls *l, const struct catalog *c, cJSON *all)
{
	const char *type = l->type ? l->type : "cpu";
	_cleanup_free_ size_t *found = calloc(c->n + 1, sizeof(*found));
	_cleanup_free_ const struct store_entry **windows = calloc(c->n + 1, sizeof(*windows));
	struct chart t;

	if (!found || !windows)
		return -ENOMEM;
	size_t n = select_windows(c, type, l->span.since, l->span.until, 0, found);
	for (size_t i = 0; i < n; i++)
		windows[i] = &c->entries[found[i]];
	int err = chart_read(&t, windows, n, l->span.since, l->span.open ? 0 : l->span.until,
		timeline_columns(), l->by_comm);
	if (!err && all)
		cJSON_AddItemToObject(all, "timeline", chart_json(&t, l->rows));
	else if (!err)
		chart_print(&t, type, l->rows, terminal_utf8(), stdout);
	chart_free(&t);
	return err ? -ENODATA : 0;
}

/* ---- all ------------------------------------------------------------------------------------ */

static int print_json(const struct ls *l, const struct catalog *c)
{
	_cleanup_json_ cJSON *all = cJSON_CreateObject();
	cJSON *profiles = NULL;
	int err;

	cJSON_AddStringToObject(all, "store", l->place.store);
	if (l->timeline) {
		err = show_timeline(l, c, all);
	} else {
		profiles = cJSON_AddArrayToObject(all, "profiles");
		err = profiles ? list_all(l, c, profiles) : -ENOMEM;
	}
	if (err)
		return err;
	return json_print(all);
}

static int list(struct ls *l)
{
	struct catalog c;

	l->span = time_range_span(&l->range, time(NULL));
	int err = catalog_read(&c, &l->place);
	if (err) {
		if (err == -ENOENT)
			catalog_missing(&l->place);
		return 1;
	}
	if (l->json)
		err = print_json(l, &c);
	else
		err = l->timeline ? show_timeline(l, &c, NULL) : list_all(l, &c, NULL);
	catalog_free(&c);
	if (!err && fflush(stdout))
		err = -errno;
	if (err && err != -EPIPE && err != -ENODATA)
		log_error("cannot print the list: %s", strerror(-err));
	return err ? 1 : 0;
}

static int run(int argc, char **argv)
{
	struct ls l = {.place = place_default(), .by = "pid", .rows = DEFAULT_ROWS};
	struct operands rest;

	enum options_result parsed = command_parse(&COMMAND_LS, argc, argv, &l, &rest);
	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_BAD ? 2 : 0;
	if (rest.n)
		return command_usage(&COMMAND_LS, "it takes no '%s'", rest.items[0]);
	const char *wrong = time_range_check(&l.range);
	if (wrong)
		return command_usage(&COMMAND_LS, "%s", wrong);
	if (select_check_type(&COMMAND_LS, l.type))
		return 2;
	l.by_comm = !strcmp(l.by, "comm");
	if (!l.by_comm && strcmp(l.by, "pid") != 0)
		return command_usage(&COMMAND_LS, "--by: '%s' is not pid or comm", l.by);
	return list(&l);
}

const struct command COMMAND_LS = {
	.name = "ls",
	.synopsis = "[OPTION...]",
	.summary = "List the profiles that there are, or show when the host was busy",
	.groups = GROUPS,
	.run = run,
};
