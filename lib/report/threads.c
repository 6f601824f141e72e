/* SPDX-License-Identifier: MIT */
#include "report/threads.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/frames.h"
#include "util/grow.h"

/* What samples are sorted by, found once for each. */
struct key {
	int64_t pid, tid, time;
	size_t sample;
};

int64_t sample_timestamp(const struct profile *p, size_t sample)
{
	int64_t time = sample_number(p, &p->samples[sample], "timestamp", 0);
	return time > 0 ? time : 0;
}

static int compare(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int compare_keys(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	int order = compare(x->pid, y->pid);

	if (!order)
		order = compare(x->tid, y->tid);
	if (!order)
		order = compare(x->time, y->time);
	return order ? order : compare((int64_t)x->sample, (int64_t)y->sample);
}

static void make_keys(struct thread_table *t, const struct profile *p, struct key *keys)
{
	int64_t earliest = INT64_MAX;

	for (size_t i = 0; i < p->n_samples; i++) {
		const struct sample *s = &p->samples[i];
		int64_t pid = sample_number(p, s, "pid", 0);
		keys[i] = (struct key){
			pid, sample_number(p, s, "tid", pid), sample_timestamp(p, i), i};
		if (keys[i].time && keys[i].time < earliest)
			earliest = keys[i].time;
	}
	t->timed = earliest != INT64_MAX;
	t->start = t->timed ? earliest : p->time_nanos > 0 ? p->time_nanos : 0;
}

static int add_threads(struct thread_table *t, const struct profile *p, const struct key *keys)
{
	for (size_t i = 0; i < p->n_samples; i++) {
		struct thread *last = t->n ? &t->threads[t->n - 1] : NULL;
		t->samples[i] = keys[i].sample;
		if (!last || last->pid != keys[i].pid || last->tid != keys[i].tid) {
			int err = grow(t->threads, t->n, t->capacity, 1);
			if (err)
				return err;
			last = &t->threads[t->n++];
			*last = (struct thread){.pid = keys[i].pid, .tid = keys[i].tid, .first = i};
		}
		last->n++;
		/* A thread may rename itself: the last name is the one that ps(1) shows. */
		last->comm = sample_text(p, &p->samples[keys[i].sample], "comm");
	}
	return 0;
}

static void name_processes(struct thread_table *t)
{
	for (size_t i = 0, end; i < t->n; i = end) {
		const char *name = t->threads[i].comm;
		for (end = i; end < t->n && t->threads[end].pid == t->threads[i].pid; end++)
			if (t->threads[end].tid == t->threads[i].pid)
				name = t->threads[end].comm;
		for (size_t k = i; k < end; k++) {
			t->threads[k].process = name;
			t->threads[k].leader = i;
		}
	}
}

int thread_table_init(struct thread_table *t, const struct profile *p)
{
	struct key *keys = calloc(p->n_samples + 1, sizeof(*keys));

	*t = (struct thread_table){.samples = calloc(p->n_samples + 1, sizeof(*t->samples))};
	int err = keys && t->samples ? 0 : -ENOMEM;
	if (!err) {
		make_keys(t, p, keys);
		qsort(keys, p->n_samples, sizeof(*keys), compare_keys);
		err = add_threads(t, p, keys);
	}
	if (!err)
		name_processes(t);
	free(keys);
	return err;
}

void thread_table_free(struct thread_table *t)
{
	free(t->threads);
	free(t->samples);
	*t = (struct thread_table){0};
}

char *thread_title(const char *comm, const char *what, int64_t id)
{
	char *title;
	int n;

	if (*comm)
		n = asprintf(&title, "%s (%s %" PRId64 ")", comm, what, id);
	else
		n = asprintf(&title, "%s %" PRId64, what, id);
	return n < 0 ? NULL : title;
}

struct thread_clock thread_clock(const struct profile *p, size_t sample_type)
{
	const char *unit = profile_text(p, p->sample_types[sample_type].unit);
	const char *type = profile_text(p, p->sample_types[sample_type].type);
	double total = 0;

	if (!strcmp(unit, "nanoseconds"))
		return (struct thread_clock){1};
	if (!strcmp(type, "samples") && p->period > 0 &&
		!strcmp(profile_text(p, p->period_type.unit), "nanoseconds"))
		return (struct thread_clock){(double)p->period};
	for (size_t i = 0; i < p->n_samples; i++)
		total += fabs((double)p->values[i * p->n_sample_types + sample_type]);
	if (total > 0 && p->duration_nanos > 0)
		return (struct thread_clock){(double)p->duration_nanos / total};
	return (struct thread_clock){1e6};
}
