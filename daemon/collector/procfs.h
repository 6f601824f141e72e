/* SPDX-License-Identifier: MIT */
/*
 * procfs.h - what /proc says about a process. Names in it are chosen by the process: lines are
 * parsed from fixed places, and none is trusted to be short or to be text.
 */
#ifndef PROFD_COLLECTOR_PROCFS_H
#define PROFD_COLLECTOR_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/modules.h"
#include "profd/abi.h"

/* start_boottime in clock ticks of 1/sysconf(_SC_CLK_TCK) s (field 22 of /proc/PID/stat). 0,
 * -ENOENT or -ESRCH when there is no such process, -EBADMSG. */
int procfs_start_ticks(uint32_t pid, uint64_t *ticks);
/* The same of a line of /proc/PID/stat. 0 or -EBADMSG. */
int procfs_parse_start(const char *stat, uint64_t *ticks);
/* Whether the pid still is the process that started then. */
bool procfs_is_same(const struct profd_identity *identity);

/* Name of a thread, "" on failure. 0 or -errno. */
int procfs_comm(uint32_t pid, uint32_t tid, char comm[PROFD_COMM_LEN]);
/* Path of the executable, as the process sees it and without " (deleted)". 0 or -errno (-ENOENT for
 * a kernel thread). */
int procfs_exe(uint32_t pid, char *path, size_t size);

/* One line of /proc/PID/maps; false unless it is a well-formed executable mapping. The line is
 * changed: its end becomes the path, with the kernel's \012 turned into a newline again. */
bool procfs_parse_maps_line(char *line, struct module_mapping *mapping, uint64_t *offset);
/* All executable mappings in order of address. Ends early when the handler returns non-zero, which
 * is then the result. 0 or -errno. */
int procfs_maps(uint32_t pid,
	int (*handler)(void *userdata, const struct module_mapping *mapping, uint64_t offset),
	void *userdata);

#endif
