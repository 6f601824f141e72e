/* SPDX-License-Identifier: MIT */
/*
 * finisher.h - finishes stacks that BPF could not walk to their end, because something was missing
 * in the tables: the process, a module, a page. It goes on from the registers and the stack that
 * came with the sample, by the same code over the same tables, and has loaded what is missing; so
 * the first sample of a process is whole, and the next ones find it all there.
 *
 * It runs in the collector, who has mappings and tables, and not in the helper: nothing is parsed
 * here but rows, whose form was checked, and a stack is only numbers.
 */
#ifndef PROFD_COLLECTOR_FINISHER_H
#define PROFD_COLLECTOR_FINISHER_H

#include <stdbool.h>
#include <stdint.h>

#include "collector/processes.h"

struct finisher;
struct spaces;
struct table_memory;
struct tables;

/* The sample as if BPF had finished it: frames, n_user, user_end and way; and the miss that it came
 * with. Borrowed. */
typedef void (*finisher_done)(void *userdata, const struct profd_sample *sample,
	const struct profd_miss *miss, struct process *process);

struct finisher_stats {
	uint64_t misses[PROFD_MISSING_COUNT]; /* since start, by what was missing first */
	uint64_t waiting, waiting_bytes;      /* now */
	uint64_t overdue;		      /* that something missing did not come in time for */
	uint64_t refused;		      /* too many waited */
};

/* Borrows all. max_bytes: of all stacks that wait; what comes then is handed on unfinished. 0 or
 * -errno. */
int finisher_new(struct finisher **out, struct table_memory *memory, struct tables *tables,
	struct spaces *spaces, struct processes *processes, size_t max_bytes, finisher_done done,
	void *userdata);
/* What waits is dropped: see finisher_flush. NULL is fine. */
void finisher_free(struct finisher *f);

/* Takes a sample that is PROFD_SAMPLE_MISSED. `done` is called before this returns, or later. */
void finisher_add(struct finisher *f, const struct profd_sample *sample, struct process *process,
	uint64_t now);
/* For tables.h: something came. */
void finisher_resume(struct finisher *f, const struct module *module, uint32_t entry);
/* Hands on what has waited too long by `now`, as it is. */
void finisher_expire(struct finisher *f, uint64_t now);
/* The same for all that waits of one session. */
void finisher_flush(struct finisher *f, uint32_t session);

/* Time of the oldest sample that waits; UINT64_MAX: there is none. */
uint64_t finisher_oldest(const struct finisher *f);

struct finisher_stats finisher_stats(const struct finisher *f);

#endif
