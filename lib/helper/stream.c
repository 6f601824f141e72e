/* SPDX-License-Identifier: MIT */
#include "helper/stream.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "helper/protocol.h"
#include "util/cleanup.h"

int stream_write(int socket, const void *data, size_t size)
{
	const char *p = data;

	while (size) {
		ssize_t n = send(socket, p, size, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

/* Puts it into the first free place; false: there is none. */
static bool keep(int *fds, int fd)
{
	for (size_t i = 0; fds && i < HELPER_MESSAGE_FDS; i++) {
		if (fds[i] < 0) {
			fds[i] = fd;
			return true;
		}
	}
	return false;
}

static void take_descriptors(struct msghdr *message, int *fds)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			int received;

			memcpy(&received, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (!keep(fds, received))
				close_fd(received);
		}
	}
}

int stream_read(int socket, void *data, size_t size, int *fds)
{
	char *p = data;

	while (size) {
		union {
			struct cmsghdr align;
			char bytes[CMSG_SPACE(HELPER_MESSAGE_FDS * sizeof(int))];
		} control;
		struct iovec part = {p, size};
		struct msghdr message = {
			.msg_iov = &part,
			.msg_iovlen = 1,
			.msg_control = control.bytes,
			.msg_controllen = sizeof(control.bytes),
		};
		ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -ECONNRESET;
		take_descriptors(&message, fds);
		p += n;
		size -= (size_t)n;
	}
	return 0;
}
