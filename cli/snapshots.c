// SPDX-License-Identifier: MIT
#include "snapshots.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "output.h"
#include "renaming.h"
#include "util/cleanup.h"
#include "util/log.h"

const char *snapshots_parse(struct snapshots *s, char *why, size_t why_size)
{
	char wrong[64] = "";

	for (size_t i = 0; i < s->every.n; i++) {
		if (!snapshot_plan_add(&s->plan, s->every.items[i], wrong, sizeof(wrong)))
			continue;
		snprintf(why, why_size,
			"--snapshot-every: '%s' is none of 10s, 64M-allocated, 16M-grown", wrong);
		return why;
	}
	return NULL;
}

bool snapshots_wanted(const struct snapshots *s)
{
	return snapshot_plan_has(&s->plan) || s->peak;
}

void snapshots_request(const struct snapshots *s, cJSON *request)
{
	cJSON_AddNumberToObject(request, "snapshot_seconds", s->plan.seconds);
	cJSON_AddNumberToObject(request, "snapshot_allocated", (double)s->plan.allocated);
	cJSON_AddNumberToObject(request, "snapshot_grown", (double)s->plan.grown);
	cJSON_AddBoolToObject(request, "peak", s->peak);
}

static bool drop_ending(const char *text, size_t *length, const char *ending)
{
	size_t n = strlen(ending);

	if (*length <= n || memcmp(text + *length - n, ending, n) != 0)
		return false;
	*length -= n;
	return true;
}

/* number 0: of the peak. NULL without memory. */
static char *path_of(const char *output, unsigned number)
{
	size_t length = strlen(output);
	char *path, which[16] = "peak";

	if (!drop_ending(output, &length, ".pb.gz"))
		drop_ending(output, &length, ".pb");
	drop_ending(output, &length, ".heap");
	if (number)
		snprintf(which, sizeof(which), "%04u", number);
	if (asprintf(&path, "%.*s.%s.heap.pb.gz", (int)length, output, which) < 0)
		return NULL;
	return path;
}

static int write_one(const struct snapshots *s, unsigned number, int fd)
{
	_cleanup_free_ char *path = path_of(s->output, number);
	_cleanup_close_ int renamed = s->names ? renaming_copy(fd, s->names) : -1;
	struct output out = {.fd = -1};
	int err = path ? output_open(&out, path, true) : -ENOMEM;

	if (!err)
		err = output_copy(&out, renamed < 0 ? fd : renamed);
	if (!err)
		err = output_commit(&out);
	output_abort(&out);
	if (!err && (puts(path) < 0 || fflush(stdout)))
		err = -errno;
	return err;
}

void snapshots_take(struct snapshots *s, const cJSON *event, int fd)
{
	int err = fd < 0 ? -EBADMSG : write_one(s, (unsigned)json_number(event, "number"), fd);

	if (!err)
		s->written++;
	else if (!s->error)
		s->error = err;
}
