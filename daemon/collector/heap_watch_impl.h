/* SPDX-License-Identifier: MIT */
/*
 * heap_watch_impl.h - a watch's own context, for the files that together are it: heap_watch.c
 * (which processes, and what they map), heap_attach.c (the probes of one file in one process),
 * heap_unseen.c (of whom nothing is seen) and heap_duty.c (what a process costs).
 */
#ifndef PROFD_COLLECTOR_HEAP_WATCH_IMPL_H
#define PROFD_COLLECTOR_HEAP_WATCH_IMPL_H

#include <uthash.h>

#include "collector/bpf_host.h"
#include "collector/heap_ceiling.h"
#include "collector/heap_probes.h"
#include "collector/heap_watch.h"
#include "collector/modules.h"
#include "util/log.h"
#include "util/preload_path.h"

struct process;

#define UNSEEN_TEXT 256

/* A file in a process that is watched, or (pid UPROBE_EVERYWHERE) in all. */
struct attachment {
	struct heap_watch *watch;
	struct module *module; /* a reference */
	pid_t pid;
	bool asked;	    /* its sites are on their way */
	bool gone;	    /* nobody waits for them any more: on_sites() frees it */
	bool initial;	    /* the session is not ready before it is settled */
	bool announces;	    /* it has USDT probes */
	bool tried;	    /* its allocator was looked at */
	bool unmapped;	    /* of an image that was replaced; not seen in the new one yet */
	unsigned attaching; /* links */
	struct uprobe_link *links[PROBE_PROGRAMS];
	bool pending[PROBE_PROGRAMS]; /* on_attached() will be called for the link */
	struct attachment *prev, *next;
};

/* What a process costs, and when it is watched: see heap_duty.c. */
struct heap_duty {
	unsigned meter; /* that counts its calls; 0: none */
	uint64_t calls; /* that it had counted at the last tick */
	double load;	/* CPUs, while it is watched; without its frees, if it is limited */
	double whole;	/* if so: so many times that is all of it */
	bool limited;
	bool shut_out;	/* it may cost no more than a ceiling, and there was no meter for it */
	unsigned pause; /* ticks that are left of it; 0: it is watched */
	struct heap_gap gap;
	struct heap_patience patience;
};

struct watched {
	uint32_t pid;
	struct heap_duty duty;
	bool announces; /* what it allocates, by USDT probes */
	bool looking;	/* at its mappings */
	unsigned ticks; /* since it began, or began to run another program; up to a few */
	uint64_t begun; /* to run its program, since it is watched; CLOCK_MONOTONIC. 0: before */
	struct attachment *attachments;
	UT_hash_handle hh;
};

struct heap_watch {
	struct heap_watch_config config;
	struct session_filter filter;
	char *comm, *cgroup; /* the filter's */
	struct heap_probes *probes;
	struct watched *watched;
	struct module *preload[PRELOADS];
	struct attachment *everywhere; /* the preload libraries, in all processes */
	uint64_t started;
	bool starting; /* records of what was before have not all been handled */
	bool is_ready, is_over;
	size_t unsettled; /* initial attachments */
	struct heap_watch_stats stats;
	char trouble[384];
	uint32_t trouble_pid;
	uint64_t trouble_time; /* CLOCK_MONOTONIC */
	struct log_limit noted, told;
	/* What is so now; without a list `unseen` stays. */
	char unseen[UNSEEN_TEXT], held[384];
	uint64_t ticked;  /* CLOCK_MONOTONIC */
	uint64_t horizon; /* all records below it were handled */
};

/* Of all that there may be to say, the first is said. With a list, where there is no end at which
 * it could be, it is logged, too, and forgotten with its process, or after a while. pid: 0: it is
 * not of one process. */
__attribute__((format(printf, 3, 4))) void heap_watch_note(
	struct heap_watch *w, uint32_t pid, const char *format, ...);
/* Likewise, but with a list it is logged only: status says it while it is so. */
void heap_watch_tell(struct heap_watch *w, uint32_t pid, const char *text);
/* NULL: it is not watched. */
struct watched *heap_watch_find(struct heap_watch *w, uint32_t pid);
/* Whether a file that is open is a preload library. */
bool heap_watch_is_preload(const struct heap_watch *w, const struct module *module);
/* Tells who waits for it, if nothing is on its way any more. The watch may be detached by that. */
void heap_watch_settle(struct heap_watch *w);

/* ---- heap_attach.c -------------------------------------------------------------------------- */

/* Asks for the sites of a file and attaches its USDT probes when they are known, which can be at
 * once. For the caller's list; NULL: nothing comes of it. */
struct attachment *heap_attach(struct heap_watch *w, struct module *module, pid_t pid);
/* Allocators come last: when all files of a process are known, so that none of them is probed whose
 * allocations another file announces. Does nothing before that. */
void heap_attach_allocators(struct heap_watch *w, struct watched *p);
/* Who announces what he allocates is taken at his word; his allocator would tell the same again. */
void heap_attach_announced(struct watched *p);
/* The process has replaced its image: what it maps from now on is looked at anew. */
void heap_attach_new_image(struct watched *p);
/* Links of it. */
size_t heap_attach_count(const struct attachment *a);
/* Whether an allocator of the process has probes, or will have. */
bool heap_attach_is_probed(const struct watched *p);
/* Detaches what is on the allocators of a process for a while, and attaches it again. */
void heap_attach_pause(struct watched *p);
void heap_attach_resume(struct watched *p);
/* Detaches it, out of its list. Gone from then on. */
void heap_attach_let_go(struct attachment *a);

/* ---- heap_unseen.c -------------------------------------------------------------------------- */

/* Looks for processes of which nothing is seen, and says so of the first: of those that there were
 * when all was attached; of those that there are now, for who watches for long; of one that has
 * ended (NULL: nothing is known of it); and of those that are left when the watch ends. */
void heap_unseen_at_start(struct heap_watch *w);
void heap_unseen_now(struct heap_watch *w);
void heap_unseen_at_exit(struct heap_watch *w, const struct watched *p, struct process *process);
void heap_unseen_at_end(struct heap_watch *w);

/* ---- heap_duty.c ---------------------------------------------------------------------------- */

/* What a call, or a hit of a USDT probe, costs, ns. */
double heap_duty_call_ns(const struct heap_watch *w);
/* Once a second. */
void heap_duty_tick(struct heap_watch *w);
/* The allocator of a process is about to be probed. False: it must not be. */
bool heap_duty_begin(struct heap_watch *w, struct watched *p);
/* Frees of it were not seen, or will not be: it has nothing in use. */
void heap_duty_forget(struct heap_watch *w, uint32_t pid);
/* Another ceiling: what was too much before says nothing of it. */
void heap_duty_hold_to(struct heap_watch *w, double max_cost);
/* Probes of it are there. */
void heap_duty_attached(struct heap_watch *w, struct watched *p);
/* It is not watched any more. */
void heap_duty_end(struct heap_watch *w, struct watched *p);

#endif
