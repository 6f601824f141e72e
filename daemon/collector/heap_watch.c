// SPDX-License-Identifier: MIT
#include "collector/heap_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "collector/bpf_host.h"
#include "collector/heap_probes.h"
#include "collector/heap_sites.h"
#include "collector/mappings.h"
#include "collector/module.h"
#include "collector/processes.h"
#include "collector/uprobe.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/log.h"

/* Of one session. */
#define MAX_PROCESSES 1024
#define MAX_LINKS     4096

/* A file in a process that is watched, or (pid -1) in all. */
struct attachment {
	struct heap_watch *watch; /* NULL: nobody waits for its sites any more */
	struct module *module;	  /* a reference */
	pid_t pid;
	bool initial; /* the session is not ready before it is settled */
	int *links;
	size_t n_links, links_capacity;
	struct attachment *prev, *next;
};

struct watched {
	uint32_t pid;
	struct attachment *attachments;
	UT_hash_handle hh;
};

struct heap_watch {
	struct heap_watch_config config;
	struct session_filter filter;
	char *comm, *cgroup; /* the filter's */
	struct heap_probes *probes;
	struct watched *watched;
	struct attachment *everywhere; /* the preload library, or NULL */
	struct file_identity preload;
	bool starting, is_ready;
	size_t unsettled; /* initial attachments */
	struct heap_watch_stats stats;
	char trouble[256];
};

__attribute__((format(printf, 2, 3))) static void trouble(
	struct heap_watch *w, const char *format, ...)
{
	va_list args;

	if (*w->trouble)
		return;
	va_start(args, format);
	vsnprintf(w->trouble, sizeof(w->trouble), format, args);
	va_end(args);
}

/* ---- attaching ------------------------------------------------------------------------------ */

static void attachment_free(struct attachment *a)
{
	for (size_t i = 0; i < a->n_links; i++)
		close_fd(a->links[i]);
	free(a->links);
	module_unref(a->module);
	free(a);
}

static void let_go(struct heap_watch *w, struct attachment *a)
{
	w->stats.probes -= a->n_links;
	if (!a->watch) {
		attachment_free(a);
		return;
	}
	/* Its sites are on their way: on_sites() frees it. */
	a->watch = NULL;
	w->unsettled -= a->initial;
}

static int attach_probe(struct heap_watch *w, struct attachment *a, const struct heap_probe *probe)
{
	struct uprobe uprobe = {
		.file = a->module->fd,
		.offset = probe->offset,
		.counter = probe->counter,
		.pid = a->pid,
		.multi = bpf_host_features(w->config.bpf)->uprobe_multi,
		.program = bpf_host_usdt_program(w->config.bpf, probe->kind == HEAP_PROBE_FREE),
	};
	int link, r = heap_probes_find(w->probes, probe, &uprobe.cookie);

	if (!r)
		r = w->stats.probes < MAX_LINKS ? grow(a->links, a->n_links, a->links_capacity, 1)
						: -ENOSPC;
	if (r)
		return r;
	link = uprobe_attach(&uprobe);
	if (link < 0)
		return link;
	a->links[a->n_links++] = link;
	w->stats.probes++;
	return 0;
}

/* Frees first: what is allocated after that is not missed when it is freed. */
static void attach_probes(
	struct heap_watch *w, struct attachment *a, const struct heap_sites *sites, uint8_t kind)
{
	for (size_t i = 0; i < sites->n_probes; i++) {
		const struct heap_probe *probe = &sites->probes[i];
		int r = 0;

		if (probe->kind != kind)
			continue;
		if (!probe->flaw)
			r = attach_probe(w, a, probe);
		/* A process that is gone needs none. */
		if (r == -ESRCH)
			continue;
		if (r || probe->flaw) {
			w->stats.failed++;
			trouble(w, "a probe of %s: %s", a->module->path,
				r ? strerror(-r) : heap_probe_explain(probe->flaw));
		}
	}
}

static void settle(struct heap_watch *w)
{
	if (w->unsettled || w->starting || w->is_ready)
		return;
	w->is_ready = true;
	w->config.ready(w->config.userdata);
}

