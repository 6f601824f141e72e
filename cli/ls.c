// SPDX-License-Identifier: MIT
/* ls.c - profctl ls: the profiles that there are for this user. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "catalog.h"
#include "commands.h"
#include "json.h"
#include "report/format.h"
#include "util/log.h"

struct ls {
	struct place place;
	const char *type;
	time_t since, until;
	uint64_t last;
	bool json;
};

static const struct option OPTIONS[] = {
	{"json", 0, NULL, OPTION_FLAG, offsetof(struct ls, json), 0, 0, "print one JSON object"},
	{"type", 0, "TYPE", OPTION_TEXT, offsetof(struct ls, type), 0, 0, "only this type (all)"},
	{"since", 0, "TIME", OPTION_TIME, offsetof(struct ls, since), 0, 0,
		"only what was finished after TIME: '14:00', '2026-11-21', '10m ago', ..."},
	{"until", 0, "TIME", OPTION_TIME, offsetof(struct ls, until), 0, 0,
		"only what began before TIME"},
	{"last", 0, "LENGTH", OPTION_DURATION, offsetof(struct ls, last), 0, 0,
		"only what was finished in the last 90s, 10m, 2h, ..."},
	{0},
};

static const struct option_group GROUPS[] = {
	{"Options", OPTIONS, 0},
	{"Places", PLACE_OPTIONS, offsetof(struct ls, place)},
	{0},
};

static bool wanted(const struct ls *l, const struct store_entry *e)
{
	if (l->type && strcmp(l->type, e->type) != 0)
		return false;
	if (l->until && e->start > l->until)
		return false;
	time_t end = e->recording ? e->mtime.tv_sec : e->start + (time_t)e->seconds;
	return end > l->since;
}

static void print_table(const struct ls *l, const struct catalog *c)
{
	printf("%-12s %-19s %8s %10s  %s\n", "TYPE", "START", "SECONDS", "SIZE", "PATH");
	for (size_t i = 0; i < c->n; i++) {
		const struct store_entry *e = &c->entries[i];
		char start[32] = "?", seconds[16] = "-", size[FORMAT_VALUE_SIZE];
		struct tm local;

		if (!wanted(l, e))
			continue;
		if (localtime_r(&e->start, &local))
			strftime(start, sizeof(start), "%Y-%m-%d %H:%M:%S", &local);
		/* How long a recording took is in the file. */
		if (!e->recording)
			snprintf(seconds, sizeof(seconds), "%u", e->seconds);
		format_value(size, sizeof(size), (int64_t)e->size, "bytes", "auto");
		printf("%-12s %-19s %8s %10s  %s\n", e->type, start, seconds, size, e->path);
	}
}

static cJSON *describe(const struct store_entry *e)
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
	return o;
}

static int print_json(const struct ls *l, const struct catalog *c)
{
	_cleanup_json_ cJSON *all = cJSON_CreateObject();

	cJSON_AddStringToObject(all, "store", l->place.store);
	cJSON *profiles = cJSON_AddArrayToObject(all, "profiles");
	for (size_t i = 0; i < c->n; i++)
		if (wanted(l, &c->entries[i]))
			cJSON_AddItemToArray(profiles, describe(&c->entries[i]));
	char *text = cJSON_Print(all);
	if (!text)
		return -ENOMEM;
	puts(text);
	cJSON_free(text);
	return 0;
}

static int list(struct ls *l)
{
	struct catalog c;
	time_t now = time(NULL);

	if (l->last)
		l->since = (uint64_t)now > l->last ? now - (time_t)l->last : 0;
	int err = catalog_read(&c, &l->place);
	if (err) {
		if (err == -ENOENT)
			catalog_missing(&l->place);
		return 1;
	}
	if (l->json)
		err = print_json(l, &c);
	else
		print_table(l, &c);
	catalog_free(&c);
	if (!err && fflush(stdout))
		err = -errno;
	if (err)
		log_error("cannot print the list: %s", strerror(-err));
	return err ? 1 : 0;
}

static int run(int argc, char **argv)
{
	struct ls l = {.place = place_default()};
	struct operands rest;

	switch (command_parse(&COMMAND_LS, argc, argv, &l, &rest)) {
	case OPTIONS_HELP:
		return 0;
	case OPTIONS_BAD:
		return 2;
	case OPTIONS_OK:
		break;
	}
	if (rest.n)
		return command_usage(&COMMAND_LS, "it takes no '%s'", rest.items[0]);
	if (l.last && (l.since || l.until))
		return command_usage(&COMMAND_LS, "--last does not go with --since and --until");
	return list(&l);
}

const struct command COMMAND_LS = {
	.name = "ls",
	.synopsis = "[OPTION...]",
	.summary = "List the profiles that there are",
	.groups = GROUPS,
	.run = run,
};
