// SPDX-License-Identifier: MIT
/* Cache files of names: what the symbolizer keeps in one and finds again, and what it does not
 * believe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#include "symbolizer/names_cache.h"
#include "util/cleanup.h"

#define MAX_ASKED 1000

static const struct file_identity module = {8, 15, 4711, 1700000000, 5, 1700000001, 6};

/* ---- answers ------------------------------------------------------------------------------ */

/* As the symbolizer would name them: function "f<offset>" inlined into "outer", but nothing at
 * offsets that end in 7. `padding` characters make names longer. */
static void name(struct names *a, const uint64_t *offsets, size_t padding)
{
	char *text = malloc(padding + 32);

	assert_non_null(text);
	for (size_t i = 0; i < a->n_addresses; i++) {
		struct symbolizer_function inner = {.start_line = 3}, outer = {.start_line = 4};
		struct names_frame frames[2];

		a->addresses[i].vaddr = offsets[i] + 0x1000;
		if (a->known[i] || offsets[i] % 10 == 7)
			continue;
		snprintf(text, 32, "f%" PRIu64, offsets[i]);
		memset(text + strlen(text), 'x', padding);
		text[padding + 31] = '\0';
		inner.name = names_string(a, text);
		inner.system_name = names_string(a, "raw");
		outer.name = names_string(a, "outer");
		outer.file = names_string(a, "/a.c");
		frames[0] = (struct names_frame){names_function(a, &inner), (uint32_t)i};
		frames[1] = (struct names_frame){names_function(a, &outer), 10};
		names_set(a, i, frames, 2);
	}
	a->head.flags |= SYMBOLIZER_HAS_LINES;
	snprintf(a->head.build_id, sizeof(a->head.build_id), "00ff");
	a->n_segments = 1;
	a->segments[0] = (struct symbolizer_segment){0x1000, 0, 0x500, 0x600};
	free(text);
}

static void expect_named(const struct names *a, const uint64_t *offsets, size_t i)
{
	const struct symbolizer_address *is = &a->addresses[i];
	char text[32];

	assert_true(a->known[i]);
	assert_int_equal(is->vaddr, offsets[i] + 0x1000);
	assert_int_equal(is->count, offsets[i] % 10 == 7 ? 0 : 2);
	if (!is->count)
		return;
	const struct symbolizer_function *inner = &a->functions[a->lines[is->first].function];
	const struct symbolizer_function *outer = &a->functions[a->lines[is->first + 1].function];

	snprintf(text, sizeof(text), "f%" PRIu64, offsets[i]);
	assert_memory_equal(a->strings + inner->name, text, strlen(text));
	assert_string_equal(a->strings + inner->system_name, "raw");
	assert_string_equal(a->strings + outer->name, "outer");
	assert_string_equal(a->strings + outer->file, "/a.c");
	assert_int_equal(inner->start_line, 3);
	assert_int_equal(outer->start_line, 4);
	assert_int_equal(a->lines[is->first + 1].line, 10);
}

/* ---- further files ------------------------------------------------------------------------ */

/* How many there are of "debug" and "other", and what they look like. */
struct files {
	int fds[2];
	unsigned asked;
};

static int want(void *userdata, const char *what)
{
	struct files *f = userdata;
	int fd = f->fds[strcmp(what, "debug") != 0];

	f->asked++;
	return fd < 0 ? -1 : dup(fd);
}

static struct files *no_files(void)
{
	static struct files none = {{-1, -1}, 0};

	return &none;
}

/* ---- files -------------------------------------------------------------------------------- */

struct run {
	size_t known;
	int error;
	uint32_t flags;
};

/* One request with n offsets from `from` on: what is known, and the rest named and kept. */
static struct run request(int fd, uint64_t from, size_t n, size_t padding, struct files *files)
{
	struct sources sources = {.want = want, .userdata = files};
	uint64_t offsets[MAX_ASKED];
	struct names answer;
	struct names_cache cache;
	struct run run;

