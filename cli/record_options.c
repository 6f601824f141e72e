// SPDX-License-Identifier: MIT
/* record_options.c - the options of profctl record, and what of them goes together. */
#include "record_options.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "renaming.h"
#include "util/brief_scale.h"
#include "util/cleanup.h"

#define TYPES		"cpu, heap"
#define DEFAULT_SECONDS 30
#define DEFAULT_BYTES	(512u << 10)
#define SECONDS_UNSET	UINT32_MAX
#define MAX_SECONDS	(7 * 86400)

static const struct option TARGET_OPTIONS[] = {
	{"pid", 0, "P", OPTION_IDS, offsetof(struct record, pids), 1, PID_MAX,
		"these processes (repeat, or separate by commas)"},
	{"tid", 0, "T", OPTION_IDS, offsetof(struct record, tids), 1, PID_MAX,
		"these threads (repeat, or separate by commas)"},
	{"children", 0, NULL, OPTION_FLAG, offsetof(struct record, children), 0, 0,
		"with --pid: also processes that they start from now on"},
	{"comm", 0, "NAME", OPTION_TEXT, offsetof(struct record, comm), 0, 0,
		"threads with this name, or whose process has it"},
	{"cgroup", 0, "PATH", OPTION_TEXT, offsetof(struct record, cgroup), 0, 0,
		"this cgroup and those below it"},
	{0},
};

static const struct option HOW_OPTIONS[] = {
	{"type", 0, "TYPE", OPTION_TEXT, offsetof(struct record, type), 0, 0,
		"what to record: " TYPES ", or both, with a comma between (cpu)"},
	{"seconds", 0, "N", OPTION_NUMBER, offsetof(struct record, seconds), 0, MAX_SECONDS,
		"how long; 0: until Ctrl-C (30; with -- CMD until CMD ends)"},
	{"frequency", 0, "HZ", OPTION_NUMBER, offsetof(struct record, frequency), 1, 1000,
		"samples per second of each busy CPU (99)"},
	{"sample-bytes", 0, "N", OPTION_NUMBER, offsetof(struct record, sample_bytes), 1,
		UINT32_MAX,
		"heap: bytes between samples, on average; 1: every allocation (524288)"},
	{"max-cost", 0, "PCT", OPTION_NUMBER, offsetof(struct record, max_cost), 0, 10000,
		"heap: % of one CPU that probes on allocators may cost; 0: no ceiling (0)"},
	{"leak-check", 0, "[=full]", OPTION_PERHAPS, offsetof(struct record, leak_check.how), 0, 0,
		"heap, with -- CMD: print what is likely to have leaked when CMD has ended, and "
		"exit with 1 if there is anything and CMD's code is 0; full: of every allocation, "
		"what nothing in its memory leads to any more"},
	{"min", 0, "BYTES", OPTION_TEXT, offsetof(struct record, leak_check.min), 0, 0,
		"with --leak-check: not of stacks with less in use (64K)"},
	{"suppressions", 0, "FILE", OPTION_TEXT, offsetof(struct record, leak_check.suppressions),
		0, 0,
		"with --leak-check: not of stacks with a function that a line of FILE, a regular "
		"expression, matches"},
	{"snapshot-every", 0, "WHEN", OPTION_TEXTS, offsetof(struct record, snapshots.every), 0, 0,
		"heap: also write NAME.0001.heap.pb.gz and so on: each 10s, 64M-allocated or "
		"16M-grown (repeat, or separate by commas)"},
	{"peak", 0, NULL, OPTION_FLAG, offsetof(struct record, snapshots.peak), 0, 0,
		"heap: also write NAME.peak.heap.pb.gz, of the moment when most was in use"},
	{"timestamps", 0, NULL, OPTION_FLAG, offsetof(struct record, timestamps), 0, 0,
		"keep the time of each sample, for exports with a timeline"},
	{"ages", 0, NULL, OPTION_FLAG, offsetof(struct record, ages), 0, 0,
		"heap: how old what is in use is, and was what was freed, as labels"},
	{"temporary", 0, "[=TIME]", OPTION_PERHAPS, offsetof(struct record, temporary), 0, 0,
		"heap: label what is freed within TIME by the thread that allocated it: 10us, "
		"20us, 50us, 100us ... 1s (10ms)"},
	{"standalone", 0, NULL, OPTION_FLAG, offsetof(struct record, standalone), 0, 0,
		"run a private profd for this recording (needs root)"},
	{"output", 'o', "FILE", OPTION_TEXT, offsetof(struct record, output), 0, 0,
		"write FILE with your own rights; no copy goes to the store"},
	{"names", 0, "KIND", OPTION_TEXT, offsetof(struct record, names), 0, 0,
		"with -o: names of C++, Rust and D short, with templates, or full"},
	{0},
};

const struct option_group RECORD_GROUPS[] = {
	{"Target (the whole host without one)", TARGET_OPTIONS, 0},
	{"Recording", HOW_OPTIONS, 0},
	{"Places", PLACE_OPTIONS, offsetof(struct record, place)},
	{0},
};

struct record record_default(void)
{
	return (struct record){
		.place = place_default(),
		.type = "cpu",
		.seconds = SECONDS_UNSET,
		.frequency = 99,
	};
}

