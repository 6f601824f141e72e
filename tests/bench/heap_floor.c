// SPDX-License-Identifier: MIT
/*
 * heap_floor PID FILE RETURNS ALLOCATIONS FREES - attaches empty programs to places of FILE in
 * process PID, in the way in which profd attaches its own: ALLOCATIONS where functions are entered
 * that allocate, FREES for those that free, both offsets in the file divided by commas. RETURNS is
 * yes or no: whether uprobe sessions ask for the return, which the other ways always see.
 *
 * Prints the way, and detaches when standard input ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/bpf_explain.h"
#include "collector/bpf_host.h"
#include "collector/uprobe_kernel.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include "heap_floor.skel.h"
#pragma GCC diagnostic pop

static const char *const way_names[] = {
	[UPROBE_PERF] = "events", [UPROBE_MULTI] = "multi", [UPROBE_SESSION] = "session"};

static _Noreturn void die(const char *what, int error)
{
	fprintf(stderr, "heap_floor: cannot %s: %s\n", what, strerror(error));
	exit(1);
}

struct floor {
	struct bpf_features features;
	struct uprobe_pmu pmu;
	struct heap_floor_bpf *bpf;
	int file;
	pid_t pid;
};

static void load(struct floor *f, bool returns)
{
	enum uprobe_way way = f->features.uprobe_way;
	struct heap_floor_bpf *bpf = heap_floor_bpf__open();
	int r;

	if (!bpf)
		die("open the programs", errno);
	bpf->rodata->floor_skips_return = !returns;
	if (way != UPROBE_PERF) {
		uint32_t enter = way == UPROBE_SESSION ? UPROBE_ATTACH_SESSION
						       : UPROBE_ATTACH_MULTI;
		enum bpf_attach_type multi = (enum bpf_attach_type)UPROBE_ATTACH_MULTI;

		bpf_program__set_expected_attach_type(
			bpf->progs.floor_enter, (enum bpf_attach_type)enter);
		bpf_program__set_expected_attach_type(bpf->progs.floor_return, multi);
		bpf_program__set_expected_attach_type(bpf->progs.floor_free, multi);
	}
	r = heap_floor_bpf__load(bpf);
	if (r < 0)
		die("load the programs", -r);
	f->bpf = bpf;
}

static size_t parse_offsets(const char *text, struct uprobe_place *places)
{
	size_t n = 0;
	char *end;

	do {
		if (n == UPROBE_MAX_PLACES)
			die("attach so many probes", E2BIG);
		places[n] = (struct uprobe_place){.offset = strtoull(text, &end, 10)};
		if (end == text || (*end && *end != ','))
			die("read the offsets", EINVAL);
		n++;
		text = end + 1;
	} while (*end);
	return n;
}

/* Links stay until the process ends. */
static void attach(const struct floor *f, struct uprobe_request *request)
{
	int r = 0;

	request->file = f->file;
	request->pid = f->pid;
	if (request->way != UPROBE_PERF)
		r = uprobe_attach_multi(request);
	for (size_t i = 0; request->way == UPROBE_PERF && i < request->n_places && r >= 0; i++)
		r = uprobe_attach_perf(&f->pmu, request, &request->places[i], f->features.cookies);
	if (r < 0)
		die("attach the programs", -r);
}

/* As daemon/collector/heap_attach.c does. */
static void attach_all(const struct floor *f, const char *allocations, const char *frees)
{
	static struct uprobe_place places[UPROBE_MAX_PLACES];
	enum uprobe_way way = f->features.uprobe_way;
	struct uprobe_request request = {
		.way = way == UPROBE_SESSION ? UPROBE_MULTI : way,
		.program = bpf_program__fd(f->bpf->progs.floor_free),
		.places = places,
		.n_places = parse_offsets(frees, places),
	};

	attach(f, &request);
	request.n_places = parse_offsets(allocations, places);
	if (way != UPROBE_SESSION) {
		request.at_return = true;
		request.program = bpf_program__fd(f->bpf->progs.floor_return);
		attach(f, &request);
	}
	request.way = way;
	request.at_return = false;
	request.program = bpf_program__fd(f->bpf->progs.floor_enter);
	attach(f, &request);
}

int main(int argc, char **argv)
{
	struct floor f = {0};
	int r;

	if (argc != 6) {
		fputs("usage: heap_floor PID FILE RETURNS ALLOCATIONS FREES\n", stderr);
		return 2;
	}
	f.pid = (pid_t)strtol(argv[1], NULL, 10);
	f.file = open(argv[2], O_RDONLY | O_CLOEXEC);
	if (f.file < 0)
		die(argv[2], errno);
	r = uprobe_pmu_read(&f.pmu);
	if (r)
		die("find uprobes", -r);
	bpf_explain_features(&f.features);
	load(&f, !strcmp(argv[3], "yes"));
	attach_all(&f, argv[4], argv[5]);
	puts(way_names[f.features.uprobe_way]);
	fflush(stdout);
	while (getchar() != EOF)
		continue;
	heap_floor_bpf__destroy(f.bpf);
	return 0;
}
