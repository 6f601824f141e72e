/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "profile/gunzip.h"
#include "profile/pprof.h"
#include "sample_profile.h"

/* ---- raw protobuf, as another producer might write it -----------------------------------------
 */

struct bytes {
	uint8_t data[4096];
	size_t n;
};

static void put_varint(struct bytes *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		b->data[b->n++] = (uint8_t)(v | 0x80);
	b->data[b->n++] = (uint8_t)v;
}

static void put_number(struct bytes *b, unsigned field, uint64_t v)
{
	put_varint(b, field << 3);
	put_varint(b, v);
}

static void put_bytes(struct bytes *b, unsigned field, const void *data, size_t n)
{
	put_varint(b, field << 3 | 2);
	put_varint(b, n);
	memcpy(b->data + b->n, data, n);
	b->n += n;
}

static void put_text(struct bytes *b, const char *text)
{
	put_bytes(b, 6, text, strlen(text));
}

/* A file that is no protobuf at all. */
static void put_line(struct bytes *b, const char *text)
{
	b->n = strlen(text);
	memcpy(b->data, text, b->n);
}

/* A message of numbers: field, value, …, 0. */
static void put_message(struct bytes *b, unsigned field, ...)
{
	struct bytes inner = {.n = 0};
	va_list arguments;
	va_start(arguments, field);
	for (unsigned f; (f = va_arg(arguments, unsigned));)
		put_number(&inner, f, va_arg(arguments, uint64_t));
	va_end(arguments);
	put_bytes(b, field, inner.data, inner.n);
}
#define U(v) ((uint64_t)(v))

static struct profile *parse(const struct bytes *b)
{
	struct profile *p = NULL;
	char why[256] = "";
	int r = pprof_parse(&p, b->data, b->n, why, sizeof(why));
	if (r < 0)
		print_error("%s\n", why);
	assert_int_equal(r, 0);
	assert_int_equal(profile_check(p, why, sizeof(why)), 0);
	return p;
}

static void assert_refused(const struct bytes *b, const char *reason)
{
	struct profile *p = NULL;
	char why[256] = "";
	assert_int_equal(pprof_parse(&p, b->data, b->n, why, sizeof(why)), -EBADMSG);
	if (!strstr(why, reason))
		print_error("\"%s\" instead of \"%s\"\n", why, reason);
	assert_non_null(strstr(why, reason));
	assert_null(p);
}

static void put_strings(struct bytes *b)
{
	put_text(b, "");
	put_text(b, "samples");
	put_text(b, "count");
	put_text(b, "main");
}

/* Samples first, strings last, huge and descending ids, unknown fields, unpacked numbers. */
static void test_any_order_and_ids(void **state)
{
	struct bytes b = {.n = 0};
	const uint64_t a = 0xffffffffffffffffULL, c = 1ULL << 40;
	(void)state;
	put_message(&b, 2, 1, a, 1, c, 2, U(5), 0);
	put_message(&b, 4, 1, c, 2, U(77), 3, U(0x10), 0);
	struct bytes location = {.n = 0};
	put_number(&location, 1, a);
	put_number(&location, 3, 0x20);
	put_message(&location, 4, 1, c, 2, U(9), 99, U(1), 0);
	put_bytes(&b, 4, location.data, location.n);
	put_number(&b, 200, 1);
	put_message(&b, 5, 1, c, 2, U(3), 0);
	put_message(&b, 3, 1, U(77), 2, U(0x1000), 3, U(0x2000), 0);
	put_number(&b, 13, 2);
	put_message(&b, 1, 1, U(1), 2, U(2), 0);
	b.data[b.n++] = 16 << 3 & 0x7f; /* an unknown 64-bit field: tag 129 */
	b.data[b.n - 1] = 0x81;
	b.data[b.n++] = 0x01;
	b.n += 8;
	put_strings(&b);
	struct profile *p = parse(&b);
	assert_int_equal(p->n_samples, 1);
	assert_int_equal(p->n_locations, 3);
	assert_int_equal(p->samples[0].n_locations, 2);
	const struct location *leaf = &p->locations[p->location_ids[0]];
	const struct location *root = &p->locations[p->location_ids[1]];
	assert_int_equal(leaf->address, 0x20);
	assert_int_equal(leaf->n_lines, 1);
	assert_string_equal(
		profile_text(p, p->functions[p->lines[leaf->first_line].function].name), "main");
	assert_int_equal(p->lines[leaf->first_line].line, 9);
	assert_int_equal(root->address, 0x10);
	assert_int_equal(p->mappings[root->mapping].start, 0x1000);
	assert_int_equal(p->values[0], 5);
	assert_string_equal(profile_text(p, p->comments[0]), "count");
	profile_free(p);
}

