/* SPDX-License-Identifier: MIT */
/*
 * processes.h - the process table: which code was mapped where in which process image, as of the
 * record that is being handled. It is fed with the timeline's records in order, so the current
 * state is the state at that record's time.
 *
 * A struct process is one process *image*: fork makes one (sharing its parent's mappings until
 * either changes them), exec replaces it by a new one. Windows hold references, so labels outlive
 * the process.
 */
#ifndef PROFD_COLLECTOR_PROCESSES_H
#define PROFD_COLLECTOR_PROCESSES_H

#include "collector/modules.h"
#include "collector/record.h"

struct bpf_host;
struct mappings;
struct opener;
struct processes;
struct process;

/* How long after its end an image can still be found, with its mappings, by a sample that comes
 * late, or whose stack waits to be finished. */
#define PROCESSES_KEEP_DEAD_NS (14 * 1000 * 1000 * 1000ULL)

/* Where an address leads. module NULL: nothing is known to be mapped there; offset is then the
 * address itself. Otherwise offset is the file offset (MODULE_FILE, MODULE_VDSO) or the address
 * (other kinds). */
struct frame {
	struct module *module; /* borrowed, until the next address is resolved: that may read the
				  process's maps again, which lets go of those before */
	uint64_t offset;
};

struct processes_stats {
	uint64_t processes, images, mappings, modules, modules_open, modules_failed;
	uint64_t rescans;	  /* /proc/PID/maps read after records were lost or disagreed */
	uint64_t rescans_refused; /* by the rate limit */
	uint64_t bytes;
};

/* `own_pid_namespace_only` etc. are found out by itself. Borrows the opener. 0 or -errno. */
int processes_new(struct processes **out, struct opener *opener);
void processes_free(struct processes *p);

/* The one scan at start: /proc and the task iterator. Call after side-band and process programs
 * are attached. Returns the number of processes or -errno. */
int processes_scan(struct processes *p, struct bpf_host *bpf);

/* Any record but SAMPLE. */
void processes_handle(struct processes *p, const struct record *record);

/* A mapping record whose turn has not come: begins to open its file while it is there. */
void processes_preview(struct processes *p, const struct record *record);

/* The image that a sample belongs to. Where the table does not know it (lost records) it reads
 * /proc now, if the process still is what the identity says. NULL if it can not be known. */
struct process *processes_find(struct processes *p, const struct profd_identity *identity);

/* The same without looking further than the table. */
struct process *processes_known(struct processes *p, const struct profd_identity *identity);

/* The image that a pid has now, or NULL. */
struct process *processes_of_pid(struct processes *p, uint32_t pid);
/* Every image that is alive. */
void processes_each(struct processes *p, void (*handler)(void *userdata, struct process *process),
	void *userdata);

/* What names a JIT's code, and was not there when it was looked for, is looked for again when the
 * process is sampled next, and not only some seconds after the last time. */
void processes_retry_jits(struct processes *p);

/* Sweep: forget dead processes whose exit was lost, close modules that nothing refers to.
 * Cheap; call it about once a minute. */
void processes_sweep(struct processes *p);

struct processes_stats processes_stats(const struct processes *p);

/* The kernel's one module. Borrowed. */
struct module *processes_kernel_module(struct processes *p);

struct process *process_ref(struct process *process);
void process_unref(struct process *process); /* NULL is fine */
uint32_t process_pid(const struct process *process);
const struct profd_identity *process_identity(const struct process *process);
/* It exited, or an exec replaced it. */
bool process_is_dead(const struct process *process);
/* What is mapped now. Borrowed; who takes a reference has an array that never changes. */
struct mappings *process_mappings(struct process *process);
/* Whether an address is mapped, after reading the mappings again, unless that was done a moment ago
 * or for too many processes. */
bool process_refresh(struct processes *p, struct process *process, uint64_t address);
/* Strings stay valid while the image is referenced; "" where unknown. exe is the path of the
 * executable as the target sees it; cgroup its path in the hierarchy; container an id or name
 * found in the cgroup's path. */
const char *process_exe(const struct process *process);
const char *process_cgroup(const struct process *process);
const char *process_container(const struct process *process);
/* Module of the executable itself, or NULL. Borrowed. */
struct module *process_exe_module(const struct process *process);
/* comm of a thread as of now. Valid until the next record is handled. */
const char *process_comm(struct process *process, uint32_t tid);

/* User address to module and offset. Addresses where nothing is mapped trigger a rate-limited
 * rescan of the process before the frame is given up as unknown. */
void process_resolve(
	struct processes *p, struct process *process, uint64_t address, struct frame *out);

#endif
