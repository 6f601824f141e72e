/* SPDX-License-Identifier: MIT */
/* open_kinds.h - what only the opener opens; the other kinds are profctl's, too: lib/symbols/. */
#ifndef PROFD_OPENER_OPEN_KINDS_H
#define PROFD_OPENER_OPEN_KINDS_H

#include "opener/protocol.h"
#include "opener/roots.h"

/* Tells the collector where a question's file is looked for from now on (places.h): ahead of what
 * may hang there, and is not to be laid to the process. */
void opener_tell_place(const struct opener_question *q, uint64_t place);

/* The file behind a mapping: through /proc/PID/map_files, or by its path below the root of the
 * process, or, when that is gone, below our own and those of processes seen lately. The file must
 * be the one that the record named: -ESTALE otherwise. -ENOEXEC: a memfd that is no ELF (memory of
 * a JIT). A descriptor for reading (the caller's) or -errno. */
int open_mapping(struct roots *roots, const struct opener_question *q, const char *path);

#endif
