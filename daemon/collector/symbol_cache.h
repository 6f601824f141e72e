/* SPDX-License-Identifier: MIT */
/*
 * symbol_cache.h - the symbol tables of all modules: together they keep below a limit, and those
 * of modules that were not asked about for longest go first. Files that the symbolizer died of are
 * known again when they are opened anew.
 */
#ifndef PROFD_COLLECTOR_SYMBOL_CACHE_H
#define PROFD_COLLECTOR_SYMBOL_CACHE_H

#include "collector/bad_files.h"
#include "collector/modules.h"
#include "collector/symbol_table.h"

#define SYMBOL_CACHE_BYTES (8u << 20)

struct symbol_cache_entry;

/* Zero-initialised is empty. */
struct symbol_cache {
	struct symbol_cache_entry *newest;
	struct bad_files bad; /* by enum symbol_trust */
};

/* Takes the tables off their modules and frees them. */
void symbol_cache_free(struct symbol_cache *c);

/* The module's table, made if there is none, and now the one used last. Of a perf-map that has
 * changed it is empty: code of a JIT comes and goes. NULL without memory. */
struct symbol_table *symbol_cache_use(struct symbol_cache *c, struct module *m);
/* The table if there is one, or NULL. */
struct symbol_table *symbol_cache_find(const struct module *m);
/* Lowers the trust in a module that has a table, and in its file. */
void symbol_cache_distrust(struct symbol_cache *c, const struct module *m, enum symbol_trust trust);

/* Forgets names until the limit is kept. */
void symbol_cache_evict(struct symbol_cache *c);
uint64_t symbol_cache_bytes(const struct symbol_cache *c);
/* Forgets the names of the module with this build-id. */
void symbol_cache_renew(struct symbol_cache *c, const char *build_id);
/* Forgets kernel addresses from `from` up to, but without `to`. */
void symbol_cache_forget_kernel(struct symbol_cache *c, uint64_t from, uint64_t to);

#endif
