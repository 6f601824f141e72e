// SPDX-License-Identifier: MIT
#include "debug_servers.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "debuginfod/client.h"
#include "symbols/build_id.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/log.h"
#include "util/now.h"
#include "util/open_checked.h"

#define SHOW_EACH_NS 100000000ULL

/* What nobody had. */
struct refusal {
	char build_id[BUILD_ID_MAX_HEX + 1];
	enum debuginfod_kind kind;
	char said[DEBUG_SERVERS_SAID];
	int error;
};

struct debug_servers {
	struct debuginfod_client *client;
	char *cache; /* folder */
	struct refusal *refusals;
	size_t n_refusals, refusals_capacity;
	/* Of the file that is fetched now. */
	bool terminal, drawn;
	uint64_t shown; /* when */
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal)
{
	interrupted = 1;
}

/* ---- progress ----------------------------------------------------------------------------- */

static void draw(struct debug_servers *s, const char *url, uint64_t done, uint64_t total)
{
	uint64_t now = now_ns();
	char of[32] = "";

	if (!s->terminal || now - s->shown < SHOW_EACH_NS)
		return;
	s->shown = now;
	s->drawn = true;
	if (total)
		snprintf(of, sizeof(of), " of %.1f", (double)total / (1 << 20));
	fprintf(stderr, "\r%.50s: %.1f%s MiB\033[K", url, (double)done / (1 << 20), of);
	fflush(stderr);
}

static void clear(struct debug_servers *s)
{
	if (s->drawn)
		fputs("\r\033[K", stderr);
	s->drawn = false;
}

static bool on_progress(void *userdata, const char *url, uint64_t done, uint64_t total)
{
	draw(userdata, url, done, total);
	return !interrupted;
}

/* ---- the cache ---------------------------------------------------------------------------- */

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static char *cache_path(void)
{
	const char *own = variable("DEBUGINFOD_CACHE_PATH"), *caches = variable("XDG_CACHE_HOME"),
		   *home = variable("HOME");
	char *path = NULL;

	if (own)
		return strdup(own);
	if (asprintf(&path, "%s%s/debuginfod_client",
		    caches ? caches
		    : home ? home
			   : "/tmp",
		    caches ? ""
		    : home ? "/.cache"
			   : "") < 0)
		return NULL;
	return path;
}

/* A folder with all those that lead to it. */
static int make_folders(char *path)
{
	for (char *p = path + 1;; p++) {
		char end = *p;

		if (end && end != '/')
			continue;
		*p = '\0';
		int r = mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
		*p = end;
		if (r || !end)
			return r;
	}
}

static int open_folder(const struct debug_servers *s, const char *build_id)
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s/%s", s->cache, build_id) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	int r = make_folders(path);
	if (r)
		return r;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The folder of a file that nobody had, unless there is something in it. */
static void forget_folder(const struct debug_servers *s, const char *build_id)
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s/%s", s->cache, build_id) < 0)
		path = NULL;
	else
		rmdir(path);
}

/* What was fetched before, by whomever. */
static int open_kept(int folder, const char *name, const char *build_id)
{
	struct stat st;
	_cleanup_close_ int found = openat(folder, name, O_PATH | O_CLOEXEC);
	if (found < 0 || stat_regular(found, &st))
		return -ENOENT;
	_cleanup_close_ int fd = reopen_for_reading(found);
	return fd < 0 || build_id_check(fd, build_id) ? -ENOENT : take_fd(fd);
}

/* ---- asking ------------------------------------------------------------------------------- */

/* A file that is asked for. */
struct wanted {
	enum debuginfod_kind kind;
	const char *build_id, *name; /* name: in its folder */
};

/* Fetches, and dies of a Ctrl-C that came meanwhile as if it had not been caught. Where it is
 * ignored (nohup, a shell's background) it stays so. */
static int fetch(
	struct debug_servers *s, const struct wanted *w, int folder, char said[DEBUG_SERVERS_SAID])
{
	struct sigaction action = {.sa_handler = on_interrupt}, before;