static void test_packed(void **state)
{
	struct bytes b = {.n = 0}, sample = {.n = 0};
	(void)state;
	put_strings(&b);
	put_message(&b, 1, 1, U(1), 2, U(2), 0);
	put_message(&b, 4, 1, U(1), 0);
	put_message(&b, 4, 1, U(2), 0);
	put_bytes(&sample, 1, "\x01\x02\x01", 3);
	put_bytes(&sample, 2, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10);
	put_bytes(&b, 2, sample.data, sample.n);
	put_bytes(&b, 13, "\x03\x01", 2);
	struct profile *p = parse(&b);
	assert_int_equal(p->samples[0].n_locations, 3);
	assert_int_equal(p->values[0], -1);
	assert_int_equal(p->n_comments, 2);
	profile_free(p);
}

static void test_labels(void **state)
{
	struct bytes b = {.n = 0}, sample = {.n = 0};
	(void)state;
	put_strings(&b);
	put_text(&b, ""); /* a second empty string */
	put_message(&b, 1, 1, U(1), 2, U(2), 0);
	put_number(&sample, 2, 1);
	put_message(&sample, 3, 1, U(3), 2, U(2), 0);	       /* main=count */
	put_message(&sample, 3, 1, U(3), 3, U(7), 4, U(2), 0); /* main=7 count */
	put_message(&sample, 3, 1, U(3), 2, U(4), 0);	       /* an empty string */
	put_message(&sample, 3, 0);			       /* nothing */
	put_bytes(&b, 2, sample.data, sample.n);
	struct profile *p = parse(&b);
	assert_int_equal(p->samples[0].n_labels, 2);
	assert_string_equal(profile_text(p, p->labels[0].str), "count");
	assert_int_equal(p->labels[1].num, 7);
	assert_string_equal(profile_text(p, p->labels[1].num_unit), "count");
	profile_free(p);
}

/* Starts a file that has one sample type. */
#define BEGIN b = (struct bytes){.n = 0}, put_strings(&b), put_message(&b, 1, 1, U(1), 2, U(2), 0)

static void test_refuses(void **state)
{
	struct bytes b;
	(void)state;
	b = (struct bytes){.n = 0};
	assert_refused(&b, "empty");
	put_number(&b, 12, 1);
	assert_refused(&b, "no string table");
	b = (struct bytes){.n = 0};
	put_text(&b, "x");
	assert_refused(&b, "at byte 0: the first string must be empty");
	BEGIN;
	put_message(&b, 4, 3, U(1), 0);
	assert_refused(&b, "a location has the id 0");
	BEGIN;
	put_message(&b, 5, 1, U(9), 0);
	put_message(&b, 5, 1, U(9), 0);
	assert_refused(&b, "two functions have the id 9");
	BEGIN;
	put_message(&b, 3, 1, U(1), 5, U(4), 0);
	assert_refused(&b, "string 4 does not exist, the file has 4");
	BEGIN;
	put_message(&b, 2, 1, U(3), 2, U(1), 0);
	assert_refused(&b, "location 3 does not exist");
	BEGIN;
	put_message(&b, 2, 0);
	assert_refused(&b, "a sample has 0 values, the file has 1 types");
	BEGIN;
	put_message(&b, 2, 2, U(1), 2, U(2), 0);
	assert_refused(&b, "more values than the file has types (1)");
}

