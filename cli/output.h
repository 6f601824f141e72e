/* SPDX-License-Identifier: MIT */
/*
 * output.h - where a command's result goes: a file that appears whole or not at all, standard
 * output, or a device or pipe that the user named. All failures are explained to the user here.
 */
#ifndef PROFD_CLI_OUTPUT_H
#define PROFD_CLI_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

struct output {
	int fd;		  /* write here */
	const char *name; /* as the user gave it (borrowed) */
	char *path;	  /* of the file to be; NULL: what is written is there at once */
	char *tmp;	  /* beside it */
};

/* path NULL or "-" is standard output. binary: refuse a terminal. An existing file keeps its mode;
 * it is replaced by output_commit only. 0 or -errno. */
int output_open(struct output *o, const char *path, bool binary);
/* Makes the file appear (fsync, rename) and closes. 0 or -errno. */
int output_commit(struct output *o);
/* Removes what was begun. May follow a commit, and is then without effect. */
void output_abort(struct output *o);
/* All of that at once: opens, lets `fill` write into the descriptor, makes it appear. `fill`
 * returns -ECANCELED for what it has explained itself. 0 or -EIO. */
int output_write(const char *path, bool binary, int (*fill)(void *what, int fd), void *what);
/* Whether that could begin, for who has long work before it: nothing stays. 0 or -errno. */
int output_check(const char *path, bool binary);
/* A stream onto a descriptor, which stays open when it is closed. NULL with errno. */
FILE *output_stream(int fd);
/* Copies all of `from`, from its start. 0 or -errno. */
int output_copy(struct output *o, int from);
/* Prints the path of a profile that was written, on a line of its own. 0 or -EIO. */
int output_print_path(FILE *to, const char *path);
/* True if it is the same file as standard output, so that nothing else may be printed there. */
bool output_is_stdout(const struct output *o);

#endif
