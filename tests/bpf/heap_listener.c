// SPDX-License-Identifier: MIT
/*
 * heap_listener FILE PROBE:OFFSET:SEMAPHORE... - listens to probes of FILE (alloc, free, lost;
 * where they and their semaphores lie in it), in all processes, until SIGTERM. The probes are
 * attached in the order of the arguments; then it prints "ready".
 *
 * Prints each hit: the probe, process, thread and the first three arguments of a call; at the end a
 * line "dropped" with how many it could not keep.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "heap_listener.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include "heap_listener.skel.h"
#pragma GCC diagnostic pop

static const char *const names[HEAP_PROBES] = {"alloc", "free", "lost"};
static volatile sig_atomic_t over;

static void on_term(int signal)
{
	over = 1;
}

static void die(const char *what, int error)
{
	fprintf(stderr, "heap_listener: cannot %s: %s\n", what, strerror(error));
	exit(1);
}

static struct heap_listener_bpf *load(void)
{
	struct heap_listener_bpf *bpf = heap_listener_bpf__open();
	struct stat ns;
	int r;

	if (!bpf || stat("/proc/self/ns/pid", &ns) < 0)
		die("open the programs", errno);
	bpf->rodata->heap_ns_dev = ns.st_dev;
	bpf->rodata->heap_ns_inode = ns.st_ino;
	r = heap_listener_bpf__load(bpf);
	if (r < 0)
		die("load the programs", -r);
	return bpf;
}

static struct bpf_link *attach(struct heap_listener_bpf *bpf, const char *file, const char *spec)
{
	struct bpf_program *programs[HEAP_PROBES] = {
		bpf->progs.heap_alloc, bpf->progs.heap_free, bpf->progs.heap_lost};
	struct bpf_link *link = NULL;
	uint64_t offset, semaphore;
	char name[8];

	if (sscanf(spec, "%7[a-z]:%" SCNx64 ":%" SCNx64, name, &offset, &semaphore) != 3)
		die(spec, EINVAL);
	LIBBPF_OPTS(bpf_uprobe_opts, options, .ref_ctr_offset = semaphore);
	for (int i = 0; i < HEAP_PROBES; i++)
		if (!strcmp(name, names[i]))
			link = bpf_program__attach_uprobe_opts(
				programs[i], -1, file, offset, &options);
	if (!link)
		die(spec, errno);
	return link;
}

static int on_event(void *unused, void *data, size_t size)
{
	const struct heap_event *e = data;

	if (size != sizeof(*e) || e->probe >= HEAP_PROBES)
		die("read an event", EPROTO);
	printf("%s %u %u %llu %llu %llu\n", names[e->probe], e->pid, e->tid, e->arguments[0],
		e->arguments[1], e->arguments[2]);
	return 0;
}

int main(int argc, char **argv)
{
	struct bpf_link *links[HEAP_PROBES];
	int n = 0;

	if (argc < 3 || argc > 2 + HEAP_PROBES) {
		fputs("usage: heap_listener FILE PROBE:OFFSET:SEMAPHORE...\n", stderr);
		return 2;
	}
	signal(SIGTERM, on_term);
	struct heap_listener_bpf *bpf = load();
	struct ring_buffer *ring = ring_buffer__new(
		bpf_map__fd(bpf->maps.heap_events), on_event, NULL, NULL);
	if (!ring)
		die("read the ring", errno);
	for (int i = 2; i < argc; i++)
		links[n++] = attach(bpf, argv[1], argv[i]);
	puts("ready");
	fflush(stdout);
	while (!over)
		ring_buffer__poll(ring, 50);
	for (int i = 0; i < n; i++)
		bpf_link__destroy(links[i]);
	ring_buffer__consume(ring);
	printf("dropped %llu\n", bpf->bss->heap_dropped);
	ring_buffer__free(ring);
	heap_listener_bpf__destroy(bpf);
	return 0;
}
