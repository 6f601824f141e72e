/* SPDX-License-Identifier: MIT */
#include "debuginfod/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "symbols/build_id.h"
#include "util/cleanup.h"
#include "util/now.h"
#include "util/parse.h"

#define NS_PER_SECOND	1000000000ULL
#define MAX_BYTES	(1ULL << 30)
#define MAX_SECONDS	600
#define STALL_SECONDS	30
#define STALL_RATE	1024L /* bytes a second; what is slower does not move */
#define CONNECT_SECONDS 10L
#define MAX_REDIRECTS	10L
#define FIRST_REST	(30 * NS_PER_SECOND)
#define LONGEST_REST	(3600 * NS_PER_SECOND)

struct server {
	const char *url;   /* in the list of servers */
	char shown[128];   /* the URL as people may see it */
	uint64_t rest;	   /* how long it was left alone the last time, ns; 0: it is well */
	uint64_t wakes;	   /* it is left alone until then */
	char trouble[256]; /* why */
};

struct debuginfod_client {
	struct debuginfod_servers servers;
	struct server states[DEBUGINFOD_MAX_SERVERS];
	struct debuginfod_limits limits;
	debuginfod_progress progress;
	void *userdata;
	CURL *curl;
	uint64_t bytes;
	enum debuginfod_kind kind; /* of the file that is fetched now */
};

/* One file from one server. */
struct transfer {
	struct debuginfod_client *client;
	struct server *server;
	int fd;
	uint64_t bytes;
	int error; /* of the file here; -EFBIG */
	bool given_up;
	char message[CURL_ERROR_SIZE];
};

/* ---- limits ------------------------------------------------------------------------------- */

static uint64_t from_environment(const char *name, uint64_t max, uint64_t usual)
{
	const char *text = getenv(name);
	uint64_t value;

	/* elfutils: 0 is no limit of one's own. */
	return text && !parse_u64(text, 1, max, &value) ? value : usual;
}

struct debuginfod_limits debuginfod_limits_default(void)
{
	return (struct debuginfod_limits){
		.bytes = from_environment("DEBUGINFOD_MAXSIZE", INT64_MAX, MAX_BYTES),
		.seconds = (unsigned)from_environment("DEBUGINFOD_MAXTIME", 86400, MAX_SECONDS),
		.stall_seconds = (unsigned)from_environment(
			"DEBUGINFOD_TIMEOUT", 3600, STALL_SECONDS),
	};
}

/* ---- life --------------------------------------------------------------------------------- */

int debuginfod_client_new(struct debuginfod_client **out, struct debuginfod_servers *servers,
	const struct debuginfod_limits *limits, debuginfod_progress progress, void *userdata)
{
	struct debuginfod_client *c = calloc(1, sizeof(*c));

	if (!c || curl_global_init(CURL_GLOBAL_DEFAULT)) {
		free(c);
		debuginfod_servers_free(servers);
		return -ENOMEM;
	}
	c->servers = *servers;
	*servers = (struct debuginfod_servers){0};
	c->limits = *limits;
	c->progress = progress;
	c->userdata = userdata;
	for (size_t i = 0; i < c->servers.n; i++) {
		c->states[i].url = c->servers.urls[i];
		debuginfod_servers_show(
			c->servers.urls[i], c->states[i].shown, sizeof(c->states[i].shown));
	}
	c->curl = curl_easy_init();
	if (!c->curl) {
		debuginfod_client_free(c);
		return -ENOMEM;
	}
	*out = c;
	return 0;
}

void debuginfod_client_free(struct debuginfod_client *c)
{
	if (!c)
		return;
	curl_easy_cleanup(c->curl);
	curl_global_cleanup();
	debuginfod_servers_free(&c->servers);
	free(c);
}

uint64_t debuginfod_client_bytes(const struct debuginfod_client *c)
{
	return c->bytes;
}

bool debuginfod_client_rests(const struct debuginfod_client *c)
{
	uint64_t now = now_ns();

	for (size_t i = 0; i < c->servers.n; i++)
		if (c->states[i].wakes <= now)
			return false;
	return true;
}

uint64_t debuginfod_client_wakes(const struct debuginfod_client *c)
{
	uint64_t now = now_ns(), first = 0;

	for (size_t i = 0; i < c->servers.n; i++) {
		uint64_t wakes = c->states[i].wakes;

		if (wakes > now && (!first || wakes < first))
			first = wakes;
	}
	return first;
}

