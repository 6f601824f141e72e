// SPDX-License-Identifier: MIT
/* test_timeline.c - the queue below the timeline: order, checks, memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/record_queue.h"

#define MAX_SEEN 100000

struct seen {
	size_t count;
	uint64_t times[MAX_SEEN];
	uint64_t tags[MAX_SEEN]; /* samples: first frame; mappings: inode */
};

static int setup(void **state)
{
	struct record_queue *q;

	if (record_queue_new(&q) < 0)
		return -1;
	*state = q;
	return 0;
}

static int teardown(void **state)
{
	record_queue_free(*state);
	return 0;
}

static void see(void *userdata, const struct record *record)
{
	struct seen *seen = userdata;

	assert_true(seen->count < MAX_SEEN);
	seen->times[seen->count] = record->time;
	if (record->kind == RECORD_SAMPLE)
		seen->tags[seen->count] = record->sample->frames[0];
	else if (record->kind == RECORD_MMAP)
		seen->tags[seen->count] = record->mmap.inode;
	seen->count++;
}

static struct seen *new_seen(void)
{
	struct seen *seen = calloc(1, sizeof(*seen));

	assert_non_null(seen);
	return seen;
}

/* A sample of `n_user` frames, all `tag`; to be freed by the caller. */
static struct profd_sample *new_sample(
	uint64_t time, uint32_t session, uint16_t n_user, uint64_t tag)
{
	size_t size = sizeof(struct profd_sample) + n_user * sizeof(uint64_t);
	struct profd_sample *s = calloc(1, size);

	assert_non_null(s);
	s->head.time = time;
	s->head.size = (uint32_t)size;
	s->head.kind = PROFD_RECORD_SAMPLE;
	s->session = session;
	s->n_user = n_user;
	for (uint16_t i = 0; i < n_user; i++)
		s->frames[i] = tag;
	return s;
}

static void put_sample(struct record_queue *q, uint64_t time, uint32_t session, uint64_t tag)
{
	struct profd_sample *s = new_sample(time, session, 3, tag);

	assert_int_equal(record_queue_put_bpf(q, &s->head, s->head.size), 0);
	free(s);
}

static void put_mmap(struct record_queue *q, uint64_t time, uint64_t tag, const char *path)
{
	const struct record r = {
		.time = time, .kind = RECORD_MMAP, .mmap.inode = tag, .mmap.path = path};

	assert_int_equal(record_queue_put(q, &r), 0);
}

static void test_sorts_over_rings(void **state)
{
	struct record_queue *q = *state;
	struct seen *seen = new_seen();

	put_sample(q, 10, 1, 1);
	put_sample(q, 40, 1, 4);
	put_mmap(q, 20, 2, "/a");
	put_mmap(q, 50, 5, "/b");
	put_sample(q, 30, 1, 3);
	record_queue_take(q, UINT64_MAX, see, seen);
	assert_int_equal(seen->count, 5);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(seen->times[i], 10 * (i + 1));
		assert_int_equal(seen->tags[i], i + 1);
	}
	free(seen);
}

static void test_equal_times_keep_their_order(void **state)
{
	struct record_queue *q = *state;
	struct seen *seen = new_seen();

	for (uint64_t i = 0; i < 500; i++)
		put_mmap(q, 7, i, "");
	record_queue_take(q, 8, see, seen);
	assert_int_equal(seen->count, 500);
	for (uint64_t i = 0; i < 500; i++)
		assert_int_equal(seen->tags[i], i);
	free(seen);
}

static void test_younger_ones_wait(void **state)
{
	struct record_queue *q = *state;
	struct seen *seen = new_seen();

	put_sample(q, 100, 1, 1);
	put_sample(q, 200, 1, 2);
	put_sample(q, 200, 2, 2);
	record_queue_take(q, 200, see, seen);
	assert_int_equal(seen->count, 1);
	assert_int_equal(record_queue_count(q), 2);
	/* What comes later, but happened before, overtakes. */
	put_sample(q, 150, 1, 9);
	record_queue_take(q, UINT64_MAX, see, seen);
	assert_int_equal(seen->count, 4);
	assert_int_equal(seen->tags[1], 9);
	free(seen);
}

static void check_path(void *userdata, const struct record *record)
{
	assert_int_equal(record->kind, RECORD_MMAP);
	assert_string_equal(record->mmap.path, userdata);
}

static void test_strings_are_copied(void **state)
{
	struct record_queue *q = *state;
	char path[] = "/usr/bin/true";

	put_mmap(q, 1, 1, path);
	memset(path, 'x', sizeof(path) - 1);
	record_queue_take(q, 2, check_path, (void *)"/usr/bin/true");
}

