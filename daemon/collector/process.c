/* SPDX-License-Identifier: MIT */
#include "collector/process.h"

#include <string.h>
#include <time.h>

#include "collector/procfs.h"
#include "util/cleanup.h"
#include "util/grow.h"

struct process *process_new(const struct profd_identity *identity)
{
	struct process *process = calloc(1, sizeof(*process));
	if (!process)
		return NULL;
	process->identity = *identity;
	process->references = 1;
	process->rescan_seconds = 1;
	return process;
}

struct process *process_ref(struct process *process)
{
	process->references++;
	return process;
}

void process_forget_code(struct process *process)
{
	mappings_unref(process->mappings);
	process->mappings = NULL;
	process_clear_threads(process);
}

void process_unref(struct process *process)
{
	if (!process || --process->references)
		return;
	process_forget_code(process);
	module_unref(process->jit);
	module_unref(process->exe_module);
	cgroup_unref(process->cgroup);
	free(process->exe);
	free(process);
}

/* ---- labels --------------------------------------------------------------------------------- */

uint32_t process_pid(const struct process *process)
{
	return process->identity.pid;
}

const struct profd_identity *process_identity(const struct process *process)
{
	return &process->identity;
}

bool process_is_dead(const struct process *process)
{
	return process->dead;
}

struct mappings *process_mappings(struct process *process)
{
	return process->mappings;
}

const char *process_exe(const struct process *process)
{
	if (process->exe)
		return process->exe;
	return process->exe_module ? process->exe_module->path : "";
}

const char *process_cgroup(const struct process *process)
{
	return process->cgroup ? process->cgroup->path : "";
}

const char *process_container(const struct process *process)
{
	return process->cgroup ? process->cgroup->container : "";
}

struct module *process_exe_module(const struct process *process)
{
	return process->exe_module;
}

int process_set_exe(struct process *process, const char *path, struct module *module)
{
	/* The usual case shares the module's own string. */
	char *own = NULL;
	if (path && !(module && !strcmp(path, module->path))) {
		own = strdup(path);
		if (!own)
			return -ENOMEM;
	}
	free(process->exe);
	process->exe = own;
	if (module)
		module_ref(module);
	module_unref(process->exe_module);
	process->exe_module = module;
	process->tried_exe = true;
	return 0;
}

void process_inherit(struct process *child, const struct process *parent)
{
	mappings_unref(child->mappings);
	child->mappings = mappings_ref(parent->mappings);
	child->mapped = 0;
	child->lost_seen = parent->lost_seen;
	if (!child->cgroup && parent->cgroup) {
		child->cgroup = cgroup_ref(parent->cgroup);
		child->cgroup_id = parent->cgroup_id;
		child->cgroup_v1 = parent->cgroup_v1;
	}
	if (process_set_exe(child, parent->exe, parent->exe_module) == 0)
		child->tried_exe = parent->tried_exe;
}

size_t process_bytes(const struct process *process)
{
	return sizeof(*process) + process->threads_capacity * sizeof(process->threads[0]) +
	       (process->exe ? strlen(process->exe) + 1 : 0);
}

/* ---- names of threads ----------------------------------------------------------------------- */

static uint32_t now_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint32_t)now.tv_sec;
}

static void copy_comm(char to[PROFD_COMM_LEN], const char *from)
{
	size_t n = strnlen(from, PROFD_COMM_LEN - 1);
	memcpy(to, from, n);
	to[n] = '\0';
}

/* Index of the first thread whose tid is not below. */
static size_t thread_index(const struct process *process, uint32_t tid)
{
	size_t low = 0, high = process->n_threads;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (process->threads[middle].tid < tid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct thread_comm *find_thread(struct process *process, uint32_t tid)
{
	size_t i = thread_index(process, tid);
	return i < process->n_threads && process->threads[i].tid == tid ? &process->threads[i]
									: NULL;
}

static void drop_oldest_thread(struct process *process)
{
	size_t oldest = 0;
	for (size_t i = 1; i < process->n_threads; i++) {
		if (process->threads[i].second < process->threads[oldest].second)
			oldest = i;
	}
	process->n_threads--;
	memmove(&process->threads[oldest], &process->threads[oldest + 1],
		(process->n_threads - oldest) * sizeof(process->threads[0]));
}

/* NULL without memory. */
static struct thread_comm *add_thread(struct process *process, uint32_t tid)
{
	if (process->n_threads >= PROCESS_MAX_THREADS)
		drop_oldest_thread(process);
	if (grow(process->threads, process->n_threads, process->threads_capacity, 1) < 0)
		return NULL;
	size_t i = thread_index(process, tid);
	struct thread_comm *thread = &process->threads[i];
	memmove(thread + 1, thread, (process->n_threads - i) * sizeof(*thread));
	process->n_threads++;
	*thread = (struct thread_comm){.tid = tid};
	return thread;
}

void process_set_comm(struct process *process, uint32_t tid, const char *comm)
{
	if (tid == process->identity.pid) {
		copy_comm(process->comm, comm);
		return;
	}
	struct thread_comm *thread = find_thread(process, tid);
	if (!thread)
		thread = add_thread(process, tid);
	if (!thread)
		return;
	copy_comm(thread->comm, comm);
	thread->second = now_seconds();
}

void process_clear_threads(struct process *process)
{
	free(process->threads);
	process->threads = NULL;
	process->n_threads = process->threads_capacity = 0;
}

const char *process_comm(struct process *process, uint32_t tid)
{
	uint32_t pid = process->identity.pid;
	char comm[PROFD_COMM_LEN];
	if (tid == pid && (process->comm[0] || process->dead))
		return process->comm;
	if (tid == pid) {
		procfs_comm(pid, tid, process->comm);
		return process->comm;
	}
	struct thread_comm *thread = find_thread(process, tid);
	if (thread && (process->dead || now_seconds() - thread->second < PROCESS_COMM_SECONDS))
		return thread->comm;
	if (process->dead)
		return process->comm;
	/* A thread that was not seen before, or long ago. One that is gone has the leader's name,
	 * which threads start with, too; that is remembered, so /proc is asked once. */
	if (procfs_comm(pid, tid, comm) == 0)
		process_set_comm(process, tid, comm);
	else
		process_set_comm(process, tid, thread ? thread->comm : process->comm);
	thread = find_thread(process, tid);
	return thread ? thread->comm : process->comm;
}
