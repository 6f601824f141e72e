// SPDX-License-Identifier: MIT
#include "select.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "fetch.h"
#include "json.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/log.h"
#include "util/plural.h"

#define RECENT_RECORDING 3600 /* s */
#define DEFAULT_LAST	 300  /* s */
#define DEFAULT_WITHIN	 60   /* s */

const char *time_range_check(const struct time_range *r)
{
	if (r->last && (r->since || r->until))
		return "--last does not go with --since and --until";
	if (r->around && (r->since || r->until || r->last))
		return "--around does not go with --since, --until and --last";
	if (r->within && !r->around)
		return "--within says how far from --around TIME: which time?";
	if (r->since && r->until && r->since > r->until)
		return "--since is later than --until";
	return NULL;
}

bool time_range_is_given(const struct time_range *r)
{
	return r->since || r->until || r->last || r->around;
}

/* Not before 1970, unless that is where it starts from. */
static time_t earlier(time_t t, uint64_t seconds)
{
	time_t difference;

	if (seconds > INT64_MAX || __builtin_sub_overflow(t, (time_t)seconds, &difference))
		difference = INT64_MIN;
	return difference < 0 && t >= 0 ? 0 : difference;
}

static time_t later(time_t t, uint64_t seconds)
{
	time_t sum;
	return seconds > INT64_MAX || __builtin_add_overflow(t, (time_t)seconds, &sum) ? INT64_MAX
										       : sum;
}

struct span time_range_span(const struct time_range *r, time_t now)
{
	uint64_t within = r->within ? r->within : DEFAULT_WITHIN;

	if (r->last)
		return (struct span){earlier(now, r->last), now, true};
	struct span s = {r->since, r->until ? r->until : now, !r->until};
	if (r->around) {
		s.since = earlier(r->around, within);
		s.until = later(r->around, within);
		s.open = s.until >= now;
	}
	/* What is yet to come is in no window. */
	s.open &= s.since <= now;
	return s;
}

size_t select_windows(const struct catalog *c, const char *type, time_t since, time_t until,
	time_t before, size_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++) {
		const struct store_entry *e = &c->entries[i];
		if (e->recording || strcmp(e->type, type) != 0)
			continue;
		if (e->start > until || e->start + (time_t)e->seconds <= since)
			continue;
		if (!before || e->start < before)
			out[n++] = i;
	}
	return n;
}

const struct store_entry *select_recording(
	const struct catalog *c, const char *type, uid_t uid, time_t after)
{
	const struct store_entry *newest = NULL;

	for (size_t i = 0; i < c->n; i++) {
		const struct store_entry *e = &c->entries[i];
		if (!e->recording || e->unasked || e->uid != uid || strcmp(e->type, type) != 0 ||
			e->mtime.tv_sec < after)
			continue;
		if (!newest || e->mtime.tv_sec > newest->mtime.tv_sec ||
			(e->mtime.tv_sec == newest->mtime.tv_sec &&
				e->mtime.tv_nsec >= newest->mtime.tv_nsec))
			newest = e;
	}
	return newest;
}

int select_check_type(const struct command *c, const char *type)
{
	if (!type || store_type_is_known(type))
		return 0;
	command_usage(c, "--type: '%s' is no type of profile; those are " STORE_TYPES, type);
	return -EINVAL;
}

static int add(struct sources *s, const char *path)
{
	if (grow(s->paths, s->n, s->capacity, 1)) {
		log_error("out of memory");
		return -ENOMEM;
	}
	s->paths[s->n++] = path;
	return 0;
}

/* What the daemon has not written yet. No daemon is no failure: then there is nothing open.
 * *start is 0 without a window. */
static void ask_open_window(struct sources *s, const char *type, time_t *start)
{
	_cleanup_json_ cJSON *answer = NULL;
	struct client c;

	*start = 0;
	/* Who may not read the store is not shown the open window either. */
	if (access(s->place.store, R_OK | X_OK) < 0 && errno == EACCES)
		return;
	if (!place_has_daemon(&s->place) || client_open(&c, s->place.socket))
		return;
	cJSON *request = client_request("window");
	cJSON_AddStringToObject(request, "type", type);
	if (!client_ask(&c, request, &answer)) {
		s->window = wire_take_fd(&c.wire);
		if (s->window >= 0)
			*start = (time_t)json_number(answer, "start");
	} else {
		log_warning("the window that is still open is left out");
	}
	client_close(&c);
}

