/* SPDX-License-Identifier: MIT */
/*
 * leak_exit.h - record --leak-check=full: holds each process of the command at its end, asks the
 * daemon what it has in use, scans its memory for what of that can be reached, and tells the
 * daemon, who puts it into the profile.
 */
#ifndef PROFD_CLI_LEAK_EXIT_H
#define PROFD_CLI_LEAK_EXIT_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "client.h"
#include "exit_trace.h"

struct leak_exit {
	struct exit_trace trace;
	bool complete;	  /* every allocation is a sample */
	bool announced;	  /* one of them had the library that announces what it allocates */
	pid_t asked;	  /* whose blocks the daemon was asked for, or told about; 0: nobody's */
	unsigned skipped; /* processes whose memory could not be scanned */
};

/* The child waits for its exec. 0 or -errno, explained. */
int leak_exit_begin(struct leak_exit *e, pid_t child, bool complete);
/* After whatever may have brought a process to its end: asks for its blocks, over the connection
 * of the heap recording. 0 or -errno, explained. */
int leak_exit_step(struct leak_exit *e, struct client *client);
/* Takes the daemon's event "blocks" or "reached"; fd (of the blocks) is borrowed. The same. */
int leak_exit_event(struct leak_exit *e, struct client *client, const cJSON *event, int fd);
/* The recording is over: nobody is held any more. */
void leak_exit_end(struct leak_exit *e);
void leak_exit_free(struct leak_exit *e);

#endif
