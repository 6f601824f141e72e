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

#include "access.h"
#include "collector/bpf_host.h"
#include "collector/heap_probes.h"
#include "collector/heap_sites.h"
#include "collector/mappings.h"
#include "collector/module.h"
#include "collector/processes.h"
#include "collector/uprobes.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/preload_path.h"

/* Of one session. */
#define MAX_PROCESSES 1024
/* As far as the bytes of samples are concerned, 80 bytes each. */
#define MAX_LIVE_SAMPLED (64u << 10)
#define MAX_LIVE_ALL	 (256u << 10)

/* A file in a process that is watched, or (pid UPROBE_EVERYWHERE) in all. */
struct attachment {
	struct heap_watch *watch;
	struct module *module; /* a reference */
	pid_t pid;
	bool asked;	    /* its sites are on their way */
	bool gone;	    /* nobody waits for them any more: on_sites() frees it */
	bool initial;	    /* the session is not ready before it is settled */
	bool announces;	    /* it has USDT probes */
	bool tried;	    /* its allocator was looked at */
	unsigned attaching; /* links */
	struct uprobe_link *links[PROBE_PROGRAMS];
	bool pending[PROBE_PROGRAMS]; /* on_attached() will be called for the link */
	struct attachment *prev, *next;
};

struct watched {
	uint32_t pid;
	bool announces; /* what it allocates, by USDT probes */
	bool looking;	/* at its mappings */
	struct attachment *attachments;
	UT_hash_handle hh;
};

struct heap_watch {
	struct heap_watch_config config;
	struct session_filter filter;
	char *comm, *cgroup; /* the filter's */
	struct heap_probes *probes;
	struct watched *watched;
	struct module *preload[PRELOADS];
	struct attachment *everywhere; /* the preload libraries, in all processes */
	uint64_t started;
	bool starting; /* records of what was before have not all been handled */
	bool is_ready;
	size_t unsettled; /* initial attachments */
	struct heap_watch_stats stats;
	char trouble[256];
};

/* Of all that there may be to say, the first is said. */
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

static void on_detached(void *userdata)
{
	heap_probes_unref(userdata);
}

static void detach(struct attachment *a, enum probe_program which)
{
	struct heap_watch *w = a->watch;

	if (!a->links[which])
		return;
	uprobes_detach(a->links[which], on_detached, w->probes);
	a->links[which] = NULL;
	a->attaching -= a->pending[which];
	a->pending[which] = false;
	w->stats.links--;
}

static void attachment_free(struct attachment *a)
{
	module_unref(a->module);
	free(a);
}

static void settle(struct heap_watch *w)
{
	if (w->unsettled || w->starting || w->is_ready)
		return;
	w->is_ready = true;
	w->config.ready(w->config.userdata);
}

/* Nothing is waited for any more, for its part. */
static void forget_initial(struct attachment *a)
{
	a->watch->unsettled -= a->initial;
	a->initial = false;
}

/* May be its end: whoever is told that all is ready can find that nobody wants it any more. */
static void settled(struct attachment *a)
{
	struct heap_watch *w = a->watch;

	forget_initial(a);
	settle(w);
}

static void let_go(struct attachment *a)
{
	for (unsigned i = 0; i < PROBE_PROGRAMS; i++)
		detach(a, (enum probe_program)i);
	forget_initial(a);
	a->gone = true;
	if (!a->asked)
		attachment_free(a);
}

static void on_attached(void *userdata, struct uprobe_link *link, int error)
{
	struct attachment *a = userdata;
	struct heap_watch *w = a->watch;

	for (unsigned i = 0; i < PROBE_PROGRAMS; i++)
		if (a->links[i] == link) {
			a->pending[i] = false;
			a->links[i] = error ? NULL : link;
		}
	if (error) {
		heap_probes_unref(w->probes);
		w->stats.links--;
		w->stats.failed++;
		/* A process that is gone needs none. */
		if (error != -ESRCH)
			trouble(w, "probes of %s cannot be attached%s: %s", a->module->path,
				error == -EACCES || error == -EPERM ? " without CAP_SYS_ADMIN" : "",
				strerror(-error));
	}
	if (!--a->attaching && (a->tried || a->pid < 0))
		settled(a);
}

static void attach_places(
	struct attachment *a, enum probe_program which, const struct uprobe_place *places, size_t n)
{
	struct heap_watch *w = a->watch;
	enum uprobe_way way = bpf_host_features(w->config.bpf)->uprobe_way;
	const struct uprobe_request request = {
		.way = way == UPROBE_SESSION && which != PROBE_ENTER ? UPROBE_MULTI : way,
		.at_return = which == PROBE_RETURN,
		.program = bpf_host_probe_program(w->config.bpf, which),
		.file = a->module->fd,
		.pid = a->pid,
		.places = places,
		.n_places = n,
	};
	int r;