	for (size_t i = 0; i < n; i++)
		offsets[i] = from + i;
	assert_int_equal(names_init(&answer, offsets, n), 0);
	names_cache_load(&cache, fd, &module, SYMBOLIZER_ELF);
	names_cache_holds(&cache, want, files);
	names_cache_find(&cache, &answer, offsets);
	names_cache_describe(&cache, &answer);
	run.flags = answer.head.flags;
	run.known = answer.n_known;
	for (size_t i = 0; i < n; i++)
		if (answer.known[i])
			expect_named(&answer, offsets, i);
	name(&answer, offsets, padding);
	close_fd(sources_want(&sources, "debug"));
	run.error = names_cache_keep(&cache, &answer, offsets, &sources);
	sources_clear(&sources);
	names_cache_close(&cache);
	names_free(&answer);
	return run;
}

static int new_file(void)
{
	int fd = memfd_create("cache", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* A file with two blocks: offsets 0 to 9, and 10 to 14. */
static int two_blocks(void)
{
	int fd = new_file();

	assert_int_equal(request(fd, 0, 10, 0, no_files()).error, 0);
	assert_int_equal(request(fd, 5, 10, 0, no_files()).error, 0);
	return fd;
}

static size_t blocks_in(int fd)
{
	struct names_cache c;
	size_t n;

	names_cache_load(&c, fd, &module, SYMBOLIZER_ELF);
	n = c.n_blocks;
	names_cache_close(&c);
	return n;
}

/* How many of the offsets from 0 on are there. */
static size_t known_in(int fd, const struct file_identity *of, uint32_t kind)
{
	static uint64_t offsets[20];
	struct names answer;
	struct names_cache c;
	size_t known;

	for (size_t i = 0; i < 20; i++)
		offsets[i] = i;
	assert_int_equal(names_init(&answer, offsets, 20), 0);
	names_cache_load(&c, fd, of, kind);
	names_cache_find(&c, &answer, offsets);
	for (size_t i = 0; i < 20; i++)
		if (answer.known[i])
			expect_named(&answer, offsets, i);
	known = answer.n_known;
	names_cache_close(&c);
	names_free(&answer);
	return known;
}

static void what_is_kept_is_found(void **state)
{
	_cleanup_close_ int fd = two_blocks();
	struct run run = request(fd, 0, 15, 0, no_files());
	struct names answer;
	struct names_cache c;

	assert_int_equal(run.known, 15); /* also that 7 has no name */
	assert_int_equal(run.flags, SYMBOLIZER_HAS_LINES);
	assert_int_equal(blocks_in(fd), 2); /* and nothing was added */
	assert_int_equal(names_init(&answer, NULL, 0), 0);
	names_cache_load(&c, fd, &module, SYMBOLIZER_ELF);
	names_cache_describe(&c, &answer);
	assert_string_equal(answer.head.build_id, "00ff");
	assert_int_equal(answer.n_segments, 1);
	assert_int_equal(answer.segments[0].memsz, 0x600);
	names_cache_close(&c);
	names_free(&answer);
}

static void nothing_is_there_without_a_file(void **state)
{
	assert_int_equal(request(-1, 0, 10, 0, no_files()).error, 0);
	assert_int_equal(request(-1, 0, 10, 0, no_files()).known, 0);
}

static void other_modules_find_nothing(void **state)
{
	_cleanup_close_ int fd = two_blocks();

	for (size_t i = 0; i < sizeof(module); i++) {
		struct file_identity other = module;

		((uint8_t *)&other)[i] ^= 1;
		assert_int_equal(known_in(fd, &other, SYMBOLIZER_ELF), 0);
	}
	assert_int_equal(known_in(fd, &module, SYMBOLIZER_ELF_CODE), 0);
	assert_int_equal(known_in(fd, &module, SYMBOLIZER_ELF), 15);
}

static void many_blocks_become_one(void **state)
{
	_cleanup_close_ int fd = new_file();

	for (uint64_t i = 0; i < 100; i++) {
		assert_int_equal(request(fd, i * 3, 3, 0, no_files()).error, 0);
		assert_in_range(blocks_in(fd), 1, NAMES_CACHE_BLOCKS);
	}
	assert_int_equal(request(fd, 0, 300, 0, no_files()).known, 300);
}

/* What is asked for stays, and nothing becomes an error. */
static void a_full_file_keeps_what_is_used(void **state)
{
	_cleanup_close_ int fd = new_file();
	const size_t padding = 50000;
	struct stat st;

	assert_int_equal(request(fd, 0, 200, padding, no_files()).error, 0);
	assert_int_equal(request(fd, 1000, 160, padding, no_files()).error, 0);
	assert_int_equal(request(fd, 100, 120, padding, no_files()).error, 0);
	assert_int_equal(request(fd, 100, 120, padding, no_files()).known, 120);
	assert_int_equal(request(fd, 0, 10, padding, no_files()).known, 0);
	/* More than ever fits. */
	assert_int_equal(request(fd, 2000, 400, padding, no_files()).error, 0);
	assert_int_equal(request(fd, 2000, 400, padding, no_files()).known, 0);
	assert_int_equal(request(fd, 100, 120, padding, no_files()).known, 120);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_size < NAMES_CACHE_MAX);
}

/* As 20,000 addresses of a large C++ program have: longer than the file may be. */
static void a_large_answer_is_kept(void **state)
{
	_cleanup_close_ int fd = new_file();
	const size_t padding = 15000;
	struct stat st;

	assert_true((MAX_ASKED - MAX_ASKED / 10) * padding > NAMES_CACHE_MAX);
	assert_int_equal(request(fd, 0, MAX_ASKED, padding, no_files()).error, 0);
	assert_int_equal(request(fd, 0, MAX_ASKED, padding, no_files()).known, MAX_ASKED);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_size < NAMES_CACHE_MAX / 8);
	/* Others find room beside it, and then there is one block. */
	for (uint64_t i = 0; i < NAMES_CACHE_BLOCKS; i++)
		assert_int_equal(request(fd, 5000 + i, 1, 0, no_files()).error, 0);
	assert_int_equal(blocks_in(fd), 1);
	assert_int_equal(request(fd, 0, MAX_ASKED, padding, no_files()).known, MAX_ASKED);
	assert_int_equal(request(fd, 5000, 16, 0, no_files()).known, 16);
}