	interrupted = 0;
	s->shown = now_ns();
	sigaction(SIGINT, NULL, &before);
	if (before.sa_handler != SIG_IGN)
		sigaction(SIGINT, &action, NULL);
	int fd = debuginfod_client_fetch(
		s->client, w->kind, w->build_id, folder, w->name, said, DEBUG_SERVERS_SAID);
	sigaction(SIGINT, &before, NULL);
	clear(s);
	if (interrupted) {
		close_fd(fd);
		raise(SIGINT);
		return -ECANCELED;
	}
	return fd;
}

static int get(struct debug_servers *s, const struct wanted *w, char said[DEBUG_SERVERS_SAID])
{
	_cleanup_close_ int folder = open_folder(s, w->build_id);

	if (folder < 0) {
		snprintf(said, DEBUG_SERVERS_SAID, "%.150s cannot be written: %s", s->cache,
			strerror(-folder));
		return folder;
	}
	int fd = open_kept(folder, w->name, w->build_id);
	snprintf(said, DEBUG_SERVERS_SAID, "has it, and it was fetched before");
	if (fd >= 0)
		return fd;
	fd = fetch(s, w, folder, said);
	if (fd >= 0)
		snprintf(said, DEBUG_SERVERS_SAID, "has it");
	else
		forget_folder(s, w->build_id);
	return fd;
}

static const struct refusal *find_refusal(const struct debug_servers *s, const struct wanted *w)
{
	for (size_t i = 0; i < s->n_refusals; i++)
		if (s->refusals[i].kind == w->kind && !strcmp(s->refusals[i].build_id, w->build_id))
			return &s->refusals[i];
	return NULL;
}

static void remember_refusal(
	struct debug_servers *s, const struct wanted *w, const char *said, int error)
{
	if (grow(s->refusals, s->n_refusals, s->refusals_capacity, 1))
		return;
	struct refusal *r = &s->refusals[s->n_refusals++];
	*r = (struct refusal){.kind = w->kind, .error = error};
	snprintf(r->build_id, sizeof(r->build_id), "%s", w->build_id);
	snprintf(r->said, sizeof(r->said), "%s", said);
}

int debug_servers_get(struct debug_servers *s, enum debuginfod_kind kind, const char *build_id,
	char said[DEBUG_SERVERS_SAID])
{
	const struct wanted w = {
		kind, build_id, kind == DEBUGINFOD_EXECUTABLE ? "executable" : "debuginfo"};

	if (!build_id_is_plain(build_id)) {
		snprintf(said, DEBUG_SERVERS_SAID, "cannot be asked for such a build-id");
		return -EINVAL;
	}
	const struct refusal *before = find_refusal(s, &w);
	if (before) {
		memcpy(said, before->said, sizeof(before->said));
		return before->error;
	}
	int fd = get(s, &w, said);
	if (fd < 0)
		remember_refusal(s, &w, said, fd);
	return fd;
}

/* ---- life --------------------------------------------------------------------------------- */

int debug_servers_open(struct debug_servers **out)
{
	struct debuginfod_limits limits = debuginfod_limits_default();
	const char *urls = variable("DEBUGINFOD_URLS");
	struct debuginfod_servers servers;
	char why[256] = "out of memory";

	*out = NULL;
	int r = debuginfod_servers_parse(&servers, urls ? urls : "", why, sizeof(why));
	if (r || !servers.n) {
		if (r)
			log_error("DEBUGINFOD_URLS: %s", why);
		debuginfod_servers_free(&servers);
		return r;
	}
	struct debug_servers *s = calloc(1, sizeof(*s));
	if (s) {
		s->terminal = isatty(STDERR_FILENO);
		s->cache = cache_path();
	}
	if (!s || !s->cache) {
		debuginfod_servers_free(&servers);
		r = -ENOMEM;
	} else {
		r = debuginfod_client_new(&s->client, &servers, &limits, on_progress, s);
	}
	if (r) {
		log_error("debuginfod's servers cannot be asked: %s", strerror(-r));
		debug_servers_close(s);
		return r;
	}
	*out = s;
	return 0;
}

void debug_servers_close(struct debug_servers *s)
{
	if (!s)
		return;
	debuginfod_client_free(s->client);
	free(s->cache);
	free(s->refusals);
	free(s);
}
