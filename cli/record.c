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
#include "standalone.h"
#include "summary.h"
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
	uint32_t seconds, frequency, sample_bytes;
	bool children, timestamps, ages, standalone;
	struct leak_check leak_check;
	bool announced;	  /* the command has the library that announces what it allocates */
	char **command;	  /* NULL: none */
	double attaching; /* s, from the request until sampling had begun */
	const struct record_taker *taker; /* gets the profile instead of the store; or NULL */
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
		"what to record: " TYPES " (cpu)"},
	{"seconds", 0, "N", OPTION_NUMBER, offsetof(struct record, seconds), 0, MAX_SECONDS,
		"how long; 0: until Ctrl-C (30; with -- CMD until CMD ends)"},
	{"frequency", 0, "HZ", OPTION_NUMBER, offsetof(struct record, frequency), 1, 1000,
		"samples per second of each busy CPU (99)"},
	{"sample-bytes", 0, "N", OPTION_NUMBER, offsetof(struct record, sample_bytes), 1,
		UINT32_MAX,
		"heap: bytes between samples, on average; 1: every allocation (524288)"},
	{"leak-check", 0, NULL, OPTION_FLAG, offsetof(struct record, leak_check.wanted), 0, 0,
		"heap, with -- CMD: print what is likely to have leaked when CMD has ended, and "
		"exit with 1 if there is anything and CMD's code is 0"},
	{"min", 0, "BYTES", OPTION_TEXT, offsetof(struct record, leak_check.min), 0, 0,
		"with --leak-check: not of stacks with less in use (64K)"},
	{"suppressions", 0, "FILE", OPTION_TEXT, offsetof(struct record, leak_check.suppressions),
		0, 0,
		"with --leak-check: not of stacks with a function that a line of FILE, a regular "
		"expression, matches"},
	{"timestamps", 0, NULL, OPTION_FLAG, offsetof(struct record, timestamps), 0, 0,
		"keep the time of each sample, for exports with a timeline"},
	{"ages", 0, NULL, OPTION_FLAG, offsetof(struct record, ages), 0, 0,
		"heap: how old what is in use is, and was what was freed, as labels"},
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

static bool is_heap(const struct record *r)
{
	return !strcmp(r->type, "heap");
}

/* ---- usage ---------------------------------------------------------------------------------- */

