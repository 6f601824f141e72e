// SPDX-License-Identifier: MIT
#include "summary.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "profile/pprof.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/plural.h"

#define UNFINISHED 0.1 /* of what was allocated, from which on it is said */

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

size_t summary_threads(const struct profile *p)
{
	_cleanup_free_ int64_t *tids = calloc(p->n_samples + 1, sizeof(*tids));
	size_t n = 0, distinct = 0;

	for (size_t i = 0; tids && i < p->n_samples; i++) {
		const struct sample *s = &p->samples[i];
		for (uint32_t l = 0; l < s->n_labels; l++) {
			const struct label *label = &p->labels[s->first_label + l];
			if (label->str || strcmp(profile_text(p, label->key), "tid") != 0)
				continue;
			tids[n++] = label->num;
			break;
		}
	}
	if (n)
		qsort(tids, n, sizeof(*tids), compare);
	for (size_t i = 0; i < n; i++)
		distinct += !i || tids[i] != tids[i - 1];
	return distinct;
}

/* Its tables came too late: that is what the outermost frame says. */
static bool is_unfinished(const struct profile *p, const struct sample *s)
{
	const struct location *location;

	if (!s->n_locations)
		return false;
	location = &p->locations[p->location_ids[s->first_location + s->n_locations - 1]];
	for (uint32_t i = 0; i < location->n_lines; i++) {
		const struct line *line = &p->lines[location->first_line + i];

		if (!strcmp(profile_text(p, p->functions[line->function].name),
			    "[unfinished: unwind tables not loaded]"))
			return true;
	}
	return false;
}

double summary_unfinished(const struct profile *p)
{
	double all = 0, unfinished = 0;
	size_t value = 0;

	while (value < p->n_sample_types &&
		strcmp(profile_text(p, p->sample_types[value].type), "alloc_space") != 0)
		value++;
	for (size_t i = 0; i < p->n_samples && value < p->n_sample_types; i++) {
		double bytes = (double)p->values[i * p->n_sample_types + value];

		all += bytes;
		unfinished += is_unfinished(p, &p->samples[i]) ? bytes : 0;
	}
	return all > 0 ? unfinished / all : 0;
}

/* NULL when it cannot be read. */
static struct profile *read_profile(int fd, const char *path)
{
	struct profile *p = NULL;
	char why[256];

	int err = -ENOENT;
	if (fd < 0 && path)
		err = pprof_read_file(&p, path, why, sizeof(why));
	else if (fd >= 0 && lseek(fd, 0, SEEK_SET) == 0)
		err = pprof_read(&p, fd, "the profile", why, sizeof(why));
	return err ? NULL : p;
}

static void print_unfinished(const struct profile *p)
{
	double share = summary_unfinished(p);

	if (share > UNFINISHED)
		log_info("of %.0f %% of what was allocated a part of the stack is not known "
			 "([unfinished: unwind tables not loaded]): it came faster than a new "
			 "program's tables; raise --sample-bytes",
			100 * share);
}

void summary_print(const cJSON *done, const char *reason, int fd, const char *path)
{
	double samples = json_number(done, "samples"), lost = json_number(done, "lost");
	struct profile *p = samples > 0 ? read_profile(fd, path) : NULL;
	size_t n_threads = p ? summary_threads(p) : 0;
	char threads[48] = "";

	if (n_threads)
		snprintf(threads, sizeof(threads), " of %zu thread%s", n_threads,
			plural((double)n_threads));
	/* The reason is why it ended, and not why any are lost. */
	log_info("%.0f sample%s%s in %.1f s (%s), %.0f lost", samples, plural(samples), threads,
		json_number(done, "elapsed"), reason, lost);
	if (json_get(done, "calls"))
		log_info("%.0f calls of the allocator a second were looked at, which cost %.2f %% "
			 "of a CPU",
			json_number(done, "calls") / json_number(done, "elapsed"),
			100 * json_number(done, "cost"));
	if (p)
		print_unfinished(p);
	profile_free(p);
	if (samples <= 0 && json_get(done, "calls"))
		log_info("no allocation was sampled: too few bytes were allocated for it "
			 "(--sample-bytes), or the allocator cannot be seen");
	else if (samples <= 0)
		log_info("nothing was on a CPU when the clock ticked: was the target idle, or the "
			 "time "
			 "too short?");
	else if (path && !access(path, R_OK))
		log_info("next: 'profctl top %s' or 'go tool pprof %s'", path, path);
	else if (path)
		log_info(
			"next: 'profctl top', or 'profctl export -o FILE' (profd keeps the profile "
			"for you)");
}