static void check_comm(void *userdata, const struct record *record)
{
	assert_int_equal(record->kind, RECORD_EXEC);
	assert_int_equal(strlen(record->process->comm), PROFD_COMM_LEN - 1);
}

static void test_process_records(void **state)
{
	struct record_queue *q = *state;
	struct profd_process_record p = {
		.head = {.time = 1, .size = sizeof(p), .kind = PROFD_RECORD_EXEC}};

	memset(p.comm, 'c', sizeof(p.comm));
	assert_int_equal(record_queue_put_bpf(q, &p.head, sizeof(p)), 0);
	record_queue_take(q, 2, check_comm, NULL);
	p.head.size = sizeof(p) + 8;
	assert_int_equal(record_queue_put_bpf(q, &p.head, sizeof(p) + 8), -EBADMSG);
	p.head.size = sizeof(p.head);
	assert_int_equal(record_queue_put_bpf(q, &p.head, sizeof(p.head)), -EBADMSG);
	p.head.kind = 99;
	p.head.size = sizeof(p);
	assert_int_equal(record_queue_put_bpf(q, &p.head, sizeof(p)), -EBADMSG);
}

static void test_malformed_samples(void **state)
{
	struct record_queue *q = *state;
	struct profd_sample *s = new_sample(1, 1, 4, 0);
	const uint32_t size = s->head.size;

	assert_int_equal(record_queue_put_bpf(q, &s->head, size - 8), -EBADMSG);
	assert_int_equal(record_queue_put_bpf(q, &s->head, 4), -EBADMSG);
	s->n_user = 5;
	assert_int_equal(record_queue_put_bpf(q, &s->head, size), -EBADMSG);
	s->n_user = 3;
	assert_int_equal(record_queue_put_bpf(q, &s->head, size), -EBADMSG);
	s->n_user = UINT16_MAX;
	s->n_kernel = UINT16_MAX;
	assert_int_equal(record_queue_put_bpf(q, &s->head, size), -EBADMSG);
	s->n_user = 0;
	s->n_kernel = 4;
	s->user_end = PROFD_END_COUNT;
	assert_int_equal(record_queue_put_bpf(q, &s->head, size), -EBADMSG);
	s->user_end = PROFD_END_NO_USER;
	assert_int_equal(record_queue_put_bpf(q, &s->head, size), 0);
	assert_int_equal(record_queue_count(q), 1);
	free(s);

	s = new_sample(1, 1, PROFD_MAX_USER_FRAMES + 1, 0);
	assert_int_equal(record_queue_put_bpf(q, &s->head, s->head.size), -EBADMSG);
	free(s);
}

/* Far more than one chunk, always with some that wait: memory is used again and does not grow. */
static void test_memory_is_reused(void **state)
{
	struct record_queue *q = *state;
	struct seen *seen = new_seen();
	size_t peak = 0;

	for (uint64_t round = 0; round < 200; round++) {
		for (uint64_t i = 0; i < 400; i++) {
			struct profd_sample *s = new_sample(
				round * 1000 + i, 1, PROFD_MAX_USER_FRAMES, round);
			assert_int_equal(record_queue_put_bpf(q, &s->head, s->head.size), 0);
			free(s);
		}
		record_queue_take(q, round * 1000 + 390, see, seen);
		if (round == 5)
			peak = record_queue_bytes(q);
	}
	assert_true(record_queue_bytes(q) <= 2 * peak);
	assert_int_equal(record_queue_count(q), 10);
	for (size_t i = 1; i < seen->count; i++)
		assert_true(seen->times[i - 1] < seen->times[i]);
	free(seen);
}

static void test_half(void **state)
{
	struct record_queue *q = *state;
	struct seen *seen = new_seen();

	for (uint64_t i = 0; i < 7; i++)
		put_sample(q, 7 - i, 1, i);
	record_queue_take_half(q, see, seen);
	assert_int_equal(seen->count, 4);
	assert_int_equal(seen->times[0], 1);
	assert_int_equal(seen->times[3], 4);
	assert_int_equal(record_queue_count(q), 3);
	free(seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sorts_over_rings, setup, teardown),
		cmocka_unit_test_setup_teardown(test_equal_times_keep_their_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_younger_ones_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(test_strings_are_copied, setup, teardown),
		cmocka_unit_test_setup_teardown(test_process_records, setup, teardown),
		cmocka_unit_test_setup_teardown(test_malformed_samples, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memory_is_reused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_half, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
