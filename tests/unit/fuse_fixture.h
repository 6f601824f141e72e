/* SPDX-License-Identifier: MIT */
/* fuse_fixture.h - a user's file system whose server reads what is asked of it and never answers,
 * below an overlay: the kernel lets everybody into that. */
#ifndef PROFD_TEST_FUSE_FIXTURE_H
#define PROFD_TEST_FUSE_FIXTURE_H

#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "opener_fixture.h"

#define NOBODY	      65534
#define FUSE_DWELLERS 2 /* processes of that user that have the file system as root */

struct fuse_bed {
	pid_t owner, dwellers[FUSE_DWELLERS];
};

/* What a process of it tells the test. */
struct fuse_news {
	int ready; /* 1, or -1: there is no such thing here */
	pid_t dwellers[FUSE_DWELLERS];
	int hang; /* from when on nothing is answered */
};

static inline bool fuse_put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return good;
}

/* An answer, if it is read at all; without it what stands behind the header is nothing. */
static inline void fuse_answer(int fd, const struct fuse_in_header *in)
{
	struct {
		struct fuse_out_header head;
		union {
			struct fuse_init_out init;
			struct fuse_attr_out attr;
			struct fuse_statfs_out statfs;
			struct fuse_open_out open;
		};
	} out = {.head = {.unique = in->unique}};
	size_t size = 0;
	switch (in->opcode) {
	case FUSE_INIT:
		out.init = (struct fuse_init_out){.major = 7,
			.minor = 31,
			.max_write = 65536,
			.max_background = 12,
			.congestion_threshold = 9};
		size = sizeof(out.init);
		break;
	case FUSE_GETATTR:
		out.attr = (struct fuse_attr_out){
			.attr_valid = 1, .attr = {.ino = 1, .mode = S_IFDIR | 0755, .nlink = 2}};
		size = sizeof(out.attr);
		break;
	case FUSE_STATFS:
		out.statfs = (struct fuse_statfs_out){.st = {.bsize = 4096, .namelen = 255}};
		size = sizeof(out.statfs);
		break;
	case FUSE_OPENDIR:
		size = sizeof(out.open);
		break;
	case FUSE_LOOKUP:
		out.head.error = -ENOENT;
		break;
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
	case FUSE_RELEASEDIR:
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
		return;
	default:
		out.head.error = -ENOSYS;
	}
	out.head.len = (uint32_t)(sizeof(out.head) + size);
	if (write(fd, &out, out.head.len) < 0)
		_exit(1);
}

static inline void fuse_serve(int fd, const struct fuse_news *news)
{
	static union {
		struct fuse_in_header head;
		char bytes[1 << 20];
	} in;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		ssize_t n = read(fd, &in, sizeof(in));
		if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT))
			continue;
		if (n < (ssize_t)sizeof(in.head))
			_exit(1);
		if (!__atomic_load_n(&news->hang, __ATOMIC_ACQUIRE))
			fuse_answer(fd, &in.head);
	}
}

/* In namespaces of its own, which go with it. */
static inline bool fuse_mount(const char *device, const struct fuse_news *news)
{
	char options[128];
	if (setgid(NOBODY) || setuid(NOBODY) || prctl(PR_SET_DUMPABLE, 1) ||
		unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return false;
	snprintf(options, sizeof(options), "0 %d 1", NOBODY);
	if (!fuse_put("/proc/self/setgroups", "deny") || !fuse_put("/proc/self/uid_map", options) ||
		!fuse_put("/proc/self/gid_map", options) ||
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		mount("tmpfs", "/tmp", "tmpfs", 0, NULL) || mkdir("/tmp/f", 0755) ||
		mkdir("/tmp/l", 0755) || mkdir("/tmp/o", 0755))
		return false;
	int fd = open(device, O_RDWR | O_CLOEXEC);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	if (fd < 0 || mount("x", "/tmp/f", "fuse", 0, options))
		return false;
	if (!fork())
		fuse_serve(fd, news);
	close(fd);
	return !mount("o", "/tmp/o", "overlay", 0, "lowerdir=/tmp/f:/tmp/l,userxattr") &&
	       !chroot("/tmp/o") && !chdir("/");
}

static inline void fuse_own(int device, struct fuse_news *news)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", device);
	bool good = fuse_mount(path, news);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of user undoes it */
	for (int i = 0; good && i < FUSE_DWELLERS; i++) {
		pid_t pid = fork();
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
		news->dwellers[i] = pid;
	}
	__atomic_store_n(&news->hang, 1, __ATOMIC_RELEASE);
	__atomic_store_n(&news->ready, good ? 1 : -1, __ATOMIC_RELEASE);
	while (good)
		pause();
	_exit(0);
}

/* Skips the test where no such file system can be made. */
static inline struct fuse_bed new_fuse_bed(void)
{
	char folder[] = "/tmp/profd-fuse-XXXXXX", node[64];
	struct fuse_news *news = mmap(
		NULL, sizeof(*news), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(news, MAP_FAILED);
	assert_non_null(mkdtemp(folder));
	snprintf(node, sizeof(node), "%s/fuse", folder);
	int device = -1;
	if (!geteuid() && !mknod(node, S_IFCHR, makedev(10, 229)) && !chmod(node, 0666))
		device = open(node, O_PATH | O_CLOEXEC);
	remove_folder(folder);
	if (device < 0)
		skip();
	struct fuse_bed bed = {.owner = fork()};
	if (!bed.owner)
		fuse_own(device, news);
	close(device);
	int ready = 0;
	for (int i = 0; i < 1000 && !ready; i++) {
		usleep(10 * 1000);
		ready = __atomic_load_n(&news->ready, __ATOMIC_ACQUIRE);
	}
	memcpy(bed.dwellers, news->dwellers, sizeof(bed.dwellers));
	munmap(news, sizeof(*news));
	if (ready != 1) {
		kill(bed.owner, SIGKILL);
		waitpid(bed.owner, NULL, 0);
		skip();
	}
	return bed;
}

/* Its server dies with it, and lets go who waits for it. */
static inline void free_fuse_bed(struct fuse_bed *bed)
{
	kill(bed->owner, SIGKILL);
	waitpid(bed->owner, NULL, 0);
}

#endif
