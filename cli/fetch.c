// SPDX-License-Identifier: MIT
#include "fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/log.h"
#include "util/parse.h"

#define DEFAULT_PATH	"/debug/pprof/profile"
#define MAX_BYTES	(1LL << 30)
#define MAX_REDIRECTS	10
#define MAX_REASON	256 /* bytes of a server's words that are shown */
#define TIMEOUT_MS	60000
#define CONNECT_MS	10000
#define EXTRA_MS	5000
#define LONGEST_SECONDS 86400

static void cleanup_url(CURLU **url)
{
	curl_url_cleanup(*url);
}

static void cleanup_curl_text(char **text)
{
	curl_free(*text);
}

#define _cleanup_url_	    _cleanup_(cleanup_url)
#define _cleanup_curl_text_ _cleanup_(cleanup_curl_text)

bool fetch_is_url(const char *text)
{
	return !strncasecmp(text, "http://", 7) || !strncasecmp(text, "https://", 8);
}

/* ---- URLs --------------------------------------------------------------------------------- */

static CURLU *parse(const char *text)
{
	CURLU *url = curl_url();

	if (url && curl_url_set(url, CURLUPART_URL, text, CURLU_GUESS_SCHEME)) {
		curl_url_cleanup(url);
		url = NULL;
	}
	return url;
}

static char *text_of(CURLU *url)
{
	_cleanup_curl_text_ char *text = NULL;

	return curl_url_get(url, CURLUPART_URL, &text, 0) ? NULL : strdup(text);
}

/* The query less its parameter `seconds`, whose value goes to *seconds (0 without it). */
static char *without_seconds(const char *query, uint32_t *seconds)
{
	char *rest = strdup(query), *out = rest;

	*seconds = 0;
	for (const char *at = query; rest && *at;) {
		size_t n = strcspn(at, "&");
		_cleanup_free_ char *one = strndup(at, n);
		if (one && !strncmp(one, "seconds=", 8)) {
			parse_u32(one + 8, 1, LONGEST_SECONDS, seconds);
		} else {
			/* It was there before, with the `&` that separates it. */
			if (out > rest)
				*out++ = '&';
			memcpy(out, at, n);
			out += n;
		}
		at += n + (at[n] == '&');
	}
	if (rest)
		*out = '\0';
	return rest;
}

static int set_seconds(CURLU *url, uint32_t seconds)
{
	_cleanup_curl_text_ char *query = NULL;
	_cleanup_free_ char *changed = NULL;
	uint32_t old;

	if (!seconds)
		return 0;
	curl_url_get(url, CURLUPART_QUERY, &query, 0);
	_cleanup_free_ char *rest = without_seconds(query ? query : "", &old);
	if (!rest || asprintf(&changed, "%s%sseconds=%u", rest, *rest ? "&" : "", seconds) < 0)
		return -ENOMEM;
	return curl_url_set(url, CURLUPART_QUERY, changed, 0) ? -EINVAL : 0;
}

static int set_path(CURLU *url, const char *path)
{
	_cleanup_curl_text_ char *old = NULL;

	if (curl_url_get(url, CURLUPART_PATH, &old, 0) || strcmp(old, "/") != 0)
		return 0;
	/* A path may bring a query with it. */
	const char *query = strchr(path, '?');
	_cleanup_free_ char *alone = strndup(path, query ? (size_t)(query - path) : strlen(path));
	if (!alone || curl_url_set(url, CURLUPART_PATH, alone, 0))
		return -EINVAL;
	return query && curl_url_set(url, CURLUPART_QUERY, query + 1, 0) ? -EINVAL : 0;
}

static char *complete(const char *base, const char *path, uint32_t seconds)
{
	_cleanup_url_ CURLU *url = parse(base);
	char *made = NULL;

	if (url && !set_path(url, path ? path : DEFAULT_PATH) && !set_seconds(url, seconds))
		made = text_of(url);
	if (made && fetch_is_url(made))
		return made;
	free(made);
	return NULL;
}

char *fetch_make_url(const char *base, const char *path, uint32_t seconds)
{
	char *made = complete(base, path, seconds);

	if (!made)
		log_error("'%s' is not the URL of a server, such as http://localhost:6060", base);
	return made;
}

char *fetch_shown_url(const char *text)
{
	_cleanup_url_ CURLU *url = fetch_is_url(text) ? parse(text) : NULL;

	if (!url)
		return strdup(text);
	curl_url_set(url, CURLUPART_USER, NULL, 0);
	curl_url_set(url, CURLUPART_PASSWORD, NULL, 0);
	return text_of(url);
}

static long time_limit(const char *text)
{
	_cleanup_url_ CURLU *url = parse(text);
	_cleanup_curl_text_ char *query = NULL;
	uint32_t seconds = 0;

	if (url && !curl_url_get(url, CURLUPART_QUERY, &query, 0))
		free(without_seconds(query, &seconds));
	return seconds ? 1500L * seconds + EXTRA_MS : TIMEOUT_MS;
}

/* ---- fetching ----------------------------------------------------------------------------- */

struct fetch {
	const char *shown; /* the URL as it may be shown */
	char *why;
	size_t why_size;
	int fd;
	curl_off_t bytes;
	int error;
	bool go_pprof; /* the server's error is one that it wrote for us */
	char message[CURL_ERROR_SIZE];
};

