// SPDX-License-Identifier: MIT
/* Names from ELF and DWARF: this program asks for places in itself whose lines it knows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "own_file.h"
#include "symbolizer/elf_module.h"
#include "util/cleanup.h"

struct place {
	uintptr_t address;
	uint32_t inner, middle, outer; /* lines */
};

/* The address of the call that returns to the caller, as profilers ask for it. */
static __attribute__((noinline)) uintptr_t here(void)
{
	__asm__ volatile("");
	return (uintptr_t)__builtin_return_address(0) - 1;
}

static inline __attribute__((always_inline)) void inner(struct place *p)
{
	p->inner = __LINE__, p->address = here();
	__asm__ volatile("" ::: "memory");
}

static inline __attribute__((always_inline)) void middle(struct place *p)
{
	p->middle = __LINE__, inner(p);
	__asm__ volatile("" ::: "memory");
}

static __attribute__((noinline)) void outer(struct place *p)
{
	p->outer = __LINE__, middle(p);
	__asm__ volatile("" ::: "memory");
}

static int no_file(void *userdata, const char *name)
{
	(*(unsigned *)userdata)++;
	return -1;
}

static int no_scratch(void *userdata)
{
	return -1;
}

struct fixture {
	struct names answer;
	unsigned wanted;
	int error;
	bool virtual; /* what is asked */
};

static void resolve(struct fixture *f, int fd, const uint64_t *offsets, size_t n, bool symbols_only)
{
	struct elf_module_options options = {
		.virtual = f->virtual,
		.symbols_only = symbols_only,
		.heap_limit = 1 << 20,
		.want = no_file,
		.scratch = no_scratch,
		.userdata = &f->wanted,
	};

	struct elf_modules modules = {0};

	f->wanted = 0;
	assert_int_equal(names_init(&f->answer, offsets, n), 0);
	f->error = elf_modules_resolve(&modules, &f->answer, fd, offsets, n, &options);
	elf_modules_free(&modules);
}

static const struct symbolizer_function *function(const struct fixture *f, size_t line)
{
	return &f->answer.functions[f->answer.lines[line].function];
}

static void expect_frame(const struct fixture *f, size_t i, const char *name, uint32_t line)
{
	const struct symbolizer_function *is = function(f, i);
	const char *file = f->answer.strings + is->file;

	assert_string_equal(f->answer.strings + is->name, name);
	assert_int_equal(f->answer.lines[i].line, line);
	assert_true(is->start_line > 0 && is->start_line < line);
	assert_int_equal(*file, '/');
	assert_non_null(strstr(file, "test_symbolizer_elf.c"));
}

