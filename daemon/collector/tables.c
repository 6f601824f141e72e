// SPDX-License-Identifier: MIT
#include "collector/tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "collector/extents.h"
#include "collector/modules.h"
#include "collector/table_memory.h"
#include "collector/unwinder.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/now.h"

/* Room is handed out in cache lines. */
#define UNIT_WORDS  16
#define CHUNK_UNITS (TABLES_CHUNK_WORDS / UNIT_WORDS)
/* When less than a part of the budget is free, the oldest pages go until twice as much is: so that
 * there is room when it is needed, after the grace. */
#define RESERVE 16
/* Pages that are never evicted: used in that many of the last steps of tables_entry.used. */
#define HOT_STEPS 3
#define HOMELESS  32
/* Pages of a module that is loaded as a whole: 8 MiB of code. */
#define WARM_PAGES 128
/* What could not be compiled for want of a helper is asked for again after so many steps. */
#define RETRY_STEPS 10
/* And what found no room in the directory after so many. */
#define RETRY_FULL_STEPS 60
/* Pages of the directory that files of one user other than root may have, and those of all of them:
 * a file of some bytes can have 4 GiB of code, in holes. */
#define MAX_OF_USER  (TABLES_DIRECTORY / 4)
#define MAX_OF_USERS (TABLES_DIRECTORY / 2)

enum state { STATE_ASKED, STATE_READY, STATE_NONE };

struct module_tables {
	struct tables *owner; /* NULL: it is gone */
	struct module_tables *prev, *next;
	enum state state;
	uint32_t retry; /* STATE_NONE: it may be asked about again from that step on; 0: never */
	uint64_t low;
	uint32_t n_pages, n_segments;
	uint32_t directory;
	uid_t file_owner;   /* while it is there */
	uint32_t warm_page; /* the next one to load, while it is warmed */
	bool warm;
	struct unwinder_segment segments[UNWINDER_MAX_SEGMENTS];
};

/* What belongs to an entry of the directory. */
struct page {
	struct module *module; /* NULL: nobody's. Not a reference: it outlives its pages. */
	uint32_t retry;	       /* it is not asked for before that step */
	uint16_t units;	       /* of its block; 0: not loaded */
	bool asked;
};

/* A block that found no room: a stack can be finished with it all the same. */
struct homeless {
	uint32_t entry;
	uint32_t *words;
};

struct tables {
	struct table_memory *memory;
	struct unwinder *unwinder;
	tables_changed changed;
	void *userdata;
	unsigned max_chunks;
	bool full;	    /* there can be no more chunks, for now */
	struct page *pages; /* TABLES_DIRECTORY; memory comes with use */
	struct extents directory, blocks;
	struct module_tables *modules;
	unsigned n_warm; /* modules that are being warmed */
	struct homeless homeless[HOMELESS];
	size_t next_homeless;
	struct tables_stats stats;
};

/* In the unit of tables_entry.used. */
static uint32_t step_now(void)
{
	return (uint32_t)(now_ns() >> TABLES_USED_SHIFT);
}

/* Whether asking again would bring another answer. */
static bool may_work_later(int error)
{
	switch (error) {
	case -ENOEXEC:
	case -ENOTSUP:
	case -EIO:
	case -EINVAL:
		return false;
	default:
		return true;
	}
}

static struct module *canonical(struct module *m)
{
	return m->same ? m->same : m;
}

/* ---- pages -------------------------------------------------------------------------------- */

static void unload(struct tables *t, uint32_t entry, uint64_t now)
{
	struct tables_entry *e = &t->memory->directory[entry];
	struct page *page = &t->pages[entry];
	uint32_t block = e->block;

	table_publish(e->block, TABLES_NOT_LOADED);
	if (!page->units)
		return;
	extents_retire(&t->blocks, block / UNIT_WORDS, page->units, now);
	t->stats.used -= (uint64_t)page->units * UNIT_WORDS * sizeof(uint32_t);
	t->stats.pages--;
	page->units = 0;
}

struct candidate {
	uint32_t entry, used;
};

