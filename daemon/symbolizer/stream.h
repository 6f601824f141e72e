/* SPDX-License-Identifier: MIT */
/* stream.h - whole messages over the symbolizer's blocking socket. */
#ifndef PROFD_SYMBOLIZER_STREAM_H
#define PROFD_SYMBOLIZER_STREAM_H

#include <stddef.h>

/* 0 or -errno. */
int stream_write(int socket, const void *data, size_t size);
/* Reads exactly `size` bytes. If a descriptor comes with them it is put into *fd, in place of one
 * that is there already (fd may be NULL: then it is closed). 0, -ECONNRESET at the end of the
 * stream, or -errno. */
int stream_read(int socket, void *data, size_t size, int *fd);

#endif