static int check(struct record *r, const struct operands *rest)
{
	if (rest->after)
		return command_usage(&COMMAND_RECORD,
			"it takes no '%s'; a command to run goes behind --", rest->items[0]);
	if (rest->dashes && !rest->n)
		return command_usage(&COMMAND_RECORD, "there is no command behind --");
	if (rest->n)
		r->command = rest->items;
	if (!is_heap(r) && strcmp(r->type, "cpu") != 0)
		return command_usage(&COMMAND_RECORD,
			"--type: '%s' cannot be recorded, this profd records one of: " TYPES,
			r->type);
	if (is_heap(r) && r->timestamps)
		return command_usage(&COMMAND_RECORD, "--timestamps does not go with --type heap");
	if (r->leak_check.wanted && (!is_heap(r) || !r->command))
		return command_usage(
			&COMMAND_RECORD, "--leak-check needs --type heap and a command behind --");
	const char *wrong = leak_check_options(&r->leak_check);
	if (wrong)
		return command_usage(&COMMAND_RECORD, "%s", wrong);
	if (r->ages && !is_heap(r))
		return command_usage(&COMMAND_RECORD, "--ages needs --type heap");
	if (is_heap(r) && !r->pids.n && !r->tids.n && !r->comm && !r->cgroup && !r->command)
		return command_usage(&COMMAND_RECORD,
			"--type heap needs a target: --pid, --comm, --cgroup or -- CMD");
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

static cJSON *make_request(const struct record *r, pid_t child)
{
	cJSON *request = client_request("record");
	uint32_t pid = (uint32_t)child;
	struct ids only_child = {.items = &pid, .n = 1};
	const char *type = r->type;

	if (!request)
		return NULL;
	cJSON_AddItemToObject(request, "types", cJSON_CreateStringArray(&type, 1));
	cJSON_AddNumberToObject(request, "seconds", r->seconds);
	cJSON_AddNumberToObject(request, "frequency", r->frequency);
	cJSON_AddNumberToObject(request, "sample_bytes", r->sample_bytes);
	add_ids(request, "pids", child ? &only_child : &r->pids);
	add_ids(request, "tids", &r->tids);
	cJSON_AddBoolToObject(request, "children", r->children || child);
	if (r->comm)
		cJSON_AddStringToObject(request, "comm", r->comm);
	if (r->cgroup)
		cJSON_AddStringToObject(request, "cgroup", r->cgroup);
	cJSON_AddBoolToObject(request, "timestamps", r->timestamps);
	cJSON_AddBoolToObject(request, "ages", r->ages || r->leak_check.wanted);
	cJSON_AddBoolToObject(request, "announced", r->announced);
	cJSON_AddBoolToObject(request, "deliver", r->output || r->standalone || r->taker);
	return request;
}

/* ---- what came of it ------------------------------------------------------------------------ */

/* For a profile that the daemon did not store and nobody named: as in records/, in UTC. */
static void default_name(char *out, size_t size, const char *type)
{
	char stamp[32] = "unknown";
	time_t now = time(NULL);
	struct tm utc;

	if (gmtime_r(&now, &utc))
		strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%S", &utc);
	snprintf(out, size, "profd-%s.%s.pb.gz", stamp, type);
}

static int print_path(const char *path)
{
	if (puts(path) >= 0 && !fflush(stdout))
		return 0;
	log_error("cannot print the path of the profile, %s: %s", path, strerror(errno));
	return -EIO;
}

/* Why it ended. The daemon knows only that it was told to stop. */
static const char *reason_of(const struct recording *recording)
{
	return recording->command_ended ? "the command ended"
					: json_text(recording->done, "reason");
}

/* The profile with other names. A descriptor, the caller's, or -errno. */
static int rename_all(const struct record *r, int from)
{
	_cleanup_close_ int fd = memfd_create("profile", MFD_CLOEXEC);
	struct profile *p;
	char why[256];

	if (fd < 0 || lseek(from, 0, SEEK_SET))
		return -errno;
	int err = pprof_read(&p, from, "the profile", why, sizeof(why));
	if (err)
		return err;
	err = renaming_run(p, r->names);
	if (!err)
		err = pprof_write(p, fd);
	profile_free(p);
	return err ? err : take_fd(fd);
}

/* Copies the profile to the output, with the names that are wanted. What was recorded is not lost
 * for names: *unnamed is why it has others. 0 or -errno, explained. */
static int copy(const struct record *r, struct output *out, int from, int *unnamed)
{
	_cleanup_close_ int renamed = r->names ? rename_all(r, from) : -1;

	*unnamed = r->names && renamed < 0 ? renamed : 0;
	if (*unnamed)
		log_error("the profile has the names that profd gave it: %s", strerror(-renamed));
	return output_copy(out, renamed < 0 ? from : renamed);
}

static int deliver(
	const struct record *r, struct output *out, const struct recording *recording, int fd)
{
	char name[64];
	const char *path = r->output;

	if (fd < 0) {
		log_error("profd sent no profile");
		return -EBADMSG;
	}
	if (!path) {
		default_name(name, sizeof(name), r->type);
		path = name;
		int err = output_open(out, path, true);
		if (err)
			return err;
	}
	bool is_stdout = output_is_stdout(out), is_file = out->path;
	int unnamed, err = copy(r, out, fd, &unnamed);
	if (!err)
		err = output_commit(out);
	if (err)
		return err;
	summary_print(recording->done, reason_of(recording), fd, is_file ? path : NULL);
	if (!is_stdout)
		err = print_path(path);
	return err ? err : unnamed;
}

/* How long all was attached, and seen. */
static double seen(const struct record *r, const cJSON *done)
{
	return json_number(done, "elapsed") - r->attaching;
}

/* `stored`: "" if it is nowhere but at fd. */
static int check_leaks(struct record *r, const cJSON *done, int fd, const char *stored)
{
	const char *path = r->output ? r->output : stored;

	return leak_check_run(
		&r->leak_check, fd, *path && strcmp(path, "-") != 0 ? path : NULL, seen(r, done));
}

static int hand_over(struct record *r, struct output *out, struct recording *recording)
{
	const cJSON *done = recording->done, *warning;
	const cJSON *file = cJSON_GetArrayItem(json_get(done, "files"), 0);
	const char *stored = json_text(file, "path");
	_cleanup_close_ int fd = wire_take_fd(&recording->client.wire);
	int err;

	cJSON_ArrayForEach (warning, json_get(done, "warnings"))
		if (cJSON_IsString(warning))
			log_warning("%s", warning->valuestring);
	if (r->taker && fd >= 0) {
		summary_print(done, reason_of(recording), fd, NULL);
		return r->taker->take(r->taker->userdata, fd, seen(r, done));
	}
	if (r->output || !*stored) {
		err = deliver(r, out, recording, fd);
	} else {
		summary_print(done, reason_of(recording), fd, stored);
		err = print_path(stored);
	}
	return !err && r->leak_check.wanted ? check_leaks(r, done, fd, stored) : err;
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
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	/* Not read, but seen as EPIPE. */
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, before);
	if (fd < 0)
		log_error("cannot wait for signals: %s", strerror(errno));
	return fd;
}

