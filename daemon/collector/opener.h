/* SPDX-License-Identifier: MIT */
/*
 * opener.h - opens paths of targets in a killable helper with a time limit, because a FUSE or
 * NFS mount can hang for ever (DESIGN 7). Asynchronous: answers arrive through the event loop.
 */
#ifndef PROFD_COLLECTOR_OPENER_H
#define PROFD_COLLECTOR_OPENER_H

#include <stdint.h>
#include <systemd/sd-event.h>

#include "collector/modules.h"

struct opener;

enum opener_kind {
	OPENER_MAPPING,	 /* the file behind a mapping: by map_files, then by path below the root */
	OPENER_PERF_MAP, /* /tmp/perf-NSPID.map of a process, checked for owner and links */
	OPENER_DEBUG,	 /* a debug file by build-id or debuglink, below configured folders only */
};

struct opener_request {
	enum opener_kind kind;
	uint32_t pid;
	uint64_t start, end;	  /* MAPPING: of the mapping */
	uint32_t major, minor;	  /* MAPPING: what the record says */
	uint64_t inode;
	const char *path;	  /* MAPPING: as the kernel named it; DEBUG: build-id in hex or base name */
	const char *near;	  /* DEBUG: folder of the file that asks (for debuglinks), or NULL */
};

/* fd is the callee's now (or -1 with error = -errno); real_path is NULL or where it was found. */
typedef void (*opener_done)(void *userdata, int fd, int error, const char *real_path);

/* debug_dirs: colon-separated, searched for OPENER_DEBUG after the standard ones. */
int opener_new(struct opener **out, sd_event *event, const char *debug_dirs);
/* Pending requests end with -ECANCELED. */
void opener_free(struct opener *o);
/* 0 (done will be called, later) or -errno (it will not). */
int opener_submit(struct opener *o, const struct opener_request *request, opener_done done,
	void *userdata);
/* Forgets requests of this userdata: their callbacks will not be called. */
void opener_cancel(struct opener *o, void *userdata);
/* Requests that timed out since start. */
uint64_t opener_timeouts(const struct opener *o);

/* main() of `profd --helper opener`. */
int opener_main(const char *debug_dirs);

#endif
