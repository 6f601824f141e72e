/* SPDX-License-Identifier: MIT */
#include "symbolizer/symbolizer.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#include "helper/process.h"
#include "helper/session.h"
#include "helper/stream.h"
#include "symbolizer/arena.h"
#include "symbolizer/elf_module.h"
#include "symbolizer/jitdump.h"
#include "symbolizer/kallsyms.h"
#include "symbolizer/perfmap.h"
#include "symbolizer/protocol.h"
#include "util/cleanup.h"

struct symbolizer_session {
	struct session session; /* first: userdata of callbacks */
	struct elf_modules modules;
};

static int resolve(struct symbolizer_session *s, struct names *answer,
	const struct symbolizer_request *request, int fd, const uint64_t *offsets, size_t n)
{
	struct elf_module_options options = {
		.symbols_only = request->symbols_only,
		.virtual = request->kind == SYMBOLIZER_ELF_CODE,
		.heap_limit = s->session.memory_limit / 4,
		.want = session_want,
		.scratch = session_scratch,
		.userdata = &s->session,
	};

	switch (request->kind) {
	case SYMBOLIZER_ELF:
	case SYMBOLIZER_ELF_CODE:
		return elf_modules_resolve(&s->modules, answer, fd, offsets, n, &options);
	case SYMBOLIZER_KALLSYMS:
		return kallsyms_resolve(answer, fd, offsets, n);
	case SYMBOLIZER_JIT:
		return jitdump_is(fd) ? jitdump_resolve(answer, fd, offsets, n, request->until)
				      : perfmap_resolve(answer, fd, offsets, n);
	default:
		return -EINVAL;
	}
}

static int answer_request(struct symbolizer_session *s, const struct symbolizer_request *request,
	int fd, const uint64_t *offsets, size_t n)
{
	struct names answer;
	int r = names_init(&answer, offsets, n);

	if (!r) {
		answer.head.error = resolve(s, &answer, request, fd, offsets, n);
		r = s->session.error ? s->session.error : names_send(&answer, HELPER_SOCKET);
	}
	names_free(&answer);
	malloc_trim(0);
	return r;
}

static int read_request(struct symbolizer_session *s, uint32_t size, int fd)
{
	_cleanup_free_ uint64_t *offsets = NULL;
	struct symbolizer_request request;
	size_t bytes = size - sizeof(request);
	int r;

	if (fd < 0 || size < sizeof(request) || bytes % sizeof(*offsets) ||
		bytes / sizeof(*offsets) > SYMBOLIZER_MAX_OFFSETS)
		return -EBADMSG;
	offsets = malloc(bytes + 1);
	if (!offsets)
		return -ENOMEM;
	r = stream_read(HELPER_SOCKET, &request, sizeof(request), NULL);
	if (!r)
		r = stream_read(HELPER_SOCKET, offsets, bytes, NULL);
	return r ? r : answer_request(s, &request, fd, offsets, bytes / sizeof(*offsets));
}

static int serve(struct session *session)
{
	struct symbolizer_session *s = (struct symbolizer_session *)session;
	int fds[HELPER_MESSAGE_FDS];
	uint32_t size;
	int r = session_next(session, &size, fds);

	if (r)
		return r;
	r = fds[1] < 0 ? read_request(s, size, fds[0]) : -EBADMSG;
	close_fd(fds[0]);
	close_fd(fds[1]);
	return r;
}

int symbolizer_main(const char *memory_limit)
{
	struct symbolizer_session s = {.session = {.name = "symbolizer", .serve = serve}};
	int code = session_run(&s.session, memory_limit, ARENA_MAX);

	elf_modules_free(&s.modules);
	return code;
}
