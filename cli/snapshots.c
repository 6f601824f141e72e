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
#include "util/parse.h"

#define MAX_SECONDS (7 * 86400)
#define MAX_BYTES   (1ULL << 50)

static bool take_bytes(char *text, const char *ending, uint64_t *bytes)
{
	size_t n = strlen(text), m = strlen(ending);

	if (n <= m || strcmp(text + n - m, ending) != 0)
		return false;
	text[n - m] = '\0';
	return !parse_size(text, bytes) && *bytes > 0 && *bytes <= MAX_BYTES;
}

static bool take_seconds(const char *text, uint32_t *seconds)
{
	uint64_t n;

	if (parse_duration(text, &n) || n == 0 || n > MAX_SECONDS)
		return false;
	*seconds = (uint32_t)n;
	return true;
}

const char *snapshots_parse(struct snapshots *s, char *why, size_t why_size)
{
	for (size_t i = 0; i < s->every.n; i++) {
		_cleanup_free_ char *copy = strdup(s->every.items[i]);
		char *rest = copy;

		for (char *one; copy && (one = strtok_r(rest, ",", &rest));) {
			char typed[32];

			snprintf(typed, sizeof(typed), "%s", one);
			if (take_bytes(one, "-allocated", &s->allocated) ||
				take_bytes(one, "-grown", &s->grown) ||
				take_seconds(one, &s->seconds))
				continue;
			snprintf(why, why_size,
				"--snapshot-every: '%s' is none of 10s, 64M-allocated, 16M-grown",
				typed);
			return why;
		}
	}
	return NULL;
}

bool snapshots_wanted(const struct snapshots *s)
{
	return s->seconds || s->allocated || s->grown || s->peak;
}

void snapshots_request(const struct snapshots *s, cJSON *request)
{
	cJSON_AddNumberToObject(request, "snapshot_seconds", s->seconds);
	cJSON_AddNumberToObject(request, "snapshot_allocated", (double)s->allocated);
	cJSON_AddNumberToObject(request, "snapshot_grown", (double)s->grown);
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
