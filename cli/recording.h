/* SPDX-License-Identifier: MIT */
/*
 * recording.h - recordings of one target, one for each type, from the ok of the daemon to their
 * end: events from the sockets, signals from the user, the command that is profiled; progress on a
 * terminal. They end together.
 */
#ifndef PROFD_CLI_RECORDING_H
#define PROFD_CLI_RECORDING_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "client.h"
#include "command.h"
#include "leak_exit.h"
#include "snapshots.h"

#define RECORDING_MAX_TYPES 2

/* A recording of one type, over a connection of its own. */
struct take {
	struct client client;
	cJSON *done;  /* the daemon's last event */
	bool failed;  /* explained */
	bool is_heap; /* it takes snapshots, when SIGUSR2 says so, and knows blocks */
};

struct recording {
	struct take takes[RECORDING_MAX_TYPES];
	size_t n;
	int signals;		     /* signalfd of SIGINT, SIGTERM, SIGQUIT, SIGCHLD, SIGUSR2 */
	struct snapshots *snapshots; /* who takes them */
	struct child *child;	     /* NULL without a command */
	struct leak_exit *leaks;     /* who looks at its processes at their end; or NULL */
	uint32_t seconds;	     /* asked for; 0: no end */
	bool show_progress;
	bool delivered;	     /* profiles come over the connection: no copy goes to the store */
	unsigned interrupts; /* how often the user wanted it to end */
	bool stopping;
	bool command_ended; /* before the recordings did */
};

/* Runs until the profiles are there and the command, if there is one, has ended. 0 when they are;
 * -EINTR when the user would not wait; another -errno when profiling failed: those that are done
 * may be used all the same. Explained. */
int recording_run(struct recording *r);

#endif