static void test_refuses_broken_wire_form(void **state)
{
	struct bytes b;
	(void)state;
	BEGIN;
	put_number(&b, 9, 5);
	put_number(&b, 9, 6);
	assert_refused(&b, "a second profile begins");
	BEGIN;
	put_number(&b, 2, 5);
	assert_refused(&b, "field 2 has wire type 0 instead of 2");
	BEGIN;
	put_message(&b, 4, 4, U(1), 0);
	assert_refused(&b, "field 4 has wire type 0 instead of 2");
	b = (struct bytes){.n = 0};
	put_strings(&b);
	put_message(&b, 2, 2, U(1), 0);
	assert_refused(&b, "more values than the file has types (0)");
	BEGIN;
	struct bytes location = {.n = 0};
	put_number(&location, 1, 1);
	put_message(&location, 4, 2, U(9), 0);
	put_bytes(&b, 4, location.data, location.n);
	assert_refused(&b, "function 0 does not exist");
	BEGIN;
	b.data[b.n++] = 3 << 3 | 3; /* a group */
	assert_refused(&b, "this wire type does not exist");
	BEGIN;
	put_varint(&b, 6 << 3 | 2);
	put_varint(&b, UINT64_MAX);
	assert_refused(&b, "longer than what follows");
	BEGIN;
	memset(b.data + b.n, 0xff, 11);
	b.n += 11;
	assert_refused(&b, "a tag is cut off or too long");
	put_line(&b, "PERFILE2 and more");
	assert_refused(&b, "perf.data");
	put_line(&b, "\177ELF and more");
	assert_refused(&b, "an ELF file");
	put_line(&b, "heap profile: of nobody\n");
	assert_refused(&b, "it is text");
	put_line(&b, "heap profile: 1: 2 [3: 4] @ heap_v2/5\n1: x\n");
	assert_refused(&b, "this is no line of a heap profile: '1: x'");
}

static void assert_file_refused(int fd, int error, const char *says)
{
	struct profile *p = NULL;
	char why[256];

	assert_int_equal(pprof_read(&p, fd, "a file", why, sizeof(why)), error);
	assert_non_null(strstr(why, says));
	close(fd);
}

