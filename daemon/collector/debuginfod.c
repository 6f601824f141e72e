/* SPDX-License-Identifier: MIT */
#include "collector/debuginfod.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "debuginfod/servers.h"
#include "debuginfod/spool.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/log.h"

#define NS_PER_SECOND 1000000000ULL
#define LOOK_SECONDS  5	  /* between two looks at what profd-net has done */
#define FULL_SECONDS  600 /* between two looks at what it may have forgotten */

enum asked {
	NOT_ASKED, /* waits for a later window, or for profd-net to make its folder */
	ASKED,
	MISSING, /* no server has it; profd-net forgets that after a while */
	ARRIVED, /* if it is lacked still, it is of no use: once is enough */
};

struct lacked {
	char build_id[BUILD_ID_MAX_HEX + 1], of[BUILD_ID_MAX_HEX + 1];
	enum asked asked;
};

struct debuginfod {
	char *cache, *folder, *servers;
	int spool;	       /* -1: not there yet */
	uint64_t window;       /* ns */
	struct lacked *lacked; /* the oldest first */
	size_t n, capacity;
	uint64_t looked, looked_at_all, window_began; /* CLOCK_MONOTONIC, ns */
	size_t asked;				      /* in this window */
	struct timespec state_time;		      /* of the state that was looked at */
};

int debuginfod_new(struct debuginfod **out, const char *cache, const char *servers, unsigned window)
{
	struct debuginfod *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->spool = -1;
	d->window = window * NS_PER_SECOND;
	d->cache = strdup(cache);
	d->servers = strdup(servers);
	if (asprintf(&d->folder, "%s/" SPOOL_FOLDER, cache) < 0)
		d->folder = NULL;
	if (!d->cache || !d->servers || !d->folder) {
		debuginfod_free(d);
		return -ENOMEM;
	}
	*out = d;
	return 0;
}

void debuginfod_free(struct debuginfod *d)
{
	if (!d)
		return;
	close_fd(d->spool);
	free(d->lacked);
	free(d->cache);
	free(d->folder);
	free(d->servers);
	free(d);
}

const char *debuginfod_folder(const struct debuginfod *d)
{
	return *d->servers ? d->folder : NULL;
}

/* ---- what is lacked ----------------------------------------------------------------------- */

static void remove_at(struct debuginfod *d, size_t i)
{
	memmove(d->lacked + i, d->lacked + i + 1, (d->n - i - 1) * sizeof(*d->lacked));
	d->n--;
}

/* Makes room: what came and what nobody has is the first to go. */
static void drop_one(struct debuginfod *d)
{
	size_t i = 0;

	while (i < d->n && d->lacked[i].asked != MISSING && d->lacked[i].asked != ARRIVED)
		i++;
	remove_at(d, i < d->n ? i : 0);
}

static struct lacked *find(struct debuginfod *d, const char *lacked, const char *of)
{
	for (size_t i = 0; i < d->n; i++)
		if (!strcmp(d->lacked[i].build_id, lacked) && !strcmp(d->lacked[i].of, of))
			return &d->lacked[i];
	return NULL;
}

void debuginfod_lack(struct debuginfod *d, const char *lacked, const char *of)
{
	if (!*d->servers || !build_id_is_plain(lacked) || !build_id_is_plain(of))
		return;
	struct lacked *known = find(d, lacked, of);
	if (known) {
		/* It came, and was removed to make room for others. */
		if (known->asked == ARRIVED && d->spool >= 0 && !spool_has(d->spool, lacked))
			known->asked = NOT_ASKED;
		return;
	}
	if (d->n == DEBUGINFOD_MAX_LACKED)
		drop_one(d);
	if (grow(d->lacked, d->n, d->capacity, 1))
		return; /* names are as good as before */
	struct lacked *l = &d->lacked[d->n++];
	*l = (struct lacked){.asked = NOT_ASKED};
	snprintf(l->build_id, sizeof(l->build_id), "%s", lacked);
	snprintf(l->of, sizeof(l->of), "%s", of);
	d->looked = 0;
}

/* ---- looking ------------------------------------------------------------------------------ */

static void ask(struct debuginfod *d, struct lacked *l)
{
	static struct log_limit limit = {.seconds = 600};

	if (d->asked == DEBUGINFOD_MAX_ASKED)
		return;
	int r = spool_mark(d->spool, SPOOL_WANTED, l->build_id);
	if (!r) {
		d->asked++;
		l->asked = ASKED;
	} else if (log_allowed(&limit)) {
		log_warning("profd-net cannot be asked for debug files: %s/" SPOOL_WANTED
			    " cannot be written: %s",
			d->folder, strerror(-r));
	}
}

