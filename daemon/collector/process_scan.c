// SPDX-License-Identifier: MIT
/* process_scan.c - what /proc says of a process: its mappings and its executable. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "collector/processes_impl.h"
#include "collector/procfs.h"
#include "util/cleanup.h"
#include "util/now.h"

#define SECOND 1000000000ULL
/* Reading /proc/PID/maps takes a tenth of a millisecond and some more, a token; of 65,000 mappings
 * it takes 20 ms and more, which are as many tokens as it would be in usual ones: not more than
 * 5 % of a CPU for all, and 1 % for one. */
#define TOKEN_NS	   500000
#define RESCANS_PER_SECOND 100
#define RESCANS_BURST	   200

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

int image_scan(struct processes *p, struct process *process)
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

/* Whether /proc/PID/maps may be read; what that has cost is paid when it is known. */
static bool take_token(struct processes *p, uint64_t now)
{
	p->tokens += (double)(now - p->tokens_time) / (double)SECOND * RESCANS_PER_SECOND;
	p->tokens_time = now;
	if (p->tokens > RESCANS_BURST)
		p->tokens = RESCANS_BURST;
	return p->tokens >= 1;
}

/* On a busy host, time that others had is none that it took. */
static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

/* begin: by cpu_ns(). */
static void pay(struct processes *p, struct process *process, uint64_t begin)
{
	uint64_t took = cpu_ns() - begin, next = now_ns() + 100 * took;

	p->tokens -= took > TOKEN_NS ? (double)took / TOKEN_NS : 1;
	if (process->next_rescan < next)
		process->next_rescan = next;
}

/* For want of memory or descriptors, that is. */
static bool may_scan_later(int error)
{
	return error == -ENOMEM || error == -EMFILE || error == -ENFILE;
}

bool image_rescan(struct processes *p, struct process *process)
{
	uint64_t now = now_ns();
	if (process->dead || process->provisional)
		return false;
	if (now < process->next_rescan || !take_token(p, now)) {
		p->rescans_refused++;
		return false;
	}
	process->next_rescan = now + process->rescan_seconds * SECOND;
	uint64_t begin = cpu_ns();
	int error = procfs_is_same(&process->identity) ? image_scan(p, process) : -ESRCH;
	pay(p, process, begin);
	if (error) {
		if (!may_scan_later(error))
			process->lost_seen = p->losses; /* gone: it will not get better */
		return false;
	}
	p->rescans++;
	if (!process->comm[0])
		procfs_comm(process->identity.pid, process->identity.pid, process->comm);
	if (!process->cgroup)
		image_set_cgroup(p, process, 0, 0);
	return true;
}
