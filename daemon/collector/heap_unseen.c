// SPDX-License-Identifier: MIT
/* heap_unseen.c - of which processes that a heap session watches nothing is seen, and why. */
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "collector/heap_sites.h"
#include "collector/heap_watch_impl.h"
#include "collector/mappings.h"
#include "collector/module.h"
#include "collector/processes.h"
#include "util/log.h"

#define SETTLED_TICKS 3
/* So long a program has loaded its libraries. */
#define LOADED_NS 50000000ULL

/* What the files tell that a process has mapped. */
struct sight {
	bool seen;
	bool unknown;	 /* one of them could not be looked into */
	bool no_symbols; /* one has none */
	bool allocator;	 /* one has functions that could be probed */
	bool java;	 /* one is Java's virtual machine */
	size_t files;
};

static bool has_mapped(struct process *process, const struct module *module)
{
	const struct mappings *mappings = process_mappings(process);

	for (uint32_t i = 0; mappings && i < mappings->count; i++)
		if (mappings->maps[i].module == module)
			return true;
	return false;
}

static bool is_java(const struct module *module)
{
	const char *slash = module->path ? strrchr(module->path, '/') : NULL;

	return slash && !strcmp(slash, "/libjvm.so");
}

/* What a process had mapped before its exec does not count, nor what it may load. */
static struct sight look_at(const struct watched *p, struct process *process)
{
	struct sight sight = {.seen = p->announces || p->duty.limited || p->duty.shut_out};
	const struct attachment *a;

	DL_FOREACH (p->attachments, a) {
		const struct heap_sites *sites = heap_sites_of(a->module);

		if (!has_mapped(process, a->module))
			continue;
		sight.files++;
		sight.unknown |= !sites;
		sight.no_symbols |= sites && sites->no_symbols;
		sight.allocator |= sites && sites->n_sites;
		sight.java |= is_java(a->module);
		sight.seen |= heap_attach_count(a) > 0;
	}
	return sight;
}

static bool is_settled(const struct watched *p)
{
	const struct attachment *a;

	DL_FOREACH (p->attachments, a)
		if (a->asked || a->attaching)
			return false;
	return true;
}

/* Says of which process it is, and why; nothing if it is seen. */
static void explain(struct heap_watch *w, const struct sight *sight, const struct watched *p,
	struct process *process, char text[UNSEEN_TEXT])
{
	char who[48];

	snprintf(who, sizeof(who), "process %u (%s)", p->pid, process_comm(process, p->pid));
	if (sight->java && !w->config.list)
		snprintf(text, UNSEEN_TEXT,
			"the objects of %s are not seen, but only what native code in it "
			"allocates: Java has heap profiles of its own",
			who);
	else if (sight->seen)
		return;
	else if (sight->allocator && w->config.announced)
		snprintf(text, UNSEEN_TEXT,
			"what %s allocates is not seen: it has not loaded libprofd-heap.so; record "
			"it on its own, or by --pid",
			who);
	else if (sight->allocator)
		snprintf(text, UNSEEN_TEXT,
			"%s ended before probes on its allocator were attached: link it "
			"dynamically, so that it loads libprofd-heap.so",
			who);
	else if (sight->no_symbols)
		snprintf(text, UNSEEN_TEXT,
			"the allocator of %s cannot be seen: it is in a file without symbols; keep "
			"them, or link it dynamically (Go has heap profiles of its own)",
			who);
	else
		snprintf(text, UNSEEN_TEXT,
			"no allocator that is known was found in %s: Go, Java and others have heap "
			"profiles of their own",
			who);
}

/* At the start, where all load the preload library, nobody can tell yet. */
void heap_unseen_at_start(struct heap_watch *w)
{
	struct watched *p, *next;

	HASH_ITER (hh, w->watched, p, next) {
		struct process *process = processes_of_pid(w->config.processes, p->pid);
		struct sight sight;

		if (!process || w->config.announced || *w->trouble || *w->unseen)
			continue;
		sight = look_at(p, process);
		explain(w, &sight, p, process, w->unseen);
	}
}

/* A process that has just begun, or has another image, may not have mapped its allocator yet. */
void heap_unseen_now(struct heap_watch *w)
{
	char text[UNSEEN_TEXT] = "";
	struct watched *p, *next;

	HASH_ITER (hh, w->watched, p, next) {
		struct process *process = processes_of_pid(w->config.processes, p->pid);
		struct sight sight;

		if (p->ticks < SETTLED_TICKS) {
			p->ticks++;
		} else if (process && !*text && is_settled(p)) {
			sight = look_at(p, process);
			explain(w, &sight, p, process, text);
		}
	}
	if (*text && strcmp(text, w->unseen) != 0)
		log_warning("%s", text);
	memcpy(w->unseen, text, sizeof(text));
}

/* Only what is known for sure: a process can be too short for its files to be looked into, and with
 * the library to come it is not seen before its exec. */
void heap_unseen_at_exit(struct heap_watch *w, const struct watched *p, struct process *process)
{
	struct sight sight;

	if (!process || w->config.list || *w->trouble || *w->unseen || !is_settled(p) ||
		(w->config.announced && !p->begun))
		return;
	sight = look_at(p, process);
	if (sight.files && !sight.unknown)
		explain(w, &sight, p, process, w->unseen);
}

/* What they have mapped may not have been told of yet, or not be mapped. */
void heap_unseen_at_end(struct heap_watch *w)
{
	struct watched *p, *next;

	HASH_ITER (hh, w->watched, p, next)
		if (!p->begun || p->begun + LOADED_NS < w->horizon)
			heap_unseen_at_exit(w, p, processes_of_pid(w->config.processes, p->pid));
}