static void on_sites(
	void *userdata, struct module *module, int error, const struct heap_sites *sites)
{
	struct attachment *a = userdata;
	struct heap_watch *w = a->watch;

	if (!w) {
		attachment_free(a);
		return;
	}
	a->watch = NULL;
	if (sites) {
		attach_probes(w, a, sites, HEAP_PROBE_FREE);
		attach_probes(w, a, sites, HEAP_PROBE_ALLOC);
	} else if (error != -ECANCELED) {
		trouble(w, "%s cannot be looked into for probes: %s", module->path,
			strerror(-error));
	}
	w->unsettled -= a->initial;
	settle(w);
}

/* NULL: nothing comes of it. */
static struct attachment *attach(struct heap_watch *w, struct module *module, pid_t pid)
{
	struct attachment *a = calloc(1, sizeof(*a));
	int r = a ? 0 : -ENOMEM;

	if (!r) {
		a->watch = w;
		a->module = module_ref(module);
		a->pid = pid;
		a->initial = w->starting;
		r = heap_sites_ask(w->config.unwinder, module, on_sites, a);
	}
	if (!r) {
		w->unsettled += a->initial;
		return a;
	}
	trouble(w, "%s cannot be looked into for probes: %s", module->path, strerror(-r));
	if (a)
		attachment_free(a);
	return NULL;
}

/* ---- processes ------------------------------------------------------------------------------ */

static struct watched *find_watched(struct heap_watch *w, uint32_t pid)
{
	struct watched *p;

	HASH_FIND(hh, w->watched, &pid, sizeof(pid), p);
	return p;
}

static bool is_preload(const struct heap_watch *w, const struct module *module)
{
	return w->everywhere && module->state == MODULE_OPEN &&
	       module->device == w->preload.device && module->inode == w->preload.inode;
}

static void consider(struct heap_watch *w, struct watched *p, struct module *module)
{
	struct attachment *a;

	if (!module || module->kind != MODULE_FILE || is_preload(w, module))
		return;
	DL_FOREACH (p->attachments, a)
		if (a->module == module)
			return;
	a = attach(w, module, (pid_t)p->pid);
	if (a)
		DL_APPEND(p->attachments, a);
}

static void watch(struct heap_watch *w, struct process *process)
{
	const struct mappings *mappings = process_mappings(process);
	struct watched *p = find_watched(w, process_pid(process));

	if (!p) {
		p = HASH_COUNT(w->watched) < MAX_PROCESSES ? calloc(1, sizeof(*p)) : NULL;
		if (!p) {
			trouble(w, "more than %d processes are not watched", MAX_PROCESSES);
			return;
		}
		p->pid = process_pid(process);
		HASH_ADD(hh, w->watched, pid, sizeof(p->pid), p);
	}
	for (uint32_t i = 0; mappings && i < mappings->count; i++)
		consider(w, p, mappings->maps[i].module);
}

static void unwatch(struct heap_watch *w, struct watched *p)
{
	struct attachment *a, *next;

	DL_FOREACH_SAFE(p->attachments, a, next)
	{
		DL_DELETE(p->attachments, a);
		let_go(w, a);
	}
	HASH_DEL(w->watched, p);
	free(p);
}

