// SPDX-License-Identifier: MIT
/*
 * probe PROFD-PID PID FILE FUNCTION SECONDS - attaches a uprobe to FUNCTION of FILE whose program
 * walks the stacks of process PID with the tables of the profd that runs as PROFD-PID.
 *
 * Prints each stack that there was, fields divided by tabs: how often, how it ended, what was
 * missing, and its frames as name@file, innermost first; then a line "counts" with pairs.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <uthash.h>

#include "probe.h"
#include "util/cleanup.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include "probe.skel.h"
#pragma GCC diagnostic pop

/* Inode of the initial pid namespace (include/linux/proc_ns.h). */
#define INITIAL_PIDNS 0xEFFFFFFCu

/* The maps of profd that the program uses; a kernel's map names have up to 15 letters. */
static const char *const shared[] = {"profd_spaces", "profd_maps", "profd_directory",
	"profd_tables", "profd_rules", "profd_memos"};
#define N_SHARED (sizeof(shared) / sizeof(*shared))

static const char *const ends[PROFD_END_COUNT] = {"complete", "no-user", "unreadable",
	"frame-pointer", "limit", "unmapped", "rule", "implausible", "not-loaded", "changed"};
static const char *const missings[PROFD_MISSING_COUNT] = {
	"nothing", "process", "mapping", "module", "page", "register", "trust"};

struct stack_key {
	uint32_t end, missing;
	uint64_t frames[PROFD_MAX_USER_FRAMES];
};

struct stack {
	uint64_t count;
	uint32_t n;
	struct stack_key key;
	UT_hash_handle hh;
};

static void die(const char *what, int error)
{
	fprintf(stderr, "probe: cannot %s: %s\n", what, strerror(error));
	exit(1);
}

/* ---- maps of profd ------------------------------------------------------------------------- */

static uint32_t read_map_id(int folder, const char *name)
{
	char line[128];
	uint32_t id = 0;
	_cleanup_close_ int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(dup(fd), "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "map_id: %" SCNu32, &id) == 1)
			break;
	if (f)
		fclose(f);
	return id;
}

/* A descriptor of the map if it has that name, else -1. */
static int open_map(uint32_t id, const char *name)
{
	struct bpf_map_info info = {};
	uint32_t size = sizeof(info);
	int fd = bpf_map_get_fd_by_id(id);

	if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && !strcmp(info.name, name))
		return fd;
	close_fd(fd);
	return -1;
}

static int find_map(const char *pid, const char *name)
{
	char path[64];
	struct dirent *entry;
	int found = -1;

	snprintf(path, sizeof(path), "/proc/%s/fdinfo", pid);
	DIR *folder = opendir(path);
	if (!folder)
		die(path, errno);
	while (found < 0 && (entry = readdir(folder))) {
		uint32_t id = read_map_id(dirfd(folder), entry->d_name);

		if (id)
			found = open_map(id, name);
	}
	closedir(folder);
	if (found < 0)
		die(name, ENOENT);
	return found;
}

/* The maps that the program uses are profd's or its own; the rest is not made. */
static void choose_maps(struct probe_bpf *bpf, const char *profd)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, bpf->obj)
	{
		const char *name = bpf_map__name(map);
		bool own = map == bpf->maps.profd_scratch || map == bpf->maps.profd_probe_tail;

		if (!own && !strncmp(name, "profd_", strlen("profd_")))
			bpf_map__set_autocreate(map, false);
	}
	for (size_t i = 0; i < N_SHARED; i++) {
		int r;

		map = bpf_object__find_map_by_name(bpf->obj, shared[i]);
		bpf_map__set_autocreate(map, true);
		r = bpf_map__reuse_fd(map, find_map(profd, shared[i]));
		if (r < 0)
			die(shared[i], -r);
	}
}

/* ---- the probe ----------------------------------------------------------------------------- */

static struct probe_bpf *load(const char *profd, const char *pid)
{
	uint32_t scratches = (uint32_t)libbpf_num_possible_cpus() * PROFD_PROBE_SCRATCHES;
	struct probe_bpf *bpf = probe_bpf__open();
	struct stat ns;
	int r;

	if (!bpf || stat("/proc/self/ns/pid", &ns) < 0)
		die("open the program", errno);
	bpf->rodata->profd_pidns_inum = ns.st_ino == INITIAL_PIDNS ? 0 : (uint32_t)ns.st_ino;
	bpf->rodata->profd_probe_scratches = scratches;
	bpf->rodata->probe_pid = (uint32_t)strtoul(pid, NULL, 10);
	bpf_map__set_max_entries(bpf->maps.profd_scratch, scratches);
	choose_maps(bpf, profd);
	r = probe_bpf__load(bpf);
	if (r < 0)
		die("load the program", -r);
	return bpf;
}

