/* SPDX-License-Identifier: MIT */
/*
 * modules.h - the files that code comes from, each opened once and known by what fstat says of
 * the opened descriptor; the numbers of a mapping record are only a key to one that is already
 * open (DESIGN 4, "Normalising").
 *
 * Opening happens in a helper process, in the background: a target's path can hang for ever. A
 * module can be used as an id from the start; its descriptor comes later, or never.
 *
 * As long as a module is open its inode cannot be reused for another file, so the key stays true;
 * whether the file was rewritten in place is asked (statx of the descriptor, which never waits for
 * a server) when it is mapped again.
 */
#ifndef PROFD_COLLECTOR_MODULES_H
#define PROFD_COLLECTOR_MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "util/file_identity.h"

enum module_kind {
	MODULE_FILE,	 /* an ELF file, perhaps: nobody looked inside */
	MODULE_VDSO,	 /* fd is a memory image of the vDSO */
	MODULE_KERNEL,	 /* kernel text, modules and BPF programs: offsets are addresses; fd is
			    kallsyms */
	MODULE_PERF_MAP, /* JIT code of one process image: offsets are addresses; fd is what names
			  * it
			  */
	MODULE_ANON,	 /* executable memory that nothing describes: offsets are addresses */
};

enum module_state {
	MODULE_OPENING,
	MODULE_OPEN,
	MODULE_FAILED, /* see error: it stays [name+0x…] */
};

struct module_waiter;

struct module {
	enum module_kind kind;
	enum module_state state;
	int fd;		 /* owned; -1 unless MODULE_OPEN */
	int error;	 /* -errno when MODULE_FAILED */
	char *path;	 /* as the kernel named it when it was mapped, without " (deleted)" */
	char *real_path; /* where we could open it, for debug links; NULL if by descriptor only */
	pid_t pid;	 /* of a process that mapped it (PERF_MAP: of the only one) */
	uid_t owner;	 /* of the file, as are the next */
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec mtime, ctime;
	struct module *same; /* opened earlier under another key with the same identity; owned */
	unsigned references;
	unsigned slots; /* of the table, under as many keys: these are references, too */
	struct module_waiter *waiters;
	void *names; /* symbol cache of symbols.h, freed through names_free */
	void (*names_free)(void *names);
	void *tables; /* of tables.h, freed through tables_free */
	void (*tables_free)(void *tables);
	void *sites; /* of heap_sites.h, freed through sites_free */
	void (*sites_free)(void *sites);
};

struct module *module_ref(struct module *m);
void module_unref(struct module *m); /* NULL is fine */
/* Of an open MODULE_FILE; all others have the same. */
struct file_identity module_identity(const struct module *m);

/* Who waits until a module is MODULE_OPENING no longer. Owned by who waits. */
struct module_waiter {
	void (*settled)(
		void *userdata, struct module *m); /* called once, in the order of waiting */
	void *userdata;
	struct module_waiter *next;
};
/* Only while it is MODULE_OPENING. */
void module_wait(struct module *m, struct module_waiter *waiter);
/* One that does not wait (any more) is fine. */
void module_wait_no_more(struct module *m, struct module_waiter *waiter);

/* ---- the table, used by the process table -------------------------------------------------- */

struct opener;
struct modules;

/* A mapping as a record or a line of /proc/PID/maps has it. */
struct module_mapping {
	uint32_t pid;
	uint64_t start, end;
	uint32_t major, minor;
	uint64_t inode, inode_generation; /* generation 0: not known */
	const char *path;
};

/* Raises the soft limit of open files to the hard one. Borrows the opener, which must outlive the
 * table; with NULL nothing is ever opened. 0 or -errno. */
int modules_new(struct modules **out, struct opener *opener);
/* Modules that others hold stay valid; they are opened no more. NULL is fine. */
void modules_free(struct modules *t);

/* The module of a mapping, a new reference; opening it begins if nobody mapped it before.
 * Executable memory without a file is one MODULE_ANON for all ("//anon"); see module_is_jit(). NULL
 * without memory. */
struct module *modules_map(struct modules *t, const struct module_mapping *mapping);

/* Whether a process may describe code there by a perf map: anonymous memory, or a memfd that turned
 * out to be no ELF; but not the kernel's own special mappings. */
bool module_is_jit(const struct module *m);
/* A new MODULE_PERF_MAP of one process, in state MODULE_OPENING; a new reference, or NULL. */
struct module *modules_perf_map(struct modules *t, uint32_t pid);
/* Tries a failed one again, since JITs write their map after they began; the caller sees to it
 * that this is rare. */
void modules_retry_perf_map(struct modules *t, struct module *m);

/* Borrowed, as long as the table lives. */
struct module *modules_kernel(struct modules *t);

/* Forgets modules that only the table holds, when they were not mapped for two minutes or their
 * file was deleted. */
void modules_sweep(struct modules *t);

struct modules_stats {
	uint64_t modules, open, failed;
	uint64_t bytes;
};
struct modules_stats modules_stats(const struct modules *t);

#endif
