// SPDX-License-Identifier: MIT
#include "collector/bpf_host.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/array_map.h"
#include "collector/bpf_explain.h"
#include "collector/counts.h"
#include "collector/cpus.h"
#include "collector/heap_live.h"
#include "collector/heap_ring.h"
#include "collector/sample_rings.h"
#include "collector/table_maps.h"
#include "util/cleanup.h"

/* bpftool's output does not care about conversions. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include "profd.skel.h"
#pragma GCC diagnostic pop

/* Inode of the initial pid namespace (include/linux/proc_ns.h, PROC_PID_INIT_INO). */
#define INITIAL_PIDNS 0xEFFFFFFCu

/* Process records that are read at once from the iterator. */
#define ITERATOR_RECORDS 64
/* A miss costs user space about 50 us: 4,000 a second on all CPUs together, a fifth of one. */
#define MISS_NS_PER_CPU	 250000ULL
#define MAX_CLEAR_PASSES 8

typedef void (*ring_handler)(void *userdata, const struct profd_record_head *head, size_t size);

struct bpf_host {
	struct profd_bpf *bpf;
	struct bpf_features features;
	unsigned n_cpus; /* possible ones */
	size_t ring_bytes;
	int *rings; /* by CPU; -1: none */
	struct ring_buffer *reader;
	struct profd_cpu *cpus; /* mmapped, n_cpus of them */
	struct counts *counts;
	struct sample_rings *samples;
	struct heap_ring *heap_ring; /* NULL: nobody holds it */
	unsigned heap_holders;
	struct heap_live *live;
	struct table_maps *tables;
	bool capture;
	uint64_t map_bytes;   /* but for those of the tables, which grow by themselves */
	ring_handler handler; /* during bpf_host_read */
	void *userdata;
};

/* ---- rings -------------------------------------------------------------------------------- */

static int on_record(void *ctx, void *data, size_t size)
{
	struct bpf_host *b = ctx;

	b->handler(b->userdata, data, size);
	return 0;
}

static int ring_create(struct bpf_host *b, unsigned cpu)
{
	int fd = bpf_map_create(
		BPF_MAP_TYPE_RINGBUF, "profd_ring", 0, 0, (uint32_t)b->ring_bytes, NULL);
	if (fd < 0)
		return fd;
	b->rings[cpu] = fd;
	return 0;
}

static int ring_read_from(struct bpf_host *b, int fd)
{
	if (b->reader)
		return ring_buffer__add(b->reader, fd, on_record, b);
	b->reader = ring_buffer__new(fd, on_record, b, NULL);
	return b->reader ? 0 : -errno;
}

/* Makes a ring known to the programs, then readable here: the reader cannot let go of one again,
 * so it gets none that may still fail. */
static int ring_publish(struct bpf_host *b, unsigned cpu)
{
	int rings = bpf_map__fd(b->bpf->maps.profd_rings), fd = b->rings[cpu];
	int r = bpf_map_update_elem(rings, &cpu, &fd, BPF_ANY);

	if (r < 0)
		return r;
	r = ring_read_from(b, fd);
	if (r < 0)
		bpf_map_delete_elem(rings, &cpu);
	return r;
}

static uint64_t map_bytes(int fd)
{
	char path[64], line[128];
	unsigned long long bytes = 0;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	return bytes;
}

static void sum_map_bytes(struct bpf_host *b)
{
	struct bpf_map *map;

	b->map_bytes = 0;
	bpf_object__for_each_map(map, b->bpf->obj) b->map_bytes += map_bytes(bpf_map__fd(map));
	b->map_bytes += sample_rings_bytes(b->samples);
	for (unsigned cpu = 0; cpu < b->n_cpus; cpu++)
		if (b->rings[cpu] >= 0)
			b->map_bytes += map_bytes(b->rings[cpu]);
	if (b->heap_ring)
		b->map_bytes += HEAP_RING_BYTES;
	for (unsigned slot = 0; slot < PROFD_MAX_SESSIONS; slot++)
		if (heap_live_table(b->live, slot) >= 0)
			b->map_bytes += map_bytes(heap_live_table(b->live, slot)) +
					HEAP_LIVE_FILTER_BYTES;
}

