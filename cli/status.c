// SPDX-License-Identifier: MIT
/*
 * status.c - profctl status: the daemon's own account of itself, for people or as JSON.
 *
 * The object is profd's (daemon/collector/status.c); what this build does not know of it is
 * printed all the same, by its key.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "commands.h"
#include "json.h"
#include "place.h"
#include "report/format.h"
#include "util/log.h"
#include "util/plural.h"

struct status {
	struct place place;
	bool json;
};

static const struct option OPTIONS[] = {
	{"json", 0, NULL, OPTION_FLAG, offsetof(struct status, json), 0, 0,
		"print one JSON object, as the daemon gave it"},
	{0},
};

static const struct option_group GROUPS[] = {
	{"Options", OPTIONS, 0},
	{"Places", PLACE_OPTIONS, offsetof(struct status, place)},
	{0},
};

/* How numbers with these keys are shown; all others are counts. */
static const struct {
	const char *key, *unit;
} UNITS[] = {
	{"uptime", "s"},
	{"elapsed", "s"},
	{"window", "s"},
	{"max_age", "s"},
	{"max_size", "bytes"},
	{"bytes", "bytes"},
	{"cache_bytes", "bytes"},
	{"fetched_bytes", "bytes"},
	{"kept_bytes", "bytes"},
	{"private", "bytes"},
	{"bpf_maps", "bytes"},
	{"memory_limit", "bytes"},
	{"budget", "bytes"},
	{"used", "bytes"},
	{"frequency", "Hz"},
	{NULL, NULL},
};

/* ---- generic: any object as indented "key: value" ---------------------------------------------
 */

static void print_number(const char *key, double value)
{
	const char *unit = "";
	char text[FORMAT_VALUE_SIZE];

	for (size_t i = 0; UNITS[i].key; i++)
		if (!strcmp(UNITS[i].key, key))
			unit = UNITS[i].unit;
	if (!strcmp(unit, "bytes")) {
		format_value(text, sizeof(text), (int64_t)value, "bytes", "auto");
		fputs(text, stdout);
	} else {
		printf("%.*f%s%s", value == (double)(int64_t)value ? 0 : 1, value, *unit ? " " : "",
			unit);
	}
}

static void print_key(const char *key, int depth)
{
	char words[64];

	snprintf(words, sizeof(words), "%s", key);
	for (char *c = words; *c; c++)
		*c = *c == '_' ? ' ' : *c;
	printf("%*s%-*s ", 2 * depth, "", 24 - 2 * depth, words);
}

static void print_value(const cJSON *item)
{
	if (cJSON_IsNumber(item)) {
		print_number(item->string ? item->string : "", item->valuedouble);
		putchar('\n');
	} else if (cJSON_IsBool(item))
		puts(cJSON_IsTrue(item) ? "yes" : "no");
	else if (cJSON_IsString(item))
		puts(*item->valuestring ? item->valuestring : "-");
	else
		puts("-");
}

/* An object of counts, such as the losses: those that are not 0, on one line. */
static void print_counts(const cJSON *object)
{
	const cJSON *item;
	const char *separator = "";

	cJSON_ArrayForEach (item, object) {
		if (cJSON_IsNumber(item) && item->valuedouble > 0) {
			printf("%s%s ", separator, item->string);
			print_number(item->string, item->valuedouble);
			separator = ", ";
		}
	}
	puts(*separator ? "" : "0");
}

/* Of a list: a text, or an object with one about what it names first. */
static void print_item(const cJSON *item)
{
	if (cJSON_IsObject(item) && item->child)
		printf("%s: %s\n", json_text(item, item->child->string), json_text(item, "text"));
	else
		print_value(item);
}

static void print_texts(const cJSON *array, int depth)
{
	const cJSON *item;

	if (!cJSON_GetArraySize(array))
		puts("-");
	cJSON_ArrayForEach (item, array) {
		if (item != array->child)
			printf("%*s", depth ? 25 : 2, "");
		print_item(item);
	}
}

static void print_members(const cJSON *object, int depth)
{
	const cJSON *item;

	cJSON_ArrayForEach (item, object) {
		if (cJSON_IsObject(item) && cJSON_IsObject(item->child)) {
			printf("%*s%s\n", 2 * depth, "", item->string);
			print_members(item, depth + 1);
			continue;
		}
		print_key(item->string, depth);
		if (cJSON_IsObject(item))
			print_counts(item);
		else if (cJSON_IsArray(item))
			print_texts(item, depth);
		else
			print_value(item);
	}
}

/* ---- sections ------------------------------------------------------------------------------- */

/* By its function, or by its place in the file. What was never hit has no cost. */
static void print_place(const cJSON *place)
{
	if (json_get(place, "from_entry"))
		printf(" %s+%.0f", json_text(place, "name"), json_number(place, "from_entry"));
	else
		printf(" %s at 0x%llx", json_text(place, "name"),
			(unsigned long long)json_number(place, "offset"));
	if (json_true(place, "single_stepped"))
		printf(" (single-stepped)");
	if (json_number(place, "hits") > 0)
		printf(" [%.0f hits, %.2f %%]", json_number(place, "hits"),
			100 * json_number(place, "cost"));
}