static int nothing_found(const struct sources *s, const char *type)
{
	if (s->catalog.remote)
		log_error("you may not read %s: the continuous profiles are for root and the group "
			  "profd; 'profctl record' makes one of your own, 'profctl ls' lists those",
			s->place.store);
	else
		log_error("no %s profiles of that time in %s: 'profctl ls' shows what there is, "
			  "'profctl status' whether profd runs",
			type, s->place.store);
	return -ENOENT;
}

static int select_range(
	struct sources *s, const char *type, const struct time_range *range, time_t now)
{
	struct span span = time_range_span(range, now);
	time_t opened = 0;

	/* Asked first: a window that closes between asking and listing is then known by its start,
	 * and taken once. */
	if (span.open)
		ask_open_window(s, type, &opened);
	int err = catalog_read(&s->catalog, &s->place);
	if (err == -ENOENT)
		return s->window >= 0 ? 0 : catalog_missing(&s->place);
	if (err)
		return err;
	_cleanup_free_ size_t *found = calloc(s->catalog.n + 1, sizeof(*found));
	if (!found)
		return -ENOMEM;
	size_t n = select_windows(&s->catalog, type, span.since, span.until, opened, found);
	for (size_t i = 0; i < n && !err; i++)
		err = add(s, s->catalog.entries[found[i]].path);
	if (!err && !n && s->window < 0)
		err = nothing_found(s, type);
	/* What is in use at the end is in the last window: the others have it as it was. */
	if (s->n + (s->window >= 0))
		s->n_past = s->n + (s->window >= 0) - 1;
	return err;
}

static int select_default(struct sources *s, const char *type, time_t now)
{
	int err = catalog_read(&s->catalog, &s->place);
	if (err && err != -ENOENT)
		return err;
	const struct store_entry *e = select_recording(
		&s->catalog, type, getuid(), now - RECENT_RECORDING);
	if (e) {
		log_info("your newest recording, %s (--last 5m: the continuous profile)", e->path);
		return add(s, e->path);
	}
	if (s->catalog.remote)
		return nothing_found(s, type);
	catalog_free(&s->catalog);
	err = select_range(s, type, &(struct time_range){.last = DEFAULT_LAST}, now);
	if (!err)
		log_info("the last 5 minutes of the continuous profile (%zu window%s%s); "
			 "--last 1h: more",
			s->n, plural((double)s->n), s->window >= 0 ? " and the open one" : "");
	return err;
}

int select_from_store(struct sources *s, const struct place *place, const char *type,
	const struct time_range *range, time_t now)
{
	*s = (struct sources){.place = *place, .window = -1};
	int err = time_range_is_given(range) ? select_range(s, type, range, now)
					     : select_default(s, type, now);
	if (err)
		select_free(s);
	return err;
}

static int add_file(struct sources *s, const char *path)
{
	int err = add(s, path);

	if (err || !fetch_is_url(path))
		return err;
	s->shown[s->n - 1] = fetch_shown_url(path);
	if (s->shown[s->n - 1])
		return 0;
	log_error("out of memory");
	return -ENOMEM;
}

int select_files(struct sources *s, char **paths, size_t n)
{
	bool standard_input = false;
	int err = 0;

	*s = (struct sources){.window = -1, .shown = calloc(n, sizeof(*s->shown))};
	if (!s->shown) {
		log_error("out of memory");
		return -ENOMEM;
	}
	for (size_t i = 0; i < n && !err; i++) {
		/* What is read twice is empty the second time. */
		if (strcmp(paths[i], "-") != 0 || !standard_input)
			err = add_file(s, paths[i]);
		standard_input |= !strcmp(paths[i], "-");
	}
	return err;
}

const char *select_name(const struct sources *s, size_t i)
{
	return s->shown && s->shown[i] ? s->shown[i] : s->paths[i];
}

int select_open(const struct sources *s, size_t i, char *why, size_t why_size)
{
	if (s->catalog.remote)
		return catalog_fetch(&s->place, s->paths[i]);
	if (fetch_is_url(s->paths[i]))
		return fetch_open(s->paths[i], why, why_size);
	if (!strcmp(s->paths[i], "-"))
		return fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
	int fd = open(s->paths[i], O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd >= 0)
		return fd;
	int err = -errno;
	snprintf(why, why_size, "%s: %s", s->paths[i], strerror(-err));
	return err;
}

void select_free(struct sources *s)
{
	for (size_t i = 0; s->shown && i < s->n; i++)
		free(s->shown[i]);
	free(s->shown);
	free(s->paths);
	catalog_free(&s->catalog);
	s->window = close_fd(s->window);
	s->paths = NULL;
	s->shown = NULL;
	s->n = s->capacity = 0;
}
