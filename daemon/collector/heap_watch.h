/* SPDX-License-Identifier: MIT */
/*
 * heap_watch.h - finds the processes of a heap session and attaches its probes to them: to those
 * that there are, and to those that start later and are wanted too; to the files that they have
 * mapped, and to those that they map later.
 *
 * The preload library is known before anybody maps it. A session that follows processes to their
 * children, or by name or cgroup, attaches to it in all processes at once, and so misses nothing of
 * those that load it; the programs' filter keeps others out.
 */
#ifndef PROFD_COLLECTOR_HEAP_WATCH_H
#define PROFD_COLLECTOR_HEAP_WATCH_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/record.h"
#include "collector/sessions.h"
#include "watch_list.h"

struct bpf_host;
struct heap_watch;
struct processes;
struct unwinder;
struct uprobes;

struct heap_watch_config {
	struct bpf_host *bpf;
	struct processes *processes;
	struct unwinder *unwinder;
	/* Of who is watched, tables are loaded before there are samples. */
	struct spaces *spaces;
	struct tables *tables;
	struct uprobes *uprobes;
	/* Copied; its pids and tids must outlive the watch. */
	const struct session_filter *filter;
	/* Whom to watch, instead of the filter; outlives the watch. NULL: the filter says it. */
	const struct watch_list *list;
	struct session *session;
	char *const *preload; /* paths of the libraries, PRELOADS; NULL: there is none */
	/* CPUs that uprobes may cost what is watched, all together; 0: no ceiling. Then limit() is
	 * told for which processes frees are not seen, and of which share of the time, in 2^-32,
	 * allocations are, from `since` on; kept 0: all is seen again. See heap_limit(). */
	double max_cost;
	void (*limit)(void *userdata, uint32_t pid, uint32_t kept, uint64_t since);
	bool announced; /* all of them have it loaded: their allocators are left alone */
	/* All that there was at the start is attached, and its tables are loaded: called once, from
	 * the loop. May be NULL. */
	void (*ready)(void *userdata);
	void *userdata;
};

/* All is borrowed. now: CLOCK_MONOTONIC. 0 or -errno. */
int heap_watch_start(struct heap_watch **out, const struct heap_watch_config *config, uint64_t now);
/* All records of a time below `horizon` were handled: what processes had at the start is known
 * then. To be called after each drain; may call ready. */
void heap_watch_advance(struct heap_watch *w, uint64_t horizon);
bool heap_watch_is_ready(const struct heap_watch *w);
/* Detaches all; stats and trouble stay. */
void heap_watch_detach(struct heap_watch *w);
/* Frees it, detached or not. NULL is fine. */
void heap_watch_stop(struct heap_watch *w);

/* What a record of a process means for it, once the process table has it. */
void heap_watch_handle(struct heap_watch *w, const struct record *record);

struct heap_watch_stats {
	uint64_t processes; /* that are watched */
	uint64_t links;	    /* of probes, that are attached or will be */
	uint64_t failed;    /* that could not be */
};
struct heap_watch_stats heap_watch_stats(const struct heap_watch *w);
bool heap_watch_has(struct heap_watch *w, uint32_t pid);
/* Another ceiling. */
void heap_watch_hold_to(struct heap_watch *w, double max_cost);
/* Once a second: what it costs, and whether processes are still those that may be looked at. */
void heap_watch_tick(struct heap_watch *w);
/* Adds to an object of status the processes that are watched ("watched"), and the files with probes
 * ("files"): the first of each. */
void heap_watch_describe(const struct heap_watch *w, cJSON *object);
/* What went wrong with watching; "" if there is nothing to say. */
const char *heap_watch_trouble(const struct heap_watch *w);
/* Of which process nothing, or not all, can be seen, and why; of several one. "": of none. */
const char *heap_watch_unseen(const struct heap_watch *w);

#endif
