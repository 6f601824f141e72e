// SPDX-License-Identifier: MIT
/* record.c - profctl record: asks the daemon for a recording and hands over what comes of it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "command.h"
#include "commands.h"
#include "json.h"
#include "leak_check.h"
#include "output.h"
#include "place.h"
#include "preload_choice.h"
#include "profile/pprof.h"
#include "record.h"
#include "recording.h"
#include "renaming.h"
#include "snapshots.h"
#include "standalone.h"
#include "summary.h"
#include "util/brief_scale.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/now.h"

#define TYPES		"cpu, heap"
#define DEFAULT_SECONDS 30
#define DEFAULT_BYTES	(512u << 10)
#define MAX_TEXT	32
#define SECONDS_UNSET	UINT32_MAX
#define MAX_SECONDS	(7 * 86400)

struct record {
	struct place place;
	struct ids pids, tids;
	const char *comm, *cgroup, *type, *output, *names;
	const char *temporary; /* as it was typed; NULL: not wanted */
	uint32_t temporary_us;
	uint32_t seconds, frequency, sample_bytes, max_cost;
	bool children, timestamps, ages, standalone;
	struct leak_check leak_check;
	struct leak_exit leak_exit;
	struct snapshots snapshots;
	bool announced;	  /* the command has the library that announces what it allocates */
	char **command;	  /* NULL: none */
	double attaching; /* s, from the request until sampling had begun */
	const struct record_taker *taker; /* gets the profile instead of the store; or NULL */
	/* Of each type: */
	size_t n_types;
	char types[RECORDING_MAX_TYPES][MAX_TEXT];
	char name[64];			  /* that snapshots have without -o */
	char *paths[RECORDING_MAX_TYPES]; /* where it is to be written; NULL: in the store */
	struct output outs[RECORDING_MAX_TYPES];
};

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

static const struct option_group GROUPS[] = {
	{"Target (the whole host without one)", TARGET_OPTIONS, 0},
	{"Recording", HOW_OPTIONS, 0},
	{"Places", PLACE_OPTIONS, offsetof(struct record, place)},
	{0},
};

static bool has_type(const struct record *r, const char *type)
{
	for (size_t i = 0; i < r->n_types; i++)
		if (!strcmp(r->types[i], type))
			return true;
	return false;
}

/* ---- usage ---------------------------------------------------------------------------------- */

static int take_types(struct record *r)
{
	_cleanup_free_ char *copy = strdup(r->type);
	char *rest = copy;

	for (char *type; copy && (type = strtok_r(rest, ",", &rest));) {
		if (strcmp(type, "heap") != 0 && strcmp(type, "cpu") != 0)
			return command_usage(&COMMAND_RECORD,
				"--type: '%s' cannot be recorded, this profd records: " TYPES,
				type);
		if (!has_type(r, type))
			snprintf(r->types[r->n_types++], MAX_TEXT, "%s", type);
	}
	return r->n_types ? 0 : command_usage(&COMMAND_RECORD, "--type is one of: " TYPES);
}