/* What cannot be packed makes the file no larger than it may be. */
static void noise_is_not_kept(void **state)
{
	_cleanup_close_ int fd = new_file();
	const size_t length = 50000;
	struct sources sources = {.want = want, .userdata = no_files()};
	char *text = malloc(length + 1);
	uint64_t offsets[200], noise = 1;
	struct names answer;
	struct names_cache c;

	assert_non_null(text);
	for (size_t i = 0; i < 200; i++)
		offsets[i] = i;
	for (size_t n = 100; n <= 200; n += 100) {
		assert_int_equal(names_init(&answer, offsets, n), 0);
		for (size_t i = 0; i < n; i++) {
			for (size_t k = 0; k < length; k++)
				text[k] = (char)((noise = noise * 6364136223846793005 + 1) >> 57 |
						 128);
			text[length] = '\0';
			struct names_frame frame = {names_symbol(&answer, text, 0), 0};
			names_set(&answer, i, &frame, 1);
		}
		names_cache_load(&c, fd, &module, SYMBOLIZER_ELF);
		assert_int_equal(names_cache_keep(&c, &answer, offsets, &sources), 0);
		names_cache_close(&c);
		names_free(&answer);
		assert_int_equal(blocks_in(fd), n == 100);
		assert_int_equal(ftruncate(fd, 0), 0);
	}
	free(text);
}

/* ---- what names came from ----------------------------------------------------------------- */

static void names_do_not_outlive_what_they_came_from(void **state)
{
	_cleanup_close_ int fd = new_file(), debug = new_file(), other = new_file();
	struct files files = {{-1, -1}, 0};

	request(fd, 0, 10, 0, &files);
	assert_int_equal(request(fd, 0, 10, 0, &files).known, 10);
	files.fds[0] = debug; /* it is installed */
	assert_int_equal(request(fd, 0, 10, 0, &files).known, 0);
	assert_int_equal(request(fd, 0, 10, 0, &files).known, 10);
	assert_int_equal(write(debug, "x", 1), 1); /* it is another one */
	assert_int_equal(request(fd, 0, 10, 0, &files).known, 0);
	assert_int_equal(request(fd, 0, 10, 0, &files).known, 10);
	files.fds[1] = other; /* nobody wanted that */
	assert_int_equal(request(fd, 0, 10, 0, &files).known, 10);
	files.fds[0] = -1; /* it is gone */
	assert_int_equal(request(fd, 0, 10, 0, &files).known, 0);
}