/* ---- one transfer ------------------------------------------------------------------------- */

static size_t receive(char *data, size_t size, size_t n, void *userdata)
{
	struct transfer *t = userdata;
	size_t left = size * n;

	t->bytes += left;
	t->client->bytes += left;
	if (t->bytes > t->client->limits.bytes) {
		t->error = -EFBIG;
		return 0;
	}
	while (left) {
		ssize_t done = write(t->fd, data, left);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0) {
			t->error = -errno;
			return 0;
		}
		data += done;
		left -= (size_t)done;
	}
	return size * n;
}

static int watch(
	void *userdata, curl_off_t total, curl_off_t done, curl_off_t up_total, curl_off_t up)
{
	struct transfer *t = userdata;
	struct debuginfod_client *c = t->client;

	if (c->progress &&
		!c->progress(c->userdata, t->server->shown, (uint64_t)done, (uint64_t)total))
		t->given_up = true;
	return t->given_up;
}

static bool configure(struct transfer *t, const char *url)
{
	CURL *curl = t->client->curl;
	const struct debuginfod_limits *limits = &t->client->limits;

	/* Connections and names live on, options do not. */
	curl_easy_reset(curl);
	return !curl_easy_setopt(curl, CURLOPT_URL, url) &&
	       !curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") &&
	       !curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https") &&
	       !curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L) &&
	       !curl_easy_setopt(curl, CURLOPT_MAXREDIRS, MAX_REDIRECTS) &&
	       !curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L) &&
	       !curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "gzip") &&
	       !curl_easy_setopt(curl, CURLOPT_USERAGENT, "profd/" PROFD_VERSION) &&
	       !curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) &&
	       !curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS) &&
	       !curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)limits->seconds) &&
	       !curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, STALL_RATE) &&
	       !curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)limits->stall_seconds) &&
	       !curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)limits->bytes) &&
	       !curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, t->message) &&
	       !curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive) &&
	       !curl_easy_setopt(curl, CURLOPT_WRITEDATA, t) &&
	       !curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) &&
	       !curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, watch) &&
	       !curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t);
}

__attribute__((format(printf, 5, 6))) static int say(
	const struct transfer *t, int error, char *why, size_t why_size, const char *format, ...)
{
	int n = snprintf(why, why_size, "%s ", t->server->shown);
	va_list arguments;

	if (n < 0 || (size_t)n >= why_size)
		return error;
	va_start(arguments, format);
	vsnprintf(why + n, why_size - (size_t)n, format, arguments);
	va_end(arguments);
	return error;
}

static int explain(const struct transfer *t, CURLcode code, char *why, size_t why_size)
{
	const struct debuginfod_limits *limits = &t->client->limits;
	long status = 0;

	curl_easy_getinfo(t->client->curl, CURLINFO_RESPONSE_CODE, &status);
	if (t->given_up)
		return say(t, -ECANCELED, why, why_size, "was interrupted");
	if (t->error == -EFBIG || code == CURLE_FILESIZE_EXCEEDED)
		return say(t, -EFBIG, why, why_size, "has one of more than %llu MiB: not fetched",
			(unsigned long long)(limits->bytes >> 20));
	if (t->error)
		return say(t, t->error, why, why_size, "sends what cannot be written here: %s",
			strerror(-t->error));
	if (code == CURLE_HTTP_RETURNED_ERROR && (status == 404 || status == 410))
		return say(t, -ENOENT, why, why_size, "has it not");
	if (code == CURLE_HTTP_RETURNED_ERROR)
		return say(t, -EHOSTDOWN, why, why_size, "answers %ld", status);
	if (code == CURLE_OPERATION_TIMEDOUT)
		return say(t, -EHOSTDOWN, why, why_size,
			"is too slow: it has %u s, and %u s to send nothing", limits->seconds,
			limits->stall_seconds);
	return say(t, -EHOSTDOWN, why, why_size, "cannot be used: %s",
		*t->message ? t->message : curl_easy_strerror(code));
}

/* What came must be what was asked for. */
static int check(const struct transfer *t, const char *build_id, char *why, size_t why_size)
{
	int r = build_id_check(t->fd, build_id);

	switch (r) {
	case 0:
		return 0;
	case -ESTALE:
		return say(t, -EBADMSG, why, why_size,
			"sent the file of another build-id: it is not used");
	case -ENODATA:
		return say(t, -EBADMSG, why, why_size,
			"sent a file without a build-id: it is not used");
	case -ENOEXEC:
		return say(t, -EBADMSG, why, why_size, "sent what is no ELF file: it is not used");
	default:
		return say(t, r, why, why_size, "sent what cannot be read here: %s", strerror(-r));
	}
}