static int check_types(const struct record *r)
{
	bool heap = has_type(r, "heap"), cpu = has_type(r, "cpu");

	if (!cpu && r->timestamps)
		return command_usage(&COMMAND_RECORD, "--timestamps does not go with --type heap");
	if (!heap && (r->ages || r->max_cost || r->temporary))
		return command_usage(&COMMAND_RECORD, "--%s needs --type heap",
			r->ages	      ? "ages"
			: r->max_cost ? "max-cost"
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

static int check(struct record *r, const struct operands *rest)
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
	r->temporary_us = r->temporary ? BRIEF_SCALE_USUAL : 0;
	if (!wrong && r->temporary && *r->temporary &&
		brief_scale_parse(r->temporary, &r->temporary_us))
		wrong = "--temporary is one of 10us, 20us, 50us, 100us ... 1s";
	if (!wrong)
		wrong = snapshots_parse(&r->snapshots, why, sizeof(why));
	if (!wrong && snapshots_wanted(&r->snapshots) && !has_type(r, "heap"))
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

/* ---- the request ---------------------------------------------------------------------------- */

static void add_ids(cJSON *request, const char *key, const struct ids *ids)
{
	cJSON *list = cJSON_AddArrayToObject(request, key);

	for (size_t i = 0; i < ids->n; i++)
		cJSON_AddItemToArray(list, cJSON_CreateNumber(ids->items[i]));
}

static cJSON *make_request(const struct record *r, const char *type, pid_t child)
{
	bool heap = !strcmp(type, "heap");
	cJSON *request = client_request("record");
	uint32_t pid = (uint32_t)child;
	struct ids only_child = {.items = &pid, .n = 1};

	if (!request)
		return NULL;
	cJSON_AddItemToObject(request, "types", cJSON_CreateStringArray(&type, 1));
	cJSON_AddNumberToObject(request, "seconds", r->seconds);
	cJSON_AddNumberToObject(request, "frequency", r->frequency);
	cJSON_AddNumberToObject(request, "sample_bytes", r->sample_bytes);
	cJSON_AddNumberToObject(request, "max_cost", heap ? r->max_cost : 0);
	add_ids(request, "pids", child ? &only_child : &r->pids);
	add_ids(request, "tids", &r->tids);
	cJSON_AddBoolToObject(request, "children", r->children || child);
	if (r->comm)
		cJSON_AddStringToObject(request, "comm", r->comm);
	if (r->cgroup)
		cJSON_AddStringToObject(request, "cgroup", r->cgroup);
	if (heap)
		snapshots_request(&r->snapshots, request);
	cJSON_AddBoolToObject(request, "timestamps", r->timestamps && !heap);
	cJSON_AddBoolToObject(request, "ages", heap && (r->ages || r->leak_check.wanted));
	cJSON_AddNumberToObject(request, "temporary", heap ? r->temporary_us : 0);
	cJSON_AddBoolToObject(request, "announced", r->announced);
	cJSON_AddBoolToObject(request, "deliver", r->output || r->standalone || r->taker);
	return request;
}

/* ---- what came of it ------------------------------------------------------------------------ */

/* For a profile that the daemon did not store and nobody named: as in records/, in UTC. type NULL:
 * what those of several types are named after. */
static void default_name(char *out, size_t size, const char *type)
{
	char stamp[32] = "unknown";
	time_t now = time(NULL);
	struct tm utc;

	if (gmtime_r(&now, &utc))
		strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%S", &utc);
	snprintf(out, size, "profd-%s%s%s.pb.gz", stamp, type ? "." : "", type ? type : "");
}

/* Why it ended. The daemon knows only that it was told to stop. */
static const char *reason_of(const struct recording *recording, size_t i)
{
	return recording->command_ended ? "the command ended"
					: json_text(recording->takes[i].done, "reason");
}

/* Where -o puts the profile of a type: with several, the type comes before what says that it is
 * one. NULL without memory. */
static char *path_of(const struct record *r, size_t i)
{
	static const char ending[] = ".pb.gz";
	size_t length = strlen(r->output);
	char *path;

	if (r->n_types == 1)
		return strdup(r->output);
	if (length > strlen(ending) && !strcmp(r->output + length - strlen(ending), ending))
		length -= strlen(ending);
	if (asprintf(&path, "%.*s.%s%s", (int)length, r->output, r->types[i], r->output + length) <
		0)
		return NULL;
	return path;
}

/* What cannot be written is no reason to record. */
static int open_outputs(struct record *r)
{
	int err = 0;

	for (size_t i = 0; i < r->n_types && !err; i++) {
		r->paths[i] = path_of(r, i);
		err = r->paths[i] ? output_open(&r->outs[i], r->paths[i], true) : -ENOMEM;
	}
	return err;
}

static int deliver(struct record *r, const struct recording *recording, size_t i, int fd)
{
	struct output *out = &r->outs[i];
	char name[64];
	const char *path = r->paths[i];

	if (fd < 0) {
		log_error("profd sent no profile");
		return -EBADMSG;
	}
	if (!path) {
		default_name(name, sizeof(name), r->types[i]);
		path = name;
		int err = output_open(out, path, true);
		if (err)
			return err;
	}
	bool is_stdout = output_is_stdout(out), is_file = out->path;
	int unnamed, err = renaming_write(out, fd, r->names, &unnamed);
	if (!err)
		err = output_commit(out);
	if (err)
		return err;
	summary_print(recording->takes[i].done, reason_of(recording, i), fd, is_file ? path : NULL);
	if (!is_stdout)
		err = output_print_path(stdout, path);
	return err ? err : unnamed;
}

/* How long all was attached, and seen. */
static double seen(const struct record *r, const cJSON *done)
{
	return json_number(done, "elapsed") - r->attaching;
}

/* `stored`: "" if it is nowhere but at fd. */
static int check_leaks(struct record *r, size_t i, const cJSON *done, int fd, const char *stored)
{
	const char *path = r->paths[i] ? r->paths[i] : stored;

	return leak_check_run(
		&r->leak_check, fd, *path && strcmp(path, "-") != 0 ? path : NULL, seen(r, done));
}

static int hand_over(struct record *r, struct recording *recording, size_t i)
{
	const cJSON *done = recording->takes[i].done, *warning;
	const cJSON *file = cJSON_GetArrayItem(json_get(done, "files"), 0);
	const char *stored = json_text(file, "path");
	_cleanup_close_ int fd = wire_take_fd(&recording->takes[i].client.wire);
	bool check = r->leak_check.wanted && !strcmp(r->types[i], "heap");
	int err;

	cJSON_ArrayForEach (warning, json_get(done, "warnings"))
		if (cJSON_IsString(warning))
			log_warning("%s", warning->valuestring);
	if (r->taker && fd >= 0) {
		summary_print(done, reason_of(recording, i), fd, NULL);
		return r->taker->take(r->taker->userdata, fd, seen(r, done));
	}
	if (r->output || !*stored) {
		err = deliver(r, recording, i, fd);
	} else {
		summary_print(done, reason_of(recording, i), fd, stored);
		err = output_print_path(stdout, stored);
	}
	return !err && check ? check_leaks(r, i, done, fd, stored) : err;
}

/* Of those that are done, also if one is not. */
static int hand_over_all(struct record *r, struct recording *recording)
{
	int err = 0;

	for (size_t i = 0; i < r->n_types; i++) {
		int e = recording->takes[i].done ? hand_over(r, recording, i) : 0;
		err = err ? err : e;
	}
	return err;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static int block_signals(sigset_t *before)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGUSR2);
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	/* Not read, but seen as EPIPE. */
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, before);
	if (fd < 0)
		log_error("cannot wait for signals: %s", strerror(errno));
	return fd;
}

