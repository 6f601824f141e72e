/* SPDX-License-Identifier: MIT */
/*
 * opener.h - opens paths of targets in a killable helper with a time limit, because a FUSE or
 * NFS mount can hang for ever (DESIGN 7). Asynchronous: answers arrive through the event loop, in
 * the order of the requests.
 *
 * A request that takes longer than OPENER_TIMEOUT_US fails with -ETIMEDOUT; the helper is killed
 * and the others go to a new one. The place that hung (opener/places.h) is left alone for
 * OPENER_PENALTY_US, and for as long as the helper cannot be killed: requests for it fail at once,
 * so that one dead mount with many files does not stop all others.
 *
 * It must be none that a user can make somebody else's. So it is that of who owns the process, in
 * whose mounts its files are looked for, unless the helper says that it looks elsewhere: at the
 * device of a mapping, once it has reached the recorded file; at the host's folders of debug files;
 * below the root of a process of another's. A device that hangs is left alone, and so is the user
 * who maps it, since he may have many of them. Thus one user has one helper stuck at most, and one
 * more by the files of processes that have ended, which are one place.
 */
#ifndef PROFD_COLLECTOR_OPENER_H
#define PROFD_COLLECTOR_OPENER_H

#include <stdint.h>
#include <systemd/sd-event.h>

#include "collector/modules.h"

#define OPENER_TIMEOUT_US (2 * 1000 * 1000ULL)
#define OPENER_PENALTY_US (60 * 1000 * 1000ULL)
#define OPENER_MAX_QUEUED 4096 /* requests that wait; more are refused with -ENOBUFS */

struct opener;

enum opener_kind {
	OPENER_MAPPING, /* the file behind a mapping: by map_files, then by path below the root */
	OPENER_JIT,	/* jitdump or perf map of a process, checked for owner and links */
	OPENER_DEBUG,	/* a debug file by build-id or debuglink, below configured folders only */
};

struct opener_request {
	enum opener_kind kind;
	uint32_t pid;	       /* DEBUG: a process that maps the file that asks, or 0 */
	uint64_t start, end;   /* MAPPING: of the mapping */
	uint32_t major, minor; /* MAPPING: what the record says */
	uint64_t inode;	       /* likewise; DEBUG: of the file that asks */
	const char *path; /* MAPPING: as the kernel named it; DEBUG: build-id in hex or base name */
	const char *near; /* DEBUG: folder of the file that asks (for debuglinks), or NULL */
	uid_t owner;	  /* DEBUG: of that file: see debug_dirs.h */
};

/* fd is the callee's now (or -1 with error = -errno); real_path is NULL or where it was found.
 * MAPPING: -ESTALE: another file is there now; -ENOEXEC: a memfd that is no ELF. JIT: -EPERM:
 * neither the user's nor root's, or it has further links. */
typedef void (*opener_done)(void *userdata, int fd, int error, const char *real_path);

/* debug_dirs: colon-separated, searched for OPENER_DEBUG after the standard ones; NULL: none.
 * The helper starts with the first request. 0 or -errno. */
int opener_new(struct opener **out, sd_event *event, const char *debug_dirs);
/* Pending requests end with -ECANCELED. NULL is fine. */
void opener_free(struct opener *o);
/* 0 (done will be called, later) or -errno (it will not): -ENOBUFS, -ENAMETOOLONG, -ENOMEM. */
int opener_submit(
	struct opener *o, const struct opener_request *request, opener_done done, void *userdata);
/* Forgets requests of this userdata: their callbacks will not be called. */
void opener_cancel(struct opener *o, void *userdata);
/* Requests that timed out since start. */
uint64_t opener_timeouts(const struct opener *o);

/* main() of `profd --helper opener [DEBUG_DIRS]`, in daemon/opener/. */
int opener_main(const char *debug_dirs);

#endif
