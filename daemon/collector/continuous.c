/* SPDX-License-Identifier: MIT */
/* The continuous profile: each window becomes a file in the store, with its .activity. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/collector_impl.h"
#include "profile/pprof.h"
#include "util/cleanup.h"
#include "util/log.h"

/* Of one window: 16 MiB hold about 100,000 different stacks of 30 frames. */
#define WINDOW_BYTES (16u << 20)

static unsigned rounded_seconds(uint64_t ns)
{
	uint64_t seconds = (ns + NS_PER_SECOND / 2) / NS_PER_SECOND;

	return seconds ? (unsigned)seconds : 1;
}

/* One line a second: unix_second TAB samples TAB pid:samples … */
static int activity_text(const struct stream_result *result, char **text, size_t *size)
{
	_cleanup_free_ struct window_activity *a = NULL;
	size_t n, i = 0;
	FILE *out;
	int r = window_activity(result->window, &a, &n);

	if (r)
		return r;
	out = open_memstream(text, size);
	if (!out)
		return -ENOMEM;
	while (i < n) {
		size_t end = i;
		uint64_t sum = 0;

		while (end < n && a[end].second == a[i].second)
			sum += a[end++].samples;
		fprintf(out, "%" PRId64 "\t%" PRIu64 "\t",
			(int64_t)result->start.tv_sec + a[i].second, sum);
		for (; i < end; i++)
			fprintf(out, "%" PRIu32 ":%" PRIu64 "%c", a[i].pid, a[i].samples,
				i + 1 < end ? ' ' : '\n');
	}
	return fclose(out) ? -ENOMEM : 0;
}

static int write_window(struct collector *c, const struct stream_result *result)
{
	_cleanup_free_ char *activity = NULL;
	size_t activity_size = 0;
	struct store_file file;
	char path[4096];
	int r = store_begin_window(
		c->store, "cpu", result->start, rounded_seconds(result->duration), &file);

	if (r)
		return r;
	r = pprof_write(result->profile, file.fd);
	if (r) {
		store_abort(&file);
		return r;
	}
	r = store_commit(&file, path, sizeof(path));
	if (r)
		return r;
	c->files_written++;
	r = activity_text(result, &activity, &activity_size);
	if (!r)
		r = store_write_activity(c->store, path, activity, activity_size);
	if (r)
		log_warning("%s: no .activity beside it: %s", path, strerror(-r));
	return 0;
}

static void retain(struct collector *c)
{
	int r = store_retain(c->store, c->config->max_age, c->config->max_size);

	if (r < 0)
		log_warning("%s: old profiles cannot be deleted: %s", store_path(c->store),
			strerror(-r));
	else
		c->files_deleted += (unsigned)r;
}

static int continuous_finished(void *userdata, const struct stream_result *result)
{
	static struct log_limit limit = {.seconds = 60};
	struct collector *c = userdata;
	int r = result->error;

	/* Room first: on a full disk, deleting what is over the limits may be what helps. */
	if (!r && !c->freeing) {
		retain(c);
		r = write_window(c, result);
	}
	if (r && !c->freeing) {
		c->write_errors++;
		snprintf(c->last_write_error, sizeof(c->last_write_error), "%s: %s",
			store_path(c->store), strerror(-r));
		if (log_allowed(&limit))
			log_error("%s: a window of %" PRIu64
				  " samples could not be written: %s; profiling goes on, and the "
				  "next window will be tried",
				store_path(c->store), window_samples(result->window), strerror(-r));
	} else if (!r) {
		c->last_write_error[0] = '\0';
	}
	return r;
}

int continuous_start(struct collector *c, char *why, size_t why_size)
{
	const struct stream_config config = {
		.session =
			{
				.kind = SESSION_CONTINUOUS,
				.frequency = c->config->frequency,
				.clock = (enum clock_choice)c->config->clock,
				.exclude_self = c->config->exclude_self,
			},
		.window = c->config->window * NS_PER_SECOND,
		.max_bytes = WINDOW_BYTES,
		.finished = continuous_finished,
		.userdata = c,
	};

	return stream_start(c, &config, &c->continuous, why, why_size);
}