/* Nothing of them is read: they have more bytes than this machine has. */
static void test_refuses_large_files_at_once(void **state)
{
	static const off_t huge = 1LL << 42;
	int zeros = memfd_create("zeros", MFD_CLOEXEC), core = memfd_create("core", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(ftruncate(zeros, huge), 0);
	assert_file_refused(zeros, -E2BIG, "a file: it is larger than 4 GiB");
	assert_int_equal(ftruncate(core, huge), 0);
	assert_int_equal(pwrite(core, "\177ELF", 4, 0), 4);
	assert_file_refused(core, -EBADMSG, "a file: it is an ELF file");
}

/* ---- round trips -------------------------------------------------------------------------- */

static struct profile *make_profile(void)
{
	struct profile *p = sp_new();
	uint32_t m = sp_mapping(p, "/usr/bin/prog", 0x400000);
	uint32_t lib = sp_mapping(p, "[kernel.kallsyms]_text", 0xffffffff81000000ULL);
	p->mappings[m].build_id = sp_string(p, "abcdef");
	p->mappings[m].offset = 0x1000;
	p->mappings[m].has_filenames = p->mappings[m].has_line_numbers = true;
	p->mappings[m].has_inline_frames = true;
	uint32_t stack[] = {sp_location(p, lib, 0xffffffff81000123ULL, "do_syscall"),
		sp_location(p, m, 0x400100, "inner<outer"), sp_location(p, m, 0x400200, ""),
		sp_location(p, 0, 0, "nowhere")};
	p->functions[2].system_name = sp_string(p, "_Z5innerv");
	p->functions[2].filename = sp_string(p, "/src/inner.c");
	p->functions[2].start_line = 42;
	p->lines[1].column = 17;
	p->locations[stack[3]].is_folded = true;
	sp_sample(p, stack, 4, 3, 123, "prog");
	sp_sample(p, stack + 1, 2, -4, 0, NULL);
	sp_sample(p, NULL, 0, 1, 0, NULL);
	struct label label = {
		.key = sp_string(p, "bytes"), .num = INT64_MIN, .num_unit = sp_string(p, "bytes")};
	int64_t values[] = {INT64_MIN, INT64_MAX};
	assert_int_equal(profile_add_sample(p, stack, 1, &label, 1, values), 0);
	assert_int_equal(profile_add_comment(p, "a comment"), 0);
	assert_int_equal(profile_add_comment(p, "# a hidden one"), 0);
	p->time_nanos = 1700000000123456789;
	p->duration_nanos = 60000000000;
	p->default_sample_type = sp_string(p, "samples");
	p->drop_frames = sp_string(p, "drop.*");
	p->keep_frames = sp_string(p, "keep.*");
	p->doc_url = sp_string(p, "https://example.org/");
	return p;
}

static void assert_same_text(
	const struct profile *a, uint32_t x, const struct profile *b, uint32_t y)
{
	assert_string_equal(profile_text(a, x), profile_text(b, y));
}

static void assert_same_samples(const struct profile *a, const struct profile *b)
{
	assert_int_equal(a->n_samples, b->n_samples);
	assert_int_equal(a->n_labels, b->n_labels);
	assert_int_equal(a->n_location_ids, b->n_location_ids);
	assert_memory_equal(
		a->values, b->values, a->n_samples * a->n_sample_types * sizeof(*a->values));
	assert_memory_equal(
		a->location_ids, b->location_ids, a->n_location_ids * sizeof(*a->location_ids));
	assert_memory_equal(a->samples, b->samples, a->n_samples * sizeof(*a->samples));
	for (size_t i = 0; i < a->n_labels; i++) {
		assert_same_text(a, a->labels[i].key, b, b->labels[i].key);
		assert_same_text(a, a->labels[i].str, b, b->labels[i].str);
		assert_same_text(a, a->labels[i].num_unit, b, b->labels[i].num_unit);
		assert_int_equal(a->labels[i].num, b->labels[i].num);
	}
}

static void assert_same_code(const struct profile *a, const struct profile *b)
{
	assert_int_equal(a->n_mappings, b->n_mappings);
	for (size_t i = 1; i < a->n_mappings; i++) {
		const struct mapping *x = &a->mappings[i], *y = &b->mappings[i];
		assert_true(x->start == y->start && x->limit == y->limit &&
			    x->offset == y->offset && x->has_functions == y->has_functions &&
			    x->has_filenames == y->has_filenames &&
			    x->has_line_numbers == y->has_line_numbers &&
			    x->has_inline_frames == y->has_inline_frames);
		assert_same_text(a, x->file, b, y->file);
		assert_same_text(a, x->build_id, b, y->build_id);
	}
	assert_int_equal(a->n_functions, b->n_functions);
	for (size_t i = 1; i < a->n_functions; i++) {
		const struct function *x = &a->functions[i], *y = &b->functions[i];
		assert_same_text(a, x->name, b, y->name);
		assert_same_text(a, x->system_name, b, y->system_name);
		assert_same_text(a, x->filename, b, y->filename);
		assert_int_equal(x->start_line, y->start_line);
	}
	assert_int_equal(a->n_locations, b->n_locations);
	assert_int_equal(a->n_lines, b->n_lines);
	for (size_t i = 1; i < a->n_locations; i++) {
		const struct location *x = &a->locations[i], *y = &b->locations[i];
		assert_true(x->address == y->address && x->mapping == y->mapping &&
			    x->first_line == y->first_line && x->n_lines == y->n_lines &&
			    x->is_folded == y->is_folded);
	}
	for (size_t i = 0; i < a->n_lines; i++) {
		const struct line *x = &a->lines[i], *y = &b->lines[i];
		assert_true(
			x->function == y->function && x->line == y->line && x->column == y->column);
	}
}

static void assert_same(const struct profile *a, const struct profile *b)
{
	assert_int_equal(a->n_sample_types, b->n_sample_types);
	for (size_t i = 0; i < a->n_sample_types; i++) {
		assert_same_text(a, a->sample_types[i].type, b, b->sample_types[i].type);
		assert_same_text(a, a->sample_types[i].unit, b, b->sample_types[i].unit);
	}
	assert_int_equal(a->n_comments, b->n_comments);
	for (size_t i = 0; i < a->n_comments; i++)
		assert_same_text(a, a->comments[i], b, b->comments[i]);
	assert_int_equal(a->time_nanos, b->time_nanos);
	assert_int_equal(a->duration_nanos, b->duration_nanos);
	assert_int_equal(a->period, b->period);
	assert_same_text(a, a->period_type.type, b, b->period_type.type);
	assert_same_text(a, a->period_type.unit, b, b->period_type.unit);
	assert_same_text(a, a->default_sample_type, b, b->default_sample_type);
	assert_same_text(a, a->drop_frames, b, b->drop_frames);
	assert_same_text(a, a->keep_frames, b, b->keep_frames);
	assert_same_text(a, a->doc_url, b, b->doc_url);
	assert_same_samples(a, b);
	assert_same_code(a, b);
}

static int write_to_memory(const struct profile *p)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pprof_write(p, fd), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void test_round_trip(void **state)
{
	char why[256] = "";
	struct profile *p = make_profile(), *again;
	int fd = write_to_memory(p);
	(void)state;
	assert_int_equal(pprof_read(&again, fd, "memory", why, sizeof(why)), 0);
	assert_same(p, again);
	/* Written again it is the same file, byte for byte. */
	int fd2 = write_to_memory(again);
	uint8_t first[8192], second[8192];
	ssize_t n = pread(fd, first, sizeof(first), 0);
	assert_true(n > 0 && (size_t)n < sizeof(first));
	assert_int_equal(pread(fd2, second, sizeof(second), 0), n);
	assert_memory_equal(first, second, (size_t)n);
	assert_int_equal(first[4] | first[5] | first[6] | first[7], 0); /* no time stamp */
	close(fd);
	close(fd2);
	profile_free(p);
	profile_free(again);
}

static void test_empty_profile(void **state)
{
	char why[256];
	struct profile *p = sp_new(), *again;
	int fd = write_to_memory(p);
	(void)state;
	assert_int_equal(pprof_read(&again, fd, "memory", why, sizeof(why)), 0);
	assert_same(p, again);
	close(fd);
	profile_free(p);
	profile_free(again);
}

/* Every cut of a gzip file and of the raw file is an error or a valid profile, never a crash. */
static void test_truncation(void **state)
{
	uint8_t zipped[8192], raw[16384];
	char why[256];
	struct profile *p = make_profile(), *again;
	int fd = write_to_memory(p);
	ssize_t n = read(fd, zipped, sizeof(zipped));
	(void)state;
	close(fd);
	profile_free(p);
	for (ssize_t i = 0; i < n; i++) {
		*why = '\0';
		assert_int_equal(
			pprof_parse(&again, zipped, (size_t)i, why, sizeof(why)), -EBADMSG);
		assert_true(*why);
	}
	assert_int_equal(pprof_parse(&again, zipped, (size_t)n, why, sizeof(why)), 0);
	profile_free(again);
	gzFile z = NULL;
	fd = memfd_create("test", MFD_CLOEXEC);
	assert_int_equal(write(fd, zipped, (size_t)n), n);
	lseek(fd, 0, SEEK_SET);
	z = gzdopen(fd, "rb");
	int size = gzread(z, raw, sizeof(raw));
	gzclose(z);
	assert_true(size > 0 && (size_t)size < sizeof(raw));
	for (int i = 0; i <= size; i++) {
		if (pprof_parse(&again, raw, (size_t)i, why, sizeof(why)) == 0) {
			assert_int_equal(profile_check(again, why, sizeof(why)), 0);
			profile_free(again);
		}
	}
	/* Flipped bits, too. */
	for (int i = 0; i < size * 8; i++) {
		raw[i / 8] ^= (uint8_t)(1 << i % 8);
		if (pprof_parse(&again, raw, (size_t)size, why, sizeof(why)) == 0) {
			assert_int_equal(profile_check(again, why, sizeof(why)), 0);
			profile_free(again);
		}
		raw[i / 8] ^= (uint8_t)(1 << i % 8);
	}
}

static size_t zip(const uint8_t *data, size_t n, uint8_t *out, size_t room)
{
	z_stream z = {0};
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (z_const Bytef *)data;
	z.avail_in = (uInt)n;
	z.next_out = out;
	z.avail_out = (uInt)room;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	size_t size = room - z.avail_out;
	deflateEnd(&z);
	return size;
}

static void test_several_gzip_members(void **state)
{
	struct bytes b = {.n = 0};
	uint8_t zipped[8192];
	char why[256];
	struct profile *p;
	(void)state;
	put_strings(&b);
	put_message(&b, 1, 1, U(1), 2, U(2), 0);
	size_t n = zip(b.data, 5, zipped, sizeof(zipped));
	n += zip(b.data + 5, b.n - 5, zipped + n, sizeof(zipped) - n);
	assert_int_equal(pprof_parse(&p, zipped, n, why, sizeof(why)), 0);
	assert_int_equal(p->n_sample_types, 1);
	profile_free(p);
	zipped[n] = 'x';
	assert_int_equal(pprof_parse(&p, zipped, n + 1, why, sizeof(why)), -EBADMSG);
	zipped[n / 2] ^= 0x55;
	assert_int_equal(pprof_parse(&p, zipped, n, why, sizeof(why)), -EBADMSG);
	assert_non_null(strstr(why, "gzip data is"));
}

static void test_files(void **state)
{
	char why[256];
	struct profile *p;
	(void)state;
	assert_int_equal(pprof_read_file(&p, "/nonexistent/x", why, sizeof(why)), -ENOENT);
	assert_string_equal(why, "/nonexistent/x: No such file or directory");
	assert_int_equal(pprof_read_file(&p, "/dev/null", why, sizeof(why)), -EBADMSG);
	assert_string_equal(why, "/dev/null: it is empty");
	assert_int_equal(pprof_read_file(&p, "/tmp", why, sizeof(why)), -EISDIR);
}

static void test_write_failure(void **state)
{
	struct profile *p = make_profile();
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	(void)state;
	if (fd < 0)
		skip();
	assert_int_equal(pprof_write(p, fd), -ENOSPC);
	close(fd);
	profile_free(p);
}

static void test_too_much_to_inflate(void **state)
{
	static const uint8_t ten_bytes[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02,
		0x03, 0x4b, 0x4c, 0x84, 0x01, 0x00, 0xf0, 0xcd, 0x11, 0x4c, 0x0a, 0x00, 0x00, 0x00};
	uint8_t *out;
	size_t size;
	char why[64] = "";
	(void)state;
	assert_int_equal(
		gunzip(ten_bytes, sizeof(ten_bytes), 10, &out, &size, why, sizeof(why)), 0);
	assert_int_equal(size, 10);
	free(out);
	assert_int_equal(
		gunzip(ten_bytes, sizeof(ten_bytes), 9, &out, &size, why, sizeof(why)), -E2BIG);
	assert_true(*why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_too_much_to_inflate),
		cmocka_unit_test(test_any_order_and_ids),
		cmocka_unit_test(test_packed),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_refuses_broken_wire_form),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_empty_profile),
		cmocka_unit_test(test_truncation),
		cmocka_unit_test(test_several_gzip_members),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_refuses_large_files_at_once),
		cmocka_unit_test(test_write_failure),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
