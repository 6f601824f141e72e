// SPDX-License-Identifier: MIT
/* heap_attach.c - the probes of one file in one process, or (a preload library) in all. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "collector/heap.h"
#include "collector/heap_sites.h"
#include "collector/heap_watch_impl.h"
#include "collector/uprobes.h"
#include "util/cleanup.h"

/* 0: it is in all processes. */
static uint32_t owner(const struct attachment *a)
{
	return a->pid < 0 ? 0 : (uint32_t)a->pid;
}

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
	heap_watch_settle(w);
}

void heap_attach_let_go(struct attachment *a)
{
	for (unsigned i = 0; i < PROBE_PROGRAMS; i++)
		detach(a, (enum probe_program)i);
	forget_initial(a);
	a->gone = true;
	if (!a->asked)
		attachment_free(a);
}

static void do_without_rets(struct attachment *a, const struct watched *p);

static void on_attached(void *userdata, struct uprobe_link *link, int error)
{
	struct attachment *a = userdata;
	struct heap_watch *w = a->watch;
	struct watched *p = heap_watch_find(w, owner(a));
	bool lacks_rets = error && a->links[PROBE_RET] == link;

	for (unsigned i = 0; i < PROBE_PROGRAMS; i++)
		if (a->links[i] == link) {
			a->pending[i] = false;
			a->links[i] = error ? NULL : link;
		}
	if (lacks_rets && p)
		do_without_rets(a, p);
	if (error) {
		heap_probes_unref(w->probes);
		w->stats.links--;
		w->stats.failed++;
		/* A process that is gone needs none. */
		if (error != -ESRCH)
			heap_watch_note(w, owner(a), "probes of %s cannot be attached%s: %s",
				a->module->path,
				error == -EACCES || error == -EPERM ? " without CAP_SYS_ADMIN" : "",
				strerror(-error));
	}
	if (--a->attaching)
		return;
	if (p)
		heap_duty_attached(w, p);
	/* What an image has left behind has no allocator to be tried. */
	if (a->tried || a->unmapped || a->pid < 0)
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
		heap_watch_note(w, owner(a), "probes of %s cannot be attached: %s", a->module->path,
			strerror(-r));
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
			heap_watch_note(w, owner(a), "a probe of %s is not used: %s",
				a->module->path,
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

/* Which functions a program is for. rets: they have probes. */
static bool is_for(enum probe_program which, const struct heap_site *site, bool rets)
{
	if (site->function == HEAP_FREE || which == PROBE_FREE)
		return site->function == HEAP_FREE && which == PROBE_FREE;
	if (site->throws)
		return which == (site->followed && rets ? PROBE_FOLLOW : PROBE_BEGIN);
	return which == PROBE_ENTER || which == PROBE_RETURN;
}

static void attach_functions(struct attachment *a, const struct watched *p,
	const struct heap_sites *sites, enum probe_program which, bool rets)
{
	_cleanup_free_ struct uprobe_place *places = calloc(sites->n_sites + 1, sizeof(*places));
	struct heap_watch *w = a->watch;
	size_t n = 0;
	int r;

	for (size_t i = 0; places && i < sites->n_sites; i++) {
		const struct heap_site *site = &sites->sites[i];

		if (!is_for(which, site, rets))
			continue;
		r = heap_probes_find_function(w->probes, sites->allocator, site, p->duty.meter,
			p->duty.limited, &places[n].cookie);
		if (!r)
			places[n++].offset = site->probe;
		else
			heap_watch_note(w, owner(a), "%s of %s cannot be watched: %s", site->name,
				a->module->path,
				r == -EOPNOTSUPP ? "it needs Linux 5.15" : strerror(-r));
	}
	attach_places(a, which, places, n);
}

/* Where functions that may throw are waited for. False: they must not be. */
static bool attach_rets(
	struct attachment *a, const struct watched *p, const struct heap_sites *sites)
{
	_cleanup_free_ struct uprobe_place *places = calloc(sites->n_rets + 1, sizeof(*places));
	struct heap_watch *w = a->watch;
	int r = places ? 0 : -ENOMEM;

	for (size_t i = 0; !r && i < sites->n_rets; i++) {
		places[i].offset = sites->rets[i];
		r = heap_probes_find_ret(
			w->probes, &sites->rets[i], p->duty.meter, &places[i].cookie);
	}
	attach_places(a, PROBE_RET, places, r ? 0 : sites->n_rets);
	return !r && (!sites->n_rets || a->links[PROBE_RET]);
}

/* They could not be attached: what these functions allocate counts, but nobody waits for it. */
static void do_without_rets(struct attachment *a, const struct watched *p)
{
	const struct heap_sites *sites = heap_sites_of(a->module);

	detach(a, PROBE_FOLLOW);
	detach(a, PROBE_BEGIN);
	if (sites)
		attach_functions(a, p, sites, PROBE_BEGIN, false);
}

/* Those of the allocators' functions. */
static void detach_functions(struct attachment *a)
{
	for (unsigned i = PROBE_FREE; i < PROBE_PROGRAMS; i++)
		detach(a, (enum probe_program)i);
}

/* Of those that were on their way nobody hears any more. */
void heap_attach_pause(struct watched *p)
{
	struct attachment *a;

	DL_FOREACH (p->attachments, a) {
		detach_functions(a);
		if (a->tried && !a->attaching)
			forget_initial(a);
	}
}

void heap_attach_announced(struct watched *p)
{
	p->announces = true;
	heap_attach_pause(p);
}

void heap_attach_new_image(struct watched *p)
{
	struct attachment *a;

	p->announces = false;
	DL_FOREACH (p->attachments, a) {
		if (a->links[PROBE_ENTER] || a->links[PROBE_FREE])
			continue; /* the file's probes are there for every image that maps it */
		a->tried = false;
		a->unmapped = true;
	}
}

static void attach_allocator(
	struct attachment *a, struct watched *p, const struct heap_sites *sites)
{
	struct heap_watch *w = a->watch;
	bool session = bpf_host_features(w->config.bpf)->uprobe_way == UPROBE_SESSION;
	bool rets = false;
	int r = bpf_host_open_live(w->config.bpf, session_slot(w->config.session),
		heap_traced_max(session_sample_bytes(w->config.session)));

	if (r) {
		heap_watch_note(w, owner(a), "no memory for what is in use: %s", strerror(-r));
		return;
	}
	if (!p->duty.limited) {
		attach_functions(a, p, sites, PROBE_FREE, false);
		rets = attach_rets(a, p, sites);
	}
	if (!session)
		attach_functions(a, p, sites, PROBE_RETURN, rets);
	attach_functions(a, p, sites, PROBE_ENTER, rets);
	attach_functions(a, p, sites, PROBE_FOLLOW, rets);
	attach_functions(a, p, sites, PROBE_BEGIN, rets);
}

/* Whoever announces what he allocates has none that is of interest. */
static const struct heap_sites *allocator_of(const struct attachment *a, const struct watched *p)
{
	const struct heap_watch *w = a->watch;
	const struct heap_sites *sites = heap_sites_of(a->module);
	bool announced = p->announces || w->config.announced || heap_watch_is_preload(w, a->module);

	return sites && sites->n_sites && !announced ? sites : NULL;
}

void heap_attach_resume(struct watched *p)
{
	struct attachment *a;

	DL_FOREACH (p->attachments, a) {
		const struct heap_sites *sites = a->tried ? allocator_of(a, p) : NULL;

		if (sites)
			attach_allocator(a, p, sites);
	}
}

void heap_attach_allocators(struct heap_watch *w, struct watched *p)
{
	struct attachment *a;

	DL_FOREACH (p->attachments, a)
		if (a->asked || p->looking)
			return;
	DL_FOREACH (p->attachments, a) {
		const struct heap_sites *sites = a->tried || a->unmapped ? NULL
									 : allocator_of(a, p);

		a->tried = !a->unmapped;
		if (sites && heap_duty_begin(w, p) && !p->duty.pause)
			attach_allocator(a, p, sites);
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
	bool preload = heap_watch_is_preload(w, a->module);

	/* It is open now; before, nobody could say that it is a library that is attached to
	 * already. */
	if (!preload || is_own(w, a->module)) {
		attach_probes(a, sites, HEAP_PROBE_FREE);
		attach_probes(a, sites, HEAP_PROBE_ALLOC);
	}
	/* What the image before had mapped says nothing of this one. */
	if (p && !a->unmapped && (preload ? !is_own(w, a->module) : a->announces))
		heap_attach_announced(p);
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
	p = heap_watch_find(a->watch, owner(a));
	if (sites)
		use_sites(a, p, sites);
	else if (error != -ECANCELED)
		heap_watch_note(a->watch, owner(a), "%s cannot be looked into for probes: %s",
			module->path, strerror(-error));
	if (p)
		heap_attach_allocators(a->watch, p);
	else if (!a->attaching)
		forget_initial(a);
}

struct attachment *heap_attach(struct heap_watch *w, struct module *module, pid_t pid)
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
	heap_watch_note(w, pid < 0 ? 0 : (uint32_t)pid, "%s cannot be looked into for probes: %s",
		module->path, strerror(-r));
	if (a) {
		w->unsettled -= a->initial;
		attachment_free(a);
	}
	return NULL;
}

size_t heap_attach_count(const struct attachment *a)
{
	size_t n = 0;

	for (unsigned i = 0; i < PROBE_PROGRAMS; i++)
		n += a->links[i] != NULL;
	return n;
}

bool heap_attach_is_probed(const struct watched *p)
{
	const struct attachment *a;

	DL_FOREACH (p->attachments, a)
		for (unsigned i = PROBE_FREE; i < PROBE_PROGRAMS; i++)
			if (a->links[i])
				return true;
	return false;
}
