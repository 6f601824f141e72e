// SPDX-License-Identifier: MIT
#include "symbol_client.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "configured.h"
#include "helper/scratch.h"
#include "symbolizer/names_cache.h"
#include "symbols/debug_dirs.h"
#include "symbols/debug_name.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/now.h"
#include "util/open_checked.h"

#define MEMORY_LIMIT "67108864" /* bytes, as profd's own by default */
#define TIME_LIMIT   30		/* s for one answer: a person waits, but no clock ticks */

/* One question on its way. */
struct exchange {
	struct symbol_client *client;
	const struct symbol_question *question;
	struct symbol_reply *reply;
	uint64_t deadline;
	bool answered; /* whole, whatever it says */
	unsigned wants;
	struct cache_folder_file cached; /* of the module */
	char *why;
	size_t why_size;
};

/* ---- the cache ------------------------------------------------------------------------------ */

/* The user's folder for caches, to free; NULL if there is none that is his own: with another's
 * HOME, as after su, files would appear there that he cannot use. */
static char *cache_home(void)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char *path = NULL;
	struct stat st;

	if (xdg && *xdg == '/')
		path = strdup(xdg);
	else if (!home || *home != '/' || asprintf(&path, "%s/.cache", home) < 0)
		return NULL;
	if (path && mkdir(path, 0700) && errno != EEXIST)
		free(take_ptr(path));
	if (path && (stat(path, &st) || st.st_uid != geteuid()))
		free(take_ptr(path));
	return path;
}

/* To free; NULL: nothing is cached. */
static char *cache_path(void)
{
	const char *given = getenv("PROFD_CACHE");
	_cleanup_free_ char *home = NULL;
	char *path;

	if (given)
		return *given ? strdup(given) : NULL;
	home = cache_home();
	return home && asprintf(&path, "%s/profd", home) >= 0 ? path : NULL;
}

/* Without one, everything is only looked up again. */
static struct cache_folder *open_cache(void)
{
	static const struct cache_folder_options options = {
		.name = NAMES_CACHE_FOLDER,
		.version = NAMES_CACHE_VERSION,
		.max_bytes = NAMES_CACHE_FOLDER_BYTES,
		.max_file = NAMES_CACHE_MAX,
	};
	_cleanup_free_ char *path = cache_path();
	struct cache_folder *cache;

	return !path || cache_folder_new(&cache, path, &options) ? NULL : cache;
}

static bool is_elf(enum symbolizer_kind kind)
{
	return kind == SYMBOLIZER_ELF || kind == SYMBOLIZER_ELF_CODE;
}

/* The cache file of what is asked about, or none. */
static void open_cached(
	struct symbol_client *c, const struct symbol_question *q, struct cache_folder_file *file)
{
	struct file_identity identity;
	struct stat st;

	*file = (struct cache_folder_file){.fd = -1};
	if (!c->cache || q->symbols_only || !is_elf(q->kind) || fstat(q->fd, &st))
		return;
	identity = file_identity_of(&st);
	cache_folder_open(c->cache, &identity, file);
}

static void note_cache_error(struct symbol_client *c, int error)
{
	if (error && !c->warned)
		log_warning("names are not cached, and looked up again the next time: %s",
			strerror(-error));
	c->warned |= error != 0;
}

/* ---- the outside ---------------------------------------------------------------------------- */

/* A folder that was named and is not there is a mistake. */
static void warn_of_missing(char *debug_dirs)
{
	char *rest, *folder = strtok_r(debug_dirs, ":", &rest);

	for (; folder; folder = strtok_r(NULL, ":", &rest))
		if (access(folder, R_OK | X_OK) < 0)
			log_warning("--debug_dirs: %s: %s: no debug files come from there", folder,
				strerror(errno));
}

int symbol_client_init(struct symbol_client *c, const char *debug_dirs)
{
	_cleanup_free_ char *named = debug_dirs ? strdup(debug_dirs) : NULL;

	if (named)
		warn_of_missing(named);
	*c = (struct symbol_client){.helper = HELPER_NONE,
		.debug_dirs = debug_dirs ? strdup(debug_dirs)
					 : configured_debug_dirs(CONFIGURED_FILE)};
	c->cache = open_cache();
	return c->debug_dirs ? 0 : -ENOMEM;
}