static int ask(struct transfer *t, const char *build_id, char *why, size_t why_size)
{
	const char *what = t->client->kind == DEBUGINFOD_EXECUTABLE ? "executable" : "debuginfo";
	_cleanup_free_ char *url = NULL;

	if (asprintf(&url, "%s/buildid/%s/%s", t->server->url, build_id, what) < 0) {
		url = NULL;
		return -ENOMEM;
	}
	if (!configure(t, url))
		return say(t, -EHOSTDOWN, why, why_size, "cannot be asked: its URL is refused");
	CURLcode code = curl_easy_perform(t->client->curl);
	return code ? explain(t, code, why, why_size) : check(t, build_id, why, why_size);
}

/* ---- all servers -------------------------------------------------------------------------- */

static void note_health(struct server *s, int result, const char *why)
{
	if (result != -EHOSTDOWN) {
		if (result != -ECANCELED)
			s->rest = 0;
		return;
	}
	s->rest = !s->rest ? FIRST_REST : s->rest < LONGEST_REST / 2 ? 2 * s->rest : LONGEST_REST;
	s->wakes = now_ns() + s->rest;
	snprintf(s->trouble, sizeof(s->trouble), "%s", why);
}

/* Whether a server's answer decides, whatever the others would say. */
static bool is_final(int result)
{
	return result != -ENOENT && result != -EBADMSG && result != -EFBIG && result != -EHOSTDOWN;
}

/* Of two servers that did not give the file: what is said of it. Trouble will pass; a lie or a
 * file that is too large must be heard of. */
static bool outweighs(int result, int before)
{
	return before == -ENOENT || (result == -EHOSTDOWN && before != -EHOSTDOWN);
}

/* Asks one server, with an empty file for what it sends. */
static int ask_server(struct debuginfod_client *c, struct server *s, const char *build_id, int fd,
	char *why, size_t why_size)
{
	struct transfer t = {.client = c, .server = s, .fd = fd};

	if (s->wakes > now_ns()) {
		snprintf(why, why_size, "%s", s->trouble);
		return -EHOSTDOWN;
	}
	if (ftruncate(fd, 0) || lseek(fd, 0, SEEK_SET))
		return say(&t, -errno, why, why_size, "was not asked: %s", strerror(errno));
	int r = ask(&t, build_id, why, why_size);
	note_health(s, r, why);
	return r;
}

static int ask_all(
	struct debuginfod_client *c, const char *build_id, int fd, char *why, size_t why_size)
{
	int result = -ENOENT;

	snprintf(why, why_size, "no server has it");
	for (size_t i = 0; i < c->servers.n; i++) {
		char reason[256] = "out of memory";
		int r = ask_server(c, &c->states[i], build_id, fd, reason, sizeof(reason));

		if (!r)
			return 0;
		if (is_final(r) || (r != -ENOENT && outweighs(r, result))) {
			snprintf(why, why_size, "%s", reason);
			result = r;
		}
		if (is_final(r))
			break;
	}
	return result;
}

int debuginfod_client_fetch(struct debuginfod_client *c, enum debuginfod_kind kind,
	const char *build_id, int folder, const char *name, char *why, size_t why_size)
{
	char temporary[64];

	if (!build_id_is_plain(build_id)) {
		snprintf(why, why_size, "it has no build-id that can be asked for");
		return -EINVAL;
	}
	snprintf(temporary, sizeof(temporary), DEBUGINFOD_TEMPORARY "%d", (int)getpid());
	_cleanup_close_ int fd = openat(
		folder, temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0) {
		int r = -errno;
		snprintf(why, why_size, "it cannot be written here: %s", strerror(-r));
		return r;
	}
	c->kind = kind;
	int r = ask_all(c, build_id, fd, why, why_size);
	if (!r && (renameat(folder, temporary, folder, name) || lseek(fd, 0, SEEK_SET))) {
		r = -errno;
		snprintf(why, why_size, "it cannot be kept here: %s", strerror(-r));
	}
	if (r) {
		unlinkat(folder, temporary, 0);
		return r;
	}
	return take_fd(fd);
}
