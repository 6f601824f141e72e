// SPDX-License-Identifier: MIT
/* test_sideband.c - records of perf's side-band, built here byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>

#include "collector/sideband_record.h"

struct bytes {
	_Alignas(8) char data[512];
	size_t size;
};

static void put(struct bytes *b, const void *data, size_t size)
{
	assert_true(b->size + size <= sizeof(b->data));
	memcpy(b->data + b->size, data, size);
	b->size += size;
}

static void put_u16(struct bytes *b, uint16_t value)
{
	put(b, &value, sizeof(value));
}

static void put_u32(struct bytes *b, uint32_t value)
{
	put(b, &value, sizeof(value));
}

static void put_u64(struct bytes *b, uint64_t value)
{
	put(b, &value, sizeof(value));
}

/* With its NUL, and zeros up to a multiple of 8. */
static void put_string(struct bytes *b, const char *text)
{
	put(b, text, strlen(text) + 1);
	while (b->size % 8)
		put(b, "", 1);
}

static void begin(struct bytes *b, uint32_t type, uint16_t misc)
{
	b->size = 0;
	put_u32(b, type);
	put_u16(b, misc);
	put_u16(b, 0);
}

/* The sample_id, and the size in the header. */
static void end(struct bytes *b, uint64_t time)
{
	put_u32(b, 11);
	put_u32(b, 12);
	put_u64(b, time);
	put_u32(b, 1);
	put_u32(b, 0);
	uint16_t size = (uint16_t)b->size;
	memcpy(b->data + offsetof(struct perf_event_header, size), &size, sizeof(size));
}

static void build_mmap(struct bytes *b, uint32_t pid, const char *path)
{
	begin(b, PERF_RECORD_MMAP2, 0);
	put_u32(b, pid);
	put_u32(b, pid + 1);
	put_u64(b, 0x1000);
	put_u64(b, 0x2000);
	put_u64(b, 0x3000);
	put_u32(b, 8);
	put_u32(b, 1);
	put_u64(b, 77);
	put_u64(b, 5);
	put_u32(b, 5);
	put_u32(b, 2);
	put_string(b, path);
	end(b, 1234567);
}

static void test_mmap(void **state)
{
	struct bytes b;
	struct record r = {};

	build_mmap(&b, 40, "/usr/lib/libc.so.6");
	assert_int_equal(sideband_parse(b.data, b.size, &r), 1);
	assert_int_equal(r.kind, RECORD_MMAP);
	assert_int_equal(r.time, 1234567);
	assert_int_equal(r.mmap.pid, 40);
	assert_int_equal(r.mmap.tid, 41);
	assert_int_equal(r.mmap.start, 0x1000);
	assert_int_equal(r.mmap.length, 0x2000);
	assert_int_equal(r.mmap.offset, 0x3000);
	assert_int_equal(r.mmap.major, 8);
	assert_int_equal(r.mmap.minor, 1);
	assert_int_equal(r.mmap.inode, 77);
	assert_int_equal(r.mmap.inode_generation, 5);
	assert_string_equal(r.mmap.path, "/usr/lib/libc.so.6");
}

static void test_tasks_that_are_not_visible(void **state)
{
	struct bytes b;
	struct record r = {};

	build_mmap(&b, 0, "/a");
	assert_int_equal(sideband_parse(b.data, b.size, &r), 0);
	build_mmap(&b, UINT32_MAX, "/a");
	assert_int_equal(sideband_parse(b.data, b.size, &r), 0);
}

static void test_comm(void **state)
{
	struct bytes b;
	struct record r = {};

	begin(&b, PERF_RECORD_COMM, PERF_RECORD_MISC_COMM_EXEC);
	put_u32(&b, 7);
	put_u32(&b, 8);
	put_string(&b, "worker");
	end(&b, 99);
	assert_int_equal(sideband_parse(b.data, b.size, &r), 1);
	assert_int_equal(r.kind, RECORD_COMM);
	assert_int_equal(r.time, 99);
	assert_int_equal(r.comm.pid, 7);
	assert_int_equal(r.comm.tid, 8);
	assert_true(r.comm.exec);
	assert_string_equal(r.comm.comm, "worker");
}

static void test_lost(void **state)
{
	struct bytes b;
	struct record r = {};

	begin(&b, PERF_RECORD_LOST, 0);
	put_u64(&b, 3);
	put_u64(&b, 17);
	end(&b, 5);
	assert_int_equal(sideband_parse(b.data, b.size, &r), 1);
	assert_int_equal(r.kind, RECORD_LOST);
	assert_int_equal(r.lost.count, 17);
}

/* Of a KSYMBOL, some kernels say that it is longer than what they wrote. */
static void test_ksymbol_that_is_too_long(void **state)
{
	for (unsigned surplus = 0; surplus < 3; surplus++) {
		struct bytes b;
		struct record r = {};
		begin(&b, PERF_RECORD_KSYMBOL, 0);
		put_u64(&b, 0xffffffffc0001000);
		put_u32(&b, 256);
		put_u16(&b, PERF_RECORD_KSYMBOL_TYPE_BPF);
		put_u16(&b, PERF_RECORD_KSYMBOL_FLAGS_UNREGISTER);
		put_string(&b, "bpf_prog_0123456789abcdef_clock");
		end(&b, 4242);
		for (unsigned i = 0; i < surplus; i++)
			put(&b, (const char[24]){0}, 24);
		assert_int_equal(sideband_parse(b.data, b.size, &r), 1);
		assert_int_equal(r.kind, RECORD_KSYMBOL);
		assert_int_equal(r.time, 4242);
		assert_true(r.ksymbol.unregister);
		assert_int_equal(r.ksymbol.address, 0xffffffffc0001000);
		assert_int_equal(r.ksymbol.length, 256);
		assert_string_equal(r.ksymbol.name, "bpf_prog_0123456789abcdef_clock");
	}
}

static void test_a_string_without_an_end(void **state)
{
	struct bytes b;
	struct record r = {};

	build_mmap(&b, 1, "/abcdefghijklmnopqrstuv");
	char *path = memchr(b.data, '/', b.size);
	memset(path, 'x', 24);
	assert_int_equal(sideband_parse(b.data, b.size, &r), 1);
	assert_int_equal(strlen(r.mmap.path), 24);

	begin(&b, PERF_RECORD_KSYMBOL, 0);
	put(&b, (const char[16]){0}, 16);
	while (b.size < 200)
		put(&b, "y", 1);
	assert_int_equal(sideband_parse(b.data, b.size, &r), -EBADMSG);
}

static void test_too_short(void **state)
{
	struct bytes b;
	struct record r = {};

	build_mmap(&b, 1, "");
	for (size_t size = sizeof(struct perf_event_header); size < 72 + 24; size += 8)
		assert_int_equal(sideband_parse(b.data, size, &r), -EBADMSG);
}

static void test_other_types(void **state)
{
	struct bytes b;
	struct record r = {};

	begin(&b, PERF_RECORD_THROTTLE, 0);
	end(&b, 1);
	assert_int_equal(sideband_parse(b.data, b.size, &r), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mmap),
		cmocka_unit_test(test_tasks_that_are_not_visible),
		cmocka_unit_test(test_comm),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_ksymbol_that_is_too_long),
		cmocka_unit_test(test_a_string_without_an_end),
		cmocka_unit_test(test_too_short),
		cmocka_unit_test(test_other_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