	if (!n)
		return;
	r = uprobes_attach(w->config.uprobes, &request, on_attached, a, &a->links[which]);
	if (r) {
		a->links[which] = NULL;
		w->stats.failed++;
		trouble(w, "probes of %s cannot be attached: %s", a->module->path, strerror(-r));
		return;
	}
	heap_probes_ref(w->probes);
	w->stats.links++;
	a->pending[which] = true;
	a->attaching++;
}

static void attach_probes(
	struct attachment *a, const struct heap_sites *sites, enum heap_probe_kind kind)
{
	_cleanup_free_ struct uprobe_place *places = calloc(sites->n_probes + 1, sizeof(*places));
	struct heap_watch *w = a->watch;
	size_t n = 0;

	for (size_t i = 0; places && i < sites->n_probes; i++) {
		const struct heap_probe *probe = &sites->probes[i];
		int r = 0;

		if (probe->kind != kind)
			continue;
		if (!probe->flaw)
			r = heap_probes_find(w->probes, probe, &places[n].cookie);
		if (probe->flaw || r) {
			w->stats.failed++;
			trouble(w, "a probe of %s is not used: %s", a->module->path,
				r ? strerror(-r)
				  : heap_probe_explain((enum heap_probe_flaw)probe->flaw));
			continue;
		}
		places[n].offset = probe->offset;
		places[n++].counter = probe->counter;
		a->announces = true;
	}
	attach_places(a, kind == HEAP_PROBE_FREE ? PROBE_USDT_FREE : PROBE_USDT_ALLOC, places, n);
}

/* frees: those functions, or all others. */
static void attach_functions(
	struct attachment *a, const struct heap_sites *sites, enum probe_program which, bool frees)
{
	_cleanup_free_ struct uprobe_place *places = calloc(sites->n_sites + 1, sizeof(*places));
	struct heap_watch *w = a->watch;
	size_t n = 0;
	int r;

	for (size_t i = 0; places && i < sites->n_sites; i++) {
		const struct heap_site *site = &sites->sites[i];

		if ((site->function == HEAP_FREE) != frees)
			continue;
		r = heap_probes_find_function(w->probes, sites->allocator, site, &places[n].cookie);
		if (!r)
			places[n++].offset = site->probe;
		else
			trouble(w, "%s of %s cannot be watched: %s", site->name, a->module->path,
				r == -EOPNOTSUPP ? "it needs Linux 5.15" : strerror(-r));
	}
	attach_places(a, which, places, n);
}

static struct watched *find_watched(struct heap_watch *w, uint32_t pid);
static bool is_preload(const struct heap_watch *w, const struct module *module);

/* Who announces what he allocates is taken at his word; his allocator would tell the same again. */
static void on_announced(struct watched *p)
{
	struct attachment *other;

	p->announces = true;
	DL_FOREACH (p->attachments, other) {
		for (unsigned i = PROBE_FREE; i < PROBE_PROGRAMS; i++)
			detach(other, (enum probe_program)i);
		if (other->tried && !other->attaching)
			forget_initial(other);
	}
}

static void attach_allocator(struct attachment *a, const struct heap_sites *sites)
{
	struct heap_watch *w = a->watch;
	bool session = bpf_host_features(w->config.bpf)->uprobe_way == UPROBE_SESSION;
	uint64_t mean = session_sample_bytes(w->config.session);
	int r = bpf_host_open_live(w->config.bpf, session_slot(w->config.session),
		mean > 1 ? MAX_LIVE_SAMPLED : MAX_LIVE_ALL);

	if (r) {
		trouble(w, "no memory for what is in use: %s", strerror(-r));
		return;
	}
	attach_functions(a, sites, PROBE_FREE, true);
	if (!session)
		attach_functions(a, sites, PROBE_RETURN, false);
	attach_functions(a, sites, PROBE_ENTER, false);
}

/* Allocators come last: when all files of a process are known, so that none of them is probed whose
 * allocations another file announces. */
static void attach_allocators(struct heap_watch *w, struct watched *p)
{
	struct attachment *a;

	DL_FOREACH (p->attachments, a)
		if (a->asked || p->looking)
			return;
	DL_FOREACH (p->attachments, a) {
		const struct heap_sites *sites = a->tried ? NULL : heap_sites_of(a->module);

		a->tried = true;
		if (sites && sites->n_sites && !p->announces && !w->config.announced &&
			!is_preload(w, a->module))
			attach_allocator(a, sites);
		if (!a->attaching)
			forget_initial(a);
	}
}

/* The module by which the library was attached to, not by which a process has mapped it. */
static bool is_own(const struct heap_watch *w, const struct module *module)
{
	for (unsigned i = 0; i < PRELOADS; i++)
		if (w->preload[i] == module)
			return true;
	return false;
}

