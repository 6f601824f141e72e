/* SPDX-License-Identifier: MIT */
/*
 * open_kinds.h - what the opener opens: one function for each enum opener_kind. Each returns a
 * descriptor for reading (the caller's) or -errno.
 */
#ifndef PROFD_OPENER_OPEN_KINDS_H
#define PROFD_OPENER_OPEN_KINDS_H

#include "opener/protocol.h"
#include "opener/roots.h"

/* The file behind a mapping: through /proc/PID/map_files, or by its path below the root of the
 * process, or, when that is gone, below our own and those of processes seen lately. The file must
 * be the one that the record named: -ESTALE otherwise. -ENOEXEC: a memfd that is no ELF (memory of
 * a JIT). */
int open_mapping(struct roots *roots, const struct opener_question *q, const char *path);

/* /tmp/perf-NSPID.map below the process's root: -EPERM unless it is the user's or root's and has
 * one link. */
int open_perf_map(struct roots *roots, const struct opener_question *q);

#endif