static size_t receive(char *data, size_t size, size_t n, void *userdata)
{
	struct fetch *f = userdata;
	size_t left = size * n;

	f->bytes += (curl_off_t)left;
	if (f->bytes > MAX_BYTES) {
		f->error = -E2BIG;
		return 0;
	}
	while (left) {
		ssize_t done = write(f->fd, data, left);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0) {
			f->error = -errno;
			return 0;
		}
		data += done;
		left -= (size_t)done;
	}
	return size * n;
}

static size_t receive_header(char *data, size_t size, size_t n, void *userdata)
{
	static const char MARK[] = "X-Go-Pprof:";
	struct fetch *f = userdata;

	if (size * n >= sizeof(MARK) && !strncasecmp(data, MARK, sizeof(MARK) - 1))
		f->go_pprof = true;
	return size * n;
}

static bool configure(CURL *curl, struct fetch *f, const char *url)
{
	return !curl_easy_setopt(curl, CURLOPT_URL, url) &&
	       !curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") &&
	       !curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https") &&
	       !curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L) &&
	       !curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)MAX_REDIRECTS) &&
	       !curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "gzip") &&
	       !curl_easy_setopt(curl, CURLOPT_USERAGENT, "profctl/" PROFD_VERSION) &&
	       !curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) &&
	       !curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS) &&
	       !curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, time_limit(url)) &&
	       !curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, f->message) &&
	       !curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive) &&
	       !curl_easy_setopt(curl, CURLOPT_WRITEDATA, f) &&
	       !curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, receive_header) &&
	       !curl_easy_setopt(curl, CURLOPT_HEADERDATA, f);
}

/* The first line of the body, if it was written for somebody like us. */
static void read_reason(const struct fetch *f, CURL *curl, char *reason, size_t size)
{
	const char *type = NULL;
	ssize_t n = 0;

	curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
	if (f->go_pprof && type && !strncasecmp(type, "text/plain", 10))
		n = pread(f->fd, reason, size - 1, 0);
	reason[n > 0 ? n : 0] = '\0';
	reason[strcspn(reason, "\r\n")] = '\0';
}

__attribute__((format(printf, 3, 4))) static int failed(
	const struct fetch *f, int err, const char *format, ...)
{
	int n = snprintf(f->why, f->why_size, "%s ", f->shown);
	va_list arguments;

	if (n < 0 || (size_t)n >= f->why_size)
		return err;
	va_start(arguments, format);
	vsnprintf(f->why + n, f->why_size - (size_t)n, format, arguments);
	va_end(arguments);
	return err;
}

static int check_status(const struct fetch *f, CURL *curl)
{
	char reason[MAX_REASON];
	const char *hint = "";
	long status = 0;

	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200)
		return 0;
	read_reason(f, curl, reason, sizeof(reason));
	if (status == 401 || status == 403)
		hint = "; a name and password go into the URL: http://NAME:PASSWORD@HOST";
	else if (status == 404)
		hint = "; profiles are usually below /debug/pprof/";
	return failed(f, -EPROTO, "answers %ld%s%s%s", status, *reason ? ": " : "", reason,
		*reason ? "" : hint);
}

static int explain(const struct fetch *f, CURLcode code, long limit)
{
	if (f->error == -E2BIG)
		return failed(f, -E2BIG, "sends more than %lld MiB: not read", MAX_BYTES >> 20);
	if (f->error)
		return failed(f, f->error, "sends what cannot be kept: %s", strerror(-f->error));
	if (code == CURLE_OPERATION_TIMEDOUT)
		return failed(f, -ETIMEDOUT,
			"did not answer within %.0f s (seconds=N in the URL sets how long it "
			"collects)",
			(double)limit / 1000);
	return failed(f, -EIO, "cannot be fetched: %s",
		*f->message ? f->message : curl_easy_strerror(code));
}

static int perform(struct fetch *f, const char *url)
{
	CURL *curl = curl_global_init(CURL_GLOBAL_DEFAULT) ? NULL : curl_easy_init();

	if (!curl)
		return failed(f, -EIO, "cannot be fetched: libcurl does not start");
	int err;
	if (!configure(curl, f, url)) {
		err = failed(f, -EIO, "cannot be fetched: libcurl refuses its options");
	} else {
		CURLcode code = curl_easy_perform(curl);
		err = code ? explain(f, code, time_limit(url)) : check_status(f, curl);
	}
	curl_easy_cleanup(curl);
	curl_global_cleanup();
	return err;
}

int fetch_open(const char *url, char *why, size_t why_size)
{
	_cleanup_free_ char *full = complete(url, NULL, 0);
	_cleanup_free_ char *shown = fetch_shown_url(full ? full : url);
	_cleanup_close_ int fd = memfd_create("profile", MFD_CLOEXEC);
	struct fetch f = {.fd = fd, .shown = shown, .why = why, .why_size = why_size};

	*why = '\0';
	if (!shown)
		return -ENOMEM;
	if (!full)
		return failed(&f, -EBADMSG, "is not the URL of a server");
	if (fd < 0)
		return failed(&f, -errno, "cannot be kept in memory: %s", strerror(errno));
	if (isatty(STDERR_FILENO))
		log_info("fetching %s", shown);
	int err = perform(&f, full);
	if (!err && lseek(fd, 0, SEEK_SET) < 0)
		err = -errno;
	return err ? err : take_fd(fd);
}
