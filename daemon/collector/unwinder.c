// SPDX-License-Identifier: MIT
#include "collector/unwinder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "collector/bad_files.h"
#include "collector/debug_request.h"
#include "collector/helper_link.h"
#include "collector/opener.h"
#include "collector/unwind_cache.h"
#include "collector/unwinder_answer.h"
#include "unwinder/protocol.h"
#include "util/cleanup.h"
#include "util/log.h"

#define US_PER_SECOND 1000000ULL
#define TIME_LIMIT    (10 * US_PER_SECOND) /* for one answer */
#define IDLE_PATIENCE (3 * US_PER_SECOND)  /* then the process ends, if nobody asks */
/* Private memory of the helper: the indexes of a few of the largest programs. */
#define MEMORY_LIMIT (128u << 20)

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
	} done;
	void *userdata;
	unsigned wants; /* debug files */
};

enum state {
	STATE_IDLE,
	STATE_ASKED,  /* the helper works for the first request */
	STATE_WANTED, /* it waits for a debug file from the opener */
};

struct unwinder {
	sd_event *event;
	struct opener *opener;
	struct helper_link link;
	sd_event_source *timer;
	sd_event_source *next; /* serves the first request in the next turn of the loop */
	enum state state;
	bool greeted; /* the process has said HELLO */
	bool closing;
	struct request *waiting; /* for their module's file */
	struct request *queue;	 /* served in this order */
	struct bad_files bad;
	struct unwind_cache *cache;	 /* NULL: none */
	struct unwind_cache_file cached; /* of the first request, while it is asked */
	struct unwinder_stats stats;
};

/* ---- requests ------------------------------------------------------------------------------- */

static void set_timer(struct unwinder *u, uint64_t us)
{
	uint64_t now;

	if (!us) {
		sd_event_source_set_enabled(u->timer, SD_EVENT_OFF);
		return;
	}
	if (sd_event_now(u->event, CLOCK_MONOTONIC, &now) < 0)
		return;
	sd_event_source_set_time(u->timer, now + us);
	sd_event_source_set_enabled(u->timer, SD_EVENT_ONESHOT);
}

/* Answers one that is in no list any more, and forgets it. */
static void answer(struct request *r, int error, const struct unwinder_reply *reply)
{
	if (r->question == UNWINDER_LAYOUT)
		r->done.opened(r->userdata, r->module, error, error ? NULL : &reply->code);
	else
		r->done.compiled(r->userdata, r->module, r->page, error,
			error ? NULL : reply->words, error ? 0 : reply->n_words);
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

	unwind_cache_close(u->cache, &u->cached);
	u->state = STATE_IDLE;
	DL_DELETE(u->queue, r);
	answer(r, error, reply);
}

/* Whoever asks is never answered before he has returned, and whatever fails at once lets the rest
 * of the loop have its turn. */
