// SPDX-License-Identifier: MIT
#include "control/wire.h"

#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "util/cleanup.h"

#define HEAD_BYTES sizeof(uint32_t)
#define READ_BYTES 4096

void wire_init(struct wire *w, int fd)
{
	*w = (struct wire){.fd = fd, .max_message = CONTROL_MAX_MESSAGE};
}

void wire_free(struct wire *w)
{
	for (size_t i = 0; i < w->n_fds; i++)
		close_fd(w->fds[i]);
	free(w->in);
	free(w->out);
	wire_init(w, -1);
}

/* ---- sending ------------------------------------------------------------------------------ */

/* Returns the bytes that the socket took, or -errno. */
static ssize_t send_some(int fd, const char *data, size_t size, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * CONTROL_MAX_FDS)];
	} control = {0};
	struct iovec part = {.iov_base = (void *)data, .iov_len = size};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (n_fds) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		struct cmsghdr *c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	for (;;) {
		ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL);
		if (n >= 0)
			return n;
		if (errno != EINTR)
			return -errno;
	}
}

bool wire_pending(const struct wire *w)
{
	return w->out != NULL;
}

int wire_flush(struct wire *w)
{
	while (w->out) {
		ssize_t n = send_some(
			w->fd, w->out + w->out_sent, w->out_size - w->out_sent, NULL, 0);
		if (n < 0)
			return (int)n;
		w->out_sent += (size_t)n;
		if (w->out_sent == w->out_size) {
			free(w->out);
			w->out = NULL;
		}
	}
	return 0;
}

/* One allocation with the length in front: the frame as it travels (without the final NUL). */
static int make_frame(const cJSON *message, char **out, size_t *size)
{
	char *text = cJSON_PrintUnformatted(message);
	if (!text)
		return -ENOMEM;
	size_t n = strlen(text);
	char *frame = n <= CONTROL_MAX_MESSAGE ? malloc(HEAD_BYTES + n + 1) : NULL;
	if (frame) {
		uint32_t head = htole32((uint32_t)n);
		memcpy(frame, &head, HEAD_BYTES);
		memcpy(frame + HEAD_BYTES, text, n + 1);
		*out = frame;
		*size = HEAD_BYTES + n;
	}
	cJSON_free(text);
	if (n > CONTROL_MAX_MESSAGE)
		return -E2BIG;
	return frame ? 0 : -ENOMEM;
}

int wire_send(struct wire *w, const cJSON *message, const int *fds, size_t n_fds)
{
	_cleanup_free_ char *frame = NULL;
	size_t size;

	if (n_fds > CONTROL_MAX_FDS)
		return -E2BIG;
	int err = wire_flush(w);
	if (!err)
		err = make_frame(message, &frame, &size);
	if (err)
		return err;
	ssize_t n = send_some(w->fd, frame, size, fds, n_fds);
	if (n < 0)
		return (int)n;
	if ((size_t)n == size)
		return 0;
	w->out = take_ptr(frame);
	w->out_size = size;
	w->out_sent = (size_t)n;
	err = wire_flush(w);
	return err == -EAGAIN ? 0 : err;
}

/* ---- receiving ---------------------------------------------------------------------------- */

/* Bytes that the next message still lacks before it, or its length, is complete; 0: it is there. */
static int missing(const struct wire *w, size_t *out)
{
	uint32_t length;

	if (w->in_size < HEAD_BYTES) {
		*out = HEAD_BYTES - w->in_size;
		return 0;
	}
	memcpy(&length, w->in, sizeof(length));
	length = le32toh(length);
	if (!length)
		return -EBADMSG;
	if (length > w->max_message)
		return -E2BIG;
	size_t whole = HEAD_BYTES + length;
	*out = w->in_size < whole ? whole - w->in_size : 0;
	return 0;
}

/* Takes over all descriptors of one recvmsg, or closes all of them. */
static int keep_fds(struct wire *w, struct msghdr *message)
{
	int err = message->msg_flags & MSG_CTRUNC ? -EBADMSG : 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (w->n_fds < CONTROL_MAX_FDS) {
				w->fds[w->n_fds++] = fd;
			} else {
				close_fd(fd);
				err = -EBADMSG;
			}
		}
	}
	return err;
}

/* Reads once, at most `room` bytes. 1: something came; 0: nothing yet; -errno. */
static int read_some(struct wire *w, size_t room)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * CONTROL_MAX_FDS)];
	} control;
	struct iovec part = {.iov_base = w->in + w->in_size, .iov_len = room};
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = w->no_fds ? NULL : control.bytes,
		.msg_controllen = w->no_fds ? 0 : sizeof(control.bytes),
	};

	ssize_t n = recvmsg(w->fd, &message, MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (!n)
		return -ECONNRESET;
	w->in_size += (size_t)n;
	int err = w->no_fds ? 0 : keep_fds(w, &message);
	return err ? err : 1;
}

/* The buffer grows with what has really come, not with what a length promises. */
static int make_room(struct wire *w)
{
	if (w->in_capacity - w->in_size >= READ_BYTES)
		return 0;
	size_t capacity = w->in_capacity ? 2 * w->in_capacity : 2 * READ_BYTES;
	char *in = realloc(w->in, capacity);
	if (!in)
		return -ENOMEM;
	w->in = in;
	w->in_capacity = capacity;
	return 0;
}

static int take_message(struct wire *w, cJSON **out)
{
	uint32_t length;
	const char *end = NULL;

	memcpy(&length, w->in, sizeof(length));
	length = le32toh(length);
	const char *text = w->in + HEAD_BYTES;
	cJSON *message = cJSON_ParseWithLengthOpts(text, length, &end, 0);
	/* One object and nothing behind it but white space, which JSON allows. */
	while (message && end < text + length && strchr(" \t\r\n", *end) && *end)
		end++;
	if (!cJSON_IsObject(message) || end != text + length) {
		cJSON_Delete(message);
		return -EBADMSG;
	}
	w->in_size -= HEAD_BYTES + length;
	memmove(w->in, text + length, w->in_size);
	if (!w->in_size) {
		free(w->in);
		w->in = NULL;
		w->in_capacity = 0;
	}
	*out = message;
	return 1;
}

int wire_receive(struct wire *w, cJSON **out)
{
	for (;;) {
		size_t wanted;
		int err = missing(w, &wanted);
		if (err)
			return err;
		if (!wanted)
			return take_message(w, out);
		err = make_room(w);
		if (err)
			return err;
		size_t room = w->in_capacity - w->in_size;
		err = read_some(w, wanted < room ? wanted : room);
		if (err <= 0)
			return err;
	}
}

int wire_take_fd(struct wire *w)
{
	if (!w->n_fds)
		return -1;
	int fd = w->fds[0];
	memmove(w->fds, w->fds + 1, --w->n_fds * sizeof(w->fds[0]));
	return fd;
}
