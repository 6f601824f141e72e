/* SPDX-License-Identifier: MIT */
/* stream.h - whole messages over a helper's blocking socket. */
#ifndef PROFD_HELPER_STREAM_H
#define PROFD_HELPER_STREAM_H

#include <stddef.h>

/* 0 or -errno. */
int stream_write(int socket, const void *data, size_t size);
/* Reads exactly `size` bytes. Descriptors that come with them are put, in their order, where fds
 * has -1, of HELPER_MESSAGE_FDS places; others are closed, all of them if fds is NULL. 0,
 * -ECONNRESET at the end of the stream, or -errno. */
int stream_read(int socket, void *data, size_t size, int *fds);

#endif