/* A module that stays open remembers what it was opened with. */
static void what_changed_meanwhile_is_not_kept(void **state)
{
	_cleanup_close_ int fd = new_file(), debug = new_file();
	struct files files = {{-1, -1}, 0};
	struct sources sources = {.want = want, .userdata = &files};
	static const uint64_t offset = 20;
	struct names answer;
	struct names_cache c;

	request(fd, 0, 10, 0, &files);
	files.fds[0] = debug;
	assert_int_equal(names_init(&answer, &offset, 1), 0);
	names_cache_load(&c, fd, &module, SYMBOLIZER_ELF);
	close_fd(sources_want(&sources, "debug"));
	name(&answer, &offset, 0);
	assert_int_equal(names_cache_keep(&c, &answer, &offset, &sources), 0);
	names_cache_close(&c);
	assert_int_equal(blocks_in(fd), 1);

	/* Nor what comes from files of two times. */
	files.fds[0] = -1;
	close_fd(sources_want(&sources, "debug"));
	assert_true(sources.incomplete);
	sources_clear(&sources);
	names_free(&answer);
}

static void too_many_sources_are_not_kept(void **state)
{
	_cleanup_close_ int fd = new_file();
	struct sources sources = {.want = want, .userdata = no_files()};
	static const uint64_t offset = 20;
	struct names answer;
	struct names_cache c;
	char what[32];

	assert_int_equal(names_init(&answer, &offset, 1), 0);
	name(&answer, &offset, 0);
	for (unsigned i = 0; i <= SOURCES_MAX; i++) {
		names_cache_load(&c, fd, &module, SYMBOLIZER_ELF);
		if (i == SOURCES_MAX)
			assert_int_equal(names_cache_keep(&c, &answer, &offset, &sources), 0);
		names_cache_close(&c);
		snprintf(what, sizeof(what), "%u.dwo", i);
		close_fd(sources_want(&sources, what));
	}
	assert_int_equal(blocks_in(fd), 1);
	assert_int_equal(ftruncate(fd, 0), 0);
	names_cache_load(&c, fd, &module, SYMBOLIZER_ELF);
	assert_int_equal(names_cache_keep(&c, &answer, &offset, &sources), 0);
	names_cache_close(&c);
	assert_int_equal(blocks_in(fd), 0);
	sources_clear(&sources);
	names_free(&answer);
}

/* ---- accidents and lies ------------------------------------------------------------------- */