/* Where probes sit, and what whom they cost. */
static void print_probes(const cJSON *heap)
{
	const cJSON *one, *place;

	cJSON_ArrayForEach (one, json_get(heap, "watched"))
		printf("     process %.0f (%s): by %s, %.2f %% of a CPU%s\n",
			json_number(one, "pid"), json_text(one, "comm"), json_text(one, "by"),
			100 * json_number(one, "cost"),
			json_true(one, "limited") ? ", watched a part of the time" : "");
	cJSON_ArrayForEach (one, json_get(heap, "thinned_processes"))
		printf("     process %.0f announces too much: %.2g %% of it is taken, and stands "
		       "for "
		       "all\n",
			json_number(one, "pid"), 100 * json_number(one, "kept"));
	cJSON_ArrayForEach (one, json_get(heap, "files")) {
		printf("     %s (%s):", json_text(one, "path"), json_text(one, "allocator"));
		cJSON_ArrayForEach (place, json_get(one, "probes"))
			print_place(place);
		puts("");
	}
}

static void print_sessions(const cJSON *sessions)
{
	const cJSON *one;

	puts("\nsessions");
	if (!cJSON_GetArraySize(sessions))
		puts("  none");
	cJSON_ArrayForEach (one, sessions) {
		const cJSON *samples = json_get(one, "samples");
		const char *filter = json_text(one, "filter");

		const cJSON *heap = json_get(one, "heap");
		char rate[64];

		if (heap)
			snprintf(rate, sizeof(rate), "a sample every %.0f bytes",
				json_number(heap, "sample_bytes"));
		else
			snprintf(rate, sizeof(rate), "%.0f Hz", json_number(one, "frequency"));
		printf("  %.0f  %s %s, %s, %s, %.0f s", json_number(one, "id"),
			json_text(one, "kind"), json_text(one, "type"), rate,
			*filter ? filter : "the whole host", json_number(one, "elapsed"));
		printf(": %.0f taken, %.0f written, %.0f pending, lost: ",
			json_number(samples, "taken"), json_number(samples, "written"),
			json_number(samples, "pending"));
		print_counts(json_get(samples, "lost"));
		if (!heap)
			continue;
		double in_use = json_number(heap, "in_use"), calls = json_number(heap, "calls");
		double processes = json_number(heap, "processes");
		printf("     %.0f sample%s in use, %.0f process%s, %.0f call%s, %.2f %% of a "
		       "CPU%s%s\n",
			in_use, plural(in_use), processes, *plural(processes) ? "es" : "", calls,
			plural(calls), 100 * json_number(heap, "cost"),
			*json_text(heap, "trouble") ? "; " : "", json_text(heap, "trouble"));
		print_probes(heap);
	}
}

static void print_notes(const char *title, const cJSON *notes)
{
	if (!cJSON_GetArraySize(notes))
		return;
	printf("\n%s\n  ", title);
	print_texts(notes, 0);
}

static void print_status(const cJSON *status)
{
	const cJSON *item;

	cJSON_ArrayForEach (item, status)
		if (!cJSON_IsObject(item) && !cJSON_IsArray(item)) {
			print_key(item->string, 0);
			print_value(item);
		}
	print_sessions(json_get(status, "sessions"));
	cJSON_ArrayForEach (item, status) {
		if (cJSON_IsObject(item)) {
			printf("\n%s\n", item->string);
			print_members(item, 1);
		} else if (cJSON_IsArray(item) && strcmp(item->string, "sessions") != 0) {
			print_notes(item->string, item);
		}
	}
}

static int show(const struct status *s)
{
	_cleanup_json_ cJSON *answer = NULL;
	int err = client_query(s->place.socket, client_request("status"), &answer, NULL);

	if (err)
		return 1;
	const cJSON *status = json_get(answer, "status");
	if (s->json)
		err = json_print(status);
	else
		print_status(status);
	if (!err && fflush(stdout))
		err = -errno;
	if (err)
		log_error("cannot print the status: %s", strerror(-err));
	return err ? 1 : 0;
}

static int run(int argc, char **argv)
{
	struct status s = {.place = place_default()};
	struct operands rest;

	enum options_result parsed = command_parse(&COMMAND_STATUS, argc, argv, &s, &rest);
	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_BAD ? 2 : 0;
	if (rest.n)
		return command_usage(&COMMAND_STATUS, "it takes no '%s'", rest.items[0]);
	return show(&s);
}

const struct command COMMAND_STATUS = {
	.name = "status",
	.synopsis = "[--json]",
	.summary = "Say how profd is doing: what it took, lost, wrote and uses",
	.groups = GROUPS,
	.run = run,
};
