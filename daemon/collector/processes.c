/* SPDX-License-Identifier: MIT */
/*
 * processes.c - the table, and what records do to it.
 *
 * At an exec the kernel emits, in this order: COMM with the exec flag (begin_new_exec), MMAP2 for
 * each part of the new image (load_elf_binary), and the EXEC record (tracepoint at the end of
 * exec_binprm). self_exec_id is raised just behind COMM. So COMM starts a new image whose exec_id
 * is taken to be one more, its first file mapping is the executable, and EXEC confirms the
 * identity.
 */
#include "collector/processes.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <utlist.h>

#include "collector/bpf_host.h"
#include "collector/process.h"
#include "collector/procfs.h"
#include "util/cleanup.h"

#define SECOND	   1000000000ULL
#define BUCKETS	   4096
#define MAX_IMAGES 65536
/* How long after its end an image can still be found by a sample that comes late, or whose stack
 * waits to be finished. */
#define KEEP_DEAD_NS (6 * SECOND)
/* Reading /proc/PID/maps takes about 0.1 ms: not more than 1 % of a CPU. */
#define RESCANS_PER_SECOND 100
#define RESCANS_BURST	   200
#define MAX_RESCAN_SECONDS 64
#define PERF_MAP_RETRY_NS  (10 * SECOND)
#define FILE_RETRY_NS	   (10 * SECOND)
/* No mapping is below (vm.mmap_min_addr) or above (57 bits with 5-level paging). */
#define LOWEST_ADDRESS	4096
#define HIGHEST_ADDRESS (1ULL << 56)

struct processes {
	struct modules *modules;
	struct cgroups *cgroups;
	struct process *buckets[BUCKETS]; /* newest image of a pid first */
	struct process *dying;
	size_t n_images;
	uint64_t now;	 /* time of the newest record */
	uint64_t losses; /* raised when records were lost: what is older must be read again */
	double tokens;
	uint64_t tokens_time;
	uint64_t rescans, rescans_refused;
};

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

/* ---- the table ------------------------------------------------------------------------------ */

static struct process **bucket_of(struct processes *p, uint32_t pid)
{
	return &p->buckets[pid % BUCKETS];
}

static bool same_identity(const struct profd_identity *a, const struct profd_identity *b)
{
	return a->pid == b->pid && a->start_boottime == b->start_boottime &&
	       a->exec_id == b->exec_id;
}

static struct process *newest_image(struct processes *p, uint32_t pid)
{
	struct process *process;
	LL_FOREACH (*bucket_of(p, pid), process) {
		if (process->identity.pid == pid)
			return process;
	}
	return NULL;
}

static struct process *exact_image(struct processes *p, const struct profd_identity *identity)
{
	struct process *process;
	LL_FOREACH (*bucket_of(p, identity->pid), process) {
		if (same_identity(&process->identity, identity) && !process->provisional)
			return process;
	}
	return NULL;
}

static void mark_dead(struct processes *p, struct process *process, uint64_t time)
{
	if (process->dead)
		return;
	process->dead = true;
	process->died = time;
	DL_APPEND2(p->dying, process, dying_prev, dying_next);
}

/* The table's reference goes; what windows hold lives on, as labels. */
static void drop_image(struct processes *p, struct process *process)
{
	if (process->dead)
		DL_DELETE2(p->dying, process, dying_prev, dying_next);
	process->dead = true;
	LL_DELETE(*bucket_of(p, process->identity.pid), process);
	p->n_images--;
	process_forget_code(process);
	process_unref(process);
}

static void drop_dead(struct processes *p, uint64_t time)
{
	while (p->dying && p->dying->died + KEEP_DEAD_NS < time)
		drop_image(p, p->dying);
}

/* A new image, which replaces that of the same pid. NULL: the table is full, or no memory. */
static struct process *add_image(
	struct processes *p, const struct profd_identity *identity, uint64_t time)
{
	if (p->n_images >= MAX_IMAGES && p->dying)
		drop_image(p, p->dying);
	if (p->n_images >= MAX_IMAGES)
		return NULL;
	struct process *process = process_new(identity);
	if (!process)
		return NULL;
	process->identified = time;
	process->lost_seen = p->losses;
	struct process *before = newest_image(p, identity->pid);
	if (before)
		mark_dead(p, before, time);
	LL_PREPEND(*bucket_of(p, identity->pid), process);
	p->n_images++;
	return process;
}

