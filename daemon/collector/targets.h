/* SPDX-License-Identifier: MIT */
/* targets.h - the tasks that a session's filter names, put into the map that the programs ask. */
#ifndef PROFD_COLLECTOR_TARGETS_H
#define PROFD_COLLECTOR_TARGETS_H

#include "collector/bpf_host.h"
#include "collector/sessions.h"

/* Adds the filter's pids and tids, and with `children` all descendants that the pids have now.
 * The slot's flags must be in force already, so that a fork meanwhile is followed by the
 * programs. 0, -E2BIG when they are too many, or another -errno. */
int targets_install(struct bpf_host *bpf, unsigned slot, const struct session_filter *filter);

#endif