static int open_self(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void inlined_calls_have_lines(void **state)
{
	struct place place;
	struct fixture f = {0};
	int fd = open_self();

	outer(&place);
	uint64_t offset = own_file_offset(place.address);

	resolve(&f, fd, &offset, 1, false);
	assert_int_equal(f.error, 0);
	if (!(f.answer.head.flags & SYMBOLIZER_HAS_LINES))
		skip(); /* built without -g */
	assert_int_equal(f.answer.addresses[0].count, 3);
	expect_frame(&f, 0, "inner", place.inner);
	expect_frame(&f, 1, "middle", place.middle);
	expect_frame(&f, 2, "outer", place.outer);
	assert_int_equal(f.wanted, 0);
	names_free(&f.answer);
	close(fd);
}

/* Bounds in the file of the stubs through which this program calls libraries; false: none. */
static bool stubs(int fd, const char *name, uint64_t *offset, uint64_t *size)
{
	struct elf_file file;
	Elf_Scn *section;
	GElf_Shdr sh;

	assert_int_equal(elf_file_open(&file, fd), 0);
	section = elf_file_section(&file, name);
	if (section)
		assert_non_null(gelf_getshdr(section, &sh));
	*offset = section ? sh.sh_offset : 0;
	*size = section ? sh.sh_size : 0;
	elf_file_close(&file);
	return section;
}

static void stubs_have_names(void **state)
{
	static const char *const sections[] = {".plt", ".plt.got", ".plt.sec"};
	unsigned named = 0, known = 0;
	int fd = open_self();

	for (size_t i = 0; i < sizeof(sections) / sizeof(*sections); i++) {
		uint64_t offset, size, offsets[4096];
		struct fixture f;
		size_t n = 0;

		if (!stubs(fd, sections[i], &offset, &size))
			continue;
		for (; n < size / 8 && n < 4096; n++)
			offsets[n] = offset + 8 * n;
		resolve(&f, fd, offsets, n, false);
		for (size_t k = 0; k < f.answer.n_functions; k++) {
			const char *name = f.answer.strings + f.answer.functions[k].name;
			size_t length = strlen(name);

			named += length > 4 && !strcmp(name + length - 4, "@plt");
			known += !strcmp(name, "memfd_create@plt");
		}
		names_free(&f.answer);
	}
	assert_true(named > 10);
	assert_int_equal(known, 1);
	close(fd);
}

static void symbols_only_has_no_lines(void **state)
{
	struct place place;
	struct fixture f = {0};
	int fd = open_self();

	outer(&place);
	uint64_t offset = own_file_offset(place.address);

	resolve(&f, fd, &offset, 1, true);
	assert_int_equal(f.error, 0);
	assert_int_equal(f.answer.addresses[0].count, 1);
	assert_string_equal(f.answer.strings + function(&f, 0)->name, "outer");
	assert_int_equal(f.answer.lines[0].line, 0);
	assert_int_equal(f.answer.head.flags,
		SYMBOLIZER_SEES_DWARF | SYMBOLIZER_SEES_SYMTAB | SYMBOLIZER_SEES_DYNSYM);
	assert_int_equal(f.wanted, 0);
	names_free(&f.answer);
	close(fd);
}

/* Where the segments lie is told, and whoever knows it can ask by address. */
static void addresses_may_be_virtual(void **state)
{
	struct fixture f = {.virtual = true};
	int fd = open_self();
	uint64_t at = (uintptr_t)outer - own_file().dlpi_addr;

	resolve(&f, fd, &at, 1, false);
	assert_int_equal(f.error, 0);
	assert_int_equal(f.answer.addresses[0].vaddr, at);
	assert_true(f.answer.addresses[0].count > 0);
	size_t last = f.answer.addresses[0].count - 1; /* it begins with what is inlined */
	assert_string_equal(f.answer.strings + function(&f, last)->name, "outer");
	assert_true(f.answer.head.flags & SYMBOLIZER_HAS_LINES);
	names_free(&f.answer);
	close(fd);
}

static void segments_and_addresses_are_told(void **state)
{
	struct place place;
	struct fixture f = {0};
	int fd = open_self();

	outer(&place);
	uint64_t offsets[] = {own_file_offset(place.address), UINT64_MAX - 1};

	resolve(&f, fd, offsets, 2, true);
	assert_true(f.answer.n_segments >= 1);
	assert_int_equal(f.answer.addresses[0].vaddr, place.address - own_file().dlpi_addr);
	/* Beyond the file: no segment, no name, and the offset itself. */
	assert_int_equal(f.answer.addresses[1].vaddr, UINT64_MAX - 1);
	assert_int_equal(f.answer.addresses[1].count, 0);
	names_free(&f.answer);
	close(fd);
}

static void other_files_are_refused(void **state)
{
	static const uint64_t offset = 16;
	struct fixture f = {0};
	int fd = memfd_create("text", MFD_CLOEXEC);

	assert_int_equal(write(fd, "#!/bin/sh\n", 10), 10);
	resolve(&f, fd, &offset, 1, false);
	assert_int_equal(f.error, -ENOEXEC);
	assert_int_equal(f.answer.addresses[0].count, 0);
	names_free(&f.answer);
	close(fd);
}

/* Without DWARF it asks for a debug file by build-id and by link, and says that it lacks one; what
 * it gets is not believed. */
static void headers_alone_do_no_harm(void **state)
{
	static const uint64_t offset = 0x1000;
	uint8_t head[4096];
	struct fixture f = {0};
	int self = open_self(), fd = memfd_create("head", MFD_CLOEXEC);

	assert_int_equal(read(self, head, sizeof(head)), sizeof(head));
	assert_int_equal(write(fd, head, sizeof(head)), sizeof(head));
	resolve(&f, fd, &offset, 1, false);
	assert_int_equal(f.answer.addresses[0].count, 0);
	assert_int_equal(f.wanted, *f.answer.head.build_id ? 2 : 0);
	names_free(&f.answer);
	close(fd);
	close(self);
}

/* Changes bytes of this very program, all over, with a seed that is always the same. */
static void damage_does_no_harm(void **state)
{
	int self = open_self(), fd = memfd_create("damaged", MFD_CLOEXEC);
	struct stat st;
	uint64_t offsets[64];
	uint32_t random = 1;

	assert_int_equal(fstat(self, &st), 0);
	size_t size = (size_t)st.st_size;
	uint8_t *good = mmap(NULL, size, PROT_READ, MAP_PRIVATE, self, 0);

	assert_ptr_not_equal(good, MAP_FAILED);
	assert_int_equal(ftruncate(fd, st.st_size), 0);
	uint8_t *bad = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	assert_ptr_not_equal(bad, MAP_FAILED);
	uint64_t code = own_file_offset((uintptr_t)outer);

	for (size_t i = 0; i < 64; i++)
		offsets[i] = (code & ~4095ULL) + 64 * i;
	for (unsigned round = 0; round < 30; round++) {
		struct fixture f = {0};

		memcpy(bad, good, size);
		for (unsigned i = 0; i < 50; i++) {
			random = random * 1664525 + 1013904223;
			bad[64 + (random >> 4) % (size - 64)] = (uint8_t)(random >> 24);
		}
		resolve(&f, fd, offsets, 64, false);
		names_free(&f.answer);
	}
	munmap(good, size);
	munmap(bad, size);
	close(fd);
	close(self);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inlined_calls_have_lines),
		cmocka_unit_test(stubs_have_names),
		cmocka_unit_test(symbols_only_has_no_lines),
		cmocka_unit_test(segments_and_addresses_are_told),
		cmocka_unit_test(addresses_may_be_virtual),
		cmocka_unit_test(other_files_are_refused),
		cmocka_unit_test(headers_alone_do_no_harm),
		cmocka_unit_test(damage_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
