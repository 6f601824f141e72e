/* SPDX-License-Identifier: MIT */
/*
 * process_names.h - what processes are called, from the labels of a profile: the name of the thread
 * whose tid is the pid, else that of the first thread in the file.
 */
#ifndef PROFD_CLI_PROCESS_NAMES_H
#define PROFD_CLI_PROCESS_NAMES_H

#include "profile/strings.h"
#include "store/store.h"
#include "tally.h"

struct process_names {
	struct string_table *texts;
	struct tally by_pid; /* sum: id in `texts`, with MAIN_THREAD if it is that one's */
};

/* 0 or -ENOMEM. */
int process_names_init(struct process_names *names);
void process_names_free(struct process_names *names);
/* Adds those of a window; pids that have a name keep it. A profile that cannot be read has none: a
 * warning, and 0. -ENOMEM. */
int process_names_add(struct process_names *names, const struct store_entry *window);
/* "" if it has none. */
const char *process_name(struct process_names *names, uint32_t pid);
/* The id of that text, 0 if it has none. */
uint32_t process_name_id(struct process_names *names, uint32_t pid);

#endif