void record_free(struct record *r)
{
	leak_check_free(&r->leak_check);
	leak_exit_free(&r->leak_exit);
	texts_free(&r->snapshots.every);
	ids_free(&r->pids);
	ids_free(&r->tids);
}

bool record_has_type(const struct record *r, const char *type)
{
	for (size_t i = 0; i < r->n_types; i++)
		if (!strcmp(r->types[i], type))
			return true;
	return false;
}

static int take_types(struct record *r)
{
	_cleanup_free_ char *copy = strdup(r->type);
	char *rest = copy;

	for (char *type; copy && (type = strtok_r(rest, ",", &rest));) {
		if (strcmp(type, "heap") != 0 && strcmp(type, "cpu") != 0)
			return command_usage(&COMMAND_RECORD,
				"--type: '%s' cannot be recorded, this profd records: " TYPES,
				type);
		if (!record_has_type(r, type))
			snprintf(r->types[r->n_types++], RECORD_MAX_TEXT, "%s", type);
	}
	return r->n_types ? 0 : command_usage(&COMMAND_RECORD, "--type is one of: " TYPES);
}

static int check_types(const struct record *r)
{
	bool heap = record_has_type(r, "heap"), cpu = record_has_type(r, "cpu");

	if (!cpu && r->timestamps)
		return command_usage(&COMMAND_RECORD, "--timestamps does not go with --type heap");
	if (!heap && (r->ages || r->max_cost || r->temporary || r->sample_bytes))
		return command_usage(&COMMAND_RECORD, "--%s needs --type heap",
			r->ages		  ? "ages"
			: r->max_cost	  ? "max-cost"
			: r->sample_bytes ? "sample-bytes"
					  : "temporary");
	if (r->temporary && r->max_cost)
		return command_usage(&COMMAND_RECORD,
			"--temporary does not go with --max-cost: below a ceiling of cost nobody "
			"knows what is freed");
	if (r->leak_check.how && (!heap || !r->command))
		return command_usage(
			&COMMAND_RECORD, "--leak-check needs --type heap and a command behind --");
	if (heap && !r->pids.n && !r->tids.n && !r->comm && !r->cgroup && !r->command)
		return command_usage(&COMMAND_RECORD,
			"--type heap needs a target: --pid, --comm, --cgroup or -- CMD");
	if (r->n_types > 1 && r->output && !strcmp(r->output, "-"))
		return command_usage(&COMMAND_RECORD,
			"-o -: several types are several profiles, standard output takes one");
	return 0;
}

int record_settle(struct record *r, const struct operands *rest)
{
	if (rest->after)
		return command_usage(&COMMAND_RECORD,
			"it takes no '%s'; a command to run goes behind --", rest->items[0]);
	if (rest->dashes && !rest->n)
		return command_usage(&COMMAND_RECORD, "there is no command behind --");
	if (rest->n)
		r->command = rest->items;
	int code = take_types(r);
	if (!code)
		code = check_types(r);
	if (code)
		return code;
	char why[128];
	const char *wrong = leak_check_options(&r->leak_check);
	/* A name that is empty would be none: the whole host. */
	if ((r->comm && !*r->comm) || (r->cgroup && !*r->cgroup))
		wrong = r->comm && !*r->comm ? "--comm: the name is empty"
					     : "--cgroup: the path is empty";
	r->temporary_us = r->temporary ? BRIEF_SCALE_USUAL : 0;
	if (!wrong && r->temporary && *r->temporary &&
		brief_scale_parse(r->temporary, &r->temporary_us))
		wrong = "--temporary is one of 10us, 20us, 50us, 100us ... 1s";
	if (!wrong)
		wrong = snapshots_parse(&r->snapshots, why, sizeof(why));
	if (!wrong && snapshots_wanted(&r->snapshots) && !record_has_type(r, "heap"))
		wrong = r->snapshots.peak ? "--peak needs --type heap"
					  : "--snapshot-every needs --type heap";
	if (!wrong && r->snapshots.peak && r->max_cost)
		wrong = "--peak does not go with --max-cost: below a ceiling of cost nobody knows "
			"what is in use";
	if (!wrong && snapshots_wanted(&r->snapshots) && r->output && !strcmp(r->output, "-"))
		wrong = "-o -: snapshots and the peak are files of their own, standard output "
			"takes one";
	if (wrong)
		return command_usage(&COMMAND_RECORD, "%s", wrong);
	if (r->command && (r->pids.n || r->tids.n || r->cgroup))
		return command_usage(
			&COMMAND_RECORD, "--pid, --tid and --cgroup do not go with a command");
	if (r->children && !r->pids.n && !r->command)
		return command_usage(&COMMAND_RECORD, "--children needs --pid");
	if (r->names && !renaming_is_kind(r->names))
		return command_usage(&COMMAND_RECORD, "--names is short, templates or full");
	if (r->names && !r->output)
		return command_usage(&COMMAND_RECORD,
			"--names needs -o FILE: profd stores names and raw symbols, and with "
			"--names all commands make others of these");
	if (!r->sample_bytes)
		r->sample_bytes = r->leak_check.full ? 1 : DEFAULT_BYTES;
	if (r->seconds == SECONDS_UNSET)
		r->seconds = r->command ? 0 : DEFAULT_SECONDS;
	return 0;
}
