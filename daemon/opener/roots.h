/* SPDX-License-Identifier: MIT */
/*
 * roots.h - root folders of processes as descriptors, kept for some seconds by mount namespace, so
 * that a file of a process that is gone can still be found through a sibling's root.
 *
 * A kept descriptor pins a container's file system, so none is kept for longer than
 * ROOTS_KEEP_SECONDS after its last use.
 */
#ifndef PROFD_OPENER_ROOTS_H
#define PROFD_OPENER_ROOTS_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define ROOTS_KEPT	   8
#define ROOTS_KEEP_SECONDS 10

struct kept_root {
	int fd; /* O_PATH; -1: free */
	dev_t device;
	ino_t inode, mount_namespace;
	uint64_t place; /* places.h: of the process that it was found by */
	time_t used;	/* CLOCK_MONOTONIC, s */
};

struct roots {
	int own; /* "/" of the daemon */
	struct kept_root kept[ROOTS_KEPT];
};

/* 0 or -errno. */
int roots_open(struct roots *r);
void roots_close(struct roots *r);

/* The root folder of a process (borrowed until the next call); -errno, -ENOENT or -ESRCH: it is
 * gone. */
int roots_of_process(struct roots *r, uint32_t pid);

/* Closes what is too old. Returns seconds until there is more to close, or -1: nothing is kept. */
int roots_expire(struct roots *r);

#endif