static int by_age(const void *a, const void *b)
{
	uint32_t x = ((const struct candidate *)a)->used, y = ((const struct candidate *)b)->used;

	return x < y ? -1 : x > y;
}

/* Takes the oldest pages out of use until `units` are on their way to be free. */
static void evict(struct tables *t, uint64_t units)
{
	uint64_t now = now_ns(), found = 0;
	uint32_t step = step_now();
	_cleanup_free_ struct candidate *candidates = calloc(
		t->stats.pages + 1, sizeof(*candidates));
	size_t n = 0;

	if (!candidates)
		return;
	for (uint32_t i = 0; i < TABLES_DIRECTORY && n < t->stats.pages; i++) {
		uint32_t used = t->memory->directory[i].used;

		/* Programs may be a step ahead. */
		if (t->pages[i].units && (int32_t)(step - used) > HOT_STEPS)
			candidates[n++] = (struct candidate){i, used};
	}
	qsort(candidates, n, sizeof(*candidates), by_age);
	for (size_t i = 0; i < n && found < units; i++) {
		found += t->pages[candidates[i].entry].units;
		unload(t, candidates[i].entry, now);
		t->stats.evictions++;
	}
}

static uint64_t retired_units(const struct tables *t)
{
	uint64_t units = 0;

	for (size_t i = 0; i < t->blocks.n_retired; i++)
		units += t->blocks.retired[i].extent.length;
	return units;
}

static void keep_reserve(struct tables *t)
{
	uint64_t reserve = (uint64_t)t->memory->n_chunks * CHUNK_UNITS / RESERVE;
	uint64_t coming;

	if (!t->full || t->blocks.free >= reserve)
		return;
	coming = t->blocks.free + retired_units(t);
	if (coming < 2 * reserve)
		evict(t, 2 * reserve - coming);
}

/* Adds a chunk. Its first unit is never handed out, so that no piece goes over the border of two.
 */
static bool add_chunk(struct tables *t)
{
	static struct log_limit limit = {.seconds = 600};
	uint32_t chunk = t->memory->n_chunks;
	int r = chunk < t->max_chunks ? t->memory->grow(t->memory) : -ENOSPC;

	if (r && r != -ENOSPC && log_allowed(&limit))
		log_warning("no more memory for unwind tables: %s", strerror(-r));
	t->full = r || chunk + 1 == t->max_chunks;
	if (r)
		return false;
	extents_give(&t->blocks, chunk * CHUNK_UNITS + 1, CHUNK_UNITS - 1);
	t->stats.bytes += TABLES_CHUNK_BYTES;
	return true;
}

static bool place(struct tables *t, uint32_t entry, const uint32_t *words, size_t n)
{
	struct tables_entry *e = &t->memory->directory[entry];
	uint32_t units = (uint32_t)((n + UNIT_WORDS - 1) / UNIT_WORDS), unit, block;

	unit = extents_take(&t->blocks, units);
	if (unit == EXTENTS_NONE && add_chunk(t))
		unit = extents_take(&t->blocks, units);
	keep_reserve(t);
	if (unit == EXTENTS_NONE) {
		t->stats.refused++;
		return false;
	}
	block = unit * UNIT_WORDS;
	memcpy(&t->memory->chunks[block >> TABLES_CHUNK_SHIFT][block & (TABLES_CHUNK_WORDS - 1)],
		words, n * sizeof(*words));
	e->used = step_now();
	table_publish(e->block, block);
	t->pages[entry].units = (uint16_t)units;
	t->stats.used += (uint64_t)units * UNIT_WORDS * sizeof(*words);
	t->stats.pages++;
	t->stats.loads++;
	return true;
}

static void shelter(struct tables *t, uint32_t entry, const uint32_t *words, size_t n)
{
	struct homeless *h = &t->homeless[t->next_homeless++ % HOMELESS];

	free(h->words);
	h->entry = entry;
	h->words = malloc(n * sizeof(*words));
	if (h->words)
		memcpy(h->words, words, n * sizeof(*words));
}

const uint32_t *tables_homeless(const struct tables *t, uint32_t entry)
{
	for (size_t i = 0; i < HOMELESS; i++)
		if (t->homeless[i].words && t->homeless[i].entry == entry)
			return t->homeless[i].words;
	return NULL;
}