/* In that process only: others that have the file do not pay. */
static struct bpf_link *attach(struct probe_bpf *bpf, const char *file, const char *function)
{
	LIBBPF_OPTS(bpf_uprobe_opts, options, .func_name = function);
	struct bpf_link *link = bpf_program__attach_uprobe_opts(
		bpf->progs.probe_hit, (pid_t)bpf->rodata->probe_pid, file, 0, &options);

	if (!link)
		die("attach the program", errno);
	return link;
}

static int on_record(void *ctx, void *data, size_t size)
{
	struct stack **stacks = ctx, *s;
	const struct profd_sample *sample = data;
	struct stack_key key = {.end = sample->user_end, .missing = sample->session};
	size_t frames = sample->n_user * sizeof(key.frames[0]);

	if (size != sizeof(*sample) + frames || frames > sizeof(key.frames))
		die("read a record", EPROTO);
	memcpy(key.frames, sample->frames, frames);
	HASH_FIND(hh, *stacks, &key, offsetof(struct stack_key, frames) + frames, s);
	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			die("keep a stack", ENOMEM);
		s->n = sample->n_user;
		s->key = key;
		HASH_ADD(hh, *stacks, key, offsetof(struct stack_key, frames) + frames, s);
	}
	s->count++;
	return 0;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct stack *collect(
	struct probe_bpf *bpf, const char *file, const char *function, double seconds)
{
	struct stack *stacks = NULL;
	struct ring_buffer *ring = ring_buffer__new(
		bpf_map__fd(bpf->maps.probe_ring), on_record, &stacks, NULL);

	if (!ring)
		die("read the ring", errno);
	struct bpf_link *link = attach(bpf, file, function);
	for (double end = now() + seconds; now() < end;) {
		usleep(5000);
		ring_buffer__consume(ring);
	}
	bpf_link__destroy(link);
	ring_buffer__consume(ring);
	ring_buffer__free(ring);
	return stacks;
}

/* ---- names --------------------------------------------------------------------------------- */

/* Symbol tables are enough. */
static int no_debug_file(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base,
	const char *file, const char *link, GElf_Word crc, char **found)
{
	return -1;
}

static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_linux_proc_find_elf, .find_debuginfo = no_debug_file};

static Dwfl *open_process(const char *pid)
{
	Dwfl *dwfl = dwfl_begin(&callbacks);

	if (!dwfl || dwfl_linux_proc_report(dwfl, atoi(pid)) || dwfl_report_end(dwfl, NULL, NULL)) {
		fprintf(stderr, "probe: cannot read the mappings of %s: %s\n", pid,
			dwfl_errmsg(-1));
		exit(1);
	}
	return dwfl;
}

static void print_frame(Dwfl *dwfl, uint64_t frame, bool innermost)
{
	bool exact = innermost || frame & PROFD_FRAME_EXACT;
	uint64_t address = (frame & ~PROFD_FRAME_EXACT) - !exact;
	Dwfl_Module *module = dwfl_addrmodule(dwfl, address);
	const char *file = module ? dwfl_module_info(
					    module, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
				  : "?";
	const char *name = module ? dwfl_module_addrname(module, address) : NULL;

	if (name)
		printf("\t%s@%s", name, file);
	else
		printf("\t[%" PRIx64 "]@%s", address, file);
}

static void print_stacks(const struct stack *stacks, const char *pid)
{
	Dwfl *dwfl = open_process(pid);

	for (const struct stack *s = stacks; s; s = s->hh.next) {
		printf("%" PRIu64 "\t%s\t%s", s->count, ends[s->key.end], missings[s->key.missing]);
		for (uint32_t i = 0; i < s->n; i++)
			print_frame(dwfl, s->key.frames[i], i == 0);
		printf("\n");
	}
	dwfl_end(dwfl);
}

int main(int argc, char **argv)
{
	if (argc != 6) {
		fprintf(stderr, "usage: probe PROFD-PID PID FILE FUNCTION SECONDS\n");
		return 2;
	}
	struct probe_bpf *bpf = load(argv[1], argv[2]);
	struct stack *stacks = collect(bpf, argv[3], argv[4], strtod(argv[5], NULL)), *s, *next;
	const struct probe_counts *c = &bpf->bss->probe_counts;

	print_stacks(stacks, argv[2]);
	printf("counts\thits\t%llu\trecords\t%llu\tlost_scratch\t%llu\tlost_ring\t%"
	       "llu\tcollisions\t%llu\n",
		c->hits, c->records, c->lost_scratch, c->lost_ring, c->collisions);
	HASH_ITER (hh, stacks, s, next) {
		HASH_DEL(stacks, s);
		free(s);
	}
	probe_bpf__destroy(bpf);
	return 0;
}