/* No byte can change without being noticed, and no size makes an error. */
static void broken_files_hold_nothing(void **state)
{
	_cleanup_close_ int fd = two_blocks();
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	for (off_t at = 0; at < st.st_size; at++) {
		uint8_t byte, changed;
		size_t known;

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		changed = byte ^ 0x40;
		assert_int_equal(pwrite(fd, &changed, 1, at), 1);
		known = known_in(fd, &module, SYMBOLIZER_ELF);
		assert_true(known == 0 || known == 10); /* what is before it is there */
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	assert_int_equal(known_in(fd, &module, SYMBOLIZER_ELF), 15);
	for (off_t size = st.st_size; size--;) {
		assert_int_equal(ftruncate(fd, size), 0);
		assert_int_equal(known_in(fd, &module, SYMBOLIZER_ELF), 0);
	}
}

static void a_broken_file_is_begun_anew(void **state)
{
	_cleanup_close_ int fd = two_blocks();

	assert_int_equal(pwrite(fd, "x", 1, sizeof(struct names_cache_header) + 100), 1);
	assert_int_equal(request(fd, 0, 10, 0, no_files()).known, 0);
	assert_int_equal(request(fd, 0, 10, 0, no_files()).known, 10);
	assert_int_equal(pwrite(fd, "x", 1, 0), 1);
	assert_int_equal(request(fd, 0, 10, 0, no_files()).known, 0);
	assert_int_equal(request(fd, 0, 10, 0, no_files()).known, 10);
}

static void a_full_disk_is_told(void **state)
{
	_cleanup_close_ int fd = open("/dev/full", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(request(fd, 0, 10, 0, no_files()).error, -ENOSPC);
	assert_int_equal(request(fd, 0, 10, 0, no_files()).known, 0);
}

/* As another process adds it, which has the same end of the file in mind. */
static void two_may_add_at_once(void **state)
{
	_cleanup_close_ int fd = new_file();
	struct sources sources = {.want = want, .userdata = no_files()};
	static const uint64_t offsets[] = {100, 200};
	struct names_cache c[2];
	struct names answer[2];

	request(fd, 0, 10, 0, no_files());
	for (size_t i = 0; i < 2; i++)
		names_cache_load(&c[i], fd, &module, SYMBOLIZER_ELF);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(names_init(&answer[i], &offsets[i], 1), 0);
		name(&answer[i], &offsets[i], i * 100);
		assert_int_equal(names_cache_keep(&c[i], &answer[i], &offsets[i], &sources), 0);
		names_free(&answer[i]);
		names_cache_close(&c[i]);
	}
	assert_int_equal(known_in(fd, &module, SYMBOLIZER_ELF), 10);
	assert_int_equal(request(fd, 200, 1, 0, no_files()).known, 1);
	assert_int_equal(request(fd, 100, 1, 0, no_files()).known, 0);
	assert_int_equal(request(fd, 100, 1, 0, no_files()).known, 1);
}

/* A file with one block of ten addresses and one source, taken apart. */
struct forgery {
	struct names_cache_header header;
	struct names_cache_block_head head;
	struct names_cache_source source;
	uint64_t offsets[10];
	char names[8];
	char answer[1 << 16]; /* unpacked */
	size_t answer_size;
	size_t cut;	 /* bytes that the file lacks at its end */
	char spoiled[8]; /* instead of the first bytes of what is packed */
};

static void read_part(int fd, void *to, size_t size, off_t *at)
{
	assert_int_equal(pread(fd, to, size, *at), size);
	*at += (off_t)size;
}

static void load_forgery(struct forgery *f, int fd)
{
	char packed[1 << 16];
	off_t at = 0;

	*f = (struct forgery){0};
	read_part(fd, &f->header, sizeof(f->header), &at);
	read_part(fd, &f->head, sizeof(f->head), &at);
	read_part(fd, &f->source, sizeof(f->source), &at);
	read_part(fd, f->offsets, sizeof(f->offsets), &at);
	read_part(fd, f->names, sizeof(f->names), &at);
	read_part(fd, packed, f->head.packed_size, &at);
	f->answer_size = ZSTD_decompress(f->answer, sizeof(f->answer), packed, f->head.packed_size);
	assert_int_equal(f->answer_size, f->head.answer_size);
	f->head.packed_size = 0;
}

/* With all checksums right, by who knows how they are made. */
static size_t known_of(struct forgery *f, int fd)
{
	static char bytes[1 << 17];
	const size_t before = sizeof(f->head) + sizeof(f->source) + sizeof(f->offsets) +
			      sizeof(f->names);
	size_t packed = ZSTD_compress(
		bytes + before, sizeof(bytes) - before, f->answer, f->answer_size, 1);
	size_t size = before + ((packed + 7) & ~(size_t)7) - f->cut;
	uint64_t seed = XXH3_64bits_withSeed(&f->header.file, sizeof(f->header.file), 0);

	if (*f->spoiled)
		memcpy(bytes + before, f->spoiled, sizeof(f->spoiled));
	f->head.packed_size += (uint32_t)packed;
	memcpy(bytes, &f->head, sizeof(f->head) + sizeof(f->source) + sizeof(f->offsets));
	memcpy(bytes + before - sizeof(f->names), f->names, sizeof(f->names));
	f->head.checksum = XXH3_64bits_withSeed(bytes + 8, size - 8, seed ^ f->header.kind);
	memcpy(bytes, &f->head, sizeof(f->head.checksum));
	f->header.end = sizeof(f->header) + size;
	f->header.checksum = XXH3_64bits(&f->header, offsetof(struct names_cache_header, checksum));
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, &f->header, sizeof(f->header), 0), sizeof(f->header));
	assert_int_equal(pwrite(fd, bytes, size, sizeof(f->header)), size);
	return known_in(fd, &module, SYMBOLIZER_ELF);
}