/* Entries [first, first + n) are somebody else's from now on. */
static void forget_homeless(struct tables *t, uint32_t first, uint32_t n)
{
	for (size_t i = 0; i < HOMELESS; i++) {
		if (t->homeless[i].entry - first >= n)
			continue;
		free(t->homeless[i].words);
		t->homeless[i].words = NULL;
	}
}

/* One row for the whole page, which says that there is nothing. */
static bool is_none(const uint32_t *words)
{
	const struct unwind_page *page = (const struct unwind_page *)words;

	return page->first[UNWIND_CELLS] == 0 &&
	       page->rows[0].rule == (UNWIND_ESCAPE | UNWIND_NONE);
}

static void warm_next(struct tables *t);

static void on_compiled(void *userdata, struct module *module, uint32_t number, int error,
	const uint32_t *words, size_t n_words)
{
	struct tables *t = userdata;
	struct module_tables *m = module->tables;
	uint32_t entry;

	if (error == -ECANCELED || !m || m->state != STATE_READY || number >= m->n_pages)
		return;
	entry = m->directory + number;
	t->pages[entry].asked = false;
	t->stats.failures += error != 0;
	/* What cannot be compiled is not tried again and again: it is walked by frame pointer. */
	if (error && may_work_later(error))
		t->pages[entry].retry = step_now() + RETRY_STEPS;
	else if (error || is_none(words))
		table_publish(t->memory->directory[entry].block, TABLES_NO_CFI);
	else if (!place(t, entry, words, n_words))
		shelter(t, entry, words, n_words);
	t->changed(t->userdata, NULL, entry);
	warm_next(t);
}

bool tables_want_page(struct tables *t, uint32_t entry)
{
	struct page *page = entry < TABLES_DIRECTORY ? &t->pages[entry] : NULL;
	const struct module_tables *m;

	if (!page || !page->module || t->memory->directory[entry].block != TABLES_NOT_LOADED)
		return false;
	if (page->asked)
		return true;
	if (page->retry && step_now() < page->retry)
		return false;
	m = page->module->tables;
	if (unwinder_compile(t->unwinder, page->module, entry - m->directory, on_compiled, t))
		page->retry = step_now() + RETRY_STEPS;
	else
		page->asked = true;
	return page->asked;
}

/* ---- modules ------------------------------------------------------------------------------ */

/* The module is freed: nothing leads to its pages any more. */
static void forget_module(void *data)
{
	struct module_tables *m = data;
	struct tables *t = m->owner;

	if (t) {
		uint64_t now = now_ns();

		for (uint32_t i = 0; m->state == STATE_READY && i < m->n_pages; i++) {
			unload(t, m->directory + i, now);
			t->pages[m->directory + i] = (struct page){0};
		}
		if (m->state == STATE_READY) {
			forget_homeless(t, m->directory, m->n_pages);
			extents_retire(&t->directory, m->directory, m->n_pages, now);
			t->stats.modules--;
		}
		t->n_warm -= m->warm;
		DL_DELETE(t->modules, m);
	}
	free(m);
}

/* Whether the files of users, and of this one, have no more than their part of the directory. */
static bool is_in_share(const struct tables *t, const struct module *module, uint32_t n_pages)
{
	uint64_t own = n_pages, all = n_pages;
	const struct module_tables *m;

	if (!module->owner)
		return true;
	DL_FOREACH (t->modules, m) {
		if (m->state != STATE_READY || !m->file_owner)
			continue;
		all += m->n_pages;
		own += m->file_owner == module->owner ? m->n_pages : 0;
	}
	return own <= MAX_OF_USER && all <= MAX_OF_USERS;
}

static bool take_directory(
	struct tables *t, struct module *module, const struct unwinder_code *code)
{
	static struct log_limit limit = {.seconds = 600};
	struct module_tables *m = module->tables;
	uint32_t block = code->has_rules ? TABLES_NOT_LOADED : TABLES_NO_CFI;

