// SPDX-License-Identifier: MIT
#include "snapshots.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json.h"
#include "output.h"
#include "renaming.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/plural.h"

#define ENDING ".heap.pb.gz"
#define DIGITS "[0-9][0-9][0-9][0-9]"

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

/* Of NAME. */
static int name_length(const char *output)
{
	size_t length = strlen(output);

	if (!drop_ending(output, &length, ".pb.gz"))
		drop_ending(output, &length, ".pb");
	drop_ending(output, &length, ".heap");
	return (int)length;
}

/* number 0: of the peak. NULL without memory. */
static char *path_of(const char *output, unsigned number)
{
	char *path, which[16] = "peak";

	if (number)
		snprintf(which, sizeof(which), "%04u", number);
	if (asprintf(&path, "%.*s.%s" ENDING, name_length(output), output, which) < 0)
		return NULL;
	return path;
}

static int write_one(struct snapshots *s, unsigned number, int fd)
{
	_cleanup_free_ char *path = path_of(s->output, number);
	struct output out = {.fd = -1};
	int err, unnamed = 0;

	if (!path) {
		log_error("snapshot %u cannot be written: out of memory", number);
		return -ENOMEM;
	}
	err = output_open(&out, path, true);
	if (!err)
		err = renaming_write(&out, fd, s->names, &unnamed);
	if (!err)
		err = output_commit(&out);
	output_abort(&out);
	if (err)
		return err;
	s->written[number] = true;
	err = output_print_path(s->list, path);
	return err ? err : unnamed;
}

void snapshots_take(struct snapshots *s, const cJSON *event, int fd)
{
	double number = json_number(event, "number");
	int err = -EBADMSG;

	if (fd < 0 || !(number >= 0 && number <= SNAPSHOTS_MAX))
		log_error("a snapshot is missing: profd sent %s",
			fd < 0 ? "no profile with it" : "no number that it can have");
	else
		err = write_one(s, (unsigned)number, fd);
	if (!s->error)
		s->error = err;
}

/* ---- what an earlier recording has left ------------------------------------------------------ */

/* All files that could be snapshots of this NAME, for glob(3). NULL without memory. */
static char *pattern_of(const char *output)
{
	size_t length = (size_t)name_length(output), n = 0;
	char *pattern = malloc(2 * length + sizeof("." DIGITS ENDING));

	if (!pattern)
		return NULL;
	for (size_t i = 0; i < length; i++) {
		if (strchr("*?[]\\", output[i]))
			pattern[n++] = '\\';
		pattern[n++] = output[i];
	}
	memcpy(pattern + n, "." DIGITS ENDING, sizeof("." DIGITS ENDING));
	return pattern;
}

static bool is_old(const struct snapshots *s, const char *path)
{
	const char *digits = path + strlen(path) - strlen("0001" ENDING);
	unsigned long number = strtoul(digits, NULL, 10);
	struct stat st;

	return number && number <= SNAPSHOTS_MAX && !s->written[number] && !lstat(path, &st) &&
	       S_ISREG(st.st_mode);
}

static int remove_old(const char *path)
{
	int err = unlink(path) ? -errno : 0;

	if (err)
		log_error("%s is of an earlier recording and cannot be removed: %s", path,
			strerror(-err));
	return err;
}

void snapshots_end(struct snapshots *s)
{
	_cleanup_free_ char *pattern = pattern_of(s->output);
	bool is_series = snapshot_plan_has(&s->plan);
	glob_t found = {0};
	size_t removed = 0;

	for (unsigned i = 1; i <= SNAPSHOTS_MAX; i++)
		is_series |= s->written[i];
	if (!is_series)
		return;
	if (!pattern || glob(pattern, GLOB_NOSORT, NULL, &found) == GLOB_NOSPACE) {
		log_error("snapshots of an earlier recording may be left: out of memory");
		s->error = s->error ? s->error : -ENOMEM;
	}
	for (size_t i = 0; i < found.gl_pathc; i++) {
		if (!is_old(s, found.gl_pathv[i]))
			continue;
		int err = remove_old(found.gl_pathv[i]);
		removed += !err;
		s->error = s->error ? s->error : err;
	}
	globfree(&found);
	if (removed)
		log_info("%zu snapshot%s of an earlier recording with this name %s removed",
			removed, plural((double)removed), removed == 1 ? "was" : "were");
}
