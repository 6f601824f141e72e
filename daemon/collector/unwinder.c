// SPDX-License-Identifier: MIT
#include "collector/unwinder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "collector/bad_files.h"
#include "collector/helper_client.h"
#include "collector/unwinder_answer.h"
#include "unwinder/cache_file.h"
#include "unwinder/protocol.h"
#include "util/cache_folder.h"
#include "util/log.h"

/* Private memory of the helper: the indexes of a few of the largest programs. */
#define MEMORY_LIMIT	(128u << 20)
#define ANSWER_PATIENCE 20000000    /* us: stacks wait for it */
#define CACHE_BYTES	(64u << 20) /* of all cache files, on disk */

/* Grades of bad_files.h. The first death of a helper is forgiven: without libc's tables hardly a
 * stack is whole. */
enum { DOUBTFUL = 1, BAD };

struct request {
	struct request *prev, *next;
	struct unwinder *unwinder;
	struct module *module; /* a reference */
	struct module *file;   /* the same, or the one that was opened before */
	struct module_waiter waiter;
	enum unwinder_question question;
	uint32_t page;
	union {
		unwinder_opened opened;
		unwinder_compiled compiled;
		unwinder_found found;
	} done;
	void *userdata;
};

struct unwinder {
	struct helper_client helper;
	sd_event_source *next; /* serves the first request in the next turn of the loop */
	bool asked;	       /* the helper works for the first request */
	bool closing;
	struct request *waiting; /* for their module's file */
	struct request *queue;	 /* served in this order */
	struct bad_files bad;
	struct cache_folder *cache;	 /* NULL: none */
	struct cache_folder_file cached; /* of the first request, while it is asked */
	struct unwinder_stats stats;
};

/* ---- requests ------------------------------------------------------------------------------- */

/* Answers one that is in no list any more, and forgets it. */
static void answer(struct request *r, int error, const struct unwinder_reply *reply)
{
	switch (r->question) {
	case UNWINDER_LAYOUT:
		r->done.opened(r->userdata, r->module, error, error ? NULL : &reply->code);
		break;
	case UNWINDER_PAGE:
		r->done.compiled(r->userdata, r->module, r->page, error,
			error ? NULL : reply->words, error ? 0 : reply->n_words);
		break;
	case UNWINDER_SITES:
		r->done.found(r->userdata, r->module, error, error ? NULL : &reply->sites);
		break;
	}
	module_unref(r->module);
	free(r);
}

static void warn_of_cache(int error)
{
	static struct log_limit limit = {.seconds = 60};

	if (log_allowed(&limit))
		log_warning("unwind tables are not cached, and made again when profd starts: %s",
			strerror(-error));
}

/* Ends the first request. */
static void finish(struct unwinder *u, int error, const struct unwinder_reply *reply)
{
	struct request *r = u->queue;

	cache_folder_close(u->cache, &u->cached);
	u->asked = false;
	DL_DELETE(u->queue, r);
	answer(r, error, reply);
}

/* Whoever asks is never answered before he has returned, and whatever fails at once lets the rest
 * of the loop have its turn. */
static void serve_soon(struct unwinder *u)
{
	if (u->queue && !u->asked && !u->closing)
		sd_event_source_set_enabled(u->next, SD_EVENT_ONESHOT);
}

/* Whether tables can be made of a module at all. */
static int check_module(const struct unwinder *u, const struct module *m)
{
	struct file_identity identity = module_identity(m);

	if (m->kind != MODULE_FILE && m->kind != MODULE_VDSO)
		return -ENOEXEC;
	if (m->state != MODULE_OPEN || m->fd < 0)
		return -ENOENT;
	return bad_files_grade(&u->bad, &identity) == BAD ? -EIO : 0;
}

/* The vDSO has no identity that outlives a boot, and is soon compiled. */
static void open_cache(struct unwinder *u, const struct request *r)
{
	struct file_identity identity = module_identity(r->file);
	int error;

	cache_folder_close(u->cache, &u->cached);
	if (!u->cache || r->file->kind != MODULE_FILE || r->question == UNWINDER_SITES)
		return;
	error = cache_folder_open(u->cache, &identity, &u->cached);
	if (error)
		warn_of_cache(error);
}

static int ask(struct unwinder *u, struct request *r)
{
	struct unwinder_request request = {r->question, r->page, module_identity(r->file)};
	int error;

	/* A probe in the middle of an instruction breaks the program that is probed. So nobody says
	 * where it goes who has read another file before, and may be in its hands. */
	if (r->question == UNWINDER_SITES)
		helper_client_idle(&u->helper);
	open_cache(u, r);
	error = helper_client_ask(&u->helper, &request, sizeof(request), r->file, u->cached.fd);
	u->asked = !error;
	return error;
}

static int on_next(sd_event_source *source, void *userdata)
{
	struct unwinder *u = userdata;
	struct request *r = u->queue;
	int error;

	if (!r || u->asked)
		return 0;
	r->file = r->module->same ? r->module->same : r->module;
	error = check_module(u, r->file);
	if (!error)
		error = ask(u, r);
	if (error) {
		finish(u, error, NULL);
		serve_soon(u);
	}
	return 0;
}

static void enqueue(struct unwinder *u, struct request *r)
{
	DL_APPEND(u->queue, r);
	serve_soon(u);
}

static void on_settled(void *userdata, struct module *m)
{
	struct request *r = userdata;

	DL_DELETE(r->unwinder->waiting, r);
	enqueue(r->unwinder, r);
}

/* ---- answers -------------------------------------------------------------------------------- */