	m->directory = is_in_share(t, module, code->n_pages)
			       ? extents_take(&t->directory, code->n_pages)
			       : EXTENTS_NONE;
	if (m->directory == EXTENTS_NONE) {
		if (log_allowed(&limit))
			log_warning("%s: no unwind tables: %llu MiB of code are more than there is "
				    "room for, beside that of other programs",
				module->path,
				(unsigned long long)code->n_pages * UNWIND_PAGE_SIZE >> 20);
		return false;
	}
	for (uint32_t i = 0; i < code->n_pages; i++) {
		t->pages[m->directory + i] = (struct page){.module = module};
		table_publish(t->memory->directory[m->directory + i].block, block);
	}
	return true;
}

static void on_opened(
	void *userdata, struct module *module, int error, const struct unwinder_code *code)
{
	struct tables *t = userdata;
	struct module_tables *m = module->tables;

	if (error == -ECANCELED || !m)
		return;
	m->state = STATE_NONE;
	if (!error && take_directory(t, module, code)) {
		m->low = code->low;
		m->n_pages = code->n_pages;
		m->n_segments = code->n_segments;
		memcpy(m->segments, code->segments, sizeof(m->segments));
		m->state = STATE_READY;
		t->stats.modules++;
		m->file_owner = module->owner;
	} else {
		m->retry = !error		   ? step_now() + RETRY_FULL_STEPS
			   : may_work_later(error) ? step_now() + RETRY_STEPS
						   : 0;
		t->stats.failures++;
	}
	t->changed(t->userdata, module, 0);
	warm_next(t);
}

/* Only code that comes from a file has CFI. */
static bool may_have_tables(const struct module *m)
{
	return m->kind == MODULE_VDSO ||
	       (m->kind == MODULE_FILE && m->state != MODULE_FAILED && !module_is_jit(m));
}

/* Is it time to ask about it, for the first time or again? */
static bool may_ask(const struct module *module)
{
	const struct module_tables *m = module->tables;

	return may_have_tables(module) &&
	       (!m || (m->state == STATE_NONE && m->retry && step_now() >= m->retry));
}

static struct module_tables *add_module(struct tables *t, struct module *module)
{
	struct module_tables *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->owner = t;
	m->state = STATE_NONE;
	module->tables = m;
	module->tables_free = forget_module;
	DL_APPEND(t->modules, m);
	return m;
}

bool tables_want_module(struct tables *t, struct module *module)
{
	struct module *file = canonical(module);
	struct module_tables *m = file->tables;

	if (!may_ask(file))
		return m && m->state == STATE_ASKED;
	if (!m)
		m = add_module(t, file);
	if (!m)
		return false;
	if (unwinder_open(t->unwinder, file, on_opened, t))
		m->retry = step_now() + RETRY_STEPS;
	else
		m->state = STATE_ASKED;
	return m->state == STATE_ASKED;
}

/* ---- warming ------------------------------------------------------------------------------ */

static bool may_warm(const struct tables *t, const struct module_tables *m)
{
	return m->state == STATE_ASKED ||
	       (m->state == STATE_READY && m->warm_page < m->n_pages && m->n_pages <= WARM_PAGES &&
		       t->stats.used <= t->stats.budget / 2);
}

static void set_warm(struct tables *t, struct module_tables *m, bool warm)
{
	t->n_warm += warm;
	t->n_warm -= m->warm;
	m->warm = warm;
}

/* Asks for the next page of a module that can have one; its answer leads here again. False: for
 * none, it is done. */
static bool warm_page(struct tables *t, struct module_tables *m)
{
	bool asked = false;

	while (!asked && m->state == STATE_READY && may_warm(t, m))
		asked = tables_want_page(t, m->directory + m->warm_page++);
	set_warm(t, m, asked || m->state == STATE_ASKED);
	return asked;
}

static void warm_next(struct tables *t)
{
	struct module_tables *m;

	if (!t->n_warm || unwinder_is_busy(t->unwinder))
		return;
	DL_FOREACH (t->modules, m)
		if (m->warm && warm_page(t, m))
			break;
}

bool tables_warm(struct tables *t, struct module *module)
{
	struct module *file = canonical(module);
	struct module_tables *m;

	tables_want_module(t, file);
	m = file->tables;
	if (m && may_warm(t, m))
		set_warm(t, m, true);
	warm_next(t);
	return m && m->warm;
}