static void set_cgroup(struct processes *p, struct process *process, uint64_t id, uint64_t v1_id)
{
	if (process->cgroup && process->cgroup_id == id && process->cgroup_v1 == v1_id)
		return;
	struct cgroup *cgroup = cgroups_find(p->cgroups, id, v1_id, process->identity.pid);
	if (!cgroup)
		return;
	cgroup_unref(process->cgroup);
	process->cgroup = cgroup;
	process->cgroup_id = id;
	process->cgroup_v1 = v1_id;
}

/* ---- reading /proc -------------------------------------------------------------------------- */

/* Mappings are read again when next needed. */
static void make_stale(struct process *process)
{
	process->lost_seen = 0;
}

static bool is_stale(const struct processes *p, const struct process *process)
{
	return process->lost_seen != p->losses;
}

struct scan {
	struct processes *p;
	const struct process *process;
	struct mappings *mappings;
	const char *exe; /* path to look for */
	struct module *exe_module;
};

/* The module that stood at the same place with the same file before: it stays, though the file may
 * have been touched since. A new reference or NULL. */
static struct module *module_before(
	const struct process *process, const struct module_mapping *mapping, uint64_t offset)
{
	const struct memory_map *before = mappings_find(process->mappings, mapping->start);
	if (!before || !mapping->inode || before->start != mapping->start ||
		(uint64_t)before->file_page << MAPPINGS_PAGE_SHIFT != offset ||
		before->module->state != MODULE_OPEN || before->module->inode != mapping->inode)
		return NULL;
	return module_ref(before->module);
}

static int scan_mapping(void *userdata, const struct module_mapping *mapping, uint64_t offset)
{
	struct scan *scan = userdata;
	struct module *module = module_before(scan->process, mapping, offset);
	if (!module)
		module = modules_map(scan->p->modules, mapping);
	if (!module)
		return -ENOMEM;
	int error = mappings_add(
		&scan->mappings, mapping->start, mapping->end - mapping->start, offset, module);
	if (!scan->exe_module && !strcmp(module->path, scan->exe))
		scan->exe_module = module_ref(module);
	module_unref(module);
	return error == -EINVAL ? 0 : error; /* one strange mapping does not cost the others */
}

/* Whether both name one file: records have paths as seen from a process's root (chroot), /proc has
 * them from ours, so one may end with the other. Nothing known fits everything. */
static bool is_path_of(const char *path, const char *known)
{
	size_t n = strlen(path), m = strlen(known);
	return m <= n && !strcmp(path + n - m, known);
}

/* Whether the process still has the address space that it had when `exe` was read: an exiting one
 * shows part of its maps, or none, and an exec since then has records of its own. */
static bool has_same_exe(const struct process *process, const char *exe)
{
	char now[4096];
	return procfs_exe(process->identity.pid, now, sizeof(now)) == 0 && !strcmp(now, exe);
}

/* Reads what the process has mapped now. 0 or -errno: then everything is as it was. */
static int scan_image(struct processes *p, struct process *process)
{
	char exe[4096];
	struct scan scan = {.p = p, .process = process, .exe = exe};
	uint64_t time = now_ns();
	int error = procfs_exe(process->identity.pid, exe, sizeof(exe));
	if (error)
		return error;
	if (process->tried_exe && !is_path_of(exe, process_exe(process)))
		return -ESTALE;
	error = procfs_maps(process->identity.pid, scan_mapping, &scan);
	if (error == -E2BIG) /* what fits is better than nothing */
		error = 0;
	if (!error && !has_same_exe(process, exe))
		error = -ESTALE;
	if (!error) {
		mappings_trim(&scan.mappings);
		mappings_unref(process->mappings);
		process->mappings = take_ptr(scan.mappings);
		process->mapped = time;
		process->lost_seen = p->losses;
		if (!process->tried_exe)
			error = process_set_exe(process, exe, scan.exe_module);
	}
	mappings_unref(scan.mappings);
	module_unref(scan.exe_module);
	return error;
}

