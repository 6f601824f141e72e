/* SPDX-License-Identifier: MIT */
/*
 * watch_list.h - the processes that the key watch= names: by systemd unit, by cgroup, by command.
 *
 *     postgresql.service   a unit (.service, .scope, .slice): all below a cgroup of that name
 *     /system.slice/x      a cgroup and all below it
 *     redis-server         a command, as in /proc/PID/comm: the first 15 bytes of the name count
 */
#ifndef PROFD_WATCH_LIST_H
#define PROFD_WATCH_LIST_H

#include <stdbool.h>
#include <stddef.h>

#define WATCH_LIST_MAX 32

enum watch_kind { WATCH_UNIT, WATCH_CGROUP, WATCH_COMM };

/* Zero-initialised is none. */
struct watch_list {
	struct watch_entry {
		enum watch_kind kind;
		const char *name; /* in `text` */
	} entries[WATCH_LIST_MAX];
	size_t n;
	char *text; /* owned */
};

/* Entries with blanks or commas between them. 0; -EINVAL, with a line in `why`; -ENOMEM.
 * watch_list_free in any case. */
int watch_list_parse(struct watch_list *list, const char *text, char *why, size_t why_size);
void watch_list_free(struct watch_list *list);

/* Is a process of that name, in that cgroup (the path below its hierarchy's root), one of them? */
bool watch_list_matches(const struct watch_list *list, const char *comm, const char *cgroup);

/* Is the cgroup that one, or below it? `above` may begin with where cgroups are mounted, and end
 * with a slash. */
bool cgroup_is_within(const char *cgroup, const char *above);

#endif
