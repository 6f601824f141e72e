/* SPDX-License-Identifier: MIT */
/*
 * file_identity.h - what tells a file, and its content, from all others: where it is and when it
 * was changed. ctime cannot be set back by its owner. Has no padding: it travels to helpers and
 * into files as it is.
 */
#ifndef PROFD_UTIL_FILE_IDENTITY_H
#define PROFD_UTIL_FILE_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

struct file_identity {
	uint64_t device, inode, size;
	int64_t mtime, mtime_ns, ctime, ctime_ns;
};

static inline bool file_identity_equal(const struct file_identity *a, const struct file_identity *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static inline struct file_identity file_identity_of(const struct stat *st)
{
	return (struct file_identity){st->st_dev, st->st_ino, (uint64_t)st->st_size,
		st->st_mtim.tv_sec, st->st_mtim.tv_nsec, st->st_ctim.tv_sec, st->st_ctim.tv_nsec};
}

#endif
