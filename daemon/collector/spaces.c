// SPDX-License-Identifier: MIT
#include "collector/spaces.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
/* Without memory an entry is not added: its hh.tbl stays NULL. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "collector/extents.h"
#include "collector/table_memory.h"
#include "collector/tables.h"
#include "util/now.h"

#define SECOND 1000000000ULL
/* Mappings of a version are remembered for samples that come late. */
#define REMEMBER_NS (4 * SECOND)
/* For how long an address without a mapping is believed to have none. */
#define CURRENT_NS (10 * SECOND)

struct array {
	struct mappings *mappings; /* a reference: so nobody changes them in place */
	uint32_t first, version;
	uint32_t pending; /* mappings whose module is not known yet */
	unsigned users;	  /* slots; 0: it is in `old` */
	uint64_t retired;
	UT_hash_handle hh;	   /* in `arrays`, by mappings */
	struct array *prev, *next; /* in `old` */
};

/* What belongs to a slot. */
struct owner {
	struct process *process; /* a reference; NULL: the slot is free */
	struct array *array;
	uint64_t current; /* when its mappings were found to be true; 0: never */
	uint64_t hidden;  /* programs do not see the slot until records of this time are handled */
};

struct spaces {
	struct table_memory *memory;
	struct tables *tables;
	struct owner owners[TABLES_SPACES];
	struct array *arrays; /* hash */
	struct array *old;    /* list, oldest first */
	struct extents room;  /* in memory->maps */
	uint32_t version;
	uint64_t now; /* of the last sync */
	struct spaces_stats stats;
};

/* ---- arrays ------------------------------------------------------------------------------- */

static uint32_t count_of(const struct array *a)
{
	return a->mappings->count;
}

static uint64_t word_of(const struct array *a)
{
	return TABLES_ARRAY(a->first, count_of(a), a->version);
}

static void describe(struct spaces *s, struct array *a, uint32_t i)
{
	struct tables_map *map = &s->memory->maps[a->first + i], told;

	tables_describe(s->tables, &a->mappings->maps[i], &told);
	map->start = told.start;
	map->pages = told.pages;
	map->directory = told.directory;
	map->offset = told.offset;
	table_publish(map->flags, told.flags);
	a->pending += told.flags == TABLES_MAP_PENDING;
}

static void free_array(struct array *a)
{
	mappings_unref(a->mappings);
	free(a);
}

static uint32_t next_version(struct spaces *s)
{
	s->version = s->version < TABLES_MAX_VERSION ? s->version + 1 : 1;
	return s->version;
}

/* The array of some mappings, made by need; NULL: no room. */
static struct array *array_of(struct spaces *s, struct mappings *mappings)
{
	struct array *a;

	HASH_FIND_PTR(s->arrays, &mappings, a);
	if (a)
		return a;
	a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	a->first = extents_take(&s->room, mappings->count);
	if (a->first == EXTENTS_NONE) {
		free(a);
		return NULL;
	}
	a->mappings = mappings_ref(mappings);
	a->version = next_version(s);
	for (uint32_t i = 0; i < mappings->count; i++)
		describe(s, a, i);
	HASH_ADD_PTR(s->arrays, mappings, a);
	if (!a->hh.tbl) {
		extents_give(&s->room, a->first, mappings->count);
		free_array(a);
		return NULL;
	}
	s->stats.arrays++;
	s->stats.maps += mappings->count;
	return a;
}

/* A slot leads to it no more. Its mappings are kept, for samples that are on their way. */
static void release(struct spaces *s, struct array *a)
{
	if (--a->users)
		return;
	HASH_DEL(s->arrays, a);
	s->stats.arrays--;
	s->stats.maps -= count_of(a);
	a->retired = now_ns();
	extents_retire(&s->room, a->first, count_of(a), a->retired);
	DL_APPEND(s->old, a);
}

static void drop_old(struct spaces *s)
{
	while (s->old && s->old->retired + REMEMBER_NS <= s->now) {
		struct array *a = s->old;

		DL_DELETE(s->old, a);
		free_array(a);
	}
}

void spaces_module_known(struct spaces *s)
{
	for (struct array *a = s->arrays; a; a = a->hh.next) {
		if (!a->pending)
			continue;
		a->pending = 0;
		for (uint32_t i = 0; i < count_of(a); i++) {
			uint32_t flags = s->memory->maps[a->first + i].flags;

			if (flags == TABLES_MAP_PENDING)
				describe(s, a, i);
		}
	}
}

/* ---- slots -------------------------------------------------------------------------------- */

static void clear_slot(struct spaces *s, uint32_t i)
{
	struct owner *o = &s->owners[i];

	table_publish(s->memory->spaces[i].pid, 0);
	release(s, o->array);
	process_unref(o->process);
	*o = (struct owner){0};
	s->stats.processes--;
}

/* The slot of a process; else one that is free, or that was not used for longest, cleared. */
static uint32_t slot_for(struct spaces *s, const struct process *process)
{
	uint32_t first = (process_pid(process) & (TABLES_SETS - 1)) * TABLES_WAYS, oldest = first;
	uint32_t free_slot = UINT32_MAX;

	for (uint32_t i = first; i < first + TABLES_WAYS; i++) {
		const struct owner *o = &s->owners[i];

		/* Another image of the same pid is the one before, or the one behind. */
		if (o->process && process_pid(o->process) == process_pid(process)) {
			if (o->process != process)
				clear_slot(s, i);
			return i;
		}
		if (!o->process)
			free_slot = i;
		else if (s->memory->spaces[i].used < s->memory->spaces[oldest].used)
			oldest = i;
	}
	if (free_slot != UINT32_MAX)
		return free_slot;
	clear_slot(s, oldest);
	return oldest;
}