/* ---- mappings ----------------------------------------------------------------------------- */

/* The virtual address where a mapping of a file begins. Pages of two segments can be one in the
 * file, so the segment that fills most of the mapping is the one that was mapped. */
static bool virtual_start(
	const struct module_tables *m, const struct memory_map *map, uint64_t *address)
{
	uint64_t from = (uint64_t)map->file_page << MAPPINGS_PAGE_SHIFT;
	uint64_t to = from + ((uint64_t)map->pages << MAPPINGS_PAGE_SHIFT), best = 0;

	for (uint32_t i = 0; i < m->n_segments; i++) {
		const struct unwinder_segment *s = &m->segments[i];
		uint64_t low = s->offset > from ? s->offset : from;
		uint64_t end = s->offset + s->size;
		uint64_t high = end < to ? end : to;

		if (high <= low || high - low <= best)
			continue;
		best = high - low;
		*address = from - s->offset + s->vaddr;
	}
	return best;
}

/* The part of a mapping that lies in the module's pages: what is before and behind is no code, and
 * would lead to entries of other modules. */
static void describe_code(
	const struct module_tables *m, const struct memory_map *map, struct tables_map *out)
{
	uint64_t end = m->low + ((uint64_t)m->n_pages << UNWIND_PAGE_SHIFT);
	uint64_t from, to, address;

	if (!virtual_start(m, map, &address))
		return;
	from = address > m->low ? address : m->low;
	to = address + ((uint64_t)map->pages << MAPPINGS_PAGE_SHIFT);
	if (to > end)
		to = end;
	if (from >= to)
		return;
	out->start = map->start + (from - address);
	out->pages = (uint32_t)((to - from) >> MAPPINGS_PAGE_SHIFT);
	out->offset = (uint32_t)(from - m->low);
	out->directory = m->directory;
	out->flags = TABLES_MAP_TABLE;
}

void tables_describe(struct tables *t, const struct memory_map *map, struct tables_map *out)
{
	struct module *module = canonical(map->module);
	const struct module_tables *m = module->tables;

	*out = (struct tables_map){.start = map->start, .pages = map->pages};
	if ((m && m->state == STATE_ASKED) || may_ask(module))
		out->flags = TABLES_MAP_PENDING;
	else if (m && m->state == STATE_READY)
		describe_code(m, map, out);
}

/* ------------------------------------------------------------------------------------------- */

int tables_new(struct tables **out, struct table_memory *memory, struct unwinder *unwinder,
	uint64_t budget, tables_changed changed, void *userdata)
{
	struct tables *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->pages = calloc(TABLES_DIRECTORY, sizeof(*t->pages));
	if (!t->pages) {
		free(t);
		return -ENOMEM;
	}
	t->memory = memory;
	t->unwinder = unwinder;
	t->changed = changed;
	t->userdata = userdata;
	t->max_chunks = (unsigned)(budget / TABLES_CHUNK_BYTES);
	if (!t->max_chunks)
		t->max_chunks = 1;
	if (t->max_chunks > TABLES_MAX_CHUNKS)
		t->max_chunks = TABLES_MAX_CHUNKS;
	t->stats.budget = (uint64_t)t->max_chunks * TABLES_CHUNK_BYTES;
	extents_give(&t->directory, 0, TABLES_DIRECTORY);
	*out = t;
	return 0;
}

void tables_free(struct tables *t)
{
	struct module_tables *m;

	if (!t)
		return;
	DL_FOREACH (t->modules, m)
		m->owner = NULL;
	for (size_t i = 0; i < HOMELESS; i++)
		free(t->homeless[i].words);
	extents_free(&t->directory);
	extents_free(&t->blocks);
	free(t->pages);
	free(t);
}

void tables_settle(struct tables *t, uint64_t now)
{
	extents_settle(&t->blocks, now, TABLES_GRACE_NS);
	extents_settle(&t->directory, now, TABLES_GRACE_NS);
	warm_next(t);
}

struct tables_stats tables_stats(const struct tables *t)
{
	return t->stats;
}
