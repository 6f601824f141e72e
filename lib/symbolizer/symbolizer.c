/* SPDX-License-Identifier: MIT */
#include "symbolizer/symbolizer.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "helper/process.h"
#include "helper/session.h"
#include "helper/stream.h"
#include "symbolizer/elf_module.h"
#include "symbolizer/jitdump.h"
#include "symbolizer/kernel.h"
#include "symbolizer/names_cache.h"
#include "symbolizer/perfmap.h"
#include "symbolizer/protocol.h"
#include "symbolizer/raw_names.h"
#include "util/cleanup.h"

struct symbolizer_session {
	struct session session; /* first: userdata of callbacks */
	struct elf_modules modules;
};

/* One question, and what comes with it. */
struct question {
	struct symbolizer_request request;
	int fd, cache_fd; /* cache_fd: of the kernel, its notes */
	uint64_t *offsets;
	size_t n;
};

/* ---- ELF files ------------------------------------------------------------------------------ */

/* Opens the module only for what the cache does not know. */
static int resolve_with_cache(struct symbolizer_session *s, struct names *answer,
	const struct question *q, const struct elf_module_options *options,
	struct names_cache *cache)
{
	int r;

	if (!names_cache_holds(cache, session_want, &s->session)) {
		answer->head.flags |= SYMBOLIZER_HAS_CHANGED;
		elf_modules_forget(&s->modules, &options->identity);
	}
	names_cache_find(cache, answer, q->offsets);
	answer->head.n_cached = (uint32_t)answer->n_known;
	if (answer->n_known == q->n && names_cache_describe(cache, answer))
		return answer->failed;
	r = elf_modules_resolve(&s->modules, answer, q->fd, q->offsets, q->n, options);
	if (!r)
		answer->head.cache_error = names_cache_keep(
			cache, answer, q->offsets, elf_modules_sources(&s->modules));
	return r;
}

static struct elf_module_options options_of(struct symbolizer_session *s, const struct question *q)
{
	return (struct elf_module_options){
		.symbols_only = q->request.symbols_only,
		.virtual = q->request.kind == SYMBOLIZER_ELF_CODE,
		.heap_limit = s->session.memory_limit / 4,
		.want = session_want,
		.scratch = session_scratch,
		.userdata = &s->session,
	};
}

static int resolve_elf(struct symbolizer_session *s, struct names *answer, const struct question *q)
{
	struct elf_module_options options = options_of(s, q);
	struct names_cache cache;
	struct stat st;
	int r;

	if (fstat(q->fd, &st))
		return -EBADF;
	options.identity = file_identity_of(&st);
	names_cache_load(&cache, options.symbols_only ? -1 : q->cache_fd, &options.identity,
		q->request.kind);
	r = resolve_with_cache(s, answer, q, &options, &cache);
	names_cache_close(&cache);
	return r;
}

/* ---- requests ------------------------------------------------------------------------------- */

static int resolve_kernel(
	struct symbolizer_session *s, struct names *answer, const struct question *q)
{
	struct elf_module_options options = options_of(s, q);

	return kernel_resolve(&s->modules, answer, q->fd, q->cache_fd, q->offsets, q->n, &options);
}

static int resolve(struct symbolizer_session *s, struct names *answer, const struct question *q)
{
	switch (q->request.kind) {
	case SYMBOLIZER_ELF:
	case SYMBOLIZER_ELF_CODE:
		return resolve_elf(s, answer, q);
	case SYMBOLIZER_KALLSYMS:
		return resolve_kernel(s, answer, q);
	case SYMBOLIZER_JIT:
		return jitdump_is(q->fd)
			       ? jitdump_resolve(answer, q->fd, q->offsets, q->n, q->request.until)
			       : perfmap_resolve(answer, q->fd, q->offsets, q->n);
	case SYMBOLIZER_RAW_SHORT:
	case SYMBOLIZER_RAW_WHOLE:
		return raw_names_resolve(
			answer, q->fd, q->offsets, q->n, q->request.kind == SYMBOLIZER_RAW_WHOLE);
	default:
		return -EINVAL;
	}
}

static int answer_question(struct symbolizer_session *s, const struct question *q)
{
	struct names answer;
	int r = names_init(&answer, q->offsets, q->n);

	if (!r) {
		answer.head.error = resolve(s, &answer, q);
		r = s->session.error ? s->session.error : names_send(&answer, HELPER_SOCKET);
	}
	names_free(&answer);
	malloc_trim(0);
	return r;
}

/* All that answers counts on it, tables with steps (nearest.h) even for their bounds. */
static bool are_sorted(const uint64_t *offsets, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (offsets[i] < offsets[i - 1])
			return false;
	return true;
}

static int read_question(struct symbolizer_session *s, uint32_t size, const int *fds)
{
	_cleanup_free_ uint64_t *offsets = NULL;
	struct question q = {.fd = fds[0], .cache_fd = fds[1]};
	size_t bytes = size - sizeof(q.request);
	int r;

	if (q.fd < 0 || size < sizeof(q.request) || bytes % sizeof(*offsets) ||
		bytes / sizeof(*offsets) > SYMBOLIZER_MAX_OFFSETS)
		return -EBADMSG;
	q.offsets = offsets = malloc(bytes + 1);
	q.n = bytes / sizeof(*offsets);
	if (!offsets)
		return -ENOMEM;
	r = stream_read(HELPER_SOCKET, &q.request, sizeof(q.request), NULL);
	if (!r)
		r = stream_read(HELPER_SOCKET, offsets, bytes, NULL);
	if (!r && !are_sorted(offsets, q.n))
		r = -EBADMSG;
	return r ? r : answer_question(s, &q);
}

static int serve(struct session *session)
{
	struct symbolizer_session *s = (struct symbolizer_session *)session;
	int fds[HELPER_MESSAGE_FDS];
	uint32_t size;
	int r = session_next(session, &size, fds);

	if (r)
		return r;
	r = read_question(s, size, fds);
	close_fd(fds[0]);
	close_fd(fds[1]);
	return r;
}

int symbolizer_main(const char *memory_limit)
{
	struct symbolizer_session s = {.session = {.name = "symbolizer", .serve = serve}};
	int code = session_run(&s.session, memory_limit, NAMES_CACHE_MAX);

	elf_modules_free(&s.modules);
	return code;
}
