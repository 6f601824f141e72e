/* SPDX-License-Identifier: MIT */
/*
 * day FOLDER FILES STACKS - writes a store with one-minute windows of a made-up host, one after the
 * other from 2026-11-20 00:00 UTC on, each with STACKS different stacks and its .activity.
 *
 * Half of the stacks of a window are hot and come back often, the rest is seen seldom: a day of
 * 1,440 windows of 3,000 stacks has some 210,000 different ones. A stack has 12 to 45 frames, part
 * of them inlined, names as long as those of C++ programs, and the labels that profd writes. The
 * same arguments give the same files.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "profile/pprof.h"

#define FIRST_SECOND 1795132800 /* 2026-11-20 00:00:00 UTC */
#define N_PROCESSES  40
#define N_FUNCTIONS  7000
#define N_FILES	     500
#define N_SITES	     2 /* places in a function */
#define N_HOT	     9000
#define N_SELDOM     225000
#define SELDOM_SHARE 8 /* one in so many stacks of a window */
#define MAX_DEPTH    45

static _Noreturn void fail(const char *what, int err)
{
	fprintf(stderr, "day: %s: %s\n", what, strerror(-err));
	exit(1);
}

static int64_t must(int64_t id, const char *what)
{
	if (id < 0)
		fail(what, (int)id);
	return id;
}

/* splitmix64: a stream of numbers, or a hash of one. */
static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint64_t hash(uint64_t a, uint64_t b)
{
	uint64_t state = a * 0x9e3779b97f4a7c15 + b;
	return next(&state);
}

/* Ids of what a window has already. */
struct made {
	uint32_t functions[N_FUNCTIONS], locations[N_FUNCTIONS][N_SITES];
};

static uint32_t string(struct profile *p, const char *format, uint64_t number)
{
	char text[64];

	snprintf(text, sizeof(text), format, number); // NOLINT: the callers' constants
	return (uint32_t)must(profile_string(p, text), "string");
}

static uint32_t function(struct profile *p, struct made *made, uint64_t i)
{
	if (made->functions[i])
		return made->functions[i];

	static const char *const words[] = {"Allocate", "buffer", "Compaction", "decode",
		"Executor", "flush", "Handler", "iterator", "Journal", "lookup", "Manager", "node",
		"Parser", "queue", "Registry", "schedule"};
	char name[160], system[200];
	uint64_t h = hash(1, i);

	snprintf(name, sizeof(name), "%s::%s%s::%s_%s_%" PRIu64 "(%s const&, unsigned long)",
		words[h & 15], words[h >> 4 & 15], words[h >> 8 & 15], words[h >> 12 & 15],
		words[h >> 16 & 15], i, words[h >> 20 & 15]);
	snprintf(system, sizeof(system), "_ZN8%s%s%s%s%s%" PRIu64 "ERK%sm", words[h & 15],
		words[h >> 4 & 15], words[h >> 8 & 15], words[h >> 12 & 15], words[h >> 16 & 15], i,
		words[h >> 20 & 15]);
	struct function f = {
		.name = (uint32_t)must(profile_string(p, name), "name"),
		.system_name = (uint32_t)must(profile_string(p, system), "name"),
		.filename = string(
			p, "/usr/src/service/modules/source_%" PRIu64 ".cc", h % N_FILES),
		.start_line = (int64_t)(h >> 40 & 2047),
	};
	return made->functions[i] = (uint32_t)must(profile_add_function(p, &f), "function");
}

static uint32_t mapping(struct profile *p, uint64_t i)
{
	struct mapping m = {
		.start = 0x1000,
		.limit = 0x1000000,
		.offset = 0x1000,
		.file = string(p, "/usr/lib/x86_64-linux-gnu/libmodule%" PRIu64 ".so.1", i),
		.build_id = string(p, "%040" PRIx64, hash(2, i)),
		.has_functions = true,
		.has_filenames = true,
		.has_line_numbers = true,
		.has_inline_frames = true,
	};
	return (uint32_t)must(profile_add_mapping(p, &m), "mapping");
}

/* A place in a function: three inlined calls at most. */
static uint32_t location(struct profile *p, struct made *made, uint64_t f, uint64_t site)
{
	if (made->locations[f][site])
		return made->locations[f][site];

	struct line lines[3];
	uint64_t h = hash(f, site);
	size_t n = h % 8 < 5 ? 1 : h % 8 - 5 + 1;

	for (size_t i = 0; i < n; i++)
		lines[i] = (struct line){
			.function = function(p, made, i + 1 == n ? f : hash(h, i) % N_FUNCTIONS),
			.line = (int64_t)(h >> 8 & 4095),
		};
	struct location l = {
		.mapping = mapping(p, f % N_PROCESSES), .address = 0x2000 + f * 1024 + h % 1000};
	int64_t id = must(profile_add_location(p, &l, lines, n), "location");
	return made->locations[f][site] = (uint32_t)id;
}

