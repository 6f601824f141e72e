/* SPDX-License-Identifier: MIT */
/*
 * unwinder.h - unwind tables of modules, got from the unwinder helper: a process of its own,
 * without privileges, that compiles the CFI of files which profiled processes control
 * (daemon/unwind/) and keeps the results in cache files. It also finds where heap probes go in them
 * (heap_sites.h). It is not the symbolizer: a page is wanted
 * within milliseconds, also while a window is being named.
 *
 * Asynchronous: requests are served in order, answers arrive through the event loop and never
 * before the asking function has returned. Answers are checked for form here: counts, order, sizes,
 * and that no index and no rule of a block leads out of it.
 */
#ifndef PROFD_COLLECTOR_UNWINDER_H
#define PROFD_COLLECTOR_UNWINDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "collector/modules.h"
#include "profd/unwind_abi.h"

struct heap_sites;
struct opener;
struct unwinder;

#define UNWINDER_MAX_SEGMENTS 16
#define UNWINDER_MAX_PAGES    65536 /* of one module: 4 GiB of code */

/* An executable PT_LOAD. */
struct unwinder_segment {
	uint64_t vaddr, offset, size; /* size: in the file */
};

/* What a module's code is like. */
struct unwinder_code {
	uint64_t low;	     /* virtual address of the first page, a multiple of UNWIND_PAGE_SIZE */
	uint32_t n_pages;    /* from there to the end of the code; 1..UNWINDER_MAX_PAGES */
	bool has_rules;	     /* false: every page is UNWIND_NONE */
	uint32_t n_segments; /* at least 1 */
	struct unwinder_segment segments[UNWINDER_MAX_SEGMENTS]; /* by vaddr, without overlap */
};

/* error: 0, or -errno: this module has no tables (-ENOEXEC: no ELF file or no code; -ENOTSUP:
 * another architecture; -EIO: the helper failed at it or its answer was refused; -ENOENT: its file
 * could not be opened; -EINVAL: it has no such page), or not now (others, such as -EAGAIN: no
 * helper could be started). The pointers are valid during the call only. */
typedef void (*unwinder_opened)(
	void *userdata, struct module *module, int error, const struct unwinder_code *code);
typedef void (*unwinder_compiled)(void *userdata, struct module *module, uint32_t page, int error,
	const uint32_t *words, size_t n_words);

typedef void (*unwinder_found)(
	void *userdata, struct module *module, int error, const struct heap_sites *sites);

struct unwinder_stats {
	uint64_t compiled, cached; /* pages, by where they came from */
	uint64_t crashes, timeouts, refused_answers;
	uint64_t bad_modules; /* that are skipped since */
	bool seccomp;	      /* the helper reported that its filter is in force */
};

/* cache: folder for the cache files, created if need be; NULL: nothing is cached. The helper starts
 * with the first request. 0 or -errno. */
int unwinder_new(struct unwinder **out, sd_event *event, struct opener *opener, const char *cache);
/* Open requests end with -ECANCELED. NULL is fine. */
void unwinder_free(struct unwinder *u);

/* Asks what a module is like; waits for its file if that is still being opened. Holds a reference
 * on the module until `done` was called. 0 (done will be called) or -errno (it will not). */
int unwinder_open(struct unwinder *u, struct module *module, unwinder_opened done, void *userdata);
/* Asks for the block of one page, 0..n_pages-1 from code.low. The same. */
int unwinder_compile(struct unwinder *u, struct module *module, uint32_t page,
	unwinder_compiled done, void *userdata);

/* A request is being answered, or could be. */
bool unwinder_is_busy(const struct unwinder *u);

/* Asks where heap probes go, for heap_sites.c, which asks once. A process answers that has read no
 * other file before. The same. */
int unwinder_find_sites(
	struct unwinder *u, struct module *module, unwinder_found done, void *userdata);

struct unwinder_stats unwinder_stats(const struct unwinder *u);

/* main() of `profd --helper unwinder`, in daemon/unwinder/. */
int unwinder_main(const char *memory_limit);

#endif