static bool in_cgroup(const char *cgroup, const char *wanted)
{
	static const char *const mounts[] = {
		"/sys/fs/cgroup/memory", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"};
	size_t n;

	for (size_t i = 0; i < sizeof(mounts) / sizeof(*mounts); i++) {
		n = strlen(mounts[i]);
		if (!strncmp(wanted, mounts[i], n) && (!wanted[n] || wanted[n] == '/')) {
			wanted += n;
			break;
		}
	}
	n = strlen(wanted);
	while (n && wanted[n - 1] == '/')
		n--;
	return !strncmp(cgroup, wanted, n) && (!cgroup[n] || cgroup[n] == '/');
}

/* Whether the filter wants it, as far as is known here; the programs are strict. */
static bool wanted(const struct heap_watch *w, struct process *process)
{
	const struct session_filter *f = &w->filter;
	uint32_t pid = process_pid(process);
	bool named = !f->n_pids && !f->n_tids;

	for (size_t i = 0; i < f->n_pids; i++)
		named |= f->pids[i] == pid;
	for (size_t i = 0; i < f->n_tids; i++)
		named |= f->tids[i] == pid;
	return named && (!f->comm || !strcmp(process_comm(process, pid), f->comm)) &&
	       (!f->cgroup || in_cgroup(process_cgroup(process), f->cgroup));
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
	if (w->filter.children && find_watched(w, r->parent))
		watch(w, child);
	else
		watch_if_wanted(w, child);
}

static void on_mmap(struct heap_watch *w, uint32_t pid, uint64_t start)
{
	struct watched *p = find_watched(w, pid);
	struct process *process = p ? processes_of_pid(w->config.processes, pid) : NULL;
	const struct memory_map *map = process ? mappings_find(process_mappings(process), start)
					       : NULL;

	if (map)
		consider(w, p, map->module);
}

static void on_new_image(struct heap_watch *w, uint32_t pid)
{
	struct process *process = processes_of_pid(w->config.processes, pid);

	if (process && !find_watched(w, pid))
		watch_if_wanted(w, process);
}

void heap_watch_handle(struct heap_watch *w, const struct record *record)
{
	struct watched *p;

	switch (record->kind) {
	case RECORD_FORK:
		on_fork(w, record->process);
		break;
	case RECORD_EXEC:
		on_new_image(w, record->process->process.pid);
		break;
	case RECORD_COMM:
		on_new_image(w, record->comm.pid);
		break;
	case RECORD_MMAP:
		on_mmap(w, record->mmap.pid, record->mmap.start);
		break;
	case RECORD_EXIT:
		p = find_watched(w, record->process->process.pid);
		if (p)
			unwatch(w, p);
		break;
	default:
		break;
	}
}

/* ---- life ----------------------------------------------------------------------------------- */

/* Our own file, beside the program or where it was installed. */
static int watch_preload(struct heap_watch *w)
{
	const char *path = w->config.preload;
	_cleanup_close_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	struct module *module;
	int r;

	if (fd < 0)
		return path && errno != ENOENT ? -errno : 0;
	module = module_new(MODULE_FILE, path, strlen(path));
	if (!module)
		return -ENOMEM;
	r = module_take_file(module, fd);
	if (!r) {
		fd = -1;
		module->state = MODULE_OPEN;
		w->preload = module_identity(module);
		w->everywhere = attach(w, module, -1);
	}
	module_unref(module);
	return r;
}

static int copy_text(const char **text, char **copy)
{
	*copy = *text ? strdup(*text) : NULL;
	if (*text && !*copy)
		return -ENOMEM;
	*text = *copy;
	return 0;
}

static int start(struct heap_watch *w)
{
	bool everywhere = !w->filter.n_pids || w->filter.children;
	int r = copy_text(&w->filter.comm, &w->comm);

	if (!r)
		r = copy_text(&w->filter.cgroup, &w->cgroup);
	if (!r)
		r = heap_probes_new(&w->probes, w->config.bpf, w->config.session);
	if (!r && everywhere)
		r = watch_preload(w);
	if (!r)
		processes_each(w->config.processes, watch_if_wanted, w);
	return r;
}

int heap_watch_start(struct heap_watch **out, const struct heap_watch_config *config)
{
	struct heap_watch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->config = *config;
	w->filter = *config->filter;
	w->starting = true;
	r = start(w);
	if (r) {
		heap_watch_stop(w);
		return r;
	}
	w->starting = false;
	w->is_ready = !w->unsettled;
	*out = w;
	return 0;
}

bool heap_watch_is_ready(const struct heap_watch *w)
{
	return w->is_ready;
}

void heap_watch_detach(struct heap_watch *w)
{
	struct watched *p, *next;

	HASH_ITER (hh, w->watched, p, next)
		unwatch(w, p);
	if (w->everywhere)
		let_go(w, w->everywhere);
	w->everywhere = NULL;
}

void heap_watch_stop(struct heap_watch *w)
{
	if (!w)
		return;
	heap_watch_detach(w);
	heap_probes_free(w->probes);
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
	return w->trouble;
}