static void use_sites(struct attachment *a, struct watched *p, const struct heap_sites *sites)
{
	struct heap_watch *w = a->watch;
	bool preload = is_preload(w, a->module);

	/* It is open now; before, nobody could say that it is a library that is attached to
	 * already. */
	if (!preload || is_own(w, a->module)) {
		attach_probes(a, sites, HEAP_PROBE_FREE);
		attach_probes(a, sites, HEAP_PROBE_ALLOC);
	}
	if (p && (preload ? !is_own(w, a->module) : a->announces))
		on_announced(p);
}

static void on_sites(
	void *userdata, struct module *module, int error, const struct heap_sites *sites)
{
	struct attachment *a = userdata;
	struct watched *p;

	a->asked = false;
	if (a->gone) {
		attachment_free(a);
		return;
	}
	p = a->pid < 0 ? NULL : find_watched(a->watch, (uint32_t)a->pid);
	if (sites)
		use_sites(a, p, sites);
	else if (error != -ECANCELED)
		trouble(a->watch, "%s cannot be looked into for probes: %s", module->path,
			strerror(-error));
	if (p)
		attach_allocators(a->watch, p);
	else if (!a->attaching)
		forget_initial(a);
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
		a->asked = true;
		a->initial = w->starting;
		w->unsettled += a->initial;
		/* Who is known is told of before this returns. */
		r = heap_sites_ask(w->config.unwinder, module, on_sites, a);
	}
	if (!r)
		return a;
	trouble(w, "%s cannot be looked into for probes: %s", module->path, strerror(-r));
	if (a) {
		w->unsettled -= a->initial;
		attachment_free(a);
	}
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
		if (a->module == module)
			return;
	a = attach(w, module, (pid_t)p->pid);
	if (a)
		DL_APPEND(p->attachments, a);
}

static void consider(struct heap_watch *w, struct watched *p, struct module *module)
{
	if (!module || module->kind != MODULE_FILE)
		return;
	if (is_preload(w, module))
		on_announced(p);
	else
		attach_to(w, p, module);
}

/* A user's session does not touch what is not his: the programs' filter would keep it out of his
 * profile, but not spare it the traps. */
static bool is_allowed(const struct heap_watch *w, uint32_t pid)
{
	const struct peer peer = {.uid = w->filter.uid};
	char why[256];

	return !w->filter.by_uid || access_process(&peer, pid, why, sizeof(why)) == 0;
}

static struct watched *add_watched(struct heap_watch *w, uint32_t pid)
{
	struct watched *p = HASH_COUNT(w->watched) < MAX_PROCESSES ? calloc(1, sizeof(*p)) : NULL;

	if (!p) {
		trouble(w, "more than %d processes are not watched", MAX_PROCESSES);
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
	struct watched *p = find_watched(w, process_pid(process));

	if (!p && is_allowed(w, process_pid(process)))
		p = add_watched(w, process_pid(process));
	if (!p)
		return;
	p->looking = true;
	for (uint32_t i = 0; mappings && i < mappings->count; i++)
		consider(w, p, mappings->maps[i].module);
	p->looking = false;
	attach_allocators(w, p);
}

static void unwatch(struct heap_watch *w, struct watched *p)
{
	struct attachment *a, *next;

	DL_FOREACH_SAFE(p->attachments, a, next)
	{
		DL_DELETE(p->attachments, a);
		let_go(a);
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

	if (!map)
		return;
	p->looking = true;
	consider(w, p, map->module);
	p->looking = false;
	attach_allocators(w, p);
}

static void on_new_image(struct heap_watch *w, uint32_t pid)
{
	struct process *process = processes_of_pid(w->config.processes, pid);
	struct watched *p = find_watched(w, pid);

	if (p && !is_allowed(w, pid))
		unwatch(w, p);
	else if (!p && process)
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
	struct attachment *a = module ? attach(w, module, UPROBE_EVERYWHERE) : NULL;

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

static int start(struct heap_watch *w)
{
	bool everywhere = (!w->filter.n_pids || w->filter.children) && !w->filter.by_uid;
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
	for (size_t i = 0; i < w->filter.n_pids; i++)
		if (!find_watched(w, w->filter.pids[i]) && is_allowed(w, w->filter.pids[i]))
			add_watched(w, w->filter.pids[i]);
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
	w->starting = false;
	settle(w);
}

bool heap_watch_is_ready(const struct heap_watch *w)
{
	return w->is_ready;
}

void heap_watch_detach(struct heap_watch *w)
{
	struct watched *p, *next;
	struct attachment *a, *other;

	HASH_ITER (hh, w->watched, p, next)
		unwatch(w, p);
	DL_FOREACH_SAFE(w->everywhere, a, other)
	{
		DL_DELETE(w->everywhere, a);
		let_go(a);
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
	return w->trouble;
}
