// SPDX-License-Identifier: MIT
/* heap_watch.c - which processes a heap session watches, and what they map. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "access.h"
#include "collector/heap_sites.h"
#include "collector/heap_watch_impl.h"
#include "collector/mappings.h"
#include "collector/module.h"
#include "collector/processes.h"
#include "collector/spaces.h"
#include "collector/tables.h"
#include "collector/uprobes.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/now.h"

/* Of one session. */
#define MAX_PROCESSES 1024
#define WARMING_NS    2000000000ULL /* for tables that is waited at the start, at most */
#define TROUBLE_NS    600000000000ULL
#define LOG_SECONDS   60

void heap_watch_note(struct heap_watch *w, uint32_t pid, const char *format, ...)
{
	char text[sizeof(w->trouble)];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (w->config.list && log_allowed(&w->noted))
		log_warning("%s", text);
	if (*w->trouble)
		return;
	memcpy(w->trouble, text, sizeof(text));
	w->trouble_pid = pid;
	w->trouble_time = now_ns();
}

void heap_watch_tell(struct heap_watch *w, uint32_t pid, const char *text)
{
	if (!w->config.list)
		heap_watch_note(w, pid, "%s", text);
	else if (log_allowed(&w->told))
		log_warning("%s", text);
}

/* Who watches for long is not told of what was once. */
static void forget_trouble(struct heap_watch *w)
{
	if (w->config.list)
		*w->trouble = '\0';
}

/* Stacks can be walked from the first on. True: some of the tables are on their way. */
static bool warm(struct heap_watch *w, struct process *process)
{
	const struct mappings *mappings = process_mappings(process);
	bool coming = false;

	spaces_publish(w->config.spaces, process);
	for (uint32_t i = 0; mappings && i < mappings->count; i++)
		if (mappings->maps[i].module)
			coming |= tables_warm(w->config.tables, mappings->maps[i].module);
	return coming;
}

static bool is_cold(struct heap_watch *w)
{
	struct watched *p, *next;
	bool coming = false;

	if (now_ns() - w->started > WARMING_NS)
		return false;
	HASH_ITER (hh, w->watched, p, next) {
		struct process *process = processes_of_pid(w->config.processes, p->pid);

		coming |= process && warm(w, process);
	}
	return coming;
}

void heap_watch_settle(struct heap_watch *w)
{
	if (w->unsettled || w->starting || w->is_ready || is_cold(w))
		return;
	if (!w->config.list)
		heap_unseen_at_start(w);
	w->is_ready = true;
	if (w->config.ready)
		w->config.ready(w->config.userdata);
}

/* ---- processes ------------------------------------------------------------------------------ */

bool heap_watch_has(struct heap_watch *w, uint32_t pid)
{
	return heap_watch_find(w, pid);
}

void heap_watch_hold_to(struct heap_watch *w, double max_cost)
{
	heap_duty_hold_to(w, max_cost);
}

struct watched *heap_watch_find(struct heap_watch *w, uint32_t pid)
{
	struct watched *p;

	HASH_FIND(hh, w->watched, &pid, sizeof(pid), p);
	return p;
}

bool heap_watch_is_preload(const struct heap_watch *w, const struct module *module)
{
	for (unsigned i = 0; i < PRELOADS; i++)
		if (w->preload[i] && module->state == MODULE_OPEN &&
			module->device == w->preload[i]->device &&
			module->inode == w->preload[i]->inode)
			return true;
	return false;
}

/* A module that the process has mapped, or (a preload library) may map. */
static void attach_to(struct heap_watch *w, struct watched *p, struct module *module)
{
	struct attachment *a;

	DL_FOREACH (p->attachments, a)
		if (a->module == module) {
			if (a->unmapped && a->announces)
				heap_attach_announced(p);
			a->unmapped = false;
			return;
		}
	a = heap_attach(w, module, (pid_t)p->pid);
	if (a)
		DL_APPEND(p->attachments, a);
}

static void consider(struct heap_watch *w, struct watched *p, struct module *module)
{
	if (!module || module->kind != MODULE_FILE)
		return;
	if (heap_watch_is_preload(w, module))
		heap_attach_announced(p);
	else
		attach_to(w, p, module);
}

/* A user's session does not touch what is not his: the programs' filter would keep it out of his
 * profile, but not spare it the traps. */
static bool is_allowed(const struct heap_watch *w, uint32_t pid)
{
	return !w->filter.by_uid || access_is_own(w->filter.uid, pid);
}

static struct watched *add_watched(struct heap_watch *w, uint32_t pid)
{
	struct watched *p = HASH_COUNT(w->watched) < MAX_PROCESSES ? calloc(1, sizeof(*p)) : NULL;