/* One token for each time that /proc/PID/maps is read. */
static bool take_token(struct processes *p, uint64_t now)
{
	p->tokens += (double)(now - p->tokens_time) / (double)SECOND * RESCANS_PER_SECOND;
	p->tokens_time = now;
	if (p->tokens > RESCANS_BURST)
		p->tokens = RESCANS_BURST;
	if (p->tokens < 1)
		return false;
	p->tokens--;
	return true;
}

/* Reads the mappings of a process again, if the limits allow it and it still is the process.
 * True if they were read. */
static bool rescan(struct processes *p, struct process *process)
{
	uint64_t now = now_ns();
	if (process->dead || process->provisional)
		return false;
	if (now < process->next_rescan || !take_token(p, now)) {
		p->rescans_refused++;
		return false;
	}
	process->next_rescan = now + process->rescan_seconds * SECOND;
	if (!procfs_is_same(&process->identity) || scan_image(p, process) < 0) {
		process->lost_seen = p->losses; /* gone: it will not get better */
		return false;
	}
	p->rescans++;
	if (!process->comm[0])
		procfs_comm(process->identity.pid, process->identity.pid, process->comm);
	if (!process->cgroup)
		set_cgroup(p, process, 0, 0);
	return true;
}

/* ---- records -------------------------------------------------------------------------------- */

static void on_fork(struct processes *p, const struct record *record)
{
	const struct profd_process_record *r = record->process;
	struct process *known = newest_image(p, r->process.pid);
	/* The scan at the start sees processes whose records are still in the rings. */
	if (!r->process.pid || (known && known->identified >= record->time))
		return;
	struct process *child = add_image(p, &r->process, record->time);
	if (!child)
		return;
	child->parent = r->parent;
	process_set_comm(child, r->process.pid, r->comm);
	struct process *parent = r->parent ? newest_image(p, r->parent) : NULL;
	/* An image that the parent has become since is not what was forked. */
	if (parent && parent->identified <= record->time)
		process_inherit(child, parent);
	else
		make_stale(child);
	set_cgroup(p, child, r->cgroup, r->cgroup_v1);
}

static void on_exec_comm(struct processes *p, const struct record *record)
{
	struct process *old = newest_image(p, record->comm.pid);
	if (old && old->identified >= record->time)
		return;
	struct profd_identity identity = {.pid = record->comm.pid};
	if (old && !old->provisional) {
		identity = old->identity;
		identity.exec_id++;
	}
	if (old) /* a full table may let go of it, if it was dead */
		process_ref(old);
	struct process *new = add_image(p, &identity, record->time);
	if (!new) {
		process_unref(old);
		return;
	}
	new->provisional = !old || old->provisional;
	new->guessed = new->by_exec = true;
	process_set_comm(new, record->comm.pid, record->comm.comm);
	if (old && old->cgroup) {
		new->cgroup = cgroup_ref(old->cgroup);
		new->cgroup_id = old->cgroup_id;
		new->cgroup_v1 = old->cgroup_v1;
	}
	if (old)
		new->parent = old->parent;
	process_unref(old);
}

static void on_comm(struct processes *p, const struct record *record)
{
	if (!record->comm.pid || record->comm.pid == UINT32_MAX)
		return;
	if (record->comm.exec) {
		on_exec_comm(p, record);
		return;
	}
	struct process *process = newest_image(p, record->comm.pid);
	if (process)
		process_set_comm(process, record->comm.tid, record->comm.comm);
}

