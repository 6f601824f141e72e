// SPDX-License-Identifier: MIT
/*
 * fuzz_wire.c - any bytes on the control socket, in pieces of any size, also with descriptors.
 * The first byte of the input chooses the size of the pieces, the second how often descriptors
 * come.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void send_piece(int fd, const uint8_t *data, size_t n, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * 16)];
	} control = {0};
	struct iovec part = {.iov_base = (void *)data, .iov_len = n};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (n_fds) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		struct cmsghdr *c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		for (size_t i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(fd));
	}
	if (sendmsg(fd, &message, MSG_NOSIGNAL) < 0)
		return;
}

/* What comes out can be sent again. */
static int drain(struct wire *w)
{
	cJSON *message = NULL;
	int got;

	while ((got = wire_receive(w, &message)) == 1) {
		if (!cJSON_IsObject(message))
			abort();
		struct wire back;
		wire_init(&back, -1);
		wire_send(&back, message, NULL, 0);
		wire_free(&back);
		cJSON_Delete(message);
		close(wire_take_fd(w));
	}
	return got;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fds[2];
	struct wire w;

	if (size < 2 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
		return 0;
	size_t step = (size_t)data[0] + 1, n_fds = data[1] % 16;
	wire_init(&w, fds[1]);
	int got = 0;
	for (size_t at = 2; at < size && !got; at += step) {
		size_t left = size - at;
		send_piece(fds[0], data + at, left < step ? left : step, n_fds);
		n_fds = n_fds ? n_fds - 1 : 0;
		got = drain(&w);
	}
	wire_free(&w);
	close(fds[0]);
	close(fds[1]);
	return 0;
}
