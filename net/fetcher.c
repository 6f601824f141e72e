/* SPDX-License-Identifier: MIT */
#include "fetcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "debuginfod/client.h"
#include "debuginfod/spool.h"
#include "kept.h"
#include "queue.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/now.h"

#define NS_PER_SECOND	1000000000ULL
#define NS_PER_MS	1000000ULL
#define MISSING_SECONDS (24 * 3600) /* then servers are asked again */
#define MISSING_MAX	16384
#define TIDY_SECONDS	3600
#define REST_SECONDS	300 /* when the folder cannot be written */

struct fetcher {
	const struct fetcher_options *options;
	struct debuginfod_client *client;
	int spool, lock, watch; /* watch: an inotify of what is wanted */
	struct queue queue;
	struct spool_state state;
	uint64_t tidied; /* when, ns */
	uint64_t rests;	 /* nothing is fetched until then */
};

/* ---- waiting ------------------------------------------------------------------------------ */

static bool is_stopped(const struct fetcher *f)
{
	struct pollfd p = {.fd = f->options->stop, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

static bool on_progress(void *userdata, const char *url, uint64_t done, uint64_t total)
{
	return !is_stopped(userdata);
}

/* Until there may be something to do, or `until` (ns; 0: the next tidying). */
static void wait_for_work(struct fetcher *f, uint64_t until)
{
	struct pollfd p[] = {
		{.fd = f->options->stop, .events = POLLIN}, {.fd = f->watch, .events = POLLIN}};
	uint64_t now = now_ns(), tidy = f->tidied + TIDY_SECONDS * NS_PER_SECOND;
	char events[4096];

	if (!until || until > tidy)
		until = tidy;
	int timeout = until > now ? (int)((until - now) / NS_PER_MS) + 1 : 0;
	if (poll(p, 2, timeout) > 0 && p[1].revents)
		while (read(f->watch, events, sizeof(events)) > 0)
			;
}

/* ---- the folder --------------------------------------------------------------------------- */

static void publish(struct fetcher *f)
{
	static struct log_limit limit = {.seconds = 600};
	int r = spool_write_state(f->spool, &f->state);

	if (r && log_allowed(&limit))
		log_warning("%s/" SPOOL_FOLDER " cannot be written: %s", f->options->cache,
			strerror(-r));
}

static void tidy(struct fetcher *f, const char *spare)
{
	struct kept kept;
	int r = kept_tidy(f->spool, f->options->keep_bytes, spare, &kept);

	if (!r)
		r = kept_forget_missing(f->spool, MISSING_SECONDS, MISSING_MAX);
	if (r)
		log_warning("%s/" SPOOL_FOLDER " cannot be tidied: %s", f->options->cache,
			strerror(-r));
	f->state.kept_files = kept.files;
	f->state.kept_bytes = kept.bytes;
	f->state.fetched_bytes = debuginfod_client_bytes(f->client);
	f->tidied = now_ns();
}

static void close_spool(struct fetcher *f)
{
	f->watch = close_fd(f->watch);
	f->lock = close_fd(f->lock);
	f->spool = close_fd(f->spool);
}

static int open_spool(struct fetcher *f, char *why, size_t why_size)
{
	char path[64];
	int r = mkdir(f->options->cache, 0750) && errno != EEXIST ? -errno : 0;

	if (!r)
		f->spool = spool_open(f->options->cache, true);
	if (r || f->spool < 0) {
		r = r ? r : f->spool;
		snprintf(why, why_size, "%s/" SPOOL_FOLDER " cannot be opened: %s",
			f->options->cache, strerror(-r));
		return r;
	}
	f->lock = spool_lock(f->spool);
	if (f->lock < 0) {
		snprintf(why, why_size, "%s/" SPOOL_FOLDER ": %s", f->options->cache,
			f->lock == -EBUSY ? "another profd-net works for it already: stop that"
					  : strerror(-f->lock));
		return f->lock;
	}
	f->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d/" SPOOL_WANTED, f->spool);
	if (f->watch < 0 || inotify_add_watch(f->watch, path,
				    IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_ONLYDIR) < 0) {
		r = -errno;
		snprintf(why, why_size, "%s/" SPOOL_FOLDER " cannot be watched: %s",
			f->options->cache, strerror(-r));
		return r;
	}
	return 0;
}

/* Caches may be deleted at any time. */
static bool spool_is_gone(const struct fetcher *f)
{
	struct stat st;

	return fstat(f->spool, &st) || !st.st_nlink || faccessat(f->spool, SPOOL_WANTED, F_OK, 0) ||
	       faccessat(f->spool, SPOOL_MISSING, F_OK, 0) ||
	       faccessat(f->spool, SPOOL_FILES, F_OK, 0);
}

static int open_again(struct fetcher *f)
{
	char why[512];

	close_spool(f);
	int r = open_spool(f, why, sizeof(why));
	if (r)
		log_error("the folder was deleted, and %s", why);
	return r;
}

/* ---- one file ----------------------------------------------------------------------------- */

static int make_room(const struct fetcher *f, const char *build_id)
{
	char folder[SPOOL_PATH];

	snprintf(folder, sizeof(folder), SPOOL_FILES "/%.2s", build_id);
	return mkdirat(f->spool, folder, 0750) && errno != EEXIST ? -errno : 0;
}

static int get(struct fetcher *f, const char *build_id, char *why, size_t why_size)
{
	char name[SPOOL_PATH];
	int r = make_room(f, build_id);

	if (r) {
		snprintf(why, why_size, "it cannot be written here: %s", strerror(-r));
		return r;
	}
	spool_file_path(name, build_id);
	int fd = debuginfod_client_fetch(
		f->client, DEBUGINFOD_DEBUG_FILE, build_id, f->spool, name, why, why_size);
	close_fd(fd);
	return fd < 0 ? fd : 0;
}

static void note_failure(struct fetcher *f, const char *build_id, const char *why)
{
	static struct log_limit limit = {.seconds = 60};

	f->state.failed++;
	snprintf(f->state.last_failure, sizeof(f->state.last_failure), "%s", why);
	if (log_allowed(&limit))
		log_warning("build-id %s: %s", build_id, why);
}

/* Notes what became of a request, which goes unless it is worth another try. */
static void settle(struct fetcher *f, struct queued *item, int result, const char *why)
{
	switch (result) {
	case 0:
		f->state.fetched++;
		tidy(f, item->build_id);
		log_info("fetched the debug file of build-id %s", item->build_id);
		break;
	case -ECANCELED:
		return;
	case -EHOSTDOWN:
		note_failure(f, item->build_id, why);
		item->not_before = debuginfod_client_wakes(f->client);
		return;
	case -ENOENT:
		f->state.unknown++;
		spool_mark(f->spool, SPOOL_MISSING, item->build_id);
		break;
	case -EBADMSG:
	case -EFBIG:
		note_failure(f, item->build_id, why);
		spool_mark(f->spool, SPOOL_MISSING, item->build_id);
		break;
	default: /* it is not the servers' fault */
		note_failure(f, item->build_id, why);
		f->rests = now_ns() + REST_SECONDS * NS_PER_SECOND;
		return;
	}
	queue_remove(&f->queue, f->spool, item);
}

static void serve(struct fetcher *f, struct queued *item)
{
	char why[256] = "";
	int r = 0;

	if (!spool_has(f->spool, item->build_id)) {
		memcpy(f->state.fetching, item->build_id, sizeof(item->build_id));
		publish(f);
		r = get(f, item->build_id, why, sizeof(why));
		*f->state.fetching = '\0';
		settle(f, item, r, why);
		f->state.fetched_bytes = debuginfod_client_bytes(f->client);
	} else {
		queue_remove(&f->queue, f->spool, item);
	}
	publish(f);
}

/* ---- life --------------------------------------------------------------------------------- */

static int work(struct fetcher *f)
{
	int r = 0;

	while (!r && !is_stopped(f)) {
		uint64_t now = now_ns(), wakes = 0;

		if (spool_is_gone(f)) {
			r = open_again(f);
			continue;
		}
		if (now - f->tidied >= TIDY_SECONDS * NS_PER_SECOND) {
			tidy(f, NULL);
			publish(f);
		}
		r = queue_read(&f->queue, f->spool);
		struct queued *item = r ? NULL : queue_first(&f->queue, now, &wakes);
		if (f->rests > now)
			wait_for_work(f, f->rests);
		else if (item && debuginfod_client_rests(f->client))
			wait_for_work(f, debuginfod_client_wakes(f->client));
		else if (item)
			serve(f, item);
		else if (!r)
			wait_for_work(f, wakes);
	}
	return r;
}

int fetcher_run(const struct fetcher_options *options, struct debuginfod_servers *servers)
{
	struct debuginfod_limits limits = debuginfod_limits_default();
	struct fetcher f = {.options = options, .spool = -1, .lock = -1, .watch = -1};
	char why[512] = "it does not start";

	if (limits.bytes > options->keep_bytes / 2)
		limits.bytes = options->keep_bytes / 2;
	int r = debuginfod_client_new(&f.client, servers, &limits, on_progress, &f);
	if (!r)
		r = open_spool(&f, why, sizeof(why));
	if (r) {
		log_error("%s", why);
	} else {
		tidy(&f, NULL);
		publish(&f);
		r = work(&f);
		if (r)
			log_error("%s/" SPOOL_FOLDER ": %s", options->cache, strerror(-r));
	}
	queue_free(&f.queue);
	close_spool(&f);
	debuginfod_client_free(f.client);
	return r;
}
