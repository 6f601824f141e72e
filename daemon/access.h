/* SPDX-License-Identifier: MIT */
/*
 * access.h - who is at the other end of the control socket, and what he may see: root, profd's
 * own user and the group profd everything, everybody else processes of his own uid.
 */
#ifndef PROFD_ACCESS_H
#define PROFD_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct peer {
	uid_t uid;
	pid_t pid;
	bool full; /* sees everything */
};

/* The group whose members see everything, beside the daemon's own: "profd"; (gid_t)-1 if the
 * host has none. */
gid_t access_group(void);

/* Asks the kernel for the credentials that the peer had when it connected (SO_PEERCRED, and
 * SO_PEERGROUPS for the supplementary groups, Linux 4.13: no user database is asked, which could
 * block). 0 or -errno. */
int access_identify(int socket, gid_t group, struct peer *out);

/* Whether the peer may record this process or thread: 0, -ESRCH (there is none), or -EPERM with
 * a line in `why`. A later change of its uid is caught by the session's own filter. */
int access_process(const struct peer *peer, uint32_t pid, char *why, size_t why_size);

/* Whether a process is the user's by all of its uids, real, effective and saved: who runs a
 * set-user-id program, or has lent himself another's rights, is not. */
bool access_is_own(uid_t uid, uint32_t pid);

/* The user's name by /etc/passwd, else his number: for messages, so no service is asked, which
 * could block. */
void access_user_name(uid_t uid, char *name, size_t size);

#endif
