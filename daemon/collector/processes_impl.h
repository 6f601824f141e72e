/* SPDX-License-Identifier: MIT */
/*
 * processes_impl.h - the process table's own context, for the files that together are it:
 * processes.c (the table), process_records.c (what records do to it), process_scan.c (what /proc
 * says of a process) and process_resolve.c (where its addresses lead).
 */
#ifndef PROFD_COLLECTOR_PROCESSES_IMPL_H
#define PROFD_COLLECTOR_PROCESSES_IMPL_H

#include "collector/process.h"

#define PROCESSES_BUCKETS 4096

struct processes {
	struct modules *modules;
	struct cgroups *cgroups;
	struct process *buckets[PROCESSES_BUCKETS]; /* newest image of a pid first */
	struct process *dying;
	size_t n_images;
	uint64_t now;	      /* time of the newest record */
	uint64_t losses;      /* raised when records were lost: what is older must be read again */
	double tokens;	      /* for reading /proc/PID/maps */
	uint64_t tokens_time; /* 0: of old, so that there are as many as there can be */
	uint64_t rescans, rescans_refused;
	uint64_t
		jits_anew; /* names of a JIT's code that were missing before are looked for again */
};

/* ---- the table: images are the table's ------------------------------------------------------ */

/* Whether that is its identity. */
bool image_is(const struct process *process, const struct profd_identity *identity);
/* Of a pid, alive or dead; NULL: none is known. */
struct process *image_newest(struct processes *p, uint32_t pid);
/* Whose identity is known for sure; NULL: it is not there. */
struct process *image_exact(struct processes *p, const struct profd_identity *identity);
/* A new image, which replaces that of the same pid. NULL: the table is full, or no memory. */
struct process *image_add(
	struct processes *p, const struct profd_identity *identity, uint64_t time);
/* It exited, or was replaced; it is kept for samples that come late. */
void image_end(struct processes *p, struct process *process, uint64_t time);
/* Lets go of those that have been dead for long. */
void image_drop_dead(struct processes *p, uint64_t time);
/* Ids of cgroup v2 and v1, as records have them; 0: not known. */
void image_set_cgroup(struct processes *p, struct process *process, uint64_t id, uint64_t v1_id);

/* Mappings are read again when next needed. */
static inline void image_make_stale(struct process *process)
{
	process->lost_seen = 0;
}

static inline bool image_is_stale(const struct processes *p, const struct process *process)
{
	return process->lost_seen != p->losses;
}

/* ---- /proc ---------------------------------------------------------------------------------- */

/* Reads what the process has mapped now. 0 or -errno: then everything is as it was. */
int image_scan(struct processes *p, struct process *process);
/* Reads the mappings of a process again, if the limits allow it and it still is the process.
 * True if they were read. */
bool image_rescan(struct processes *p, struct process *process);

#endif
