/* SPDX-License-Identifier: MIT */
#include "opener/roots.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "opener/places.h"
#include "util/cleanup.h"

static time_t now_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

int roots_open(struct roots *r)
{
	for (size_t i = 0; i < ROOTS_KEPT; i++)
		r->kept[i].fd = -1;
	r->own = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return r->own < 0 ? -errno : 0;
}

void roots_close(struct roots *r)
{
	for (size_t i = 0; i < ROOTS_KEPT; i++)
		r->kept[i].fd = close_fd(r->kept[i].fd);
	r->own = close_fd(r->own);
}

static struct kept_root *find_or_evict(
	struct roots *r, const struct stat *root, const struct stat *namespace)
{
	struct kept_root *oldest = &r->kept[0];
	for (size_t i = 0; i < ROOTS_KEPT; i++) {
		struct kept_root *k = &r->kept[i];
		if (k->fd >= 0 && k->device == root->st_dev && k->inode == root->st_ino &&
			k->mount_namespace == namespace->st_ino)
			return k;
		if (k->fd < 0 || (oldest->fd >= 0 && k->used < oldest->used))
			oldest = k;
	}
	oldest->fd = close_fd(oldest->fd);
	return oldest;
}

int roots_of_process(struct roots *r, uint32_t pid)
{
	char path[64];
	struct stat root, namespace, own;
	snprintf(path, sizeof(path), "/proc/%u/root", pid);
	_cleanup_close_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &root) < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/%u/ns/mnt", pid);
	if (stat(path, &namespace) < 0 || stat("/proc/self/ns/mnt", &own) < 0)
		return -errno;
	struct stat own_root;
	if (namespace.st_ino == own.st_ino && fstat(r->own, &own_root) == 0 &&
		own_root.st_dev == root.st_dev && own_root.st_ino == root.st_ino)
		return r->own;

	struct kept_root *k = find_or_evict(r, &root, &namespace);
	if (k->fd < 0)
		*k = (struct kept_root){
			.fd = take_fd(fd),
			.device = root.st_dev,
			.inode = root.st_ino,
			.mount_namespace = namespace.st_ino,
			.place = place_of_process(pid),
		};
	k->used = now_seconds();
	return k->fd;
}

int roots_expire(struct roots *r)
{
	time_t now = now_seconds(), next = -1;
	for (size_t i = 0; i < ROOTS_KEPT; i++) {
		struct kept_root *k = &r->kept[i];
		if (k->fd < 0)
			continue;
		time_t left = k->used + ROOTS_KEEP_SECONDS - now;
		if (left <= 0)
			k->fd = close_fd(k->fd);
		else if (next < 0 || left < next)
			next = left;
	}
	return (int)next;
}
