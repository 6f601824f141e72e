/* SPDX-License-Identifier: MIT */
/*
 * standalone.h - a profd of one's own for one recording (--standalone): its own store and socket
 * in a temporary folder, nothing that it profiles continuously, gone with the recording.
 */
#ifndef PROFD_CLI_STANDALONE_H
#define PROFD_CLI_STANDALONE_H

#include <signal.h>
#include <sys/types.h>

struct standalone {
	pid_t pid;
	char *folder, *socket;
};

/* Starts profd (beside profctl, else from PATH) and waits until it answers. `mask` is the signal
 * mask that it gets. 0 or -errno, explained, with what profd said. */
int standalone_start(struct standalone *s, const sigset_t *mask);
/* Ends it and removes the folder. Without effect where nothing was started. */
void standalone_stop(struct standalone *s);

#endif