static void forged_blocks_are_refused(void **state)
{
	_cleanup_close_ int fd = new_file();
	static struct forgery good, bad;
	struct names_cache_block_head *head = &bad.head;
	struct symbolizer_answer *answer = (void *)bad.answer;
	struct symbolizer_address *addresses = (void *)((char *)(answer + 1) +
							sizeof(struct symbolizer_segment));
	struct symbolizer_function *functions = (void *)(addresses + 10);

	request(fd, 0, 10, 0, no_files());
	load_forgery(&good, fd);
	bad = good;
	assert_int_equal(known_of(&bad, fd), 10);
#define REFUSED(change)                                  \
	do {                                             \
		bad = good;                              \
		change;                                  \
		assert_int_equal(known_of(&bad, fd), 0); \
	} while (0)
	REFUSED(head->n_sources = UINT32_MAX);
	REFUSED(head->n_sources = SOURCES_MAX);
	REFUSED(head->n_sources = 0);
	REFUSED(head->n_addresses = UINT32_MAX);
	REFUSED(head->n_addresses = 9);
	REFUSED(head->names_size = UINT32_MAX);
	REFUSED(head->names_size = 0);
	REFUSED(head->names_size = 5); /* without its end */
	REFUSED(head->packed_size = UINT32_MAX - 100);
	REFUSED(head->packed_size--);
	REFUSED(head->answer_size = UINT32_MAX);
	REFUSED(head->answer_size = NAMES_CACHE_CONTENT);
	REFUSED(head->answer_size = 0);
	REFUSED(head->answer_size--);
	REFUSED(head->answer_size++);
	REFUSED(bad.source.name = 6);
	REFUSED(bad.source.name = UINT32_MAX);
	REFUSED(memcpy(bad.spoiled, "spoiled", 8));
	REFUSED(bad.answer[bad.answer_size - 1] = 'x');
	REFUSED(head->answer_size = (uint32_t)(bad.answer_size -= 8));
	REFUSED(bad.offsets[1] = bad.offsets[0]);
	REFUSED(bad.offsets[9] = 0);
	REFUSED(answer->n_addresses = 9);
	REFUSED(answer->error = -ENOMEM);
	REFUSED(answer->n_cached = 11);
	REFUSED(answer->cache_error = 1);
	REFUSED(answer->n_segments = UINT32_MAX);
	REFUSED(addresses->count = UINT32_MAX);
	REFUSED(addresses->first = UINT32_MAX);
	REFUSED(functions->name = UINT32_MAX);
	REFUSED(functions->name = 0);
	REFUSED(functions->start_line = UINT32_MAX);
	REFUSED(bad.header.version++);
	REFUSED(bad.header.kind++);
	REFUSED(bad.cut = 8);
	/* A name that leads elsewhere. */
	REFUSED(memcpy(bad.names, "de/ug", 6));
	REFUSED(memcpy(bad.names, "de\nug", 6));
#undef REFUSED
	bad = good;
	memcpy(bad.names, "de-ug", 6);
	assert_int_equal(known_of(&bad, fd), 10);
}

/* Who asks for what is in one block has no other one unpacked. */
static void only_what_is_asked_for_is_unpacked(void **state)
{
	_cleanup_close_ int fd = two_blocks();
	static const uint64_t first = 3, none = 900;
	struct names answer;
	struct names_cache c;

	names_cache_load(&c, fd, &module, SYMBOLIZER_ELF);
	assert_int_equal(c.n_blocks, 2);
	assert_int_equal(names_init(&answer, &none, 1), 0);
	names_cache_find(&c, &answer, &none);
	assert_int_equal(answer.n_known, 0);
	assert_null(c.blocks[0].unpacked);
	names_cache_find(&c, &answer, &first);
	assert_int_equal(answer.n_known, 1);
	assert_non_null(c.blocks[0].unpacked);
	assert_null(c.blocks[1].unpacked);
	names_free(&answer);
	names_cache_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_kept_is_found),
		cmocka_unit_test(nothing_is_there_without_a_file),
		cmocka_unit_test(other_modules_find_nothing),
		cmocka_unit_test(many_blocks_become_one),
		cmocka_unit_test(a_full_file_keeps_what_is_used),
		cmocka_unit_test(a_large_answer_is_kept),
		cmocka_unit_test(noise_is_not_kept),
		cmocka_unit_test(names_do_not_outlive_what_they_came_from),
		cmocka_unit_test(what_changed_meanwhile_is_not_kept),
		cmocka_unit_test(too_many_sources_are_not_kept),
		cmocka_unit_test(broken_files_hold_nothing),
		cmocka_unit_test(a_broken_file_is_begun_anew),
		cmocka_unit_test(a_full_disk_is_told),
		cmocka_unit_test(two_may_add_at_once),
		cmocka_unit_test(forged_blocks_are_refused),
		cmocka_unit_test(only_what_is_asked_for_is_unpacked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