int bpf_host_sync_cpus(struct bpf_host *b)
{
	struct cpus online;
	bool added = false;

	int r = cpus_online(&online);
	for (unsigned cpu = 0; r == 0 && cpu < b->n_cpus; cpu++) {
		if (!cpus_has(&online, cpu) || b->rings[cpu] >= 0)
			continue;
		r = sample_rings_add(b->samples, cpu);
		if (r == 0)
			r = ring_create(b, cpu);
		if (r == 0)
			r = ring_publish(b, cpu);
		if (r < 0)
			b->rings[cpu] = close_fd(b->rings[cpu]);
		added = true;
	}
	if (added)
		sum_map_bytes(b);
	return r;
}

int bpf_host_fd(const struct bpf_host *b)
{
	return ring_buffer__epoll_fd(b->reader);
}

int bpf_host_read(struct bpf_host *b, ring_handler handler, void *userdata)
{
	b->handler = handler;
	b->userdata = userdata;
	sample_rings_read(b->samples, handler, userdata);
	int r = ring_buffer__consume(b->reader);
	if (r >= 0 && b->heap_ring)
		r = heap_ring_read(b->heap_ring, handler, userdata);
	return r < 0 ? r : 0;
}

int bpf_host_hold_heap_ring(struct bpf_host *b)
{
	int r = 0;

	if (!b->heap_ring) {
		r = heap_ring_open(&b->heap_ring, bpf_map__fd(b->bpf->maps.profd_rings), b->n_cpus,
			bpf_host_fd(b));
		sum_map_bytes(b);
	}
	if (!r)
		b->heap_holders++;
	return r;
}

int bpf_host_open_live(struct bpf_host *b, unsigned slot, uint32_t n)
{
	int r = heap_live_open(b->live, slot, n);

	sum_map_bytes(b);
	return r;
}

void bpf_host_close_live(struct bpf_host *b, unsigned slot)
{
	heap_live_close(b->live, slot);
	sum_map_bytes(b);
}

struct heap_live *bpf_host_live(struct bpf_host *b)
{
	return b->live;
}

void bpf_host_release_heap_ring(struct bpf_host *b)
{
	if (--b->heap_holders)
		return;
	heap_ring_close(b->heap_ring);
	b->heap_ring = NULL;
	sum_map_bytes(b);
}

/* ---- loading ------------------------------------------------------------------------------ */

static int create_first_ring(struct bpf_host *b, unsigned *first)
{
	struct cpus online;
	int r = cpus_online(&online);
	if (r < 0)
		return r;
	for (unsigned cpu = 0; cpu < b->n_cpus; cpu++) {
		if (!cpus_has(&online, cpu))
			continue;
		*first = cpu;
		return ring_create(b, cpu);
	}
	return -ENODEV;
}

/* They are loaded for the way that they are going to be attached. */
static void choose_probe_programs(struct bpf_host *b)
{
	enum uprobe_way way = b->features.uprobe_way;
	bool functions = way != UPROBE_PERF || b->features.cookies, session = way == UPROBE_SESSION;
	const struct {
		struct bpf_program *program;
		bool wanted;
		int type;
	} programs[] = {
		{b->bpf->progs.profd_usdt_alloc, true, UPROBE_ATTACH_MULTI},
		{b->bpf->progs.profd_usdt_free, true, UPROBE_ATTACH_MULTI},
		{b->bpf->progs.profd_heap_free, functions, UPROBE_ATTACH_MULTI},
		{b->bpf->progs.profd_heap_enter, functions, UPROBE_ATTACH_MULTI},
		{b->bpf->progs.profd_heap_begin, functions, UPROBE_ATTACH_MULTI},
		{b->bpf->progs.profd_heap_return, functions && !session, UPROBE_ATTACH_MULTI},
		{b->bpf->progs.profd_heap_ret, functions, UPROBE_ATTACH_MULTI},
		{b->bpf->progs.profd_heap_session, session, UPROBE_ATTACH_SESSION},
	};

	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++) {
		bpf_program__set_autoload(programs[i].program, programs[i].wanted);
		if (way != UPROBE_PERF)
			bpf_program__set_expected_attach_type(
				programs[i].program, (enum bpf_attach_type)programs[i].type);
	}
}

