/* SPDX-License-Identifier: MIT */
/*
 * sideband.h - perf's own records of what happens to address spaces: a dummy software event and
 * an mmapped ring for each CPU (MMAP2, COMM with comm_exec, KSYMBOL; CLOCK_MONOTONIC;
 * sample_id_all; attr.build_id off, since it would replace device and inode).
 */
#ifndef PROFD_COLLECTOR_SIDEBAND_H
#define PROFD_COLLECTOR_SIDEBAND_H

#include "collector/record.h"

struct sideband;

/* Opens the events on every online CPU, with rings of `pages` pages (a power of two) each.
 * Returns 0 or -errno; -EACCES, -EPERM: perf_event_paranoid or a capability is missing. */
int sideband_open(struct sideband **out, size_t pages);
void sideband_close(struct sideband *s);

/* Opens what is missing on CPUs that came online. Returns 0 or -errno. */
int sideband_sync_cpus(struct sideband *s);

/* An epoll descriptor that is readable when a ring is a quarter full. Owned by the sideband. */
int sideband_fd(const struct sideband *s);

/* Calls `handler` for every record in the rings, ring by ring (not sorted). Returns 0 or -errno.
 * `malformed` is increased for records that contradict themselves. */
int sideband_read(struct sideband *s, void (*handler)(void *userdata, const struct record *record),
	void *userdata, uint64_t *malformed);

#endif