/* The helper failed at the first request: once more, if it may have been somebody else's fault. */
static void on_failure(void *userdata, enum helper_failure failure, const char *how)
{
	static struct log_limit limit = {.seconds = 10};
	struct unwinder *u = userdata;
	const struct module *m = u->queue->file;
	struct file_identity identity = module_identity(m);
	bool again = (failure == HELPER_DIED || failure == HELPER_LACKED_MEMORY) &&
		     !bad_files_grade(&u->bad, &identity);

	u->asked = false;
	bad_files_set(&u->bad, &identity, again ? DOUBTFUL : BAD);
	if (log_allowed(&limit))
		log_warning("unwinder %s at %s: %s", how, m->path ? m->path : "a module",
			again ? "it is tried once more" : "it gets no unwind tables");
	if (!again) {
		u->stats.bad_modules++;
		finish(u, -EIO, NULL);
	}
	serve_soon(u);
}

static int on_answer(void *userdata, const void *data, size_t size)
{
	struct unwinder *u = userdata;
	struct unwinder_reply reply;
	int r = unwinder_answer_check(&reply, u->queue->question, data, size);

	if (r || reply.error == -ENOMEM)
		return r ? r : reply.error;
	if (reply.cache_error)
		warn_of_cache(reply.cache_error);
	if (!reply.error && u->queue->question == UNWINDER_PAGE) {
		u->stats.cached += reply.cached;
		u->stats.compiled += !reply.cached;
	}
	finish(u, reply.error, &reply);
	serve_soon(u);
	return 0;
}

/* ---- the outside ---------------------------------------------------------------------------- */

static int add_next(struct unwinder *u, sd_event *event)
{
	int r = sd_event_add_defer(event, &u->next, on_next, u);

	if (r >= 0)
		r = sd_event_source_set_enabled(u->next, SD_EVENT_OFF);
	return r < 0 ? r : 0;
}

static void use_cache(struct unwinder *u, const char *folder)
{
	static const struct cache_folder_options options = {
		.name = "unwind",
		.version = CACHE_FILE_VERSION,
		.max_bytes = CACHE_BYTES,
		.max_file = CACHE_FILE_MAX,
	};
	int error = cache_folder_new(&u->cache, folder, &options);

	if (error)
		warn_of_cache(error);
}

int unwinder_new(struct unwinder **out, sd_event *event, struct opener *opener, const char *cache)
{
	struct unwinder *u = calloc(1, sizeof(*u));
	struct helper_client_options options = {
		.name = "unwinder",
		.memory_limit = MEMORY_LIMIT,
		.max_answer = UNWINDER_MAX_ANSWER,
		.patience = ANSWER_PATIENCE,
		.on_answer = on_answer,
		.on_failure = on_failure,
		.userdata = u,
	};
	int r;

	if (!u)
		return -ENOMEM;
	u->cached.fd = -1;
	r = helper_client_init(&u->helper, event, opener, &options);
	if (!r)
		r = add_next(u, event);
	if (r) {
		unwinder_free(u);
		return r;
	}
	if (cache)
		use_cache(u, cache);
	*out = u;
	return 0;
}

void unwinder_free(struct unwinder *u)
{
	if (!u)
		return;
	u->closing = true;
	helper_client_close(&u->helper);
	while (u->waiting) {
		struct request *r = u->waiting;

		module_wait_no_more(r->module, &r->waiter);
		DL_DELETE(u->waiting, r);
		answer(r, -ECANCELED, NULL);
	}
	while (u->queue)
		finish(u, -ECANCELED, NULL);
	cache_folder_free(u->cache);
	sd_event_source_disable_unref(u->next);
	free(u);
}

static int submit(struct unwinder *u, struct module *module, const struct request *request)
{
	struct request *r = u->closing ? NULL : malloc(sizeof(*r));

	if (!r)
		return u->closing ? -ECANCELED : -ENOMEM;
	*r = *request;
	r->unwinder = u;
	r->module = r->file = module_ref(module);
	if (module->state != MODULE_OPENING) {
		enqueue(u, r);
		return 0;
	}
	r->waiter = (struct module_waiter){.settled = on_settled, .userdata = r};
	DL_APPEND(u->waiting, r);
	module_wait(module, &r->waiter);
	return 0;
}

int unwinder_open(struct unwinder *u, struct module *module, unwinder_opened done, void *userdata)
{
	struct request request = {
		.question = UNWINDER_LAYOUT,
		.done.opened = done,
		.userdata = userdata,
	};

	return submit(u, module, &request);
}

int unwinder_compile(struct unwinder *u, struct module *module, uint32_t page,
	unwinder_compiled done, void *userdata)
{
	struct request request = {
		.question = UNWINDER_PAGE,
		.page = page,
		.done.compiled = done,
		.userdata = userdata,
	};

	return submit(u, module, &request);
}

bool unwinder_is_busy(const struct unwinder *u)
{
	return u->queue;
}

int unwinder_find_sites(
	struct unwinder *u, struct module *module, unwinder_found done, void *userdata)
{
	struct request request = {
		.question = UNWINDER_SITES,
		.done.found = done,
		.userdata = userdata,
	};

	return submit(u, module, &request);
}

struct unwinder_stats unwinder_stats(const struct unwinder *u)
{
	struct unwinder_stats stats = u->stats;

	stats.crashes = u->helper.stats.crashes;
	stats.timeouts = u->helper.stats.timeouts;
	stats.refused_answers = u->helper.stats.refused_answers;
	stats.seccomp = u->helper.stats.seccomp;
	return stats;
}
