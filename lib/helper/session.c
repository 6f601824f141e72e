// SPDX-License-Identifier: MIT
#include "helper/session.h"

#include <errno.h>
#include <string.h>

#include "helper/process.h"
#include "helper/sandbox.h"
#include "helper/stream.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/parse.h"

#define MIN_MEMORY (8u << 20)

int session_send(uint32_t type, const void *data, size_t size)
{
	struct helper_head head = {type, (uint32_t)size};
	int r = stream_write(HELPER_SOCKET, &head, sizeof(head));

	return r ? r : stream_write(HELPER_SOCKET, data, size);
}

static void forget_descriptors(int *fds)
{
	for (size_t i = 0; i < HELPER_MESSAGE_FDS; i++)
		fds[i] = close_fd(fds[i]);
}

static int read_head(struct helper_head *head, int *fds)
{
	int r;

	for (size_t i = 0; i < HELPER_MESSAGE_FDS; i++)
		fds[i] = -1;
	r = stream_read(HELPER_SOCKET, head, sizeof(*head), fds);
	if (r)
		forget_descriptors(fds);
	return r;
}

int session_next(struct session *s, uint32_t *size, int *fds)
{
	struct helper_head head;
	int r = read_head(&head, fds);

	if (!r && head.type != HELPER_REQUEST) {
		forget_descriptors(fds);
		r = -EBADMSG;
	}
	if (!r)
		*size = head.size;
	s->wants = 0;
	return r;
}

int session_want(void *userdata, const char *name)
{
	struct session *s = userdata;
	struct helper_head head;
	int fds[HELPER_MESSAGE_FDS];

	if (s->wants == HELPER_MAX_WANTS)
		return -1;
	s->wants++;
	s->error = session_send(HELPER_WANT, name, strlen(name));
	if (!s->error)
		s->error = read_head(&head, fds);
	if (s->error)
		return -1;
	if (head.type != HELPER_FILE || head.size || fds[1] >= 0) {
		s->error = -EBADMSG;
		forget_descriptors(fds);
	}
	return fds[0];
}

int session_scratch(void *userdata)
{
	return session_want(userdata, HELPER_SCRATCH);
}

int session_run(struct session *s, const char *memory_limit, uint64_t file_limit)
{
	struct sandbox_limits limits = {.file_size = file_limit};
	struct helper_hello hello = {0};
	const char *why;
	bool seccomp;
	int r;

	if (!memory_limit || parse_u64(memory_limit, MIN_MEMORY, UINT64_MAX, &limits.memory)) {
		log_error("%s: bad memory limit", s->name);
		return 2;
	}
	s->memory_limit = limits.memory;
	r = sandbox_enter(&limits, &seccomp, &why);
	if (r) {
		log_error("%s: cannot %s: %s", s->name, why, strerror(-r));
		return 1;
	}
	hello.seccomp = seccomp;
	r = session_send(HELPER_HELLO, &hello, sizeof(hello));
	while (!r)
		r = s->serve(s);
	return r == -ECONNRESET ? 0 : r == -ENOMEM ? SANDBOX_EXIT_MEMORY : 1;
}