/* What the programs must know before they are verified. */
static int configure(struct bpf_host *b, unsigned first_ring)
{
	struct profd_bpf *bpf = b->bpf;
	struct stat ns;

	if (stat("/proc/self/ns/pid", &ns) < 0)
		return -errno;
	b->features.nested_pidns = ns.st_ino != INITIAL_PIDNS;
	bpf->rodata->profd_pidns_inum = b->features.nested_pidns ? (uint32_t)ns.st_ino : 0;
	bpf->rodata->profd_ring_quarter = (uint32_t)(b->ring_bytes / 4);
	bpf->rodata->profd_heap_ring = b->n_cpus;
	bpf->rodata->profd_heap_ring_quarter = HEAP_RING_BYTES / 4;
	bpf->rodata->profd_have_cookies = b->features.cookies ||
					  b->features.uprobe_way != UPROBE_PERF;
	bpf->rodata->profd_ret_hits = b->features.ret_hits;
	bpf->rodata->profd_probe_first = b->n_cpus * PROFD_SCRATCHES;
	bpf->rodata->profd_probe_scratches = b->n_cpus * PROFD_PROBE_SCRATCHES;
	bpf->rodata->profd_have_task_btf = b->features.task_btf;
	bpf->rodata->profd_have_task_pt_regs = b->features.task_pt_regs;
	bpf->rodata->profd_capture = b->capture;
	bpf->rodata->profd_miss_interval = b->n_cpus * MISS_NS_PER_CPU;

	choose_probe_programs(b);

	int r = bpf_map__set_inner_map_fd(bpf->maps.profd_rings, b->rings[first_ring]);
	if (r == 0)
		r = bpf_map__set_max_entries(bpf->maps.profd_rings, b->n_cpus + 1);
	if (r == 0)
		r = bpf_map__set_max_entries(bpf->maps.profd_sample_rings, b->n_cpus);
	if (r == 0)
		r = bpf_map__set_max_entries(bpf->maps.profd_cpus, b->n_cpus);
	if (r == 0)
		r = bpf_map__set_max_entries(bpf->maps.profd_scratch,
			b->n_cpus * (PROFD_SCRATCHES + PROFD_PROBE_SCRATCHES));
	return r;
}

static int map_cpus(struct bpf_host *b)
{
	b->cpus = array_map_values(
		bpf_map__fd(b->bpf->maps.profd_cpus), b->n_cpus * sizeof(*b->cpus));
	if (!b->cpus)
		return -errno;
	int r = counts_new(&b->counts, b->cpus, b->n_cpus);
	return r ? r
		 : sample_rings_new(&b->samples, bpf_map__fd(b->bpf->maps.profd_sample_rings),
			   b->cpus, b->n_cpus);
}

static int map_tables(struct bpf_host *b)
{
	const struct table_maps_fds fds = {
		.directory = bpf_map__fd(b->bpf->maps.profd_directory),
		.maps = bpf_map__fd(b->bpf->maps.profd_maps),
		.spaces = bpf_map__fd(b->bpf->maps.profd_spaces),
		.chunks = bpf_map__fd(b->bpf->maps.profd_tables),
	};

	return table_maps_new(&b->tables, &fds);
}

static void ignore_process(void *userdata, const struct profd_process_record *record)
{
}