static void on_exec(struct processes *p, const struct record *record)
{
	const struct profd_process_record *r = record->process;
	struct process *process = newest_image(p, r->process.pid);
	if (!r->process.pid)
		return;
	bool awaited = process && (process->provisional ||
					  (process->guessed && process->identity.start_boottime ==
								       r->process.start_boottime));
	if (awaited) {
		process->identity = r->process;
		process->provisional = process->guessed = false;
	} else if (!process || !same_identity(&process->identity, &r->process)) {
		if (process && process->identified >= record->time)
			return;
		process = add_image(p, &r->process, record->time); /* COMM was lost */
		if (!process)
			return;
		make_stale(process);
	}
	process_set_comm(process, r->process.pid, r->comm);
	set_cgroup(p, process, r->cgroup, r->cgroup_v1);
}

/* The image that a record is about which changes none; NULL: it is not known. */
static struct process *told_of(struct processes *p, const struct profd_process_record *r)
{
	struct process *process = newest_image(p, r->process.pid);

	return process && (process->provisional ||
				  process->identity.start_boottime == r->process.start_boottime)
		       ? process
		       : NULL;
}

static void on_exit_record(struct processes *p, const struct record *record)
{
	struct process *process = told_of(p, record->process);

	if (process)
		mark_dead(p, process, record->time);
}

static void on_cgroup(struct processes *p, const struct profd_process_record *r)
{
	struct process *process = told_of(p, r);

	if (process)
		set_cgroup(p, process, r->cgroup, r->cgroup_v1);
}

static struct module *map_module(struct processes *p, const struct record *record)
{
	const struct module_mapping mapping = {
		.pid = record->mmap.pid,
		.start = record->mmap.start,
		.end = record->mmap.start + record->mmap.length,
		.major = record->mmap.major,
		.minor = record->mmap.minor,
		.inode = record->mmap.inode,
		.inode_generation = record->mmap.inode_generation,
		.path = record->mmap.path,
	};

	return modules_map(p->modules, &mapping);
}

/* UINT32_MAX is the pid of kernel modules' mappings. */
static bool is_process_mapping(const struct record *record)
{
	return record->mmap.pid && record->mmap.pid != UINT32_MAX;
}

void processes_preview(struct processes *p, const struct record *record)
{
	if (is_process_mapping(record))
		module_unref(map_module(p, record));
}

static void on_mmap(struct processes *p, const struct record *record)
{
	struct process *process = is_process_mapping(record) ? newest_image(p, record->mmap.pid)
							     : NULL;

	if (!process || record->time <= process->mapped)
		return;
	struct module *module = map_module(p, record);
	int error = module ? mappings_add(&process->mappings, record->mmap.start,
				     record->mmap.length, record->mmap.offset, module)
			   : -ENOMEM;
	if (error == -E2BIG || error == -ENOMEM)
		make_stale(process);
	if (module && module->kind == MODULE_FILE && process->by_exec && !process->tried_exe)
		process_set_exe(process, module->path, module);
	module_unref(module);
}

void processes_handle(struct processes *p, const struct record *record)
{
	if (record->time > p->now)
		p->now = record->time;
	drop_dead(p, p->now);
	switch (record->kind) {
	case RECORD_FORK:
		on_fork(p, record);
		break;
	case RECORD_EXEC:
		on_exec(p, record);
		break;
	case RECORD_EXIT:
		on_exit_record(p, record);
		break;
	case RECORD_CGROUP:
		on_cgroup(p, record->process);
		break;
	case RECORD_COMM:
		on_comm(p, record);
		break;
	case RECORD_MMAP:
		on_mmap(p, record);
		break;
	case RECORD_LOST:
		p->losses++;
		break;
	case RECORD_SAMPLE:
	case RECORD_ALLOC:
	case RECORD_FREE:
	case RECORD_KSYMBOL: /* the kernel is one module, whatever it has loaded */
		break;
	}
}

struct process *processes_of_pid(struct processes *p, uint32_t pid)
{
	struct process *process = newest_image(p, pid);

	return process && !process->dead ? process : NULL;
}

void processes_each(struct processes *p, void (*handler)(void *userdata, struct process *process),
	void *userdata)
{
	struct process *process;

	for (size_t i = 0; i < BUCKETS; i++)
		LL_FOREACH (p->buckets[i], process)
			if (!process->dead)
				handler(userdata, process);
}

/* ---- samples -------------------------------------------------------------------------------- */