static int begin_type(
	const struct record *r, struct recording *recording, size_t i, const char *socket)
{
	_cleanup_json_ cJSON *answer = NULL;
	struct client *client = &recording->takes[i].client;
	const struct child *child = recording->child;
	int err = client_open(client, socket);

	if (err) {
		client_explain(err, socket, true);
		return err;
	}
	return client_ask(client, make_request(r, r->types[i], child ? child->pid : 0), &answer);
}

/* Half of what was asked for is not kept. It is over with the connection, whoever hears of it. */
static void discard(struct recording *recording)
{
	for (size_t i = 0; i < recording->n; i++) {
		struct client *client = &recording->takes[i].client;
		_cleanup_json_ cJSON *request = client_request("stop");

		if (client->fd >= 0 && cJSON_AddTrueToObject(request, "discard"))
			(void)wire_send(&client->wire, request, NULL, 0);
	}
}

/* Asks, and lets the command go once sampling has begun. Heap first: its probes take a while, in
 * which nothing else is to be recorded, and it is what may be refused. */
static int begin(struct record *r, struct recording *recording, const char *socket)
{
	struct child *child = recording->child;
	int err = 0;

	for (size_t i = 0; i < r->n_types && !err; i++) {
		uint64_t asked = now_ns();

		if (strcmp(r->types[i], "heap") != 0)
			continue;
		err = begin_type(r, recording, i, socket);
		r->attaching = (double)(now_ns() - asked) / 1e9;
	}
	for (size_t i = 0; i < r->n_types && !err; i++)
		if (strcmp(r->types[i], "heap") != 0)
			err = begin_type(r, recording, i, socket);
	if (!err && child && recording->leaks) {
		err = leak_exit_begin(recording->leaks, child->pid, r->sample_bytes == 1);
		child->trace = err ? NULL : &recording->leaks->trace;
	}
	if (!err && child)
		err = child_release(child, r->command[0]);
	if (err)
		discard(recording);
	return err;
}

/* Of a heap profile's command the allocations are announced by a library that is loaded into it,
 * before whatever else the user has loaded; if it can load one. */
static int prepare_command(struct record *r, struct child *child, const sigset_t *mask)
{
	_cleanup_free_ char *library = NULL, *list = NULL;
	const char *others = getenv("LD_PRELOAD");
	char bytes[MAX_TEXT];
	struct variable changes[] = {
		{"PROFD_HEAP_SAMPLE_BYTES", bytes},
		{"LD_PRELOAD", NULL},
		{NULL, NULL},
	};

	enum preload which = has_type(r, "heap") ? preload_choose(r->command[0], others) : PRELOADS;
	if (which == PRELOADS)
		return child_prepare(child, r->command, mask, NULL);
	library = preload_path(which);
	if (!library) {
		log_error("libprofd-heap.so is neither beside profctl nor in " PROFD_LIBDIR
			  ": run 'make install', or record the running process with --pid");
		return -ENOENT;
	}
	if (asprintf(&list, "%s%s%s", library, others && *others ? ":" : "", others ? others : "") <
		0)
		return -ENOMEM;
	r->announced = true;
	snprintf(bytes, sizeof(bytes), "%" PRIu32, r->sample_bytes);
	changes[1].value = list;
	return child_prepare(child, r->command, mask, changes);
}