	if (!p) {
		heap_watch_note(w, 0, "more than %d processes are not watched", MAX_PROCESSES);
		return NULL;
	}
	p->pid = pid;
	HASH_ADD(hh, w->watched, pid, sizeof(p->pid), p);
	p->looking = true;
	for (unsigned i = 0; i < PRELOADS && !w->everywhere; i++)
		if (w->preload[i])
			attach_to(w, p, w->preload[i]);
	p->looking = false;
	return p;
}

static void watch(struct heap_watch *w, struct process *process)
{
	const struct mappings *mappings = process_mappings(process);
	struct watched *p = heap_watch_find(w, process_pid(process));

	if (!p && is_allowed(w, process_pid(process)))
		p = add_watched(w, process_pid(process));
	if (!p)
		return;
	warm(w, process);
	p->looking = true;
	for (uint32_t i = 0; mappings && i < mappings->count; i++)
		consider(w, p, mappings->maps[i].module);
	p->looking = false;
	heap_attach_allocators(w, p);
}

/* lives: nobody sees any more what it frees. */
static void unwatch(struct heap_watch *w, struct watched *p, bool lives)
{
	struct attachment *a, *next;

	DL_FOREACH_SAFE(p->attachments, a, next)
	{
		DL_DELETE(p->attachments, a);
		heap_attach_let_go(a);
	}
	heap_duty_end(w, p);
	if (lives && !w->is_over)
		heap_duty_forget(w, p->pid);
	if (w->trouble_pid == p->pid)
		forget_trouble(w);
	HASH_DEL(w->watched, p);
	free(p);
}

/* Whether the filter wants it, as far as is known here; the programs are strict. */
static bool wanted(const struct heap_watch *w, struct process *process)
{
	const struct session_filter *f = &w->filter;
	uint32_t pid = process_pid(process);
	bool named = !f->n_pids && !f->n_tids;

	if (w->config.list)
		return watch_list_matches(
			w->config.list, process_comm(process, pid), process_cgroup(process));
	for (size_t i = 0; i < f->n_pids; i++)
		named |= f->pids[i] == pid;
	for (size_t i = 0; i < f->n_tids; i++)
		named |= f->tids[i] == pid;
	return named && (!f->comm || !strcmp(process_comm(process, pid), f->comm)) &&
	       (!f->cgroup || cgroup_is_within(process_cgroup(process), f->cgroup));
}

static void watch_if_wanted(void *userdata, struct process *process)
{
	if (wanted(userdata, process))
		watch(userdata, process);
}

/* ---- records -------------------------------------------------------------------------------- */

static void on_fork(struct heap_watch *w, const struct profd_process_record *r)
{
	struct process *child = processes_of_pid(w->config.processes, r->process.pid);

	if (!child)
		return;
	if (w->filter.children && heap_watch_find(w, r->parent))
		watch(w, child);
	else
		watch_if_wanted(w, child);
}

static void on_mmap(struct heap_watch *w, uint32_t pid, uint64_t start)
{
	struct watched *p = heap_watch_find(w, pid);
	struct process *process = p ? processes_of_pid(w->config.processes, pid) : NULL;
	const struct memory_map *map = process ? mappings_find(process_mappings(process), start)
					       : NULL;

	if (!map)
		return;
	if (!p->ticks)
		spaces_publish(w->config.spaces, process); /* it is a new image, maybe */
	if (map->module)
		tables_warm(w->config.tables, map->module);
	p->looking = true;
	consider(w, p, map->module);
	p->looking = false;
	heap_attach_allocators(w, p);
}

static void reconsider(struct heap_watch *w, uint32_t pid)
{
	struct process *process = processes_of_pid(w->config.processes, pid);
	struct watched *p = heap_watch_find(w, pid);

	if (p && (!is_allowed(w, pid) || (w->config.list && process && !wanted(w, process))))
		unwatch(w, p, true);
	else if (p)
		p->ticks = 0;
	else if (process)
		watch_if_wanted(w, process);
}

static void on_exit_record(struct heap_watch *w, const struct profd_identity *identity)
{
	struct watched *p = heap_watch_find(w, identity->pid);

	if (!p)
		return;
	heap_unseen_at_exit(w, p, processes_find(w->config.processes, identity));
	unwatch(w, p, false);
}

void heap_watch_handle(struct heap_watch *w, const struct record *record)
{
	struct watched *p;

	switch (record->kind) {
	case RECORD_FORK:
		on_fork(w, record->process);
		break;
	case RECORD_EXEC:
	case RECORD_CGROUP:
		reconsider(w, record->process->process.pid);
		break;
	case RECORD_COMM:
		p = record->comm.exec ? heap_watch_find(w, record->comm.pid) : NULL;
		if (p)
			heap_attach_new_image(p);
		if (p)
			p->begun = record->time;
		reconsider(w, record->comm.pid);
		break;
	case RECORD_MMAP:
		on_mmap(w, record->mmap.pid, record->mmap.start);
		break;
	case RECORD_EXIT:
		on_exit_record(w, &record->process->process);
		break;
	default:
		break;
	}
}

