// SPDX-License-Identifier: MIT
/* snapshot.c - profctl snapshot: heap recordings that are running write what they have so far. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "command.h"
#include "commands.h"
#include "json.h"
#include "place.h"
#include "util/cleanup.h"
#include "util/log.h"

struct snapshot {
	struct place place;
	struct ids pids;
};

static const struct option OPTIONS[] = {
	{"pid", 0, "P", OPTION_IDS, offsetof(struct snapshot, pids), 1, PID_MAX,
		"of what watches these processes (repeat, or separate by commas)"},
	{0},
};

static const struct option_group GROUPS[] = {
	{"Recordings", OPTIONS, 0},
	{"Places", PLACE_OPTIONS, offsetof(struct snapshot, place)},
	{0},
};

static int ask(const struct snapshot *s, uint32_t pid)
{
	_cleanup_json_ cJSON *answer = NULL;
	struct client c;
	int err = client_open(&c, s->place.socket);

	if (err) {
		client_explain(err, s->place.socket, false);
		return err;
	}
	cJSON *request = client_request("snapshot");
	cJSON_AddNumberToObject(request, "pid", pid);
	err = client_ask(&c, request, &answer);
	client_close(&c);
	if (!err && json_number(answer, "asked") > 0)
		log_info("process %u: %.0f of its recordings will write a snapshot beside their "
			 "files",
			pid, json_number(answer, "asked"));
	if (!err && json_true(answer, "stored"))
		log_info("process %u is profiled all the time: its snapshot goes into the store "
			 "(profctl ls --type heap)",
			pid);
	return err;
}

static int run(int argc, char **argv)
{
	struct snapshot s = {.place = place_default()};
	struct operands rest;
	int code = 0;

	enum options_result parsed = command_parse(&COMMAND_SNAPSHOT, argc, argv, &s, &rest);
	if (parsed == OPTIONS_OK && rest.n)
		code = command_usage(&COMMAND_SNAPSHOT, "it takes no '%s'", rest.items[0]);
	else if (parsed == OPTIONS_OK && !s.pids.n)
		code = command_usage(&COMMAND_SNAPSHOT, "of which process? Give --pid P");
	for (size_t i = 0; parsed == OPTIONS_OK && !code && i < s.pids.n; i++)
		code = ask(&s, s.pids.items[i]) ? 1 : 0;
	ids_free(&s.pids);
	return parsed == OPTIONS_BAD ? 2 : code;
}

const struct command COMMAND_SNAPSHOT = {
	.name = "snapshot",
	.synopsis = "--pid P",
	.summary = "Let running heap recordings write what they have so far",
	.details = "The files are NAME.0001.heap.pb.gz and so on, beside that of the recording; "
		   "SIGUSR2\n"
		   "to the profctl that records does the same. Of processes whose heap is profiled "
		   "all\n"
		   "the time, as [heap] watch= says, it is a recording in the store.",
	.groups = GROUPS,
	.run = run,
};
