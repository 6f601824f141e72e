// SPDX-License-Identifier: MIT
#include "window_activity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "profile/gunzip.h"
#include "profile/pprof.h"
#include "util/cleanup.h"
#include "util/log.h"

static int explain(const char *path, int err)
{
	if (err && err != -ENOENT && err != -ENOMEM)
		log_warning("cannot read %s: %s", path, strerror(-err));
	return err;
}

int window_activity_read(struct window_activity *a, const struct store_entry *window)
{
	*a = (struct window_activity){0};
	if (window->recording)
		return -ENOENT;
	_cleanup_free_ char *path = store_activity_path(window);
	if (!path)
		return -ENOMEM;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint8_t *data = NULL;
	int err = fd < 0 ? -errno : slurp(fd, ACTIVITY_MAX_BYTES, &data, &a->size);
	if (err)
		return explain(path, err);
	a->text = (char *)data;
	_cleanup_close_ int profile = open(window->path, O_RDONLY | O_CLOEXEC);
	/* Only samples of the CPU stand for time. */
	if (profile >= 0 && !strcmp(window->type, "cpu"))
		a->period = pprof_peek_period(profile);
	if (a->period < 0)
		a->period = 0;
	return 0;
}

void window_activity_free(struct window_activity *a)
{
	free(a->text);
	*a = (struct window_activity){0};
}

int64_t window_cpu_ns(uint64_t samples, int64_t period)
{
	int64_t ns;
	return __builtin_mul_overflow(samples, period, &ns) ? INT64_MAX : ns;
}

static int add_second(struct window_totals *t, struct activity_second *s, struct tally *by_pid)
{
	uint32_t pid;
	uint64_t samples;

	if (__builtin_add_overflow(t->samples, s->samples, &t->samples))
		t->samples = UINT64_MAX;
	while (activity_next_process(s, &pid, &samples) > 0) {
		int64_t at = tally_entry(by_pid, pid);
		if (at < 0)
			return (int)at;
		uint64_t *sum = &by_pid->entries[at].sum;
		if (__builtin_add_overflow(*sum, samples, sum))
			*sum = UINT64_MAX;
	}
	return 0;
}

int window_totals_read(
	struct window_totals *t, const struct store_entry *window, struct tally *room)
{
	struct window_activity a;
	struct activity_second second;
	int err = window_activity_read(&a, window), found;

	*t = (struct window_totals){0};
	if (err)
		return err == -ENOMEM ? err : 0;
	t->known = true;
	struct activity lines = {a.text, a.text + a.size};
	while (!err && (found = activity_next(&lines, &second)))
		err = found > 0 ? add_second(t, &second, room) : 0;
	const struct tally_entry *busiest = tally_greatest(room);
	if (busiest) {
		t->busiest_pid = busiest->key;
		t->busiest_samples = busiest->sum;
	}
	t->cpu_ns = window_cpu_ns(t->samples, a.period);
	tally_clear(room);
	window_activity_free(&a);
	return err;
}
