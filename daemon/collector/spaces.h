/* SPDX-License-Identifier: MIT */
/*
 * spaces.h - mappings of processes for the BPF programs: each process that was sampled has a slot
 * that leads to its mapping array. Forks share the array of their parent for as long as they share
 * the mappings themselves.
 *
 * An array is never changed, except that mappings of a module get their tables when it has some;
 * other mappings make another array. Every array has a version, which samples carry that were
 * walked with it: so it can be told later whether it was still true at that time.
 */
#ifndef PROFD_COLLECTOR_SPACES_H
#define PROFD_COLLECTOR_SPACES_H

#include <stdint.h>

#include "collector/mappings.h"
#include "collector/processes.h"

struct spaces;
struct table_memory;
struct tables;

struct spaces_stats {
	uint64_t processes, arrays, maps; /* now */
	uint64_t published;		  /* processes, since start */
	uint64_t refused;		  /* that found no room */
};

/* Borrows memory and tables. 0 or -errno. */
int spaces_new(struct spaces **out, struct table_memory *memory, struct tables *tables);
/* Before the tables and the processes. NULL is fine. */
void spaces_free(struct spaces *s);

/* Gives a process a slot, or its slot the mappings that the process has now. Returns the
 * TABLES_ARRAY() to walk it with; 0: it has no mappings, or there is no room. */
uint64_t spaces_publish(struct spaces *s, struct process *process);
/* The mappings of the process were read and are true: what is not in them is not there. Forgotten
 * with the array, and after some seconds. */
void spaces_set_current(struct spaces *s, const struct process *process);
/* A module is known now: its mappings get their tables. */
void spaces_module_known(struct spaces *s);

/* A mapping has come whose record was read, but not handled yet. If it covers code that programs
 * know of, they are not to use the mappings of that process any more until the record was. */
void spaces_hide(struct spaces *s, uint32_t pid, uint64_t start, uint64_t length, uint64_t time);

/* Slots follow their processes: exits, and mappings that have changed. To be called when the
 * records below `horizon` were handled. Both are CLOCK_MONOTONIC. */
void spaces_sync(struct spaces *s, uint64_t now, uint64_t horizon);

/* The mappings that an array of that version was made of, or NULL if it is too old. Borrowed until
 * the next spaces_sync. pid: the process whose sample it is. */
const struct mappings *spaces_mappings(const struct spaces *s, uint32_t pid, uint32_t version);

struct spaces_stats spaces_stats(const struct spaces *s);

#endif
