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

/* 0 when it cannot be told. */
static size_t count_threads(int fd, const char *path)
{
	struct profile *p = NULL;
	char why[256];
	size_t n = 0;

	int err = -ENOENT;
	if (fd < 0 && path)
		err = pprof_read_file(&p, path, why, sizeof(why));
	else if (fd >= 0 && lseek(fd, 0, SEEK_SET) == 0)
		err = pprof_read(&p, fd, "the profile", why, sizeof(why));
	if (!err) {
		n = summary_threads(p);
		profile_free(p);
	}
	return n;
}

void summary_print(const cJSON *done, const char *reason, int fd, const char *path)
{
	double samples = json_number(done, "samples"), lost = json_number(done, "lost");
	size_t n_threads = samples > 0 ? count_threads(fd, path) : 0;
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