/* A sample of an image that no record told of. */
static struct process *adopt(struct processes *p, const struct profd_identity *identity)
{
	struct process *newest = newest_image(p, identity->pid);
	bool same_process = newest && newest->identity.start_boottime == identity->start_boottime;
	if (newest && !newest->dead &&
		(newest->provisional || (newest->guessed && same_process &&
						identity->exec_id > newest->identity.exec_id))) {
		newest->identity = *identity;
		newest->provisional = false;
		return newest;
	}
	if (same_process && identity->exec_id <= newest->identity.exec_id)
		return NULL; /* an image of long ago */
	if (!procfs_is_same(identity))
		return NULL;
	struct process *process = add_image(p, identity, p->now);
	if (process)
		make_stale(process);
	return process;
}

struct process *processes_known(struct processes *p, const struct profd_identity *identity)
{
	struct process *process = identity->pid ? exact_image(p, identity) : NULL;

	return process && !process->dead && !is_stale(p, process) ? process : NULL;
}

struct process *processes_find(struct processes *p, const struct profd_identity *identity)
{
	if (!identity->pid)
		return NULL;
	struct process *process = exact_image(p, identity);
	if (!process)
		process = adopt(p, identity);
	if (process && !process->dead && is_stale(p, process))
		rescan(p, process);
	return process;
}

static struct module *jit_module(struct processes *p, struct process *process)
{
	uint64_t now = now_ns();
	if (!process->jit) {
		process->jit = modules_perf_map(p->modules, process->identity.pid);
		process->jit_tried = now;
	} else if (process->jit->state == MODULE_FAILED && !process->dead &&
		   now - process->jit_tried > PERF_MAP_RETRY_NS) {
		modules_retry_perf_map(p->modules, process->jit);
		process->jit_tried = now;
	}
	return process->jit;
}

/* Until the end of an exec the saved user registers are those of the image before: a clock tick in
 * execve shows where that one made the call. */
static const struct memory_map *find_in_image_before(
	const struct process *process, uint64_t address)
{
	const struct process *before = process->guessed ? process->next : NULL;
	while (before && before->identity.pid != process->identity.pid)
		before = before->next;
	return before ? mappings_find(before->mappings, address) : NULL;
}

/* Whether opening it failed for reasons of ours, or of the moment. */
static bool may_open_later(const struct module *m)
{
	if (m->state != MODULE_FAILED || m->kind != MODULE_FILE)
		return false;
	switch (m->error) {
	case -ENOBUFS: /* too many files at once, as at the start on a large host */
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
	case -EAGAIN:
	case -EPIPE: /* the opener died */
	case -ETIMEDOUT:
		return true;
	default:
		return false;
	}
}

/* A failed file is tried again when it is mapped again; what maps it for long would never do so:
 * then its maps are read again, when it is sampled next. */
static void retry_file(struct process *process, const struct module *m)
{
	if (process->dead || !may_open_later(m))
		return;
	uint64_t now = now_ns();
	if (process->files_tried && now - process->files_tried < FILE_RETRY_NS)
		return;
	process->files_tried = now;
	make_stale(process);
}

/* Looks again where nothing was known; the wait doubles while that does not help, since a broken
 * stack is full of addresses that lead nowhere. */
static const struct memory_map *find_after_rescan(
	struct processes *p, struct process *process, uint64_t address)
{
	if (address < LOWEST_ADDRESS || address >= HIGHEST_ADDRESS || !rescan(p, process))
		return NULL;
	const struct memory_map *map = mappings_find(process->mappings, address);
	if (map)
		process->rescan_seconds = 1;
	else if (process->rescan_seconds < MAX_RESCAN_SECONDS)
		process->rescan_seconds *= 2;
	return map;
}

bool process_refresh(struct processes *p, struct process *process, uint64_t address)
{
	return find_after_rescan(p, process, address);
}

