// SPDX-License-Identifier: MIT
#include "collector/heap_sites.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "collector/modules.h"
#include "collector/unwinder.h"

struct waiter {
	struct waiter *next;
	heap_sites_done done;
	void *userdata;
};

struct module_sites {
	bool known;
	int error; /* if they are known to be unknowable */
	struct heap_sites sites;
	struct waiter *waiters; /* in their order; the helper is asked as long as there are any */
};

static struct module *canonical(const struct module *m)
{
	return m->same ? m->same : (struct module *)m;
}

static void free_sites(void *p)
{
	struct module_sites *s = p;

	free((void *)s->sites.sites);
	free((void *)s->sites.probes);
	free((void *)s->sites.rets);
	free(s);
}

/* NULL without memory. */
static struct module_sites *sites_of(struct module *m)
{
	if (!m->sites) {
		m->sites = calloc(1, sizeof(struct module_sites));
		m->sites_free = free_sites;
	}
	return m->sites;
}

/* ---- answers -------------------------------------------------------------------------------- */

static void *copy(const void *from, size_t size)
{
	void *to = malloc(size ? size : 1);

	return to && size ? memcpy(to, from, size) : to;
}

static int keep(struct module_sites *s, const struct heap_sites *sites)
{
	struct heap_site *functions = copy(sites->sites, sites->n_sites * sizeof(*functions));
	struct heap_probe *probes = copy(sites->probes, sites->n_probes * sizeof(*probes));
	uint64_t *rets = copy(sites->rets, sites->n_rets * sizeof(*rets));

	if (!functions || !probes || !rets) {
		free(functions);
		free(probes);
		free(rets);
		return -ENOMEM;
	}
	s->sites = *sites;
	s->sites.sites = functions;
	s->sites.probes = probes;
	s->sites.rets = rets;
	s->known = true;
	return 0;
}

/* Asking again would bring no other answer. */
static bool is_final(int error)
{
	return error == -ENOEXEC || error == -ENOTSUP || error == -EIO;
}

/* Another module of the same file may have been asked about meanwhile. */
static int take(struct module_sites *s, int error, const struct heap_sites *sites)
{
	if (s->known)
		return s->error;
	if (!error)
		return keep(s, sites);
	s->known = is_final(error);
	s->error = s->known ? error : 0;
	return error;
}

static void on_found(
	void *userdata, struct module *module, int error, const struct heap_sites *sites)
{
	struct module_sites *asked = userdata, *s = sites_of(canonical(module));
	struct waiter *waiters = asked->waiters, *w, *next;

	error = s ? take(s, error, sites) : -ENOMEM;
	asked->waiters = NULL;
	LL_FOREACH_SAFE(waiters, w, next)
	{
		w->done(w->userdata, module, error, error ? NULL : &s->sites);
		free(w);
	}
}

/* ---- the outside ---------------------------------------------------------------------------- */

static int wait_for(struct unwinder *u, struct module *module, struct module_sites *s,
	heap_sites_done done, void *userdata)
{
	struct waiter *w = malloc(sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	*w = (struct waiter){.done = done, .userdata = userdata};
	if (!s->waiters) {
		r = unwinder_find_sites(u, module, on_found, s);
		if (r) {
			free(w);
			return r;
		}
	}
	LL_APPEND(s->waiters, w);
	return 0;
}

int heap_sites_ask(struct unwinder *u, struct module *module, heap_sites_done done, void *userdata)
{
	const struct module_sites *known = canonical(module)->sites;
	struct module_sites *s;

	if (known && known->known) {
		done(userdata, module, known->error, known->error ? NULL : &known->sites);
		return 0;
	}
	s = sites_of(module);
	return s ? wait_for(u, module, s, done, userdata) : -ENOMEM;
}

const struct heap_sites *heap_sites_of(const struct module *module)
{
	const struct module_sites *s = canonical(module)->sites;

	return s && s->known && !s->error ? &s->sites : NULL;
}

/* ---- words ---------------------------------------------------------------------------------- */

const char *heap_allocator_name(enum heap_allocator allocator)
{
	static const char *const names[HEAP_ALLOCATORS] = {
		"unknown", "glibc", "musl", "jemalloc", "tcmalloc", "mimalloc"};

	return names[allocator];
}

const char *heap_probe_explain(enum heap_probe_flaw flaw)
{
	static const char *const words[HEAP_PROBE_FLAWS] = {
		[HEAP_PROBE_GOOD] = "",
		[HEAP_PROBE_PLACE] = "it is not in the file's code",
		[HEAP_PROBE_COUNTER] = "its semaphore is not in the file's data",
		[HEAP_PROBE_FEW] = "it has too few arguments",
		[HEAP_PROBE_ARGUMENTS] = "one of its arguments cannot be understood",
	};

	return words[flaw];
}
