/* SPDX-License-Identifier: MIT */
/*
 * modules.h - the files that code comes from, each opened once and known by what fstat says of
 * the opened descriptor; the numbers of a mapping record are only a key to one that is already
 * open (DESIGN 4, "Normalising").
 *
 * Opening happens in a helper process, in the background: a target's path can hang for ever. A
 * module can be used as an id from the start; its descriptor comes later, or never.
 */
#ifndef PROFD_COLLECTOR_MODULES_H
#define PROFD_COLLECTOR_MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum module_kind {
	MODULE_FILE,	 /* an ELF file, perhaps: nobody looked inside */
	MODULE_VDSO,	 /* fd is a memory image of the vDSO */
	MODULE_KERNEL,	 /* kernel text, modules and BPF programs: offsets are addresses; fd is kallsyms */
	MODULE_PERF_MAP, /* JIT code of one process image: offsets are addresses; fd is perf-PID.map */
	MODULE_ANON,	 /* executable memory that nothing describes: offsets are addresses */
};

enum module_state {
	MODULE_OPENING,
	MODULE_OPEN,
	MODULE_FAILED, /* see error: it stays [name+0x…] */
};

struct module {
	enum module_kind kind;
	enum module_state state;
	int fd;	    /* owned; -1 unless MODULE_OPEN */
	int error;  /* -errno when MODULE_FAILED */
	char *path; /* as the kernel named it when it was mapped */
	char *real_path;	/* where we could open it, for debug links; NULL if by descriptor only */
	pid_t pid;  /* of a process that mapped it (PERF_MAP: of the only one) */
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec mtime, ctime;
	unsigned references;
	void *names; /* symbol cache of symbols.h, freed through names_free */
	void (*names_free)(void *names);
};

struct module *module_ref(struct module *m);
void module_unref(struct module *m); /* NULL is fine */

#endif
