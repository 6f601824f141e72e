/* SPDX-License-Identifier: MIT */
/* The snapshots of heaps that are profiled all the time: files of the store beside the windows,
 * that are none of them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "collector/collector_impl.h"
#include "collector/heap_watch.h"
#include "profile/pprof.h"
#include "profile/select.h"
#include "util/log.h"

/* By bytes, at least: each is a file. */
#define APART	NS_PER_SECOND
#define REST	2 /* times what the last one took */
#define AT_ONCE 8

/* Of one process only, if it was asked about one. `out`: another profile, to be freed, or NULL: it
 * is the same. */
static int select_process(const struct profile *p, uint32_t pid, struct profile **out)
{
	struct selection selection = {0};
	int r;

	*out = NULL;
	if (!pid)
		return 0;
	r = selection_add_pid(&selection, pid);
	if (!r)
		r = profile_select(out, p, &selection);
	selection_free(&selection);
	return r;
}

static int write_file(struct collector *c, const struct snapshot_asker *asker,
	const struct stream_result *result, const struct profile *profile)
{
	uint64_t ns = (uint64_t)result->start.tv_nsec + result->duration;
	struct timespec taken = {result->start.tv_sec + (time_t)(ns / NS_PER_SECOND), 0};
	struct store_file file;
	char path[4096];
	int r = store_begin_record(c->store, session_type_name(result->type), taken,
		asker->asked ? asker->uid : getuid(),
		asker->asked ? session_id(stream_session(c->taker.stream)) : STORE_NO_SESSION,
		&file);

	if (r)
		return r;
	r = pprof_write(profile, file.fd);
	if (r) {
		store_abort(&file);
		return r;
	}
	r = store_commit(&file, path, sizeof(path));
	if (!r)
		c->files_written++;
	return r;
}

static bool on_snapshot(void *userdata, unsigned number, const struct snapshot_asker *asker,
	const struct stream_result *result)
{
	static struct log_limit limit = {.seconds = 60};
	struct collector *c = userdata;
	struct profile *own;
	int r;

	continuous_retain(c);
	r = select_process(result->profile, asker->pid, &own);
	if (!r)
		r = write_file(c, asker, result, own ? own : result->profile);
	profile_free(own);
	if (!r)
		return true;
	c->write_errors++;
	snprintf(c->last_write_error, sizeof(c->last_write_error), "%s: %s", store_path(c->store),
		strerror(-r));
	if (log_allowed(&limit))
		log_error("%s: snapshot %u of the heap could not be written: %s; profiling goes "
			  "on, and the next one will be tried",
			store_path(c->store), number, strerror(-r));
	return false;
}

void continuous_snapshots_begin(struct collector *c)
{
	struct snapshot_plan plan = {
		.apart = APART, .rest = REST, .at_once = AT_ONCE, .endless = true};
	char wrong[64];

	/* It was checked when it was set: what is wrong here is that there is no memory. */
	if (snapshot_plan_add(&plan, c->config->snapshot_every, wrong, sizeof(wrong)))
		log_error("out of memory: snapshots are written only when somebody asks");
	c->taker = (struct snapshot_taker){
		.c = c,
		.stream = c->continuous[SESSION_HEAP],
		.deliver = on_snapshot,
		.userdata = c,
	};
	snapshot_taker_begin(&c->taker, &plan);
}

void continuous_snapshots_end(struct collector *c)
{
	snapshot_taker_end(&c->taker);
}

void continuous_snapshots_booked(void *userdata, uint64_t time)
{
	struct collector *c = userdata;

	snapshot_taker_booked(&c->taker, time);
}

int collector_snapshot(struct collector *c, uint32_t pid, uid_t uid)
{
	const struct snapshot_asker asker = {.asked = true, .pid = pid, .uid = uid};

	if (!c->watch || !heap_watch_has(c->watch, pid))
		return -ENOENT;
	return snapshot_taker_ask(&c->taker, "profctl snapshot", &asker) ? 0 : -ENOENT;
}
