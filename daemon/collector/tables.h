/* SPDX-License-Identifier: MIT */
/*
 * tables.h - the unwind tables in the kernel: which pages of which modules are loaded, under one
 * fixed budget. Pages are loaded one by one when somebody asks for them, and those that no program
 * has used for longest make room.
 *
 * A module that was asked about once keeps its place in the directory until it is freed itself.
 */
#ifndef PROFD_COLLECTOR_TABLES_H
#define PROFD_COLLECTOR_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/mappings.h"
#include "profd/tables.h"

struct module;
struct table_memory;
struct tables;
struct unwinder;

#define TABLES_MIN_BUDGET TABLES_CHUNK_BYTES
#define TABLES_MAX_BUDGET ((uint64_t)TABLES_MAX_CHUNKS * TABLES_CHUNK_BYTES)

/* Something that was wanted has come, or will not: what a module is like (module), or a page (its
 * entry in the directory; module NULL). */
typedef void (*tables_changed)(void *userdata, const struct module *module, uint32_t entry);

struct tables_stats {
	uint64_t bytes, budget;	   /* of chunks that there are; of those that there may be */
	uint64_t used;		   /* bytes in blocks */
	uint64_t pages, modules;   /* loaded now */
	uint64_t loads, evictions; /* of pages, since start */
	uint64_t failures;	   /* pages and modules that could not be compiled */
	uint64_t refused;	   /* pages that found no room: all others are in use */
};

/* Borrows memory and unwinder; the budget is in bytes. 0 or -errno. */
int tables_new(struct tables **out, struct table_memory *memory, struct unwinder *unwinder,
	uint64_t budget, tables_changed changed, void *userdata);
/* After the unwinder is freed, and before the modules are. NULL is fine. */
void tables_free(struct tables *t);

/* What programs are to know of a mapping. */
void tables_describe(struct tables *t, const struct memory_map *map, struct tables_map *out);

/* Asks what a module is like, if nobody has: true if the answer is still to come. False: it is
 * known, or can not be. */
bool tables_want_module(struct tables *t, struct module *module);
/* The same for a page, by its entry in the directory. */
bool tables_want_page(struct tables *t, uint32_t entry);
/* Loads a module before anybody walks its code, a page after the other, when nobody waits for
 * another: if it is not large, and half of the budget is free. True: it is under way. */
bool tables_warm(struct tables *t, struct module *module);
/* The block of a page that found no room in the kernel, or NULL. Valid until the next page comes.
 */
const uint32_t *tables_homeless(const struct tables *t, uint32_t entry);

/* To be called about once a second: makes room that was taken back usable. now: CLOCK_MONOTONIC. */
void tables_settle(struct tables *t, uint64_t now);

struct tables_stats tables_stats(const struct tables *t);

#endif