static uint32_t find_slot(const struct spaces *s, const struct process *process)
{
	uint32_t first = (process_pid(process) & (TABLES_SETS - 1)) * TABLES_WAYS;

	for (uint32_t i = first; i < first + TABLES_WAYS; i++)
		if (s->owners[i].process == process)
			return i;
	return UINT32_MAX;
}

static void fill_slot(struct spaces *s, uint32_t i, struct process *process, struct array *a)
{
	const struct profd_identity *identity = process_identity(process);
	struct tables_space *space = &s->memory->spaces[i];

	space->start_boottime = identity->start_boottime;
	space->exec_id = identity->exec_id;
	space->array = word_of(a);
	space->used = (uint32_t)(s->now >> TABLES_USED_SHIFT);
	space->flags = 0;
	table_publish(space->pid, identity->pid);
	s->owners[i] = (struct owner){.process = process_ref(process), .array = a};
	s->stats.processes++;
	s->stats.published++;
}

static void change_slot(struct spaces *s, uint32_t i, struct array *a)
{
	struct owner *o = &s->owners[i];
	struct array *before = o->array;

	a->users++;
	table_publish(s->memory->spaces[i].flags, 0);
	table_publish(s->memory->spaces[i].array, word_of(a));
	o->array = a;
	o->current = 0;
	release(s, before);
}

uint64_t spaces_publish(struct spaces *s, struct process *process)
{
	struct mappings *mappings = process_mappings(process);
	struct array *a = mappings && mappings->count ? array_of(s, mappings) : NULL;
	uint32_t i;

	if (!a) {
		s->stats.refused += mappings != NULL;
		return 0;
	}
	i = find_slot(s, process);
	if (i != UINT32_MAX) {
		if (s->owners[i].array != a)
			change_slot(s, i, a);
		return word_of(a);
	}
	a->users++;
	fill_slot(s, slot_for(s, process), process, a);
	return word_of(a);
}

void spaces_set_current(struct spaces *s, const struct process *process)
{
	uint32_t i = find_slot(s, process);

	if (i == UINT32_MAX)
		return;
	s->owners[i].current = s->now;
	table_publish(s->memory->spaces[i].flags, TABLES_SPACE_CURRENT);
}

static bool covers_code(const struct mappings *m, uint64_t start, uint64_t length)
{
	for (uint32_t i = 0; i < m->count; i++) {
		const struct memory_map *map = &m->maps[i];

		if (map->start < start + length &&
			start < map->start + ((uint64_t)map->pages << MAPPINGS_PAGE_SHIFT))
			return true;
	}
	return false;
}

void spaces_hide(struct spaces *s, uint32_t pid, uint64_t start, uint64_t length, uint64_t time)
{
	uint32_t first = (pid & (TABLES_SETS - 1)) * TABLES_WAYS;

	for (uint32_t i = first; i < first + TABLES_WAYS; i++) {
		struct owner *o = &s->owners[i];

		if (!o->process || process_pid(o->process) != pid ||
			!covers_code(o->array->mappings, start, length))
			continue;
		o->hidden = time;
		table_publish(s->memory->spaces[i].pid, 0);
	}
}

static void sync_slot(struct spaces *s, uint32_t i, uint64_t horizon)
{
	struct owner *o = &s->owners[i];
	struct mappings *mappings = process_mappings(o->process);
	struct array *a;

	if (process_is_dead(o->process) || !mappings || !mappings->count) {
		clear_slot(s, i);
		return;
	}
	if (mappings != o->array->mappings) {
		a = array_of(s, mappings);
		if (!a)
			clear_slot(s, i);
		else
			change_slot(s, i, a);
	} else if (o->current && o->current + CURRENT_NS <= s->now) {
		o->current = 0;
		table_publish(s->memory->spaces[i].flags, 0);
	}
	if (o->process && o->hidden && o->hidden < horizon) {
		o->hidden = 0;
		table_publish(s->memory->spaces[i].pid, process_pid(o->process));
	}
}

void spaces_sync(struct spaces *s, uint64_t now, uint64_t horizon)
{
	s->now = now;
	for (uint32_t i = 0; i < TABLES_SPACES; i++)
		if (s->owners[i].process)
			sync_slot(s, i, horizon);
	drop_old(s);
	extents_settle(&s->room, now, TABLES_GRACE_NS);
}

const struct mappings *spaces_mappings(const struct spaces *s, uint32_t pid, uint32_t version)
{
	uint32_t first = (pid & (TABLES_SETS - 1)) * TABLES_WAYS;
	const struct array *a;

	for (uint32_t i = first; i < first + TABLES_WAYS; i++)
		if (s->owners[i].array && s->owners[i].array->version == version)
			return s->owners[i].array->mappings;
	DL_FOREACH (s->old, a) {
		if (a->version == version)
			return a->mappings;
	}
	/* The slot was changed, but others share the array. */
	for (a = s->arrays; a; a = a->hh.next)
		if (a->version == version)
			return a->mappings;
	return NULL;
}

/* ------------------------------------------------------------------------------------------- */

int spaces_new(struct spaces **out, struct table_memory *memory, struct tables *tables)
{
	struct spaces *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->memory = memory;
	s->tables = tables;
	s->now = now_ns();
	extents_give(&s->room, 0, TABLES_MAPS);
	*out = s;
	return 0;
}

void spaces_free(struct spaces *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < TABLES_SPACES; i++)
		if (s->owners[i].process)
			clear_slot(s, i);
	while (s->old) {
		struct array *a = s->old;

		DL_DELETE(s->old, a);
		free_array(a);
	}
	extents_free(&s->room);
	free(s);
}

struct spaces_stats spaces_stats(const struct spaces *s)
{
	return s->stats;
}
