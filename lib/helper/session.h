/* SPDX-License-Identifier: MIT */
/* session.h - the life of a helper that parses files: into the sandbox, then one request after the
 * other, until the collector hangs up. */
#ifndef PROFD_HELPER_SESSION_H
#define PROFD_HELPER_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include "helper/protocol.h"

struct session {
	const char *name; /* of the helper, for messages */
	uint64_t memory_limit;
	unsigned wants; /* files asked for, for this request */
	int error;	/* of the socket: it cannot go on */
	/* Reads one request and answers it. 0, or -errno: the helper ends. */
	int (*serve)(struct session *s);
};

/* Serves requests; name and serve are set. memory_limit: as text, bytes; file_limit: see sandbox.h.
 * Returns the exit code. */
int session_run(struct session *s, const char *memory_limit, uint64_t file_limit);

int session_send(uint32_t type, const void *data, size_t size);
/* Reads a REQUEST's head, and its descriptors, which are the caller's; fds holds
 * HELPER_MESSAGE_FDS, -1 where there is none. The caller reads the rest, *size bytes. 0 or -errno
 * (nothing is open then). */
int session_next(struct session *s, uint32_t *size, int *fds);
/* A debug_want of debug_file.h; userdata is the session. None beyond HELPER_MAX_WANTS. */
int session_want(void *userdata, const char *name);
/* The file to write to (scratch.h), or -1; only once. userdata is the session. */
int session_scratch(void *userdata);

#endif
