// SPDX-License-Identifier: MIT
/* test_sample_rings.c - what a program puts into a sample ring is read once, whole and in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "collector/sample_rings.h"

struct ring {
	struct profd_samples *samples;
	struct profd_cpu cpu;
	uint64_t put, read; /* records, each with its number as its time */
	size_t size;	    /* of the record that was read last, as the ring said */
};

/* Every byte behind the head is the number's lowest. */
static void check_record(void *userdata, const struct profd_record_head *head, size_t size)
{
	struct ring *r = userdata;
	const uint8_t *bytes = (const uint8_t *)(head + 1);

	assert_int_equal(head->time, r->read);
	assert_int_equal(head->size, size);
	for (size_t i = 0; i < size - sizeof(*head); i++)
		assert_int_equal(bytes[i], r->read & 0xff);
	r->read++;
}

static void note_size(void *userdata, const struct profd_record_head *head, size_t size)
{
	struct ring *r = userdata;

	r->size = size;
	r->read++;
}

/* As samples_put() of bpf/ring.h. */
static bool put(struct ring *r, uint32_t size)
{
	struct profd_record_head head = {.time = r->put, .size = size};
	uint8_t *to = &r->samples->bytes[r->cpu.head];

	if (!profd_samples_fit(r->cpu.head, r->cpu.tail, size))
		return false;
	memcpy(to, &head, sizeof(head));
	memset(to + sizeof(head), (int)(r->put & 0xff), size - sizeof(head));
	r->cpu.head = profd_samples_next(r->cpu.head, size);
	r->put++;
	return true;
}

static void read_all(struct ring *r)
{
	sample_ring_read(r->samples, &r->cpu, check_record, r);
	assert_int_equal(r->read, r->put);
	assert_int_equal(r->cpu.tail, r->cpu.head);
}

static int setup(void **state)
{
	struct ring *r = calloc(1, sizeof(*r));

	r->samples = malloc(sizeof(*r->samples));
	*state = r;
	return r->samples ? 0 : -1;
}

static int teardown(void **state)
{
	struct ring *r = *state;

	free(r->samples);
	free(r);
	return 0;
}

static void test_empty(void **state)
{
	read_all(*state);
}

static void test_sizes_of_all_kinds_many_times_round(void **state)
{
	struct ring *r = *state;
	uint32_t random = 1, refused = 0;

	while (r->put < 20000) {
		random = random * 1664525 + 1013904223;
		uint32_t size = (random >> 16) % (random & 1 ? 600 : PROFD_SAMPLES_SLACK - 8);

		if (size < sizeof(struct profd_record_head))
			size = sizeof(struct profd_record_head);
		if (!put(r, size)) {
			refused++;
			read_all(r);
		} else if (random % 7 == 0) {
			read_all(r);
		}
	}
	read_all(r);
	assert_true(refused > 0);
}

/* Full is not taken for empty: what was refused harms nothing. */
static void test_full(void **state)
{
	struct ring *r = *state;

	while (put(r, 4096))
		;
	assert_true(r->put * 4096 > PROFD_SAMPLES_BYTES - 2 * 4096);
	assert_false(put(r, 4096));
	read_all(r);
	assert_true(put(r, 4096));
	read_all(r);
}

/* One that reaches behind the end is read where it lies, and the next one at 0. */
static void test_last_one_reaches_into_the_slack(void **state)
{
	struct ring *r = *state;

	r->cpu.head = r->cpu.tail = PROFD_SAMPLES_BYTES - 8;
	assert_true(put(r, 70000));
	assert_int_equal(r->cpu.head, 0);
	assert_true(put(r, 100));
	assert_int_equal(r->cpu.head, 104);
	read_all(r);
}

static void test_sizes_that_lie_end_it(void **state)
{
	static const uint32_t sizes[] = {0, sizeof(struct profd_record_head) - 1, 2048, UINT32_MAX};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct ring *r = *state;
		uint32_t at = r->cpu.head;

		r->read = 0;
		assert_true(put(r, 1000) && put(r, 24));
		((struct profd_record_head *)&r->samples->bytes[at])->size = sizes[i];
		sample_ring_read(r->samples, &r->cpu, note_size, r);
		assert_int_equal(r->read, 1);
		assert_int_equal(r->size, 1024);
		assert_int_equal(r->cpu.tail, r->cpu.head);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_sizes_of_all_kinds_many_times_round, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_last_one_reaches_into_the_slack, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sizes_that_lie_end_it, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
