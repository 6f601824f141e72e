/* SPDX-License-Identifier: MIT */
/*
 * control.h - the server of the control socket; the protocol is in profd/control.h.
 *
 * Any local user can connect, so everything is bounded: connections (in all, of users without
 * full rights, of one user), messages, requests a second, and what waits for a peer that does
 * not read: progress is dropped, and who lets an answer wait for ten seconds is disconnected.
 */
#ifndef PROFD_CONTROL_SERVER_H
#define PROFD_CONTROL_SERVER_H

#include <stddef.h>
#include <systemd/sd-event.h>

#include "collector/collector.h"
#include "privileges.h"

struct control;

/* Binds the socket (mode 0666: who may do what is decided by request) and listens. A socket that
 * a dead daemon left is replaced; -EADDRINUSE if somebody listens on it. Collector and
 * privileges are borrowed. 0 or -errno with a line in `why`. */
int control_new(struct control **out, sd_event *event, const char *path,
	struct collector *collector, const struct privileges *privileges, char *why,
	size_t why_size);
/* Lets nobody in any more and removes the socket; open connections live on, to learn how their
 * recordings ended. */
void control_close(struct control *c);
/* Closes everything. Comes after collector_free, whose last callbacks may still need it, and so
 * never calls the collector. NULL is fine. */
void control_free(struct control *c);

#endif
