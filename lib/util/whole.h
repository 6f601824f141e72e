/* SPDX-License-Identifier: MIT */
/* whole.h - all of some bytes of a file, or none. */
#ifndef PROFD_UTIL_WHOLE_H
#define PROFD_UTIL_WHOLE_H

#include <stddef.h>
#include <stdint.h>

/* Reads exactly `size` bytes from `offset` on. 0, -ENODATA when the file ends before, or -errno. */
int read_whole(int fd, void *data, size_t size, uint64_t offset);
/* Writes all of them. 0 or -errno: a part may have been written. */
int write_whole(int fd, const void *data, size_t size, uint64_t offset);
/* Likewise from where the file is on; it need not be one that can be sought in. */
int write_all(int fd, const void *data, size_t size);

#endif
