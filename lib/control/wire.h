/* SPDX-License-Identifier: MIT */
/*
 * wire.h - frames of the control protocol (profd/control.h), for both ends.
 */
#ifndef PROFD_CONTROL_WIRE_H
#define PROFD_CONTROL_WIRE_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "profd/control.h"

/* Bytes and descriptors that were received but not yet taken. Bounded by CONTROL_MAX_MESSAGE. */
struct wire {
	int fd; /* borrowed */
	char *in;
	size_t in_size, in_capacity;
	int fds[CONTROL_MAX_FDS];
	size_t n_fds;
};

void wire_init(struct wire *w, int fd);
void wire_free(struct wire *w); /* closes descriptors that nobody took */

/* Sends one message with descriptors (borrowed). Blocking sockets block; on a non-blocking one a
 * full buffer is -EAGAIN with nothing sent, since queues are the caller's. 0 or -errno. */
int wire_send(struct wire *w, const cJSON *message, const int *fds, size_t n_fds);
/* Reads what there is (blocks on a blocking socket) and takes one message. 1: *out is a message
 * (cJSON_Delete it); 0: none yet (non-blocking); -ECONNRESET at the end of the stream; -EBADMSG, -E2BIG for
 * frames that break the protocol. */
int wire_receive(struct wire *w, cJSON **out);
/* The oldest received descriptor; the caller's from then on. -1: none. */
int wire_take_fd(struct wire *w);

#endif