/* Asks, and lets the command go once sampling has begun. */
static int begin(struct record *r, struct recording *recording, const char *socket)
{
	_cleanup_json_ cJSON *answer = NULL;
	struct child *child = recording->child;

	int err = client_open(&recording->client, socket);
	if (err) {
		client_explain(err, socket, true);
		return err;
	}
	uint64_t asked = now_ns();
	err = client_ask(&recording->client, make_request(r, child ? child->pid : 0), &answer);
	r->attaching = (double)(now_ns() - asked) / 1e9;
	if (!err && child)
		err = child_release(child, r->command[0]);
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

	enum preload which = is_heap(r) ? preload_choose(r->command[0], others) : PRELOADS;
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

static int record(struct record *r, struct recording *recording, struct output *out,
	struct standalone *own, const sigset_t *mask)
{
	int err = 0;

	if (r->leak_check.wanted)
		err = leak_check_prepare(&r->leak_check);
	if (!err && r->output)
		err = output_open(out, r->output, true);
	if (!err && r->standalone)
		err = standalone_start(own, mask);
	if (!err && r->command)
		err = prepare_command(r, recording->child, mask);
	if (!err)
		err = begin(r, recording, r->standalone ? own->socket : r->place.socket);
	if (!err)
		err = recording_run(recording);
	return err ? err : hand_over(r, out, recording);
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
	struct child child = {.go = -1, .error = -1};
	struct standalone own = {0};
	struct output out = {.fd = -1};
	struct recording recording = {
		.client.fd = -1,
		.child = r->command ? &child : NULL,
		.seconds = r->seconds,
		.show_progress = !r->command && isatty(STDERR_FILENO),
	};
	sigset_t mask;

	int code = r->command ? child_check(r->command[0]) : 0;
	if (code)
		return code;
	recording.signals = block_signals(&mask);
	int err = recording.signals < 0 ? -errno : record(r, &recording, &out, &own, &mask);
	if (recording.child)
		child_abandon(&child);
	cJSON_Delete(recording.done);
	client_close(&recording.client);
	standalone_stop(&own);
	output_abort(&out);
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
		.sample_bytes = DEFAULT_BYTES,
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
