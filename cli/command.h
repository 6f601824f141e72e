/* SPDX-License-Identifier: MIT */
/*
 * command.h - `record -- CMD`: a child that waits before its exec until sampling has begun, with
 * the user's own rights, descriptors and process group.
 */
#ifndef PROFD_CLI_COMMAND_H
#define PROFD_CLI_COMMAND_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "exit_trace.h"

struct child {
	pid_t pid;		  /* 0: none, or reaped */
	int go;			  /* pipe: a byte lets it exec, closing it lets it exit */
	int error;		  /* pipe: errno of a failed exec */
	int code;		  /* exit code, as record passes it on, once it is reaped */
	bool not_run;		  /* the exec failed */
	struct exit_trace *trace; /* who traces it, and is told first of its end; or NULL */
};

/* The exit code of a command that cannot be run at all (126, 127; explained), else 0. Asked before
 * anything is recorded. */
int child_check(const char *name);
/* Where exec finds it, to be freed; NULL: nowhere. */
char *child_find(const char *name);
/* Forks. `mask` is the signal mask that CMD gets, `changes` (NULL: none) are variables of its
 * environment, the last one with name NULL. 0 or -errno, explained. */
struct variable {
	const char *name, *value;
};
int child_prepare(
	struct child *c, char **argv, const sigset_t *mask, const struct variable *changes);
/* Lets it exec; SIGPIPE is to be blocked or ignored, since somebody may have killed it. 0, or
 * -errno of the exec, explained; it is reaped then, and `code` is 126 or 127.
 */
int child_release(struct child *c, const char *name);
/* Without a release: it exits without having run anything. Waits for it. */
void child_abandon(struct child *c);
/* True if it has ended, now or before: `code` is set. Does not wait. */
bool child_ended(struct child *c);

#endif
