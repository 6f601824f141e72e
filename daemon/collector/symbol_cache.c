/* SPDX-License-Identifier: MIT */
#include "collector/symbol_cache.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What hangs on a module, in a list with the last used first. */
struct symbol_cache_entry {
	struct symbol_table table;
	struct module *module; /* borrowed: the module frees this */
	struct symbol_cache *owner;
	struct symbol_cache_entry *previous, *next;
};

static void unlink_entry(struct symbol_cache_entry *e)
{
	if (e->previous)
		e->previous->next = e->next;
	else
		e->owner->newest = e->next;
	if (e->next)
		e->next->previous = e->previous;
	e->previous = e->next = NULL;
}

static void link_newest(struct symbol_cache_entry *e)
{
	e->next = e->owner->newest;
	if (e->next)
		e->next->previous = e;
	e->owner->newest = e;
}

/* module.names_free */
static void free_names(void *names)
{
	struct symbol_cache_entry *e = names;

	unlink_entry(e);
	symbol_table_clear(&e->table);
	free(e);
}

void symbol_cache_free(struct symbol_cache *c)
{
	while (c->newest) {
		struct symbol_cache_entry *e = c->newest;

		e->module->names = NULL;
		e->module->names_free = NULL;
		free_names(e);
	}
}

static enum symbol_trust trust_in(const struct symbol_cache *c, const struct module *m)
{
	struct file_identity file = module_identity(m);

	return m->kind == MODULE_FILE ? bad_files_grade(&c->bad, &file) : SYMBOL_TRUST_FULL;
}

/* The map may lie on a FUSE mount of its owner, whose server need not answer: the kernel is asked
 * for what it knows already (AT_STATX_DONT_SYNC). */
static void check_perf_map(struct symbol_table *t, const struct module *m)
{
	struct statx st;

	if (m->kind != MODULE_PERF_MAP || m->fd < 0 ||
		statx(m->fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_SIZE | STATX_MTIME, &st))
		return;
	if ((off_t)st.stx_size == t->file_size && st.stx_mtime.tv_sec == t->file_time.tv_sec &&
		st.stx_mtime.tv_nsec == t->file_time.tv_nsec)
		return;
	symbol_table_clear(t);
	t->trust = SYMBOL_TRUST_FULL;
	t->file_size = (off_t)st.stx_size;
	t->file_time = (struct timespec){st.stx_mtime.tv_sec, st.stx_mtime.tv_nsec};
}

struct symbol_table *symbol_cache_use(struct symbol_cache *c, struct module *m)
{
	struct symbol_cache_entry *e = m->names;

	if (e) {
		unlink_entry(e);
	} else {
		e = calloc(1, sizeof(*e));
		if (!e)
			return NULL;
		e->module = m;
		e->owner = c;
		e->table.trust = trust_in(c, m);
		m->names = e;
		m->names_free = free_names;
	}
	link_newest(e);
	check_perf_map(&e->table, m);
	return &e->table;
}

struct symbol_table *symbol_cache_find(const struct module *m)
{
	struct symbol_cache_entry *e = m->names;

	return e ? &e->table : NULL;
}

void symbol_cache_distrust(struct symbol_cache *c, const struct module *m, enum symbol_trust trust)
{
	struct file_identity file = module_identity(m);

	symbol_cache_find(m)->trust = trust;
	if (m->kind == MODULE_FILE)
		bad_files_set(&c->bad, &file, trust);
}

void symbol_cache_evict(struct symbol_cache *c)
{
	uint64_t bytes = 0;

	for (struct symbol_cache_entry *e = c->newest; e; e = e->next) {
		uint64_t more = symbol_table_bytes(&e->table);

		if (bytes + more > SYMBOL_CACHE_BYTES)
			symbol_table_clear(&e->table);
		else
			bytes += more;
	}
}

uint64_t symbol_cache_bytes(const struct symbol_cache *c)
{
	uint64_t bytes = 0;

	for (const struct symbol_cache_entry *e = c->newest; e; e = e->next)
		bytes += symbol_table_bytes(&e->table);
	return bytes;
}

void symbol_cache_forget_kernel(struct symbol_cache *c, uint64_t from, uint64_t to)
{
	for (struct symbol_cache_entry *e = c->newest; e; e = e->next)
		if (e->module->kind == MODULE_KERNEL)
			symbol_table_forget(&e->table, from, to);
}

void symbol_cache_renew(struct symbol_cache *c, const char *build_id)
{
	for (struct symbol_cache_entry *e = c->newest; e; e = e->next)
		if (!strcmp(e->table.build_id, build_id))
			symbol_table_clear(&e->table);
}