/* ---- life ----------------------------------------------------------------------------------- */

/* Our own file, beside the program or where it was installed. */
static int open_preload(struct heap_watch *w, unsigned which)
{
	const char *path = w->config.preload[which];
	_cleanup_close_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	struct module *module;
	int r;

	if (fd < 0)
		return path && errno != ENOENT ? -errno : 0;
	module = module_new(MODULE_FILE, path, strlen(path));
	if (!module)
		return -ENOMEM;
	r = module_take_file(module, fd);
	if (r) {
		module_unref(module);
		return r;
	}
	fd = -1;
	module->state = MODULE_OPEN;
	w->preload[which] = module;
	return 0;
}

static void attach_everywhere(struct heap_watch *w, struct module *module)
{
	struct attachment *a = module ? heap_attach(w, module, UPROBE_EVERYWHERE) : NULL;

	if (a)
		DL_APPEND(w->everywhere, a);
}

static int copy_text(const char **text, char **copy)
{
	*copy = *text ? strdup(*text) : NULL;
	if (*text && !*copy)
		return -ENOMEM;
	*text = *copy;
	return 0;
}

static void await(struct heap_watch *w, uint32_t pid)
{
	struct watched *p = heap_watch_find(w, pid);

	if (!p && is_allowed(w, pid))
		p = add_watched(w, pid);
	if (p)
		heap_attach_allocators(w, p);
}

static int start(struct heap_watch *w)
{
	bool everywhere = (!w->filter.n_pids || w->filter.children) && !w->filter.by_uid &&
			  !w->config.list;
	int r = copy_text(&w->filter.comm, &w->comm);

	if (!r)
		r = copy_text(&w->filter.cgroup, &w->cgroup);
	if (!r)
		r = heap_probes_new(&w->probes, w->config.bpf, w->config.session);
	for (unsigned i = 0; !r && i < PRELOADS; i++)
		r = open_preload(w, i);
	for (unsigned i = 0; !r && everywhere && i < PRELOADS; i++)
		attach_everywhere(w, w->preload[i]);
	if (r)
		return r;
	processes_each(w->config.processes, watch_if_wanted, w);
	/* One that has just been forked is not in the table yet. */
	for (size_t i = 0; i < w->filter.n_pids && !w->filter.comm && !w->filter.cgroup; i++)
		await(w, w->filter.pids[i]);
	return 0;
}

int heap_watch_start(struct heap_watch **out, const struct heap_watch_config *config, uint64_t now)
{
	struct heap_watch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->config = *config;
	w->filter = *config->filter;
	w->started = now;
	w->starting = true;
	w->ticked = now;
	w->noted.seconds = w->told.seconds = LOG_SECONDS;
	r = start(w);
	if (r) {
		heap_watch_stop(w);
		return r;
	}
	*out = w;
	return 0;
}

void heap_watch_advance(struct heap_watch *w, uint64_t horizon)
{
	if (horizon < w->started)
		return;
	w->horizon = horizon;
	w->starting = false;
	heap_watch_settle(w);
}

void heap_watch_tick(struct heap_watch *w)
{
	struct watched *p, *next;

	HASH_ITER (hh, w->watched, p, next)
		if (!is_allowed(w, p->pid))
			unwatch(w, p, true);
	heap_duty_tick(w);
	if (now_ns() - w->trouble_time > TROUBLE_NS)
		forget_trouble(w);
	if (w->config.list)
		heap_unseen_now(w);
}

bool heap_watch_is_ready(const struct heap_watch *w)
{
	return w->is_ready;
}

void heap_watch_detach(struct heap_watch *w)
{
	struct watched *p, *next;
	struct attachment *a, *other;

	if (!w->is_over)
		heap_unseen_at_end(w);
	w->is_over = true;
	HASH_ITER (hh, w->watched, p, next)
		unwatch(w, p, true);
	DL_FOREACH_SAFE(w->everywhere, a, other)
	{
		DL_DELETE(w->everywhere, a);
		heap_attach_let_go(a);
	}
}

void heap_watch_stop(struct heap_watch *w)
{
	if (!w)
		return;
	heap_watch_detach(w);
	heap_probes_unref(w->probes);
	for (unsigned i = 0; i < PRELOADS; i++)
		module_unref(w->preload[i]);
	free(w->comm);
	free(w->cgroup);
	free(w);
}

struct heap_watch_stats heap_watch_stats(const struct heap_watch *w)
{
	struct heap_watch_stats stats = w->stats;

	stats.processes = HASH_COUNT(w->watched);
	return stats;
}

const char *heap_watch_trouble(const struct heap_watch *w)
{
	return *w->trouble ? w->trouble : w->held;
}

const char *heap_watch_unseen(const struct heap_watch *w)
{
	return w->unseen;
}
