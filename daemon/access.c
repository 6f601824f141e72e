// SPDX-License-Identifier: MIT
#include "access.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"

#define GROUP_NAME "profd"

gid_t access_group(void)
{
	const struct group *group = getgrnam(GROUP_NAME);
	return group ? group->gr_gid : (gid_t)-1;
}

static bool is_trusted_group(gid_t gid, gid_t group)
{
	return gid == getegid() || (group != (gid_t)-1 && gid == group);
}

/* 1: a supplementary group of the peer is trusted; 0: none; -errno. */
static int in_trusted_group(int socket, gid_t group)
{
	socklen_t size = 0;

	/* The first call tells how long the list is. */
	if (!getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, NULL, &size))
		return 0;
	if (errno != ERANGE)
		return -errno;
	_cleanup_free_ gid_t *groups = malloc(size);
	if (!groups)
		return -ENOMEM;
	if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &size))
		return -errno;
	for (size_t i = 0; i < size / sizeof(*groups); i++) {
		if (is_trusted_group(groups[i], group))
			return 1;
	}
	return 0;
}

int access_identify(int socket, gid_t group, struct peer *out)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);

	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &cred, &size))
		return -errno;
	*out = (struct peer){.uid = cred.uid, .pid = cred.pid};
	out->full = cred.uid == 0 || cred.uid == geteuid() || is_trusted_group(cred.gid, group);
	if (out->full)
		return 0;
	int trusted = in_trusted_group(socket, group);
	out->full = trusted == 1;
	return trusted < 0 ? trusted : 0;
}

void access_user_name(uid_t uid, char *name, size_t size)
{
	struct passwd entry, *found;
	char buffer[1024];
	_cleanup_fclose_ FILE *users = fopen("/etc/passwd", "re");

	snprintf(name, size, "uid %u", uid);
	while (users && !fgetpwent_r(users, &entry, buffer, sizeof(buffer), &found)) {
		if (found->pw_uid == uid) {
			snprintf(name, size, "%s", found->pw_name);
			return;
		}
	}
}

bool access_is_own(uid_t uid, uint32_t pid)
{
	char path[40], line[256];
	unsigned real, effective, saved;

	snprintf(path, sizeof(path), "/proc/%u/status", pid);
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Uid: %u %u %u", &real, &effective, &saved) == 3)
			return real == uid && effective == uid && saved == uid;
	return false;
}

int access_process(const struct peer *peer, uint32_t pid, char *why, size_t why_size)
{
	char path[32], owner[64];
	struct stat st;

	/* The folder's owner is the effective uid, whether the process is dumpable or not
	 * (task_dump_owner in fs/proc/base.c); threads have such a folder too. */
	snprintf(path, sizeof(path), "/proc/%u", pid);
	if (stat(path, &st) < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	if (peer->full || st.st_uid == peer->uid)
		return 0;
	access_user_name(st.st_uid, owner, sizeof(owner));
	snprintf(why, why_size, "process %u belongs to %s", pid, owner);
	return -EPERM;
}
