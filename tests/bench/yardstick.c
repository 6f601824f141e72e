// SPDX-License-Identifier: MIT
/*
 * yardstick HERTZ - runs each program of yardstick.bpf.c at about that rate on every CPU, until
 * standard input ends. What they take, the kernel measures (bpf_stats_enabled).
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include "yardstick.skel.h"
#pragma GCC diagnostic pop

#define ENTRIES 65536

static _Noreturn void die(const char *what, int error)
{
	fprintf(stderr, "yardstick: cannot %s: %s\n", what, strerror(error));
	exit(1);
}

static void fill(int table)
{
	for (uint64_t key = 0; key < ENTRIES; key += 2)
		if (bpf_map_update_elem(table, &key, &key, BPF_ANY))
			die("fill the table", errno);
}

/* A CPU that is offline has no clock. The link lives as long as the process. */
static void attach(const struct bpf_program *program, int cpu, uint64_t hertz)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.size = sizeof(attr),
		.sample_period = 1000000000 / hertz,
	};
	long fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0 && errno == ENODEV)
		return;
	if (fd < 0 || !bpf_program__attach_perf_event(program, (int)fd))
		die("run a program by a clock", errno);
}

static int drop(void *context, void *record, size_t size)
{
	(void)context;
	(void)record;
	(void)size;
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t hertz = argc == 2 ? strtoull(argv[1], NULL, 10) : 0;
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	struct yardstick_bpf *bpf;
	struct bpf_program *program;

	if (!hertz) {
		fputs("usage: yardstick HERTZ\n", stderr);
		return 2;
	}
	bpf = yardstick_bpf__open_and_load();
	if (!bpf)
		die("load the programs", errno);
	fill(bpf_map__fd(bpf->maps.table));
	/* Each at another rate, so that they do not tick together. */
	bpf_object__for_each_program(program, bpf->obj)
	{
		for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++)
			attach(program, cpu, hertz);
		hertz++;
	}
	struct ring_buffer *ring = ring_buffer__new(bpf_map__fd(bpf->maps.ring), drop, NULL, NULL);
	if (!ring)
		die("read the ring", errno);
	while (poll(&input, 1, 1000) == 0)
		ring_buffer__consume(ring);
	ring_buffer__free(ring);
	yardstick_bpf__destroy(bpf);
	return 0;
}
