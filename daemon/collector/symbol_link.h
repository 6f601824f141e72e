/* SPDX-License-Identifier: MIT */
/*
 * symbol_link.h - the symbolizer's process and the messages to and from it, one at a time each
 * way. It is started by the first message; what it means to anyone is symbols.c's business.
 */
#ifndef PROFD_COLLECTOR_SYMBOL_LINK_H
#define PROFD_COLLECTOR_SYMBOL_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "collector/helper.h"
#include "symbolizer/protocol.h"

/* A whole message; data is valid during the call. */
typedef void (*symbol_link_message)(void *userdata, uint32_t type, const void *data, size_t size);
/* The process is gone, or it broke the framing and was stopped. `how` is half a sentence. */
typedef void (*symbol_link_gone)(void *userdata, const char *how);

struct symbol_link {
	sd_event *event; /* borrowed */
	symbol_link_message on_message;
	symbol_link_gone on_gone;
	void *userdata;
	char memory_limit[24];

	struct helper helper;
	sd_event_source *source;
	char *out; /* rest of a message that the socket did not take at once */
	size_t out_size, out_sent;
	struct symbolizer_head head; /* of the message that comes in */
	char *body;
	size_t received; /* of head and body */
};

void symbol_link_init(struct symbol_link *l, sd_event *event, uint64_t memory_limit,
	symbol_link_message on_message, symbol_link_gone on_gone, void *userdata);
/* Ends the process, if there is one; neither callback is called. The link can be used again. */
void symbol_link_stop(struct symbol_link *l);
bool symbol_link_is_up(const struct symbol_link *l);

/* Sends a message (copied) with a descriptor (-1: none; borrowed), and starts the process if there
 * is none. 0 or -errno; -EBUSY while the message before is still on its way. */
int symbol_link_send(struct symbol_link *l, uint32_t type, const void *data, size_t size, int fd);

#endif
