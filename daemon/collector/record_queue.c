// SPDX-License-Identifier: MIT
#include "collector/record_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/grow.h"

/* Larger than the largest record (a perf record has at most 64 KiB). */
#define CHUNK_BYTES (256 * 1024)

struct chunk {
	size_t used;
	size_t live; /* records that wait */
	struct chunk *next_free;
	char data[];
};

struct entry {
	uint64_t time;
	uint64_t order;
	struct record *record;
	struct chunk *chunk;
};

struct record_queue {
	struct entry *entries;
	size_t count, capacity;
	uint64_t order;
	bool sorted;
	struct chunk *current;	  /* the one that is being filled, or NULL */
	struct chunk *free_chunk; /* one kept for the next time, or NULL */
	size_t chunks;
};

int record_queue_new(struct record_queue **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

/* ---- chunks ------------------------------------------------------------------------------- */

static void chunk_retire(struct record_queue *q, struct chunk *chunk)
{
	if (chunk == q->current) {
		chunk->used = 0;
	} else if (!q->free_chunk) {
		chunk->used = 0;
		q->free_chunk = chunk;
	} else {
		free(chunk);
		q->chunks--;
	}
}

static void chunk_release(struct record_queue *q, struct chunk *chunk)
{
	if (--chunk->live == 0)
		chunk_retire(q, chunk);
}

/* Room for `size` bytes, aligned to 8, in the current chunk. */
static void *chunk_alloc(struct record_queue *q, size_t size)
{
	size = (size + 7) & ~(size_t)7;
	if (size > CHUNK_BYTES)
		return NULL;
	if (!q->current || q->current->used + size > CHUNK_BYTES) {
		struct chunk *next = q->free_chunk;
		if (!next) {
			next = malloc(sizeof(*next) + CHUNK_BYTES);
			if (!next)
				return NULL;
			q->chunks++;
		}
		q->free_chunk = NULL;
		next->used = next->live = 0;
		struct chunk *full = q->current;
		q->current = next;
		/* It can be empty if nothing of it waits any more. */
		if (full && full->live == 0)
			chunk_retire(q, full);
	}
	void *p = q->current->data + q->current->used;
	q->current->used += size;
	return p;
}

void record_queue_free(struct record_queue *q)
{
	if (!q)
		return;
	for (size_t i = 0; i < q->count; i++)
		if (q->entries[i].chunk != q->current && --q->entries[i].chunk->live == 0)
			free(q->entries[i].chunk);
	free(q->current);
	free(q->free_chunk);
	free(q->entries);
	free(q);
}

/* ---- putting ------------------------------------------------------------------------------ */

/* Copies the record and `size` bytes that it points to; *payload is where those are now. */
static int put(struct record_queue *q, const struct record *record, const void *data, size_t size,
	struct record **copy, void **payload)
{
	int r = grow(q->entries, q->count, q->capacity, 1);
	if (r < 0)
		return r;
	char *p = chunk_alloc(q, sizeof(*record) + size);
	if (!p)
		return -ENOMEM;
	memcpy(p, record, sizeof(*record));
	memcpy(p + sizeof(*record), data, size);
	*copy = (struct record *)(void *)p;
	*payload = p + sizeof(*record);
	q->current->live++;
	q->entries[q->count++] = (struct entry){
		.time = record->time, .order = q->order++, .record = *copy, .chunk = q->current};
	q->sorted = false;
	return 0;
}

static bool miss_is_sane(const struct profd_sample *s)
{
	const struct profd_miss *miss = profd_sample_miss(s);

	if (!s->miss_size)
		return !(s->flags & ~PROFD_SAMPLE_RETURNED);
	return s->n_user && s->miss_size >= sizeof(*miss) && miss->stack_size <= PROFD_MISS_STACK &&
	       miss->missing < PROFD_MISSING_COUNT &&
	       s->miss_size == sizeof(*miss) + miss->stack_size;
}

static bool sample_is_sane(const struct profd_sample *s, size_t size)
{
	return size >= sizeof(*s) && s->n_kernel <= PROFD_MAX_KERNEL_FRAMES &&
	       s->n_user <= PROFD_MAX_USER_FRAMES && s->user_end < PROFD_END_COUNT &&
	       s->way < PROFD_WAY_COUNT && size == profd_sample_bytes(s) + (size_t)s->miss_size &&
	       miss_is_sane(s);
}

static int put_sample(struct record_queue *q, const struct profd_sample *sample, size_t size)
{
	struct record record = {.kind = RECORD_SAMPLE}, *copy;
	void *payload;

	if (!sample_is_sane(sample, size))
		return -EBADMSG;
	record.time = sample->head.time;
	int r = put(q, &record, sample, size, &copy, &payload);
	if (r == 0)
		copy->sample = payload;
	return r;
}

static int put_alloc(struct record_queue *q, const struct profd_alloc *alloc, size_t size)
{
	const size_t before = offsetof(struct profd_alloc, sample);
	struct record record = {.kind = RECORD_ALLOC}, *copy;
	void *payload;

	if (size < sizeof(*alloc) || !sample_is_sane(&alloc->sample, size - before) ||
		alloc->size > PROFD_MAX_ALLOCATION || !alloc->weight ||
		alloc->weight >> PROFD_WEIGHT_SHIFT > PROFD_MAX_ALLOCATION)
		return -EBADMSG;
	record.time = alloc->head.time;
	int r = put(q, &record, alloc, size, &copy, &payload);
	if (r == 0)
		copy->alloc = payload;
	return r;
}

static int put_free(struct record_queue *q, const struct profd_free *freed, size_t size)
{
	struct record record = {.kind = RECORD_FREE}, *copy;
	void *payload;

	if (size != sizeof(*freed))
		return -EBADMSG;
	record.time = freed->head.time;
	int r = put(q, &record, freed, size, &copy, &payload);
	if (r == 0)
		copy->freed = payload;
	return r;
}

static int put_process(struct record_queue *q, enum record_kind kind,
	const struct profd_process_record *process, size_t size)
{
	struct record record = {.kind = kind}, *copy;
	void *payload;

	if (size != sizeof(*process))
		return -EBADMSG;
	record.time = process->head.time;
	int r = put(q, &record, process, size, &copy, &payload);
	if (r == 0) {
		((struct profd_process_record *)payload)->comm[PROFD_COMM_LEN - 1] = '\0';
		copy->process = payload;
	}
	return r;
}

int record_queue_put_bpf(struct record_queue *q, const struct profd_record_head *head, size_t size)
{
	if (size < sizeof(*head) || head->size != size)
		return -EBADMSG;
	switch (head->kind) {
	case PROFD_RECORD_SAMPLE:
		return put_sample(q, (const void *)head, size);
	case PROFD_RECORD_ALLOC:
		return put_alloc(q, (const void *)head, size);
	case PROFD_RECORD_FREE:
		return put_free(q, (const void *)head, size);
	case PROFD_RECORD_FORK:
		return put_process(q, RECORD_FORK, (const void *)head, size);
	case PROFD_RECORD_EXEC:
		return put_process(q, RECORD_EXEC, (const void *)head, size);
	case PROFD_RECORD_EXIT:
		return put_process(q, RECORD_EXIT, (const void *)head, size);
	case PROFD_RECORD_CGROUP:
		return put_process(q, RECORD_CGROUP, (const void *)head, size);
	default:
		return -EBADMSG;
	}
}

/* Where the record keeps its string, or NULL. */
static const char **record_string(struct record *record)
{
	switch (record->kind) {
	case RECORD_COMM:
		return &record->comm.comm;
	case RECORD_MMAP:
		return &record->mmap.path;
	case RECORD_KSYMBOL:
		return &record->ksymbol.name;
	default:
		return NULL;
	}
}

int record_queue_put(struct record_queue *q, const struct record *record)
{
	struct record original = *record, *copy;
	const char **string = record_string(&original);
	const char *text = string && *string ? *string : "";
	void *payload;

	int r = put(q, record, text, strlen(text) + 1, &copy, &payload);
	if (r == 0 && string)
		*record_string(copy) = payload;
	return r;
}

/* ---- taking ------------------------------------------------------------------------------- */

static int compare_entries(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;

	if (a->time != b->time)
		return a->time < b->time ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

static void sort(struct record_queue *q)
{
	if (!q->sorted && q->count > 1)
		qsort(q->entries, q->count, sizeof(*q->entries), compare_entries);
	q->sorted = true;
}

static void take_first(
	struct record_queue *q, size_t n, record_queue_handler handler, void *userdata)
{
	for (size_t i = 0; i < n; i++) {
		handler(userdata, q->entries[i].record);
		chunk_release(q, q->entries[i].chunk);
	}
	q->count -= n;
	memmove(q->entries, q->entries + n, q->count * sizeof(*q->entries));
}

void record_queue_take(
	struct record_queue *q, uint64_t horizon, record_queue_handler handler, void *userdata)
{
	size_t n = 0;

	sort(q);
	while (n < q->count && q->entries[n].time < horizon)
		n++;
	take_first(q, n, handler, userdata);
}

void record_queue_take_half(struct record_queue *q, record_queue_handler handler, void *userdata)
{
	sort(q);
	take_first(q, (q->count + 1) / 2, handler, userdata);
}

size_t record_queue_count(const struct record_queue *q)
{
	return q->count;
}

size_t record_queue_bytes(const struct record_queue *q)
{
	return q->chunks * CHUNK_BYTES + q->capacity * sizeof(*q->entries);
}
