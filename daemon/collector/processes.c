// SPDX-License-Identifier: MIT
/* processes.c - the table: which images there are, from the scan at the start to the end. */
#include "collector/processes.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <utlist.h>

#include "collector/bpf_host.h"
#include "collector/processes_impl.h"
#include "collector/procfs.h"

#define MAX_IMAGES 65536
static struct process **bucket_of(struct processes *p, uint32_t pid)
{
	return &p->buckets[pid % PROCESSES_BUCKETS];
}

bool image_is(const struct process *process, const struct profd_identity *identity)
{
	return process->identity.pid == identity->pid &&
	       process->identity.start_boottime == identity->start_boottime &&
	       process->identity.exec_id == identity->exec_id;
}

struct process *image_newest(struct processes *p, uint32_t pid)
{
	struct process *process;
	LL_FOREACH (*bucket_of(p, pid), process) {
		if (process->identity.pid == pid)
			return process;
	}
	return NULL;
}

struct process *image_exact(struct processes *p, const struct profd_identity *identity)
{
	struct process *process;
	LL_FOREACH (*bucket_of(p, identity->pid), process) {
		if (image_is(process, identity) && !process->provisional)
			return process;
	}
	return NULL;
}

void image_end(struct processes *p, struct process *process, uint64_t time)
{
	if (process->dead)
		return;
	process->dead = true;
	process->died = time;
	DL_APPEND2(p->dying, process, dying_prev, dying_next);
}

/* The table's reference goes; what windows hold lives on, as labels. */
static void image_drop(struct processes *p, struct process *process)
{
	if (process->dead)
		DL_DELETE2(p->dying, process, dying_prev, dying_next);
	process->dead = true;
	LL_DELETE(*bucket_of(p, process->identity.pid), process);
	p->n_images--;
	process_forget_code(process);
	process_unref(process);
}

void image_drop_dead(struct processes *p, uint64_t time)
{
	while (p->dying && p->dying->died + PROCESSES_KEEP_DEAD_NS < time)
		image_drop(p, p->dying);
}

struct process *image_add(struct processes *p, const struct profd_identity *identity, uint64_t time)
{
	if (p->n_images >= MAX_IMAGES && p->dying)
		image_drop(p, p->dying);
	if (p->n_images >= MAX_IMAGES)
		return NULL;
	struct process *process = process_new(identity);
	if (!process)
		return NULL;
	process->identified = time;
	process->lost_seen = p->losses;
	struct process *before = image_newest(p, identity->pid);
	if (before)
		image_end(p, before, time);
	LL_PREPEND(*bucket_of(p, identity->pid), process);
	p->n_images++;
	return process;
}

void image_set_cgroup(struct processes *p, struct process *process, uint64_t id, uint64_t v1_id)
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

/* ---- samples -------------------------------------------------------------------------------- */

/* A sample of an image that no record told of. */
static struct process *adopt(struct processes *p, const struct profd_identity *identity)
{
	struct process *newest = image_newest(p, identity->pid);
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
	struct process *process = image_add(p, identity, p->now);
	if (process)
		image_make_stale(process);
	return process;
}

struct process *processes_known(struct processes *p, const struct profd_identity *identity)
{
	struct process *process = identity->pid ? image_exact(p, identity) : NULL;

	return process && !process->dead && !image_is_stale(p, process) ? process : NULL;
}

struct process *processes_find(struct processes *p, const struct profd_identity *identity)
{
	if (!identity->pid)
		return NULL;
	struct process *process = image_exact(p, identity);
	if (!process)
		process = adopt(p, identity);
	if (process && !process->dead && image_is_stale(p, process))
		image_rescan(p, process);
	return process;
}

struct process *processes_of_pid(struct processes *p, uint32_t pid)
{
	struct process *process = image_newest(p, pid);

	return process && !process->dead ? process : NULL;
}

void processes_each(struct processes *p, void (*handler)(void *userdata, struct process *process),
	void *userdata)
{
	struct process *process;

	for (size_t i = 0; i < PROCESSES_BUCKETS; i++)
		LL_FOREACH (p->buckets[i], process)
			if (!process->dead)
				handler(userdata, process);
}

/* ---- life ----------------------------------------------------------------------------------- */

int processes_new(struct processes **out, struct opener *opener)
{
	struct processes *p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->losses = 1;
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
	for (size_t i = 0; i < PROCESSES_BUCKETS; i++) {
		while (p->buckets[i])
			image_drop(p, p->buckets[i]);
	}
	modules_free(p->modules);
	cgroups_free(p->cgroups);
	free(p);
}

static void add_scanned(void *userdata, const struct profd_process_record *r)
{
	struct processes *p = userdata;
	if (!r->process.pid || image_exact(p, &r->process))
		return;
	struct process *process = image_add(p, &r->process, r->head.time);
	if (!process)
		return;
	process->parent = r->parent;
	process_set_comm(process, r->process.pid, r->comm);
	image_set_cgroup(p, process, r->cgroup, r->cgroup_v1);
}

/* Processes that were forked and never changed share one array from here on. */
static void share_mappings(struct processes *p, struct process *process)
{
	struct process *parent = process->parent ? image_newest(p, process->parent) : NULL;
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
	for (size_t i = 0; i < PROCESSES_BUCKETS && n >= 0; i++) {
		LL_FOREACH (p->buckets[i], process) {
			if (!process->dead && image_scan(p, process) < 0)
				process->tried_exe = true; /* it is gone, or we may not look */
		}
	}
	for (size_t i = 0; i < PROCESSES_BUCKETS && n >= 0; i++) {
		LL_FOREACH (p->buckets[i], process) {
			share_mappings(p, process);
		}
	}
	return n;
}

void processes_sweep(struct processes *p)
{
	struct process *process;
	for (size_t i = 0; i < PROCESSES_BUCKETS; i++) {
		LL_FOREACH (p->buckets[i], process) {
			if (!process->dead && kill((pid_t)process->identity.pid, 0) < 0 &&
				errno == ESRCH)
				image_end(p, process, p->now);
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
	for (size_t i = 0; i < PROCESSES_BUCKETS; i++) {
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
