/* SPDX-License-Identifier: MIT */
/*
 * helper_link.h - a helper's process and the messages (helper/protocol.h) to and from it, one at a
 * time each way. It is started by the first message; what one means to anyone is not known here.
 */
#ifndef PROFD_COLLECTOR_HELPER_LINK_H
#define PROFD_COLLECTOR_HELPER_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "helper/process.h"
#include "helper/protocol.h"

/* A whole message; data is valid during the call. */
typedef void (*helper_link_message)(void *userdata, uint32_t type, const void *data, size_t size);
/* The process is gone, for lack of memory or otherwise, or it broke the framing and was stopped.
 * `how` is half a sentence. */
typedef void (*helper_link_gone)(void *userdata, bool memory, const char *how);

struct helper_link {
	sd_event *event; /* borrowed */
	helper_link_message on_message;
	helper_link_gone on_gone;
	void *userdata;
	const char *name;
	char memory_limit[24];
	size_t max_message;

	struct helper helper;
	sd_event_source *source;
	char *out; /* rest of a message that the socket did not take at once */
	size_t out_size, out_sent;
	struct helper_head head; /* of the message that comes in */
	char *body;
	size_t received; /* of head and body */
};

struct helper_link_options {
	const char *name; /* as helper_start takes it; must outlive the link */
	uint64_t memory_limit;
	size_t max_message; /* bytes that the helper may send at once */
	helper_link_message on_message;
	helper_link_gone on_gone;
	void *userdata;
};
void helper_link_init(
	struct helper_link *l, sd_event *event, const struct helper_link_options *options);
/* Ends the process, if there is one; neither callback is called. The link can be used again. */
void helper_link_stop(struct helper_link *l);
bool helper_link_is_up(const struct helper_link *l);

/* Sends a message (copied) with up to HELPER_MESSAGE_FDS descriptors (borrowed), and starts the
 * process if there is none. 0 or -errno; -EBUSY while the message before is still on its way. */
int helper_link_send(struct helper_link *l, uint32_t type, const void *data, size_t size,
	const int *fds, size_t n_fds);

#endif
