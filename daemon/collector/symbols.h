/* SPDX-License-Identifier: MIT */
/*
 * symbols.h - names for addresses, got from the symbolizer helper: a separate process without
 * privileges that parses what profiled processes control. Its answers are checked here (order,
 * indices, sizes, strings) before anyone uses them.
 *
 * Names are kept with each module (bounded, least recently used first out) and, of files, on disk,
 * so that an address costs once, and not once a window or once a start.
 */
#ifndef PROFD_COLLECTOR_SYMBOLS_H
#define PROFD_COLLECTOR_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "collector/modules.h"
#include "collector/troubles.h"

struct opener;
struct symbolizer;

struct symbol_segment {
	uint64_t vaddr, offset, filesz, memsz; /* an executable PT_LOAD */
};

struct symbol_function {
	const char *name;	 /* demangled; never empty */
	const char *system_name; /* raw mangled; "" where it equals name */
	const char *file;	 /* "" where unknown */
	uint32_t start_line;	 /* 0 where unknown */
};

struct symbol_line {
	uint32_t function; /* index into functions */
	uint32_t line;	   /* 0 where unknown */
};

/* One asked offset. lines[first .. first+count-1], innermost inlined function first; count is 0
 * where nobody can name it. */
struct symbol_address {
	uint64_t offset; /* as asked */
	uint64_t vaddr;	 /* ELF virtual address (the offset itself for kinds without ELF) */
	uint32_t first, count;
};

struct symbols {
	char build_id[65];			/* lowercase hex or "" */
	bool has_files, has_lines, has_inlines; /* what the debug info gave for this module */
	size_t n_segments, n_functions, n_lines, n_addresses;
	const struct symbol_segment *segments;
	const struct symbol_function *functions;
	const struct symbol_line *lines;
	const struct symbol_address *addresses; /* one for each asked offset, in that order */
};

/* error: 0, or -errno for a module that gets no names (then symbols has addresses with count 0
 * still). Everything is valid during the call only. */
typedef void (*symbols_done)(
	void *userdata, struct module *module, int error, const struct symbols *symbols);

/* There is no debug file of build-id `lacked`, which the names of the module with build-id `of`
 * would be better with. */
typedef void (*symbols_lacked)(void *userdata, const char *lacked, const char *of);

struct symbolizer_stats {
	uint64_t requests, addresses, cache_hits;
	uint64_t disk_hits;	    /* addresses that the helper knew from disk */
	uint64_t files_read;	    /* how often it had to look into the module itself */
	uint64_t crashes, timeouts; /* helpers that died, were killed for time */
	uint64_t bad_modules;	    /* modules that are skipped since */
	uint64_t refused_answers;   /* answers that failed the checks */
	uint64_t cache_bytes;
	bool seccomp; /* the helper reported that its filter is in force */
};

/* memory_limit: of the helper's private memory (RLIMIT_DATA), bytes. cache: the folder for
 * names and for what it unpacks (helper_client.h); NULL: none. 0 or -errno. */
int symbolizer_new(struct symbolizer **out, sd_event *event, struct opener *opener,
	uint64_t memory_limit, const char *cache);
/* Open requests end with -ECANCELED. */
void symbolizer_free(struct symbolizer *s);

/* Asks for names of the offsets (sorted, unique; copied). Holds a reference on the module until
 * `done` was called; done can be called before this returns, when everything was in the cache.
 * Requests are served one after the other; a crash or a hang costs the one module's names.
 * until: code of a JIT has the names of then (CLOCK_MONOTONIC, ns), if its runtime writes down when
 * it came; 0: the newest. 0 or -errno. */
int symbolizer_resolve_until(struct symbolizer *s, struct module *module, const uint64_t *offsets,
	size_t n, uint64_t until, symbols_done done, void *userdata);
/* The same, for the newest names. */
static inline int symbolizer_resolve(struct symbolizer *s, struct module *module,
	const uint64_t *offsets, size_t n, symbols_done done, void *userdata)
{
	return symbolizer_resolve_until(s, module, offsets, n, 0, done, userdata);
}

/* Who is told of what debug files are lacked. */
void symbolizer_on_lacked(struct symbolizer *s, symbols_lacked lacked, void *userdata);
/* The debug file of a module came: its names are asked for anew. */
void symbolizer_renew(struct symbolizer *s, const char *build_id);

/* Forget names of kernel addresses in a range (a BPF program came or went). */
void symbolizer_forget_kernel(struct symbolizer *s, uint64_t address, uint64_t length);
/* No window needs it now: lets the helper exit at once, which frees its memory. (It also does so
 * some seconds after the last request.) */
void symbolizer_idle(struct symbolizer *s);

/* The modules that got fewer names than they have. */
const struct troubles *symbolizer_troubles(const struct symbolizer *s);
struct symbolizer_stats symbolizer_stats(const struct symbolizer *s);

#endif