/* Each step names itself in *step before it is tried. */
static int load(struct bpf_host *b, const char **step)
{
	unsigned first;

	*step = "create a ring buffer";
	int r = create_first_ring(b, &first);
	if (r < 0)
		return r;
	*step = "open the BPF object";
	b->bpf = profd_bpf__open();
	if (!b->bpf)
		return -errno;
	*step = "configure the BPF object";
	r = configure(b, first);
	if (r < 0)
		return r;
	*step = "load the BPF programs";
	r = profd_bpf__load(b->bpf);
	if (r < 0)
		return r;
	*step = "map what the BPF programs keep for each CPU";
	r = map_cpus(b);
	if (r < 0)
		return r;
	*step = "map the unwind tables";
	r = map_tables(b);
	if (r < 0)
		return r;
	r = heap_live_new(&b->live, bpf_map__fd(b->bpf->maps.profd_lives),
		bpf_map__fd(b->bpf->maps.profd_live_filters));
	if (r < 0)
		return r;
	*step = "set up the rings";
	r = sample_rings_add(b->samples, first);
	if (r == 0)
		r = ring_publish(b, first);
	if (r == 0)
		r = bpf_host_sync_cpus(b);
	if (r < 0)
		return r;
	*step = "iterate over the tasks";
	b->bpf->links.profd_each_process = bpf_program__attach_iter(
		b->bpf->progs.profd_each_process, NULL);
	if (!b->bpf->links.profd_each_process)
		return -errno;
	/* The first run tells the programs who the collector is: before they are attached. */
	r = bpf_host_each_process(b, ignore_process, NULL);
	if (r < 0)
		return r;
	*step = "attach to fork, exec, exit and cgroup_attach_task";
	return profd_bpf__attach(b->bpf);
}

static size_t round_ring(size_t bytes)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);

	while (size < bytes && size < 1u << 30)
		size *= 2;
	return size;
}

static int allocate(struct bpf_host **out, size_t ring_bytes)
{
	int n = libbpf_num_possible_cpus();
	if (n < 0)
		return n;
	struct bpf_host *b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->n_cpus = (unsigned)n;
	b->ring_bytes = round_ring(ring_bytes);
	b->rings = calloc(b->n_cpus, sizeof(*b->rings));
	if (!b->rings) {
		free(b);
		return -ENOMEM;
	}
	for (unsigned cpu = 0; cpu < b->n_cpus; cpu++)
		b->rings[cpu] = -1;
	*out = b;
	return 0;
}

int bpf_host_open(
	struct bpf_host **out, size_t ring_bytes, bool capture, char *why, size_t why_size)
{
	struct bpf_host *b;
	const char *step;

	why[0] = '\0';
	bpf_explain_listen();
	int r = bpf_explain_requirements(why, why_size);
	if (r < 0)
		return r;
	r = allocate(&b, ring_bytes);
	if (r < 0) {
		snprintf(why, why_size, "cannot start: %s", strerror(-r));
		return r;
	}
	bpf_explain_features(&b->features);
	b->capture = capture;
	r = load(b, &step);
	if (r < 0) {
		bpf_explain_failure(step, r, why, why_size);
		bpf_host_close(b);
		return r;
	}
	sum_map_bytes(b);
	*out = b;
	return 0;
}

void bpf_host_close(struct bpf_host *b)
{
	if (!b)
		return;
	if (b->bpf)
		profd_bpf__detach(b->bpf);
	heap_ring_close(b->heap_ring);
	ring_buffer__free(b->reader);
	sample_rings_free(b->samples);
	counts_free(b->counts);
	if (b->cpus)
		munmap(b->cpus, b->n_cpus * sizeof(*b->cpus));
	table_maps_free(b->tables);
	profd_bpf__destroy(b->bpf);
	for (unsigned cpu = 0; cpu < b->n_cpus; cpu++)
		close_fd(b->rings[cpu]);
	heap_live_free(b->live);
	free(b->rings);
	free(b);
}

const struct bpf_features *bpf_host_features(const struct bpf_host *b)
{
	return &b->features;
}

int bpf_host_clock_program(const struct bpf_host *b)
{
	return bpf_program__fd(b->bpf->progs.profd_clock);
}

uint64_t bpf_host_map_bytes(const struct bpf_host *b)
{
	return b->map_bytes + table_maps_bytes(b->tables);
}

struct table_memory *bpf_host_tables(struct bpf_host *b)
{
	return table_maps_memory(b->tables);
}

void bpf_host_set_unwind(struct bpf_host *b, enum profd_unwind_mode mode)
{
	__atomic_store_n(&b->bpf->bss->profd_unwind_mode, (uint32_t)mode, __ATOMIC_RELAXED);
}

struct counts *bpf_host_counts(const struct bpf_host *b)
{
	return b->counts;
}

/* ---- sessions, targets --------------------------------------------------------------------- */