void process_resolve(
	struct processes *p, struct process *process, uint64_t address, struct frame *out)
{
	*out = (struct frame){.offset = address};
	const struct memory_map *map = mappings_find(process->mappings, address);
	if (!map)
		map = find_in_image_before(process, address);
	if (!map)
		map = find_after_rescan(p, process, address);
	if (!map)
		return;
	struct module *module = map->module->same ? map->module->same : map->module;
	retry_file(process, module);
	if (module_is_jit(module))
		module = jit_module(p, process);
	else if (module->kind == MODULE_FILE || module->kind == MODULE_VDSO)
		out->offset = address - map->start +
			      ((uint64_t)map->file_page << MAPPINGS_PAGE_SHIFT);
	out->module = module;
}

/* ---- life ----------------------------------------------------------------------------------- */

int processes_new(struct processes **out, struct opener *opener)
{
	struct processes *p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->losses = 1;
	p->tokens = RESCANS_BURST;
	p->tokens_time = now_ns();
	int error = modules_new(&p->modules, opener);
	if (!error)
		error = cgroups_new(&p->cgroups);
	if (error) {
		processes_free(p);
		return error;
	}
	*out = p;
	return 0;
}

void processes_free(struct processes *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (p->buckets[i])
			drop_image(p, p->buckets[i]);
	}
	modules_free(p->modules);
	cgroups_free(p->cgroups);
	free(p);
}

static void add_scanned(void *userdata, const struct profd_process_record *r)
{
	struct processes *p = userdata;
	if (!r->process.pid || exact_image(p, &r->process))
		return;
	struct process *process = add_image(p, &r->process, r->head.time);
	if (!process)
		return;
	process->parent = r->parent;
	process_set_comm(process, r->process.pid, r->comm);
	set_cgroup(p, process, r->cgroup, r->cgroup_v1);
}

/* Processes that were forked and never changed share one array from here on. */
static void share_mappings(struct processes *p, struct process *process)
{
	struct process *parent = process->parent ? newest_image(p, process->parent) : NULL;
	if (!parent || parent == process || parent->mappings == process->mappings ||
		!mappings_equal(parent->mappings, process->mappings))
		return;
	mappings_unref(process->mappings);
	process->mappings = mappings_ref(parent->mappings);
}

int processes_scan(struct processes *p, struct bpf_host *bpf)
{
	struct process *process;
	int n = bpf_host_each_process(bpf, add_scanned, p);
	for (size_t i = 0; i < BUCKETS && n >= 0; i++) {
		LL_FOREACH (p->buckets[i], process) {
			if (!process->dead && scan_image(p, process) < 0)
				process->tried_exe = true; /* it is gone, or we may not look */
		}
	}
	for (size_t i = 0; i < BUCKETS && n >= 0; i++) {
		LL_FOREACH (p->buckets[i], process) {
			share_mappings(p, process);
		}
	}
	return n;
}

void processes_sweep(struct processes *p)
{
	struct process *process;
	for (size_t i = 0; i < BUCKETS; i++) {
		LL_FOREACH (p->buckets[i], process) {
			if (!process->dead && kill((pid_t)process->identity.pid, 0) < 0 &&
				errno == ESRCH)
				mark_dead(p, process, p->now);
		}
	}
	modules_sweep(p->modules);
}

/* ---- what is there -------------------------------------------------------------------------- */

struct processes_stats processes_stats(const struct processes *p)
{
	struct modules_stats modules = modules_stats(p->modules);
	struct processes_stats stats = {
		.images = p->n_images,
		.modules = modules.modules,
		.modules_open = modules.open,
		.modules_failed = modules.failed,
		.rescans = p->rescans,
		.rescans_refused = p->rescans_refused,
		.bytes = sizeof(*p) + modules.bytes,
	};
	for (size_t i = 0; i < BUCKETS; i++) {
		const struct process *process;
		LL_FOREACH (p->buckets[i], process) {
			const struct mappings *m = process->mappings;
			stats.processes += !process->dead;
			stats.mappings += m ? m->count : 0;
			stats.bytes += process_bytes(process);
			/* A shared array counts once, in parts. */
			stats.bytes += m ? mappings_bytes(m) / m->references : 0;
		}
	}
	return stats;
}

struct module *processes_kernel_module(struct processes *p)
{
	return modules_kernel(p->modules);
}
