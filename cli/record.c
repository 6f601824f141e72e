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
#include "preload_choice.h"
#include "profile/pprof.h"
#include "record.h"
#include "record_options.h"
#include "renaming.h"
#include "standalone.h"
#include "summary.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/now.h"

/* ---- the request ---------------------------------------------------------------------------- */

static void add_ids(cJSON *request, const char *key, const struct ids *ids)
{
	cJSON *list = cJSON_AddArrayToObject(request, key);

	for (size_t i = 0; i < ids->n; i++)
		cJSON_AddItemToArray(list, cJSON_CreateNumber(ids->items[i]));
}

/* To us, instead of to the store. */
static bool is_delivered(const struct record *r)
{
	return r->output || r->standalone || r->taker;
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
	cJSON_AddBoolToObject(request, "deliver", is_delivered(r));
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

/* No sample may be good news: who loads the library and allocates nothing, or too little for one,
 * leaks nothing. Others may not have been seen, or not from their first allocation on. */
static bool is_blind(const struct record *r, const cJSON *done)
{
	if (json_number(done, "samples") > 0)
		return false;
	if (json_true(done, "unseen"))
		return true;
	if (r->announced)
		return r->leak_check.full && !r->leak_exit.announced;
	return r->sample_bytes == 1 || json_number(done, "calls") <= 0;
}

/* `stored`: "" if it is nowhere but at fd. */
static int check_leaks(struct record *r, size_t i, const cJSON *done, int fd, const char *stored)
{
	const char *path = r->paths[i] ? r->paths[i] : stored;

	if (is_blind(r, done)) {
		leak_check_refuse(&r->leak_check, r->sample_bytes);
		return 0;
	}
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
	char bytes[16];
	struct variable changes[] = {
		{"PROFD_HEAP_SAMPLE_BYTES", bytes},
		{"LD_PRELOAD", NULL},
		{NULL, NULL},
	};

	enum preload which = record_has_type(r, "heap") ? preload_choose(r->command[0], others)
							: PRELOADS;
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
	recording->delivered = is_delivered(r);
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
	if (child->code)
		return child->code;
	return r->leak_check.blind ? 125 : r->leak_check.found ? 1 : 0;
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
	struct record r = record_default();
	struct operands rest;
	int code = 0;

	r.taker = taker;
	enum options_result parsed = command_parse(&COMMAND_RECORD, argc, argv, &r, &rest);
	if (parsed == OPTIONS_OK) {
		code = record_settle(&r, &rest);
		if (!code)
			code = run_record(&r);
	}
	record_free(&r);
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
		"leaks, and 125 where nothing was seen that could leak.",
	.groups = RECORD_GROUPS,
	.run = run,
};
