// SPDX-License-Identifier: MIT
#include "opener/places.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"

#define PLACE_DEVICE	 (3ULL << PLACE_KIND_SHIFT)
#define PLACE_USER	 (4ULL << PLACE_KIND_SHIFT) /* by uid */
#define PLACE_NAMESPACE	 (5ULL << PLACE_KIND_SHIFT) /* by the inode of a user namespace */
#define PLACE_ROOTS	 (6ULL << PLACE_KIND_SHIFT) /* by the inode of a mount namespace */
#define PLACE_VALUE_MASK ((1ULL << PLACE_KIND_SHIFT) - 1)

uint64_t place_of_device(uint32_t major, uint32_t minor)
{
	return PLACE_DEVICE | (((uint64_t)major << 32 | minor) & PLACE_VALUE_MASK);
}

bool place_is_roots(uint64_t place)
{
	return (place & ~PLACE_VALUE_MASK) == PLACE_ROOTS;
}

static uint64_t inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_ino;
}

/* The one that it was started by, whatever program with other rights it is now. 0 or -errno. */
static int real_user(uint32_t pid, uint32_t *uid)
{
	char path[64], line[256];

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/status", pid);
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Uid: %" SCNu32, uid) == 1)
			return 0;
	return -ESRCH;
}

static uint64_t place_in_ours(uint32_t pid)
{
	char path[64];
	struct stat mounts;
	uint32_t uid;

	if (real_user(pid, &uid))
		return PLACE_GONE;
	if (uid)
		return PLACE_USER | uid;
	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/ns/mnt", pid);
	return stat(path, &mounts) ? PLACE_GONE : PLACE_ROOTS | (mounts.st_ino & PLACE_VALUE_MASK);
}

/* Of the outermost user namespace around one that is not ours; the kernel shows none beyond. */
static uint64_t place_outside(int namespace, uint64_t ours)
{
	_cleanup_close_ int outer = -1;
	uid_t owner = 0;

	for (;;) {
		int parent = ioctl(namespace, NS_GET_PARENT);

		if (parent < 0 || inode_of(parent) == ours) {
			close_fd(parent);
			break;
		}
		close_fd(outer);
		namespace = outer = parent;
	}
	if (!ioctl(namespace, NS_GET_OWNER_UID, &owner) && owner)
		return PLACE_USER | owner;
	return PLACE_NAMESPACE | (inode_of(namespace) & PLACE_VALUE_MASK);
}

uint64_t place_of_process(uint32_t pid)
{
	char path[64];
	struct stat ours;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/ns/user", pid);
	_cleanup_close_ int namespace = open(path, O_RDONLY | O_CLOEXEC);
	/* A kernel without user namespaces has no such file. */
	if (stat("/proc/self/ns/user", &ours))
		return place_in_ours(pid);
	if (namespace < 0)
		return PLACE_GONE;
	return inode_of(namespace) == ours.st_ino ? place_in_ours(pid)
						  : place_outside(namespace, ours.st_ino);
}