static void serve_soon(struct unwinder *u)
{
	if (u->closing)
		return;
	if (u->queue)
		sd_event_source_set_enabled(u->next, SD_EVENT_ONESHOT);
	else if (helper_link_is_up(&u->link))
		set_timer(u, IDLE_PATIENCE);
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
static void open_cache(struct unwinder *u, const struct module *m)
{
	struct file_identity identity = module_identity(m);
	int error;

	unwind_cache_close(u->cache, &u->cached);
	if (!u->cache || m->kind != MODULE_FILE)
		return;
	error = unwind_cache_open(u->cache, &identity, &u->cached);
	if (error)
		warn_of_cache(error);
}

static int send_request(struct unwinder *u, const struct request *r)
{
	struct unwinder_request request = {r->question, r->page, module_identity(r->file)};
	int fds[] = {r->file->fd, u->cached.fd};

	if (!helper_link_is_up(&u->link))
		u->greeted = false;
	return helper_link_send(
		&u->link, HELPER_REQUEST, &request, sizeof(request), fds, fds[1] >= 0 ? 2 : 1);
}

static int ask(struct unwinder *u, struct request *r)
{
	bool was_up = helper_link_is_up(&u->link);
	int error;

	open_cache(u, r->file);
	error = send_request(u, r);
	if (error && was_up) /* it has died since the last answer */
		error = send_request(u, r);
	if (error)
		return error;
	r->wants = 0;
	u->state = STATE_ASKED;
	set_timer(u, TIME_LIMIT);
	return 0;
}

static int on_next(sd_event_source *source, void *userdata)
{
	struct unwinder *u = userdata;
	struct request *r = u->queue;
	int error;

	if (!r || u->state != STATE_IDLE)
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
	if (u->state == STATE_IDLE)
		serve_soon(u);
}

static void on_settled(void *userdata, struct module *m)
{
	struct request *r = userdata;

	DL_DELETE(r->unwinder->waiting, r);
	enqueue(r->unwinder, r);
}

/* ---- trouble -------------------------------------------------------------------------------- */

static const char *name_of(const struct module *m)
{
	return m->path ? m->path : "a module";
}

/* The helper failed at the first request. */
static void punish(struct unwinder *u, const char *how, unsigned grade)
{
	static struct log_limit limit = {.seconds = 10};
	const struct module *m = u->queue->file;
	struct file_identity identity = module_identity(m);

	helper_link_stop(&u->link);
	set_timer(u, 0);
	opener_cancel(u->opener, u);
	u->state = STATE_IDLE;
	bad_files_set(&u->bad, &identity, grade);
	u->stats.bad_modules += grade == BAD;
	if (log_allowed(&limit))
		log_warning("unwinder %s at %s: %s", how, name_of(m),
			grade == BAD ? "it gets no unwind tables" : "it is tried once more");
	if (grade == BAD)
		finish(u, -EIO, NULL);
	serve_soon(u);
}

/* It may have been somebody else's fault. */
static void doubt(struct unwinder *u, const char *how)
{
	struct file_identity identity = module_identity(u->queue->file);

	punish(u, how, bad_files_grade(&u->bad, &identity) ? BAD : DOUBTFUL);
}

static void on_gone(void *userdata, const char *how)
{
	struct unwinder *u = userdata;

	u->stats.crashes++;
	if (u->state != STATE_IDLE)
		doubt(u, how);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct unwinder *u = userdata;

	if (u->state == STATE_ASKED) {
		u->stats.timeouts++;
		punish(u, "took too long", BAD);
	} else if (u->state == STATE_IDLE && !u->queue) {
		helper_link_stop(&u->link);
	}
	return 0;
}

static void refuse(struct unwinder *u)
{
	u->stats.refused_answers++;
	if (u->state == STATE_IDLE)
		helper_link_stop(&u->link);
	else
		punish(u, "gave a broken answer", BAD);
}

/* ---- messages ------------------------------------------------------------------------------- */

static void on_answer(struct unwinder *u, const void *data, size_t size)
{
	struct request *r = u->queue;
	struct unwinder_reply reply;

	/* Who answers before the whole question is out has not heard it. */
	if (u->link.out || unwinder_answer_check(&reply, r->question, data, size)) {
		refuse(u);
		return;
	}
	if (reply.error == -ENOMEM) {
		doubt(u, "ran out of memory");
		return;
	}
	set_timer(u, 0);
	if (reply.cache_error)
		warn_of_cache(reply.cache_error);
	if (!reply.error && r->question == UNWINDER_PAGE) {
		u->stats.cached += reply.cached;
		u->stats.compiled += !reply.cached;
	}
	finish(u, reply.error, &reply);
	serve_soon(u);
}

/* The opener is done: the helper gets the file, or hears that there is none. */
static void send_file(struct unwinder *u, int fd)
{
	int r = helper_link_send(&u->link, HELPER_FILE, NULL, 0, &fd, fd >= 0);

	close_fd(fd);
	if (r) {
		on_gone(u, "hung up");
		return;
	}
	u->state = STATE_ASKED;
	set_timer(u, TIME_LIMIT);
}

static void on_opened(void *userdata, int fd, int error, const char *real_path)
{
	struct unwinder *u = userdata;

	if (u->state == STATE_WANTED)
		send_file(u, fd);
	else
		close_fd(fd);
}

static void on_want(struct unwinder *u, const void *data, size_t size)
{
	struct request *r = u->queue;
	int error;

	if (++r->wants > DEBUG_MAX_WANTS) {
		refuse(u);
		return;
	}
	error = debug_request(u->opener, r->file, data, size, on_opened, u);
	if (error == -EBADMSG) {
		refuse(u);
		return;
	}
	set_timer(u, 0); /* the opener has its own */
	u->state = STATE_WANTED;
	if (error)
		send_file(u, -1);
}

static void on_message(void *userdata, uint32_t type, const void *data, size_t size)
{
	struct unwinder *u = userdata;
	struct helper_hello hello;

	if (type == HELPER_ANSWER && u->state == STATE_ASKED) {
		on_answer(u, data, size);
	} else if (type == HELPER_WANT && u->state == STATE_ASKED) {
		on_want(u, data, size);
	} else if (type == HELPER_HELLO && size == sizeof(hello) && !u->greeted) {
		memcpy(&hello, data, sizeof(hello));
		u->greeted = true;
		u->stats.seccomp = hello.seccomp == 1;
	} else {
		refuse(u);
	}
}

/* ---- the outside ---------------------------------------------------------------------------- */

static int add_sources(struct unwinder *u)
{
	int r = sd_event_add_time(
		u->event, &u->timer, CLOCK_MONOTONIC, UINT64_MAX, 1000, on_timer, u);

	if (r >= 0)
		r = sd_event_source_set_enabled(u->timer, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_defer(u->event, &u->next, on_next, u);
	if (r >= 0)
		r = sd_event_source_set_enabled(u->next, SD_EVENT_OFF);
	return r < 0 ? r : 0;
}

int unwinder_new(struct unwinder **out, sd_event *event, struct opener *opener, const char *cache)
{
	struct unwinder *u = calloc(1, sizeof(*u));
	struct helper_link_options options = {
		.name = "unwinder",
		.memory_limit = MEMORY_LIMIT,
		.max_message = UNWINDER_MAX_ANSWER,
		.on_message = on_message,
		.on_gone = on_gone,
		.userdata = u,
	};
	int r;

	if (!u)
		return -ENOMEM;
	u->event = sd_event_ref(event);
	u->opener = opener;
	u->cached.fd = -1;
	helper_link_init(&u->link, event, &options);
	r = add_sources(u);
	if (!r && cache) {
		int error = unwind_cache_new(&u->cache, cache);

		if (error)
			warn_of_cache(error);
	}
	if (r) {
		unwinder_free(u);
		return r;
	}
	*out = u;
	return 0;
}

void unwinder_free(struct unwinder *u)
{
	if (!u)
		return;
	u->closing = true;
	helper_link_stop(&u->link);
	opener_cancel(u->opener, u);
	while (u->waiting) {
		struct request *r = u->waiting;

		module_wait_no_more(r->module, &r->waiter);
		DL_DELETE(u->waiting, r);
		answer(r, -ECANCELED, NULL);
	}
	while (u->queue)
		finish(u, -ECANCELED, NULL);
	unwind_cache_free(u->cache);
	sd_event_source_disable_unref(u->next);
	sd_event_source_disable_unref(u->timer);
	sd_event_unref(u->event);
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

struct unwinder_stats unwinder_stats(const struct unwinder *u)
{
	return u->stats;
}
