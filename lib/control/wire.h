/* SPDX-License-Identifier: MIT */
/*
 * wire.h - frames of the control protocol (profd/control.h), for both ends.
 *
 * A wire owns the bytes and descriptors that are on their way; the socket stays the caller's.
 */
#ifndef PROFD_CONTROL_WIRE_H
#define PROFD_CONTROL_WIRE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profd/control.h"

struct wire {
	int fd; /* borrowed */
	/* For a peer that nobody trusts, set after wire_init: its descriptors stay in the kernel,
	 * since closing one of a FUSE file waits for its server; and messages are shorter. */
	bool no_fds;
	uint32_t max_message; /* bytes of one that comes in; CONTROL_MAX_MESSAGE at first */
	/* received, but not yet taken: at most one message and CONTROL_MAX_FDS descriptors */
	char *in;
	size_t in_size, in_capacity;
	int fds[CONTROL_MAX_FDS];
	size_t n_fds;
	/* the rest of one message that a non-blocking socket took only in part */
	char *out;
	size_t out_size, out_sent;
};

void wire_init(struct wire *w, int fd);
/* Closes descriptors that nobody took, drops what was not sent. */
void wire_free(struct wire *w);

/* Sends one message with descriptors (borrowed). Blocking sockets block. On a non-blocking one a
 * full buffer is -EAGAIN with nothing sent, since queues are the caller's; a message that fits
 * only in part is accepted (0), its rest is kept and goes out by the next wire_send or wire_flush.
 * -E2BIG for a message beyond CONTROL_MAX_MESSAGE, -ENOMEM, or what sendmsg(2) says (-EPIPE). */
int wire_send(struct wire *w, const cJSON *message, const int *fds, size_t n_fds);
/* Sends the rest of an accepted message. 0: nothing is left; -EAGAIN: wait for POLLOUT. */
int wire_flush(struct wire *w);
/* True while wire_flush has something to send. */
bool wire_pending(const struct wire *w);

/* Reads what there is (blocks on a blocking socket) and takes one message. 1: *out is a message
 * (always an object; cJSON_Delete it); 0: none yet (non-blocking, or interrupted by a signal);
 * -ECONNRESET at the end of the stream; -EBADMSG, -E2BIG for frames that break the protocol: the
 * connection is of no more use then. */
int wire_receive(struct wire *w, cJSON **out);
/* The oldest received descriptor; the caller's from then on. -1: none. */
int wire_take_fd(struct wire *w);

#endif
