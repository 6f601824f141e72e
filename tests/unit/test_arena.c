// SPDX-License-Identifier: MIT
/* Memory in a scratch file: what two arenas have does not mix, and room is used again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helper/scratch.h"
#include "symbolizer/arena.h"
#include "util/cleanup.h"

#define PIECE 100000
#define MANY  40 /* of more than one chunk */
#define ROOM  (16u << 20)

static void fill(struct arena *a, uint8_t **pieces, uint8_t value)
{
	for (size_t i = 0; i < MANY; i++) {
		pieces[i] = arena_alloc(a, PIECE);
		assert_non_null(pieces[i]);
		memset(pieces[i], value, PIECE);
	}
}

static void expect_filled(uint8_t *const *pieces, uint8_t value)
{
	for (size_t i = 0; i < MANY; i++)
		for (size_t k = 0; k < PIECE; k++)
			assert_int_equal(pieces[i][k], value);
}

static void the_room_of_the_last_one_is_used_again(void **state)
{
	_cleanup_close_ int fd = memfd_create("scratch", MFD_CLOEXEC);
	struct scratch_file file = {.fd = fd, .size = ROOM};
	struct arena first = {.file = &file}, second = {.file = &file};
	uint8_t *kept[MANY], *pieces[MANY];
	struct stat once, often;
	(void)state;

	assert_true(fd >= 0 && !ftruncate(fd, ROOM));
	fill(&first, kept, 1);
	fill(&second, pieces, 2);
	assert_int_equal(fstat(fd, &once), 0);
	for (uint8_t i = 3; i < 9; i++) {
		arena_free(&second);
		fill(&second, pieces, i);
		expect_filled(pieces, i);
		expect_filled(kept, 1);
	}
	assert_int_equal(fstat(fd, &often), 0);
	assert_int_equal(often.st_size, ROOM);
	assert_int_equal(often.st_blocks, once.st_blocks);
	/* What others have behind it stays theirs. */
	arena_free(&first);
	fill(&first, kept, 1);
	expect_filled(pieces, 8);
	arena_free(&first);
	assert_true(file.end > 0);
	arena_free(&second);
	assert_int_equal(file.end, 0);
	assert_int_equal(fstat(fd, &often), 0);
	assert_int_equal(often.st_blocks, 0);
}

static void the_last_piece_can_be_given_back(void **state)
{
	_cleanup_close_ int fd = memfd_create("scratch", MFD_CLOEXEC);
	struct scratch_file file = {.fd = fd, .size = ROOM};
	struct arena arenas[] = {{.file = &file}, {.file = NULL}};
	(void)state;

	assert_true(fd >= 0 && !ftruncate(fd, ROOM));
	for (size_t i = 0; i < 2; i++) {
		struct arena *a = &arenas[i];
		uint8_t *first, *piece;

		assert_non_null(arena_alloc(a, ROOM / 2));
		arena_undo(a, ROOM / 2);
		assert_int_equal(a->bytes, 0);
		first = arena_alloc(a, 100);
		piece = arena_alloc(a, 99);
		assert_true(first && piece);
		memset(first, 1, 100);
		arena_undo(a, 99);
		assert_ptr_equal(arena_alloc(a, 50), piece);
		for (size_t k = 0; k < 4; k++) {
			piece = arena_alloc(a, ROOM / 2);
			assert_non_null(piece);
			memset(piece, 2, ROOM / 2);
			arena_undo(a, ROOM / 2);
		}
		piece = arena_alloc(a, 100);
		assert_non_null(piece);
		memset(piece, 3, 100);
		assert_int_equal(first[99], 1);
		arena_free(a);
	}
	assert_int_equal(file.used, 0);
}

static void a_file_is_not_made_larger(void **state)
{
	_cleanup_close_ int fd = memfd_create("scratch", MFD_CLOEXEC);
	struct scratch_file file = {.fd = fd, .size = ROOM};
	struct arena a = {.file = &file};
	(void)state;

	assert_true(fd >= 0 && !ftruncate(fd, ROOM));
	assert_null(arena_alloc(&a, ROOM + 1));
	assert_non_null(arena_alloc(&a, ROOM / 2));
	assert_null(arena_alloc(&a, ROOM / 2 + PIECE));
	assert_non_null(arena_alloc(&a, ROOM / 2));
	assert_null(arena_alloc(&a, 1));
	arena_free(&a);
	assert_non_null(arena_alloc(&a, ROOM));
	arena_free(&a);
}

/* What is written into the file needs no right to make files as large. */
static void it_may_be_larger_than_files_may_become(void **state)
{
	_cleanup_close_ int fd = scratch_open("/tmp");
	struct rlimit before, now;
	struct scratch_file file = {.fd = fd, .size = ROOM};
	struct arena a = {.file = &file};
	struct stat st;
	uint8_t *bytes;
	(void)state;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_in_range(st.st_size, ROOM, SCRATCH_MAX);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(st.st_blocks, 0);
	getrlimit(RLIMIT_FSIZE, &before);
	now = before;
	now.rlim_cur = 4096;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
	bytes = arena_alloc(&a, ROOM / 2);
	assert_int_equal(pwrite(fd, "x", 1, 5000), -1);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_non_null(bytes);
	memset(bytes, 1, ROOM / 2);
	arena_free(&a);
}

static void too_much_is_refused(void **state)
{
	struct arena a = {0};
	static const char text[] = "kept";
	(void)state;

	assert_null(arena_alloc(&a, ARENA_MAX + 1));
	assert_null(arena_alloc(&a, ARENA_HEAP_MAX + 1));
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_copy(&a, text, SIZE_MAX, 2));
	assert_string_equal(arena_copy(&a, text, sizeof(text), 1), text);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_room_of_the_last_one_is_used_again),
		cmocka_unit_test(the_last_piece_can_be_given_back),
		cmocka_unit_test(a_file_is_not_made_larger),
		cmocka_unit_test(it_may_be_larger_than_files_may_become),
		cmocka_unit_test(too_much_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