struct profd_session *bpf_host_sessions(struct bpf_host *b)
{
	return b->bpf->bss->profd_sessions;
}

struct profd_heap *bpf_host_heaps(const struct bpf_host *b)
{
	return b->bpf->bss->profd_heaps;
}

struct profd_probe *bpf_host_probes(struct bpf_host *b)
{
	return b->bpf->bss->profd_probes;
}

int bpf_host_probe_program(const struct bpf_host *b, enum probe_program which)
{
	const struct bpf_program *const programs[] = {
		[PROBE_USDT_FREE] = b->bpf->progs.profd_usdt_free,
		[PROBE_USDT_ALLOC] = b->bpf->progs.profd_usdt_alloc,
		[PROBE_FREE] = b->bpf->progs.profd_heap_free,
		[PROBE_RETURN] = b->bpf->progs.profd_heap_return,
		[PROBE_ENTER] = b->features.uprobe_way == UPROBE_SESSION
					? b->bpf->progs.profd_heap_session
					: b->bpf->progs.profd_heap_enter,
		[PROBE_RET] = b->bpf->progs.profd_heap_ret,
		[PROBE_FOLLOW] = b->bpf->progs.profd_heap_enter,
		[PROBE_BEGIN] = b->bpf->progs.profd_heap_begin,
	};

	return bpf_program__fd(programs[which]);
}

uint64_t bpf_host_process_lost(const struct bpf_host *b)
{
	return __atomic_load_n(&b->bpf->bss->profd_process_lost, __ATOMIC_RELAXED);
}

uint64_t bpf_host_targets_full(const struct bpf_host *b)
{
	return __atomic_load_n(&b->bpf->bss->profd_targets_full, __ATOMIC_RELAXED);
}

int bpf_host_add_target(struct bpf_host *b, unsigned slot, enum profd_target_kind kind, uint32_t id)
{
	struct profd_target key = {.slot = (uint16_t)slot, .kind = (uint16_t)kind, .id = id};
	uint32_t value = 0;

	return bpf_map_update_elem(bpf_map__fd(b->bpf->maps.profd_targets), &key, &value, BPF_ANY);
}

/* A key is deleted after the one behind it was found. Programs change the map meanwhile, which
 * can send the walk back to the start: hence the bound. Returns how many were deleted. */
static unsigned clear_targets_once(struct bpf_host *b, unsigned slot)
{
	int fd = bpf_map__fd(b->bpf->maps.profd_targets);
	struct profd_target key, next;
	bool more = bpf_map_get_next_key(fd, NULL, &key) == 0;
	unsigned deleted = 0;

	for (unsigned i = 0; more && i < 2 * PROFD_MAX_TARGETS; i++) {
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (key.slot == slot && bpf_map_delete_elem(fd, &key) == 0)
			deleted++;
		key = next;
	}
	return deleted;
}

/* Until a walk finds none: a program adds no target to a slot that is not active. */
void bpf_host_clear_targets(struct bpf_host *b, unsigned slot)
{
	for (unsigned pass = 0; pass < MAX_CLEAR_PASSES; pass++)
		if (!clear_targets_once(b, slot))
			return;
}

/* ---- processes ---------------------------------------------------------------------------- */

int bpf_host_each_process(struct bpf_host *b,
	void (*handler)(void *userdata, const struct profd_process_record *record), void *userdata)
{
	struct profd_process_record records[ITERATOR_RECORDS];
	_cleanup_close_ int fd = bpf_iter_create(bpf_link__fd(b->bpf->links.profd_each_process));
	size_t have = 0;
	int count = 0;

	if (fd < 0)
		return fd;
	for (;;) {
		ssize_t n = read(fd, (char *)records + have, sizeof(records) - have);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return have ? -EIO : count;
		have += (size_t)n;
		size_t whole = have / sizeof(records[0]);
		for (size_t i = 0; i < whole; i++, count++) {
			records[i].comm[PROFD_COMM_LEN - 1] = '\0';
			handler(userdata, &records[i]);
		}
		have -= whole * sizeof(records[0]);
		memmove(records, &records[whole], have);
	}
}
