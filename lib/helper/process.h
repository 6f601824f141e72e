/* SPDX-License-Identifier: MIT */
/*
 * process.h - child processes of profd and profctl: fork + exec of the running executable, so
 * that the tenth is as bare as the first. A helper starts with descriptors 0-2 (0 and 1 on
 * /dev/null, 2 its parent's standard error) and HELPER_SOCKET only, in a session of its own (a
 * Ctrl-C for the parent is not for it), with default signals, and dies with its parent.
 */
#ifndef PROFD_HELPER_PROCESS_H
#define PROFD_HELPER_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HELPER_SOCKET	 3 /* a unix socket: SOCK_STREAM, of the opener SOCK_SEQPACKET */
#define HELPER_MAX_FDS	 8 /* descriptors in one message */
#define HELPER_MAX_STUCK 4 /* killed ones of a name that may hang in the kernel at once */

struct helper {
	pid_t pid;  /* -1: none */
	int socket; /* our end, non-blocking, close-on-exec; -1: none */
	int pidfd;  /* readable when it has exited; -1: none */
	const char *name;
};
#define HELPER_NONE ((struct helper){.pid = -1, .socket = -1, .pidfd = -1})

/* Starts `PROGRAM --helper NAME [ARG]` (arg may be NULL) with a socket pair of the given type. It
 * is the running program (/proc/self/exe) that is started, so main() of a unit test can be a
 * helper, too; the name must live for ever. 0 or -errno, also of the exec; -EAGAIN when
 * HELPER_MAX_STUCK helpers of that name could not be killed yet. */
int helper_start(struct helper *h, const char *name, const char *arg, int socket_type);

/* Closes a descriptor that no helper is to have meanwhile: the child that becomes one has all of
 * them for a moment. If it is the last that closes one, helper_start() waits for what the kernel
 * waits for then. To be called by any thread. Returns -1. */
int helper_close_apart(int fd);

/* Kills it if it still runs, reaps it, closes everything; returns the wait status (0 if there was
 * none). Safe to call twice. A process that a dead FUSE server holds in the kernel cannot be
 * killed (fs/fuse/dev.c, request_wait_answer): it is left behind after 0.2 s, counts as killed,
 * and is reaped by a later call. That no more of its name will be started is logged, once. */
int helper_stop(struct helper *h);

/* Whether one that was left behind, by its pid, is there still. */
bool helper_is_stuck(pid_t pid);
/* Whether so many of that name were, and are there still, that no more are started. */
bool helper_is_refused(const char *name);

/* What it has used of the CPUs so far, us; 0 if there is none, or if it has exited. */
uint64_t helper_cpu_us(const struct helper *h);

/* How a helper that has hung up ended: half a sentence. It is left for helper_stop() to reap. True
 * if it was for lack of memory. */
#define HELPER_HOW_SIZE 64
bool helper_explain_end(const struct helper *h, char how[HELPER_HOW_SIZE]);

/* One message with up to HELPER_MAX_FDS descriptors (borrowed). Returns bytes or -errno. */
ssize_t helper_send(int socket, const void *data, size_t size, const int *fds, size_t n_fds);
/* *n_fds: in: room, out: received (owned by the caller, close-on-exec). Returns bytes, 0 at the
 * end of the stream, or -errno; -EMSGSIZE for a message or a set of descriptors that does not fit:
 * nothing is received then. */
ssize_t helper_receive(int socket, void *data, size_t size, int *fds, size_t *n_fds);

#endif