void symbol_client_close(struct symbol_client *c)
{
	helper_stop(&c->helper);
	free(take_ptr(c->debug_dirs));
	cache_folder_free(take_ptr(c->cache));
}

void symbol_file_explain(int error, char *why, size_t why_size)
{
	snprintf(
		why, why_size, "%s", error == -EINVAL ? "it is no regular file" : strerror(-error));
}

int symbol_file_open(const char *path, char *why, size_t why_size)
{
	int fd = open_regular(path);

	if (fd < 0)
		symbol_file_explain(fd, why, why_size);
	return fd;
}

char *symbol_file_path(int fd)
{
	char link[64], path[PATH_MAX];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path));
	return n > 0 && (size_t)n < sizeof(path) ? strndup(path, (size_t)n) : strdup("?");
}

int symbol_root_open(uint32_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/root", pid);
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

void symbol_reply_free(struct symbol_reply *r)
{
	for (size_t i = 0; i < r->n_wants; i++)
		free(r->wants[i].path);
	free(r->body);
	*r = (struct symbol_reply){0};
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static int fail(struct exchange *x, int error, const char *how)
{
	snprintf(x->why, x->why_size, "the symbolizer %s", how);
	return error;
}

static int gone(struct exchange *x)
{
	char how[HELPER_HOW_SIZE];

	helper_explain_end(&x->client->helper, how);
	return fail(x, -EIO, how);
}

static int nonsense(struct exchange *x)
{
	return fail(x, -EBADMSG, "gave a broken answer");
}

static int wait_for(struct exchange *x, short events)
{
	struct pollfd fd = {.fd = x->client->helper.socket, .events = events};
	uint64_t now = now_ns();
	int n = 0;

	if (now < x->deadline)
		n = poll(&fd, 1, (int)((x->deadline - now) / 1000000) + 1);
	if (n > 0 || (n < 0 && errno == EINTR))
		return 0;
	return n < 0 ? -errno : fail(x, -ETIMEDOUT, "took too long");
}

/* Descriptors, up to the first -1, go with the first byte. */
static int send_all(struct exchange *x, const void *data, size_t size, int fd, int more)
{
	const int fds[HELPER_MESSAGE_FDS] = {fd, more};
	size_t n_fds = fd < 0 ? 0 : more < 0 ? 1 : 2;

	for (size_t sent = 0; sent < size;) {
		ssize_t n = helper_send(x->client->helper.socket, (const char *)data + sent,
			size - sent, fds, sent ? 0 : n_fds);
		int r = n == -EAGAIN ? wait_for(x, POLLOUT) : 0;

		if (r)
			return r;
		if (n < 0 && n != -EAGAIN)
			return gone(x);
		sent += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int receive_all(struct exchange *x, void *data, size_t size)
{
	for (size_t got = 0; got < size;) {
		ssize_t n = helper_receive(
			x->client->helper.socket, (char *)data + got, size - got, NULL, NULL);
		int r = n == -EAGAIN ? wait_for(x, POLLIN) : 0;

		if (r)
			return r;
		if (n == 0 || (n < 0 && n != -EAGAIN))
			return gone(x);
		got += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* ---- debug files ---------------------------------------------------------------------------- */

/* The folder that a file lies in, as its links lead there. To free; NULL if nobody knows. Links of
 * ours say nothing of a process's path. */
static char *folder_of(const struct symbol_question *q)
{
	char *real = !q->path ? NULL : q->pid ? strdup(q->path) : realpath(q->path, NULL);
	char *slash = real ? strrchr(real, '/') : NULL;

	if (slash)
		slash[slash == real] = '\0';
	return real;
}

static int open_debug_file(const struct exchange *x, const char *name)
{
	const struct symbol_question *q = x->question;
	_cleanup_free_ char *folder = folder_of(q);
	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* That it may be ours, too, changes nothing of what is found. */
	_cleanup_close_ int target = q->pid ? symbol_root_open(q->pid) : -1;
	char resolved[HELPER_MAX_WANT + 1];
	struct stat st;

	if (root < 0)
		return -errno;
	if (!debug_name_resolve(resolved, sizeof(resolved), name, q->path))
		return -ENOENT;
	bool known = !fstat(q->fd, &st);
	const struct debug_roots where = {
		.target = target,
		.own = root,
		.owner = known ? st.st_uid : 0,
		.inode = known ? st.st_ino : 0,
	};
	return debug_dirs_open(resolved, folder, &where, x->client->debug_dirs);
}

static const char *scratch_folder(void)
{
	const char *folder = getenv("TMPDIR");

	return folder && *folder ? folder : "/tmp";
}

/* Servers are asked for what nobody has here. That takes as long as it takes: it is not the
 * symbolizer that is slow. */
static int open_lacked(struct exchange *x, const char *build_id, char said[DEBUG_SERVERS_SAID])
{
	uint64_t start = now_ns();

	if (!x->client->servers)
		return -ENOENT;
	int fd = debug_servers_get(x->client->servers, DEBUGINFOD_DEBUG_FILE, build_id, said);
	x->deadline += now_ns() - start;
	return fd;
}

/* Remembers what was asked for, and that it was given (fd), if there is room. */
static void keep_want(struct symbol_reply *reply, const char *name, int fd, const char *said)
{
	struct symbol_want *want = &reply->wants[reply->n_wants];

	if (reply->n_wants == SYMBOL_WANTS_KEPT)
		return;
	snprintf(want->name, sizeof(want->name), "%s", name);
	symbol_text_show(want->name);
	want->path = fd >= 0 ? symbol_file_path(fd) : NULL;
	snprintf(want->said, sizeof(want->said), "%s", said);
	reply->n_wants++;
}

static int on_want(struct exchange *x, size_t size)
{
	struct helper_head file = {HELPER_FILE, 0};
	char name[HELPER_MAX_WANT + 1] = "", said[DEBUG_SERVERS_SAID] = "";

	if (!size || size > HELPER_MAX_WANT || ++x->wants > HELPER_MAX_WANTS)
		return nonsense(x);
	int r = receive_all(x, name, size);
	if (r)
		return r;
	bool scratch = !strcmp(name, HELPER_SCRATCH), lacked = *name == HELPER_LACKED;
	if (scratch && x->client->has_scratch)
		return nonsense(x);
	x->client->has_scratch |= scratch;
	_cleanup_close_ int fd = scratch  ? scratch_open(scratch_folder())
				 : lacked ? open_lacked(x, name + 1, said)
					  : open_debug_file(x, name);
	if (!scratch)
		keep_want(x->reply, name + lacked, fd, said);
	return send_all(x, &file, sizeof(file), fd, -1);
}

/* ---- answers -------------------------------------------------------------------------------- */

void symbol_lacks_room(char *why, size_t size)
{
	snprintf(why, size,
		"it is compressed, and needs more room than half of what is free in %s, or than "
		"4 GiB",
		scratch_folder());
}

static int on_answer(struct exchange *x, size_t size)
{
	struct symbol_reply *reply = x->reply;

	if (size > SYMBOLIZER_MAX_ANSWER)
		return nonsense(x);
	reply->body = malloc(size + 1);
	if (!reply->body)
		return fail(x, -ENOMEM, "has more to say than fits into memory");
	int r = receive_all(x, reply->body, size);
	if (r)
		return r;
	if (symbol_answer_check(&reply->answer, reply->body, size, x->question->n))
		return nonsense(x);
	x->answered = true;
	note_cache_error(x->client, reply->answer.head->cache_error);
	r = reply->answer.head->error;
	if (r == -ENOEXEC)
		snprintf(x->why, x->why_size, "it is no ELF file");
	else if (r == -E2BIG)
		snprintf(x->why, x->why_size, "the symbolizer has more to say than it may");
	else if (r == -ENOMEM && reply->answer.head->flags & SYMBOLIZER_LACKS_ROOM)
		symbol_lacks_room(x->why, x->why_size);
	else if (r)
		snprintf(x->why, x->why_size, "the symbolizer cannot read it: %s", strerror(-r));
	return r;
}

static int on_hello(struct exchange *x, size_t size)
{
	struct helper_hello hello;

	if (size != sizeof(hello) || x->client->greeted)
		return nonsense(x);
	int r = receive_all(x, &hello, sizeof(hello));
	x->client->greeted = true;
	x->client->seccomp = !r && hello.seccomp == 1;
	return r;
}

/* Reads messages up to the answer. */
static int receive_answer(struct exchange *x)
{
	for (;;) {
		struct helper_head head;
		int r = receive_all(x, &head, sizeof(head));

		if (r)
			return r;
		switch (head.type) {
		case HELPER_ANSWER:
			return on_answer(x, head.size);
		case HELPER_WANT:
			r = on_want(x, head.size);
			break;
		case HELPER_HELLO:
			r = on_hello(x, head.size);
			break;
		default:
			r = nonsense(x);
		}
		if (r)
			return r;
	}
}

static int start(struct exchange *x)
{
	struct helper *h = &x->client->helper;

	if (h->socket >= 0)
		return 0;
	x->client->greeted = x->client->has_scratch = false;
	int r = helper_start(h, "symbolizer", MEMORY_LIMIT, SOCK_STREAM);
	if (r)
		snprintf(x->why, x->why_size, "the symbolizer does not start: %s", strerror(-r));
	return r;
}

static int send_question(struct exchange *x)
{
	const struct symbol_question *q = x->question;
	struct {
		struct helper_head head;
		struct symbolizer_request request;
	} start = {.request = {q->kind, q->symbols_only, 0}};
	size_t bytes = q->n * sizeof(*q->at);
	_cleanup_free_ char *message = malloc(sizeof(start) + bytes);

	if (!message)
		return fail(x, -ENOMEM, "cannot be asked: out of memory");
	start.head = (struct helper_head){
		HELPER_REQUEST, (uint32_t)(sizeof(start.request) + bytes)};
	memcpy(message, &start, sizeof(start));
	if (bytes)
		memcpy(message + sizeof(start), q->at, bytes);
	_cleanup_close_ int notes = q->kind == SYMBOLIZER_KALLSYMS
					    ? open(SYMBOLIZER_NOTES, O_RDONLY | O_CLOEXEC)
					    : -1;

	return send_all(
		x, message, sizeof(start) + bytes, q->fd, notes >= 0 ? notes : x->cached.fd);
}

/* What was asked for stays in the reply also when there is no answer. */
static int ask_once(struct symbol_client *c, const struct symbol_question *q,
	struct symbol_reply *reply, char *why, size_t why_size)
{
	struct exchange x = {.client = c,
		.question = q,
		.reply = reply,
		.why = why,
		.why_size = why_size,
		.deadline = now_ns() + TIME_LIMIT * 1000000000ULL};

	int r = start(&x);
	if (!r) {
		open_cached(c, q, &x.cached);
		r = send_question(&x);
		if (!r)
			r = receive_answer(&x);
		cache_folder_close(c->cache, &x.cached);
	}
	if (!r)
		return 0;
	if (!x.answered) /* there is no telling what comes next */
		helper_stop(&c->helper);
	free(take_ptr(reply->body));
	reply->answer = (struct symbol_answer){0};
	return r;
}

/* What it failed at may be DWARF or another file, which a careful question leaves out. */
static bool may_be_careful(const struct symbol_question *q, int error)
{
	if (error == -ENOEXEC || q->symbols_only)
		return false;
	return is_elf(q->kind) || (q->kind == SYMBOLIZER_KALLSYMS && error != -EPERM);
}

int symbol_client_ask(struct symbol_client *c, const struct symbol_question *q,
	struct symbol_reply *reply, char *why, size_t why_size)
{
	struct symbol_question careful = *q;

	*reply = (struct symbol_reply){0};
	int r = ask_once(c, q, reply, why, why_size);
	if (r && may_be_careful(q, r)) {
		careful.symbols_only = true;
		r = ask_once(c, &careful, reply, why, why_size);
		if (!r) {
			snprintf(reply->failure, sizeof(reply->failure), "%s", why);
			*why = '\0';
		}
	}
	if (r)
		symbol_reply_free(reply);
	return r;
}
