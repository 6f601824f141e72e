/* SPDX-License-Identifier: MIT */
/*
 * helper.h - child processes of the collector: fork + exec of the daemon's own executable, so
 * that the tenth is as bare as the first. A helper starts with descriptors 0-2 (0 and 1 on
 * /dev/null, 2 the daemon's log) and HELPER_SOCKET only.
 */
#ifndef PROFD_COLLECTOR_HELPER_H
#define PROFD_COLLECTOR_HELPER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HELPER_SOCKET 3 /* a SOCK_STREAM (symbolizer) or SOCK_SEQPACKET (opener) unix socket */

struct helper {
	pid_t pid;  /* -1: none */
	int socket; /* our end, non-blocking, close-on-exec; -1: none */
	int pidfd;  /* readable when it has exited; -1: none */
};
#define HELPER_NONE ((struct helper){.pid = -1, .socket = -1, .pidfd = -1})

/* Starts `profd --helper NAME [ARG]` with a socket pair of the given type. 0 or -errno. */
int helper_start(struct helper *h, const char *name, const char *arg, int socket_type);
/* Kills it if it still runs, reaps it, closes everything; returns the wait status (0 if there was
 * none). Safe to call twice. */
int helper_stop(struct helper *h);

/* One message with up to `n_fds` descriptors. Return bytes or -errno. */
ssize_t helper_send(int socket, const void *data, size_t size, const int *fds, size_t n_fds);
/* *n_fds: in: room, out: received (owned by the caller, close-on-exec). */
ssize_t helper_receive(int socket, void *data, size_t size, int *fds, size_t *n_fds);

#endif