/* Outer frames are those of the process, so that stacks share them, inner ones differ. */
static void stack(struct profile *p, struct made *made, uint64_t id, int64_t count)
{
	uint64_t state = hash(3, id), process = next(&state) % N_PROCESSES;
	uint32_t frames[MAX_DEPTH];
	size_t depth = 12 + next(&state) % (MAX_DEPTH - 12);
	uint64_t branch = process << 32;

	for (size_t i = 0; i < depth; i++) {
		/* The deeper, the more branches. */
		branch = hash(branch, i < 8 ? 0 : next(&state) % (i < 20 ? 2 : 4));
		uint64_t f = hash(process, branch % (i < 20 ? 32 : 128) + i) % N_FUNCTIONS;
		frames[depth - 1 - i] = location(p, made, f, branch >> 20 & (N_SITES - 1));
	}
	struct label labels[] = {
		{.key = string(p, "pid", 0), .num = (int64_t)(1000 + process)},
		{.key = string(p, "tid", 0), .num = (int64_t)(1000 + process + id % 4 * 100)},
		{.key = string(p, "comm", 0), .str = string(p, "service-%" PRIu64, process)},
		{.key = string(p, "cgroup", 0),
			.str = string(p, "/system.slice/service-%" PRIu64 ".service", process)},
		{.key = string(p, "exe", 0),
			.str = string(p, "/usr/bin/service-%" PRIu64, process)},
	};
	int64_t values[] = {count, count * 52631579};
	must(profile_add_sample(p, frames, depth, labels, 5, values), "sample");
}

/* The hot stacks come back by the square of a uniform number: the first ones nearly always. */
static uint64_t pick(uint64_t *state)
{
	uint64_t r = next(state);

	if (r % SELDOM_SHARE == 0)
		return N_HOT + (r >> 8) % N_SELDOM;
	double u = (double)(r >> 11) * 0x1p-53;
	return (uint64_t)(u * u * N_HOT);
}

static struct profile *window(uint64_t minute, size_t stacks)
{
	struct profile *p = profile_new();
	struct made *made = calloc(1, sizeof(*made));
	uint64_t state = hash(4, minute);

	if (!p || !made)
		fail("a profile", -ENOMEM);
	must(profile_add_sample_type(p, "samples", "count"), "type");
	must(profile_add_sample_type(p, "cpu", "nanoseconds"), "type");
	p->period_type = (struct value_type){string(p, "cpu", 0), string(p, "nanoseconds", 0)};
	p->period = 52631579;
	p->time_nanos = (int64_t)(FIRST_SECOND + minute * 60) * 1000000000;
	p->duration_nanos = 60000000000;
	must(profile_add_comment(p, "19 Hz cpu-clock, whole host"), "comment");
	while (p->n_samples < stacks)
		stack(p, made, pick(&state), 1 + (int64_t)(next(&state) % 3));
	free(made);
	return p;
}

static void write_activity(const char *path, uint64_t minute)
{
	FILE *out = fopen(path, "we");

	if (!out)
		fail(path, -errno);
	for (uint64_t s = 0; s < 60; s++) {
		uint64_t h = hash(5, minute * 60 + s), a = 10 + h % 60, b = h >> 8 & 31;
		fprintf(out,
			"%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 ":%" PRIu64 " %" PRIu64 ":%" PRIu64
			"\n",
			FIRST_SECOND + minute * 60 + s, a + b, 1000 + minute % N_PROCESSES, a,
			1000 + (minute + 7) % N_PROCESSES, b);
	}
	if (fclose(out))
		fail(path, -errno);
}

static void write_window(const char *folder, uint64_t minute, size_t stacks)
{
	char path[4096];
	int n = snprintf(path, sizeof(path), "%s/%02u%02u00-60s", folder,
		(unsigned)(minute / 60 % 24), (unsigned)(minute % 60));
	size_t room = sizeof(path) - (size_t)n;
	struct profile *p = window(minute, stacks);

	snprintf(path + n, room, ".pb.gz");
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
	if (fd < 0)
		fail(path, -errno);
	must(pprof_write(p, fd), path);
	if (close(fd) < 0)
		fail(path, -errno);
	profile_free(p);
	snprintf(path + n, room, ".activity");
	write_activity(path, minute);
}

static void make_folder(char *out, size_t size, const char *top, const char *below)
{
	snprintf(out, size, "%s/%s", top, below);
	if (mkdir(out, 0755) < 0 && errno != EEXIST)
		fail(out, -errno);
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: day FOLDER FILES STACKS\n");
		return 2;
	}
	uint64_t files = strtoull(argv[2], NULL, 10), stacks = strtoull(argv[3], NULL, 10);
	long workers = sysconf(_SC_NPROCESSORS_ONLN);
	char type[4096], date[4200];
	int status, bad = 0;

	if (files > 1440 || stacks > N_HOT)
		fail("at most 1440 files of 9000 stacks", -EINVAL);
	make_folder(type, sizeof(type), argv[1], "cpu");
	make_folder(date, sizeof(date), type, "2026-11-20");
	for (long w = 0; w < workers; w++) {
		if (fork() == 0) {
			for (uint64_t i = (uint64_t)w; i < files; i += (uint64_t)workers)
				write_window(date, i, stacks);
			return 0;
		}
	}
	while (wait(&status) > 0)
		bad |= status;
	return bad != 0;
}
