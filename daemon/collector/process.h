/* SPDX-License-Identifier: MIT */
/*
 * process.h - one process image, as the process table keeps it: identity, labels, mappings. Others
 * see it through processes.h.
 */
#ifndef PROFD_COLLECTOR_PROCESS_H
#define PROFD_COLLECTOR_PROCESS_H

#include "collector/cgroups.h"
#include "collector/mappings.h"
#include "collector/processes.h"

/* Threads of one process whose names are kept. */
#define PROCESS_MAX_THREADS 1024
/* A name that was read is read again after that time: its tid may be another thread's. */
#define PROCESS_COMM_SECONDS 300

struct thread_comm {
	uint32_t tid;
	uint32_t second; /* CLOCK_MONOTONIC, when it was true */
	char comm[PROFD_COMM_LEN];
};

struct process {
	struct profd_identity identity;
	unsigned references;
	uint32_t parent;
	bool provisional; /* made by an exec of a process that was not known: identity follows */
	bool guessed;	  /* exec_id is the old one + 1, until the EXEC record confirms it */
	bool by_exec;	  /* seen from its exec on: its first file mapping is the executable */
	bool dead;	  /* exited, or replaced by an exec */
	bool tried_exe;	  /* exe was looked for: it is known, or there is none */

	uint64_t identified; /* the identity was true then: older exec records are in it */
	uint64_t mapped;     /* mappings were read then: older mmap records are in them; 0: never */
	uint64_t died;	     /* time of the record that said so */
	uint64_t lost_seen;  /* processes.losses when the mappings were true last */
	uint64_t next_rescan;
	uint32_t rescan_seconds; /* the wait after the next rescan that does not help */

	struct mappings *mappings;
	struct module *jit; /* of its executable anonymous memory, made when first needed */
	uint64_t jit_tried;
	uint64_t files_tried; /* when its maps were last read for a file that could not be opened */
	struct cgroup *cgroup;
	uint64_t cgroup_id, cgroup_v1; /* that cgroup is of */
	struct module *exe_module;
	char *exe;

	char comm[PROFD_COMM_LEN];   /* the group leader's */
	struct thread_comm *threads; /* sorted by tid */
	size_t n_threads, threads_capacity;

	struct process *next;			 /* in its bucket of the table, newest first */
	struct process *dying_prev, *dying_next; /* in the list of the dead, oldest first */
};

/* References: 1, the caller's. NULL without memory. */
struct process *process_new(const struct profd_identity *identity);
/* Lets go of what only resolving needs; labels stay. */
void process_forget_code(struct process *process);

void process_set_comm(struct process *process, uint32_t tid, const char *comm);
/* After an exec: all other threads are gone. */
void process_clear_threads(struct process *process);
/* Both are copied, or referenced; either may be NULL. 0 or -ENOMEM. */
int process_set_exe(struct process *process, const char *path, struct module *module);
/* What a child has from its parent: mappings, cgroup, executable. */
void process_inherit(struct process *child, const struct process *parent);

size_t process_bytes(const struct process *process);

#endif
