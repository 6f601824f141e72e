// SPDX-License-Identifier: MIT
#include "collector/timeline.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "collector/bpf_host.h"
#include "collector/record_queue.h"
#include "collector/sideband.h"

/* Beyond this the older half of what waits is handed on early. At 99 Hz on 128 busy CPUs a
 * second of samples takes 4 to 8 MiB. */
#define MAX_QUEUED_BYTES (16u << 20)

struct timeline {
	struct bpf_host *bpf;
	struct sideband *sideband;
	struct record_queue *queue;
	struct timeline_stats stats;
	uint64_t horizon;
	uint64_t newest;       /* time of the newest record that was handed on */
	uint64_t urgent;       /* time of the newest record that is */
	uint64_t process_lost; /* of bpf_host_process_lost, already told */
	timeline_handler preview;
	void *preview_userdata;
	/* During a drain only. */
	timeline_handler handler;
	void *userdata;
	int error;
};

int timeline_new(struct timeline **out, struct bpf_host *bpf, struct sideband *sideband)
{
	struct timeline *t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->bpf = bpf;
	t->sideband = sideband;
	t->process_lost = bpf_host_process_lost(bpf);
	int r = record_queue_new(&t->queue);
	if (r < 0) {
		free(t);
		return r;
	}
	*out = t;
	return 0;
}

void timeline_free(struct timeline *t)
{
	if (!t)
		return;
	record_queue_free(t->queue);
	free(t);
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void hand_on(void *userdata, const struct record *record)
{
	struct timeline *t = userdata;

	t->stats.records++;
	if (record->time < t->newest)
		t->stats.late++;
	else
		t->newest = record->time;
	t->handler(t->userdata, record);
}

/* A record that found no memory may have been of a process: the tables must be read again. */
static void lose(struct timeline *t, int error)
{
	const struct record lost = {.time = now(), .kind = RECORD_LOST, .lost.count = 1};

	t->error = error;
	t->stats.lost++;
	t->handler(t->userdata, &lost);
}

/* After a record was put in, with what the queue said to it. */
static void account(struct timeline *t, int r)
{
	if (r == -EBADMSG)
		t->stats.malformed++;
	else if (r < 0)
		lose(t, r);
	if (record_queue_bytes(t->queue) > MAX_QUEUED_BYTES)
		record_queue_take_half(t->queue, hand_on, t);
}

static void on_bpf_record(void *userdata, const struct profd_record_head *head, size_t size)
{
	struct timeline *t = userdata;
	int r = record_queue_put_bpf(t->queue, head, size);
	struct record sample = {.kind = RECORD_SAMPLE, .sample = (const void *)head};
	bool sampled = head->kind == PROFD_RECORD_SAMPLE || head->kind == PROFD_RECORD_ALLOC;

	if (head->kind == PROFD_RECORD_ALLOC)
		sample.sample = &((const struct profd_alloc *)(const void *)head)->sample;
	if (!r && sampled && sample.sample->flags & PROFD_SAMPLE_MISSED) {
		sample.time = t->urgent = head->time;
		if (t->preview)
			t->preview(t->preview_userdata, &sample);
	}
	account(t, r);
}

static void on_sideband_record(void *userdata, const struct record *record)
{
	struct timeline *t = userdata;

	if (record->kind == RECORD_LOST)
		t->stats.lost += record->lost.count;
	if (record->kind == RECORD_MMAP) {
		t->urgent = record->time;
		if (t->preview)
			t->preview(t->preview_userdata, record);
	}
	account(t, record_queue_put(t->queue, record));
}

/* Lost process records leave no trace in a ring: the programs count them. */
static void note_lost_processes(struct timeline *t, uint64_t time)
{
	uint64_t lost = bpf_host_process_lost(t->bpf);

	if (lost == t->process_lost)
		return;
	struct record record = {
		.time = time, .kind = RECORD_LOST, .lost.count = lost - t->process_lost};
	t->process_lost = lost;
	on_sideband_record(t, &record);
}

int timeline_drain(struct timeline *t, timeline_handler handler, void *userdata)
{
	uint64_t start = now();

	t->handler = handler;
	t->userdata = userdata;
	t->error = 0;
	int r = bpf_host_read(t->bpf, on_bpf_record, t);
	int s = sideband_read(t->sideband, on_sideband_record, t, &t->stats.malformed);
	note_lost_processes(t, start);
	t->horizon = start - PROFD_SETTLE_NS;
	record_queue_take(t->queue, t->horizon, hand_on, t);
	return r < 0 ? r : s < 0 ? s : t->error;
}

void timeline_set_preview(struct timeline *t, timeline_handler handler, void *userdata)
{
	t->preview = handler;
	t->preview_userdata = userdata;
}

bool timeline_urgent(const struct timeline *t)
{
	return t->urgent >= t->horizon;
}

uint64_t timeline_horizon(const struct timeline *t)
{
	return t->horizon;
}

struct timeline_stats timeline_stats(const struct timeline *t)
{
	struct timeline_stats stats = t->stats;

	stats.queued = record_queue_count(t->queue);
	stats.queued_bytes = record_queue_bytes(t->queue);
	return stats;
}
