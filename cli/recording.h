/* SPDX-License-Identifier: MIT */
/*
 * recording.h - one recording from the ok of the daemon to its end: events from the socket, signals
 * from the user, the command that is profiled; progress on a terminal.
 */
#ifndef PROFD_CLI_RECORDING_H
#define PROFD_CLI_RECORDING_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "client.h"
#include "command.h"

struct recording {
	struct client client;
	int signals;	     /* signalfd of SIGINT, SIGTERM, SIGQUIT, SIGCHLD */
	struct child *child; /* NULL without a command */
	uint32_t seconds;    /* asked for; 0: no end */
	bool show_progress;
	unsigned interrupts; /* how often the user wanted it to end */
	bool stopping;
	bool command_ended; /* before the recording did */
	cJSON *done;	    /* the daemon's last event */
};

/* Runs until the profile is there and the command, if there is one, has ended. 0 when it is done;
 * -EINTR when the user would not wait; another -errno when profiling failed. Explained. */
int recording_run(struct recording *r);

#endif