static void look_at(struct debuginfod *d, struct lacked *l)
{
	bool missing = l->asked != NOT_ASKED || d->asked < DEBUGINFOD_MAX_ASKED
			       ? spool_is_marked(d->spool, SPOOL_MISSING, l->build_id)
			       : false;

	if (missing)
		l->asked = MISSING;
	else if (l->asked != ASKED || !spool_is_marked(d->spool, SPOOL_WANTED, l->build_id))
		ask(d, l);
}

/* Whether anything can have changed since the last look. */
static bool is_news(struct debuginfod *d, uint64_t now)
{
	struct timespec time = spool_state_time(d->spool);
	bool news = time.tv_sec != d->state_time.tv_sec || time.tv_nsec != d->state_time.tv_nsec;

	d->state_time = time;
	for (size_t i = 0; !news && i < d->n; i++)
		news = d->lacked[i].asked == NOT_ASKED && d->asked < DEBUGINFOD_MAX_ASKED;
	if (news || now - d->looked_at_all >= FULL_SECONDS * NS_PER_SECOND) {
		d->looked_at_all = now;
		return true;
	}
	return false;
}

/* The folder is made by profd-net, and may be deleted at any time. */
static bool has_spool(struct debuginfod *d)
{
	if (d->spool >= 0 && !spool_is_served(d->spool))
		d->spool = close_fd(d->spool);
	if (d->spool < 0) {
		int fd = spool_open(d->cache, false);

		d->spool = fd < 0 ? -1 : fd;
	}
	return d->spool >= 0;
}

void debuginfod_look(struct debuginfod *d, uint64_t now,
	void (*arrived)(void *userdata, const char *of), void *userdata)
{
	if (now - d->window_began >= d->window) {
		d->window_began = now;
		d->asked = 0;
	}
	if (!d->n || now - d->looked < LOOK_SECONDS * NS_PER_SECOND)
		return;
	d->looked = now;
	if (!has_spool(d) || !is_news(d, now))
		return;
	for (size_t i = 0; i < d->n; i++) {
		struct lacked *l = &d->lacked[i];

		if (l->asked == ARRIVED)
			continue;
		if (spool_has(d->spool, l->build_id)) {
			l->asked = ARRIVED;
			arrived(userdata, l->of);
		} else {
			look_at(d, l);
		}
	}
}

/* ---- status ------------------------------------------------------------------------------- */

static void add_number(cJSON *object, const char *name, uint64_t value)
{
	cJSON_AddNumberToObject(object, name, (double)value);
}

static size_t count(const struct debuginfod *d, enum asked asked)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		n += d->lacked[i].asked == asked;
	return n;
}

void debuginfod_add_status(const struct debuginfod *d, cJSON *status, cJSON *notes)
{
	cJSON *object = cJSON_AddObjectToObject(status, "debuginfod");
	_cleanup_close_ int spool = *d->servers ? spool_open(d->cache, false) : -1;
	struct spool_state state = {0};
	char shown[1024];

	debuginfod_servers_show(d->servers, shown, sizeof(shown));
	cJSON_AddStringToObject(object, "servers", shown);
	if (!*d->servers)
		return;
	bool served = spool >= 0 && spool_is_served(spool);
	if (spool >= 0)
		spool_read_state(spool, &state);
	cJSON_AddBoolToObject(object, "profd_net_runs", served);
	add_number(object, "waiting", count(d, ASKED) + count(d, NOT_ASKED));
	cJSON_AddStringToObject(object, "fetching", served ? state.fetching : "");
	add_number(object, "fetched", state.fetched);
	add_number(object, "fetched_bytes", state.fetched_bytes);
	add_number(object, "unknown_to_servers", state.unknown);
	add_number(object, "failed", state.failed);
	cJSON_AddStringToObject(object, "last_failure", state.last_failure);
	add_number(object, "kept_files", state.kept_files);
	add_number(object, "kept_bytes", state.kept_bytes);
	if (!served)
		cJSON_AddItemToArray(notes,
			cJSON_CreateString("debuginfod= names servers, but profd-net, which asks "
					   "them, does not run here: systemctl enable --now "
					   "profd-net"));
}
