/* SPDX-License-Identifier: MIT */
/* What status tells of a heap watch: which processes there are, what they cost, and where probes
 * sit. */
#include <math.h>
#include <string.h>
#include <utlist.h>

#include "collector/heap_places.h"
#include "collector/heap_sites.h"
#include "collector/heap_watch_impl.h"
#include "collector/module.h"
#include "collector/processes.h"

/* More of them would make the answer too long, whatever those who are watched call their files. */
#define MAX_SHOWN  32
#define MAX_PLACES 256	/* of all files together */
#define MAX_PATHS  8192 /* bytes, likewise */

/* What there is still room for. */
struct room {
	size_t files, places, paths;
};

/* What is known of a place. */
struct place {
	const void *site; /* heap_places.h */
	const char *name;
	uint64_t offset;
	const uint64_t *from_entry; /* NULL: of several functions */
	bool steps;
	unsigned costs; /* as so many hits */
};

static void add_hits(cJSON *one, const struct heap_watch *w, const struct place *p)
{
	struct heap_hits hits;

	if (!heap_places_hits(heap_probes_places(w->probes), p->site, p->offset, &hits))
		return;
	cJSON_AddNumberToObject(one, "hits", (double)hits.all);
	/* CPUs, lately; rounded, for it to be short. */
	cJSON_AddNumberToObject(
		one, "cost", round(hits.per_sec * p->costs * heap_duty_call_ns(w)) / 1e9);
}

static void add_place(
	cJSON *list, struct room *room, const struct heap_watch *w, const struct place *p)
{
	cJSON *one;

	if (!room->places)
		return;
	room->places--;
	one = cJSON_CreateObject();
	cJSON_AddStringToObject(one, "name", p->name);
	cJSON_AddNumberToObject(one, "offset", (double)p->offset);
	if (p->from_entry)
		cJSON_AddNumberToObject(one, "from_entry", (double)*p->from_entry);
	cJSON_AddBoolToObject(one, "single_stepped", p->steps);
	add_hits(one, w, p);
	cJSON_AddItemToArray(list, one);
}

static void add_file(cJSON *files, const struct attachment *a, struct room *room)
{
	const struct heap_sites *sites = heap_sites_of(a->module);
	bool functions = a->links[PROBE_ENTER] || a->links[PROBE_FREE];
	cJSON *one = cJSON_CreateObject(), *places;
	const uint64_t at_itself = 0;
	unsigned ret_hits = bpf_host_features(a->watch->config.bpf)->ret_hits;

	cJSON_AddStringToObject(one, "path", a->module->path);
	cJSON_AddStringToObject(one, "allocator",
		functions && sites ? heap_allocator_name(sites->allocator) : "announces");
	places = cJSON_AddArrayToObject(one, "probes");
	for (size_t i = 0; functions && sites && i < sites->n_sites; i++) {
		const struct heap_site *s = &sites->sites[i];
		uint64_t from_entry = s->probe - s->entry;

		add_place(places, room, a->watch,
			&(struct place){s, s->name, s->probe, &from_entry, !s->emulated,
				s->emulated ? 1 : ret_hits});
	}
	for (size_t i = 0; a->links[PROBE_RET] && sites && i < sites->n_rets; i++)
		add_place(places, room, a->watch,
			&(struct place){
				&sites->rets[i], "ret", sites->rets[i], NULL, true, ret_hits});
	for (size_t i = 0; a->announces && sites && i < sites->n_probes; i++) {
		const struct heap_probe *p = &sites->probes[i];

		/* A USDT probe is a nop. */
		if (!p->flaw)
			add_place(places, room, a->watch,
				&(struct place){p, p->kind == HEAP_PROBE_FREE ? "free" : "alloc",
					p->offset, &at_itself, false, 1});
	}
	cJSON_AddItemToArray(files, one);
}

static bool has_file(const cJSON *files, const char *path)
{
	const cJSON *one;

	cJSON_ArrayForEach (one, files)
		if (!strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(one, "path")), path))
			return true;
	return false;
}

static void add_files(cJSON *files, const struct attachment *list, struct room *room)
{
	const struct attachment *a;

	DL_FOREACH (list, a) {
		size_t length = strlen(a->module->path);

		if (!heap_attach_count(a) || !room->files || length > room->paths ||
			has_file(files, a->module->path))
			continue;
		room->files--;
		room->paths -= length;
		add_file(files, a, room);
	}
}

static void add_process(cJSON *list, const struct heap_watch *w, const struct watched *p)
{
	struct process *process = processes_of_pid(w->config.processes, p->pid);
	cJSON *one = cJSON_CreateObject();

	cJSON_AddNumberToObject(one, "pid", p->pid);
	cJSON_AddStringToObject(one, "comm", process ? process_comm(process, p->pid) : "");
	cJSON_AddStringToObject(one, "by",
		p->announces				      ? "announcements"
		: p->duty.limited || heap_attach_is_probed(p) ? "uprobes"
							      : "nothing");
	/* CPUs, while it is watched. */
	cJSON_AddNumberToObject(one, "cost", p->duty.load);
	cJSON_AddBoolToObject(one, "limited", p->duty.limited);
	cJSON_AddItemToArray(list, one);
}

void heap_watch_describe(const struct heap_watch *w, cJSON *object)
{
	cJSON *processes = cJSON_AddArrayToObject(object, "watched");
	cJSON *files = cJSON_AddArrayToObject(object, "files");
	struct room room = {MAX_SHOWN, MAX_PLACES, MAX_PATHS};
	struct watched *p, *next;

	HASH_ITER (hh, w->watched, p, next) {
		if (cJSON_GetArraySize(processes) < MAX_SHOWN)
			add_process(processes, w, p);
		add_files(files, p->attachments, &room);
	}
	add_files(files, w->everywhere, &room);
}