/* Snapshots need a name, and the profile is to lie beside them. */
static void name_profile(struct record *r)
{
	default_name(r->name, sizeof(r->name), r->n_types > 1 ? NULL : "heap");
	if (snapshots_wanted(&r->snapshots) && !r->output && !r->taker)
		r->output = r->name;
}

/* Somebody may ask for some at any time. Nothing else goes to standard output where the profile
 * does, or what its taker has to say. */
static void prepare_snapshots(struct record *r, struct recording *recording)
{
	bool is_file = r->output && r->outs[0].path;

	r->snapshots.output = is_file ? r->output : r->name;
	r->snapshots.names = r->names;
	r->snapshots.list = r->taker || output_is_stdout(&r->outs[0]) ? stderr : stdout;
	recording->snapshots = &r->snapshots;
	for (size_t i = 0; i < r->n_types; i++)
		recording->takes[i].is_heap = !strcmp(r->types[i], "heap");
}

static int record(
	struct record *r, struct recording *recording, struct standalone *own, const sigset_t *mask)
{
	int err = 0;

	name_profile(r);
	if (r->leak_check.wanted)
		err = leak_check_prepare(&r->leak_check);
	if (!err && r->output)
		err = open_outputs(r);
	prepare_snapshots(r, recording);
	if (!err && r->standalone)
		err = standalone_start(own, mask);
	if (!err && r->command)
		err = prepare_command(r, recording->child, mask);
	if (!err)
		err = begin(r, recording, r->standalone ? own->socket : r->place.socket);
	if (err)
		return err;
	err = recording_run(recording);
	if (!err)
		snapshots_end(&r->snapshots);
	int unwritten = err == -EINTR ? 0 : hand_over_all(r, recording);
	return err ? err : unwritten ? unwritten : r->snapshots.error;
}

/* 125 says that it was profiling that failed, not the command (as env(1) and its kin do). */
static int exit_code(const struct record *r, const struct child *child, int err)
{
	if (!r->command)
		return err ? 1 : 0;
	if (err && !child->not_run)
		return 125;
	return !child->code && r->leak_check.found ? 1 : child->code;
}

static int run_record(struct record *r)
{
	struct child child = {.go = -1, .error = -1, .trace = NULL};
	struct standalone own = {0};
	struct recording recording = {
		.n = r->n_types,
		.child = r->command ? &child : NULL,
		.leaks = r->leak_check.full ? &r->leak_exit : NULL,
		.seconds = r->seconds,
		.show_progress = !r->command && isatty(STDERR_FILENO),
	};
	sigset_t mask;

	int code = r->command ? child_check(r->command[0]) : 0;
	if (code)
		return code;
	recording.signals = block_signals(&mask);
	for (size_t i = 0; i < RECORDING_MAX_TYPES; i++) {
		recording.takes[i].client.fd = -1;
		r->outs[i].fd = -1;
	}
	int err = recording.signals < 0 ? -errno : record(r, &recording, &own, &mask);
	if (recording.child)
		child_abandon(&child);
	for (size_t i = 0; i < RECORDING_MAX_TYPES; i++) {
		cJSON_Delete(recording.takes[i].done);
		client_close(&recording.takes[i].client);
		output_abort(&r->outs[i]);
		free(r->paths[i]);
	}
	standalone_stop(&own);
	close_fd(recording.signals);
	return exit_code(r, &child, err);
}

int record_for(int argc, char **argv, const struct record_taker *taker)
{
	struct record r = {
		.taker = taker,
		.place = place_default(),
		.type = "cpu",
		.seconds = SECONDS_UNSET,
		.frequency = 99,
	};
	struct operands rest;
	int code = 0;

	enum options_result parsed = command_parse(&COMMAND_RECORD, argc, argv, &r, &rest);
	if (parsed == OPTIONS_OK) {
		code = check(&r, &rest);
		if (!code)
			code = run_record(&r);
	}
	leak_check_free(&r.leak_check);
	leak_exit_free(&r.leak_exit);
	texts_free(&r.snapshots.every);
	ids_free(&r.pids);
	ids_free(&r.tids);
	return parsed == OPTIONS_BAD ? 2 : code;
}

static int run(int argc, char **argv)
{
	return record_for(argc, argv, NULL);
}

const struct command COMMAND_RECORD = {
	.name = "record",
	.synopsis = "[OPTION...] [-- CMD [ARG...]]",
	.summary = "Record a profile of the host, of processes, or of a command",
	.details =
		"The path of the profile is the last line on standard output. With a command, the\n"
		"exit code is the command's, or with --leak-check 1 where it is 0 and there are\n"
		"leaks.",
	.groups = GROUPS,
	.run = run,
};
