/* SPDX-License-Identifier: MIT */
/* symbolizer.c - main() of the symbolizer: one request after the other, until the collector hangs
 * up. */
#include <errno.h>
#include <libelf.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "collector/helper.h"
#include "collector/symbols.h"
#include "symbolizer/elf_module.h"
#include "symbolizer/kallsyms.h"
#include "symbolizer/perfmap.h"
#include "symbolizer/protocol.h"
#include "symbolizer/sandbox.h"
#include "symbolizer/stream.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/parse.h"

#define MIN_MEMORY (8u << 20)

struct session {
	uint64_t memory_limit;
	int error; /* of the socket: it cannot go on */
};

static int send_message(uint32_t type, const void *data, size_t size)
{
	struct symbolizer_head head = {type, (uint32_t)size};
	int r = stream_write(HELPER_SOCKET, &head, sizeof(head));

	return r ? r : stream_write(HELPER_SOCKET, data, size);
}

static int want(void *userdata, const char *name)
{
	struct session *s = userdata;
	struct symbolizer_head head;
	int fd = -1;

	s->error = send_message(SYMBOLIZER_WANT, name, strlen(name));
	if (!s->error)
		s->error = stream_read(HELPER_SOCKET, &head, sizeof(head), &fd);
	if (!s->error && (head.type != SYMBOLIZER_FILE || head.size))
		s->error = -EBADMSG;
	return s->error ? close_fd(fd) : fd;
}

static int resolve(struct session *s, struct names *answer,
	const struct symbolizer_request *request, int fd, const uint64_t *offsets, size_t n)
{
	struct elf_module_options options = {
		.symbols_only = request->symbols_only,
		.heap_limit = s->memory_limit / 4,
		.want = want,
		.userdata = s,
	};

	switch (request->kind) {
	case SYMBOLIZER_ELF:
		return elf_module_resolve(answer, fd, offsets, n, &options);
	case SYMBOLIZER_KALLSYMS:
		return kallsyms_resolve(answer, fd, offsets, n);
	case SYMBOLIZER_PERF_MAP:
		return perfmap_resolve(answer, fd, offsets, n);
	default:
		return -EINVAL;
	}
}

static int answer_request(struct session *s, const struct symbolizer_request *request, int fd,
	const uint64_t *offsets, size_t n)
{
	struct names answer;
	int r = names_init(&answer, offsets, n);

	if (!r) {
		answer.head.error = resolve(s, &answer, request, fd, offsets, n);
		r = s->error ? s->error : names_send(&answer, HELPER_SOCKET);
	}
	names_free(&answer);
	malloc_trim(0);
	return r;
}

/* Takes one request and answers it. */
static int serve(struct session *s)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ uint64_t *offsets = NULL;
	struct symbolizer_head head;
	struct symbolizer_request request;
	size_t bytes;
	int r = stream_read(HELPER_SOCKET, &head, sizeof(head), &fd);

	if (r)
		return r;
	if (head.type != SYMBOLIZER_REQUEST || head.size < sizeof(request))
		return -EBADMSG;
	bytes = head.size - sizeof(request);
	if (fd < 0 || bytes % sizeof(*offsets) || bytes / sizeof(*offsets) > SYMBOLIZER_MAX_OFFSETS)
		return -EBADMSG;
	offsets = malloc(bytes + 1);
	if (!offsets)
		return -ENOMEM;
	r = stream_read(HELPER_SOCKET, &request, sizeof(request), NULL);
	if (!r)
		r = stream_read(HELPER_SOCKET, offsets, bytes, NULL);
	return r ? r : answer_request(s, &request, fd, offsets, bytes / sizeof(*offsets));
}

int symbolizer_main(const char *memory_limit)
{
	struct session s = {0};
	struct symbolizer_hello hello = {0};
	const char *why;
	bool seccomp;
	int r;

	if (!memory_limit || parse_u64(memory_limit, MIN_MEMORY, UINT64_MAX, &s.memory_limit)) {
		log_error("symbolizer: bad memory limit");
		return 2;
	}
	r = sandbox_enter(s.memory_limit, &seccomp, &why);
	if (r) {
		log_error("symbolizer: cannot %s: %s", why, strerror(-r));
		return 1;
	}
	hello.seccomp = seccomp;
	r = send_message(SYMBOLIZER_HELLO, &hello, sizeof(hello));
	while (!r)
		r = serve(&s);
	return r == -ECONNRESET ? 0 : r == -ENOMEM ? SYMBOLIZER_EXIT_MEMORY : 1;
}
