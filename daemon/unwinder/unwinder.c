// SPDX-License-Identifier: MIT
/* unwinder.c - main() of the unwinder helper: what a module's code is like, the block of one of its
 * pages, compiled or from the module's cache file, and where heap probes go in it. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "helper/process.h"
#include "helper/session.h"
#include "helper/stream.h"
#include "sites/sites.h"
#include "unwinder/cache_file.h"
#include "unwinder/code_modules.h"
#include "util/cleanup.h"

struct helper_state {
	struct session session; /* first: it is what serve() gets */
	struct code_modules modules;
	/* Of the request that is being answered. */
	struct cache_file cache;
	struct unwinder_answer head;
	struct unwinder_layout layout;
	bool has_cfi; /* the module; if it is not from the cache */
	uint32_t words[UNWIND_PAGE_WORDS];
	size_t n_words;
	struct sites_found sites;
};

/* ---- from the cache ------------------------------------------------------------------------- */

/* True if the answer is there. */
static bool look_up(struct helper_state *h, const struct unwinder_request *request)
{
	if (!h->cache.good || request->question == UNWINDER_SITES)
		return false;
	h->layout = h->cache.header.layout;
	if (request->question == UNWINDER_PAGE) {
		h->n_words = cache_file_read(&h->cache, request->page, h->words);
		if (!h->n_words)
			return false;
	}
	h->head.cached = 1;
	return true;
}

/* Keeps what was compiled. Not a module without CFI: its debug file may come tomorrow, and there is
 * next to nothing to compile. */
static void keep(struct helper_state *h, const struct unwinder_request *request)
{
	int r = 0;

	if (h->cache.fd < 0 || !h->has_cfi || request->question == UNWINDER_SITES)
		return;
	if (!h->cache.good)
		r = cache_file_begin(&h->cache, &request->file, &h->layout);
	if (!r && request->question == UNWINDER_PAGE)
		r = cache_file_add(&h->cache, request->page, h->words, h->n_words);
	h->head.cache_error = r;
}

/* ---- from the module ------------------------------------------------------------------------ */

static int compile(struct helper_state *h, const struct unwinder_request *request, int *fd)
{
	struct code_module *m;
	int r = code_modules_get(&h->modules, &request->file, fd, &m);

	if (r)
		return r;
	h->layout = m->layout;
	h->has_cfi = m->has_cfi;
	if (request->question == UNWINDER_LAYOUT)
		return 0;
	if (request->question == UNWINDER_SITES)
		return sites_find(&m->file, &h->sites);
	if (request->page >= m->layout.n_pages)
		return -EINVAL;
	r = code_modules_compile(&h->modules, m, request->page, h->words);
	h->n_words = r < 0 ? 0 : (size_t)r;
	return r < 0 ? r : 0;
}

/* ---- requests ------------------------------------------------------------------------------- */

struct part {
	const void *data;
	size_t size;
};

/* What an answer consists of behind its head. */
static size_t parts_of(const struct helper_state *h, enum unwinder_question question,
	struct unwinder_sites *sites, struct part parts[4])
{
	switch (question) {
	case UNWINDER_LAYOUT:
		parts[0] = (struct part){&h->layout, sizeof(h->layout)};
		return 1;
	case UNWINDER_PAGE:
		parts[0] = (struct part){h->words, h->n_words * UNWIND_WORD};
		return 1;
	default:
		*sites = (struct unwinder_sites){
			.allocator = h->sites.allocator,
			.no_symbols = h->sites.no_symbols,
			.incomplete = h->sites.incomplete,
			.n_sites = h->sites.n_sites,
			.n_probes = h->sites.n_probes,
			.n_rets = h->sites.n_rets,
			.layout = h->layout,
		};
		parts[0] = (struct part){sites, sizeof(*sites)};
		parts[1] = (struct part){
			h->sites.sites, h->sites.n_sites * sizeof(*h->sites.sites)};
		parts[2] = (struct part){
			h->sites.probes, h->sites.n_probes * sizeof(*h->sites.probes)};
		parts[3] = (struct part){h->sites.rets, h->sites.n_rets * sizeof(*h->sites.rets)};
		return 4;
	}
}

static int send_answer(const struct helper_state *h, enum unwinder_question question)
{
	struct unwinder_sites sites;
	struct part parts[4];
	size_t n = h->head.error ? 0 : parts_of(h, question, &sites, parts);
	struct helper_head head = {HELPER_ANSWER, sizeof(h->head)};
	int r;

	for (size_t i = 0; i < n; i++)
		head.size += (uint32_t)parts[i].size;
	r = stream_write(HELPER_SOCKET, &head, sizeof(head));
	if (!r)
		r = stream_write(HELPER_SOCKET, &h->head, sizeof(h->head));
	for (size_t i = 0; !r && i < n; i++)
		r = stream_write(HELPER_SOCKET, parts[i].data, parts[i].size);
	return r;
}

static int answer_request(struct helper_state *h, uint32_t size, int *fds)
{
	struct unwinder_request request;
	int r;

	if (fds[0] < 0 || size != sizeof(request))
		return -EBADMSG;
	r = stream_read(HELPER_SOCKET, &request, sizeof(request), NULL);
	if (r)
		return r;
	if (request.question > UNWINDER_SITES)
		return -EBADMSG;
	h->head = (struct unwinder_answer){0};
	cache_file_load(&h->cache, fds[1], &request.file);
	if (!look_up(h, &request)) {
		h->head.error = compile(h, &request, &fds[0]);
		if (!h->head.error)
			keep(h, &request);
	}
	return h->session.error ? h->session.error : send_answer(h, request.question);
}

static int serve(struct session *s)
{
	struct helper_state *h = (struct helper_state *)s;
	int fds[HELPER_MESSAGE_FDS];
	uint32_t size;
	int r = session_next(s, &size, fds);

	if (r)
		return r;
	h->modules.heap_limit = s->memory_limit / 2;
	r = answer_request(h, size, fds);
	for (size_t i = 0; i < HELPER_MESSAGE_FDS; i++)
		close_fd(fds[i]);
	return r;
}

int unwinder_main(const char *memory_limit)
{
	_cleanup_free_ struct helper_state *h = calloc(1, sizeof(*h));
	int code;

	if (!h)
		return 1;
	h->session = (struct session){.name = "unwinder", .serve = serve};
	h->modules = (struct code_modules){.want = session_want, .userdata = &h->session};
	code = session_run(&h->session, memory_limit, CACHE_FILE_MAX);
	code_modules_close(&h->modules);
	return code;
}
