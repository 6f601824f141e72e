// SPDX-License-Identifier: MIT
/* Where CFI is found in ELF files: this program with and without section headers, the vDSO, and
 * small files made for it, with .debug_frame in all its forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "elf_fixture.h"
#include "symbolizer/elf_file.h"
#include "unwind/cfi_source.h"
#include "unwind/compile.h"
#include "unwind/page.h"
#include "util/cleanup.h"

struct opened {
	int fd;
	struct elf_file file;
	struct cfi_source source;
};

static int open_source(struct opened *o, int fd)
{
	o->fd = fd;
	assert_true(fd >= 0);
	assert_int_equal(elf_file_open(&o->file, fd), 0);
	return cfi_source_read(&o->source, &o->file);
}

static void close_source(struct opened *o)
{
	elf_file_close(&o->file);
	close(o->fd);
}

static int copy_of_self(void)
{
	int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC),
	    fd = memfd_create("copy", MFD_CLOEXEC);
	char buffer[65536];
	ssize_t n;

	assert_true(self >= 0 && fd >= 0);
	while ((n = read(self, buffer, sizeof(buffer))) > 0)
		assert_int_equal(write(fd, buffer, (size_t)n), n);
	close(self);
	return fd;
}

static size_t compile_first(const struct cfi_source *source, uint32_t words[UNWIND_PAGE_WORDS])
{
	struct unwind_module *m;
	int n;

	assert_int_equal(unwind_module_open(&m, source), 0);
	n = unwind_module_compile(m, unwind_module_page(m, 0), words);
	assert_in_range(n, 1, UNWIND_PAGE_WORDS);
	unwind_module_close(m);
	return (size_t)n;
}

static void test_without_sections(void **state)
{
	static uint32_t with[UNWIND_PAGE_WORDS], without[UNWIND_PAGE_WORDS];
	struct opened whole, bare;
	Elf64_Ehdr header;
	size_t n;
	int fd = copy_of_self();

	assert_int_equal(open_source(&whole, open("/proc/self/exe", O_RDONLY | O_CLOEXEC)), 0);
	n = compile_first(&whole.source, with);
	assert_true(n > 200);
	assert_int_equal(pread(fd, &header, sizeof(header), 0), sizeof(header));
	header.e_shoff = 0;
	header.e_shnum = header.e_shstrndx = 0;
	assert_int_equal(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
	assert_int_equal(open_source(&bare, fd), 0);
	assert_int_equal(compile_first(&bare.source, without), n);
	assert_memory_equal(with, without, n * UNWIND_WORD);
	close_source(&whole);
	close_source(&bare);
}

/* This very function has CFI, as has its caller. */
static void test_own_address(void **state)
{
	static uint32_t words[UNWIND_PAGE_WORDS];
	uint64_t base = getauxval(AT_PHDR), address = (uintptr_t)test_own_address;
	const Elf64_Phdr *first = (const Elf64_Phdr *)base;
	struct opened self;
	struct unwind_module *m;

	assert_int_equal(first->p_type, PT_PHDR);
	address -= base - first->p_vaddr;
	assert_int_equal(open_source(&self, open("/proc/self/exe", O_RDONLY | O_CLOEXEC)), 0);
	assert_int_equal(self.source.entry, getauxval(AT_ENTRY) - (base - first->p_vaddr));
	assert_int_equal(unwind_module_open(&m, &self.source), 0);
	assert_true(unwind_module_compile(m, address & ~0xffffULL, words) > 0);
	/* CFA = rsp + 8 */
	assert_int_equal(page_find((struct unwind_page *)words, (uint16_t)address), 1);
	unwind_module_close(m);
	close_source(&self);
}

static void test_vdso(void **state)
{
	static uint32_t words[UNWIND_PAGE_WORDS];
	const char *image = (const char *)getauxval(AT_SYSINFO_EHDR);
	struct elf_file file = {0};
	struct cfi_source source;

	if (!image)
		skip();
	/* It has no more than two pages; the kernel says nowhere how many. */
	file.elf = elf_memory((char *)(uintptr_t)image, 4096);
	assert_int_equal(cfi_source_read(&source, &file), 0);
	assert_int_equal(source.n_frames, 1);
	assert_true(compile_first(&source, words) > sizeof(struct unwind_page) / UNWIND_WORD + 2);
	elf_file_close(&file);
}

/* ---- .debug_frame ------------------------------------------------------------------------- */

static void expect_frames(const struct cfi_source *source, size_t n_frames)
{
	static uint32_t words[UNWIND_PAGE_WORDS];
	const struct unwind_page *page = (struct unwind_page *)words;

	assert_int_equal(source->n_frames, n_frames);
	compile_first(source, words);
	assert_int_equal(page_find(page, ELF_CODE - 1), UNWIND_ESCAPE | UNWIND_NONE);
	assert_int_equal(page_find(page, ELF_CODE), n_frames ? 3 : UNWIND_ESCAPE | UNWIND_NONE);
	assert_int_equal(page_find(page, ELF_CODE + 16), UNWIND_ESCAPE | UNWIND_NONE);
}

static void test_debug_frame(void **state)
{
	for (enum how how = PLAIN; how <= ZSTD; how++) {
		struct opened file, debug;

		assert_int_equal(open_source(&file, elf_fixture(how, true, true)), 0);
		expect_frames(&file.source, 1);
		close_source(&file);
		assert_int_equal(open_source(&file, elf_fixture(how, true, false)), 0);
		expect_frames(&file.source, 0);
		assert_int_equal(open_source(&debug, elf_fixture(how, false, true)), 0);
		cfi_source_add_debug(&file.source, &debug.file);
		expect_frames(&file.source, 1);
		close_source(&debug);
		close_source(&file);
	}
}

/* A size that would fill memory is not believed. */
static void test_inflated_size(void **state)
{
	static const uint64_t sizes[] = {CFI_MAX_INFLATED + 1, UINT64_MAX, 1};
	const size_t n = sizeof(sizes) / sizeof(*sizes);

	for (size_t i = 0; i < 2 * n; i++) {
		int fd = elf_fixture(i < n ? COMPRESSED : ZSTD, true, true);
		struct opened file;
		Elf64_Shdr sh;
		Elf64_Ehdr header;

		assert_int_equal(pread(fd, &header, sizeof(header), 0), sizeof(header));
		assert_int_equal(
			pread(fd, &sh, sizeof(sh), (off_t)(header.e_shoff + 3 * sizeof(sh))),
			sizeof(sh));
		assert_true(sh.sh_flags & SHF_COMPRESSED);
		assert_int_equal(pwrite(fd, &sizes[i % n], 8,
					 (off_t)(sh.sh_offset + offsetof(Elf64_Chdr, ch_size))),
			8);
		assert_int_equal(open_source(&file, fd), 0);
		expect_frames(&file.source, 0);
		close_source(&file);
	}
}

/* ---- broken files ------------------------------------------------------------------------- */

static void test_cut_files(void **state)
{
	struct stat st;
	int fd = elf_fixture(PLAIN, true, true);
	struct elf_file file;
	struct cfi_source source;

	assert_int_equal(fstat(fd, &st), 0);
	for (off_t size = st.st_size; size--;) {
		assert_int_equal(ftruncate(fd, size), 0);
		if (!elf_file_open(&file, fd) && !cfi_source_read(&source, &file) &&
			source.n_code) {
			static uint32_t words[UNWIND_PAGE_WORDS];

			compile_first(&source, words);
		}
		elf_file_close(&file);
	}
	close(fd);
}

static void test_other_classes(void **state)
{
	static const struct {
		off_t at;
		uint8_t value;
	} changes[] = {{EI_CLASS, ELFCLASS32}, {EI_DATA, ELFDATA2MSB}};

	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		int fd = elf_fixture(PLAIN, true, true);
		struct opened file;

		assert_int_equal(pwrite(fd, &changes[i].value, 1, changes[i].at), 1);
		assert_int_equal(open_source(&file, fd), -ENOEXEC);
		close_source(&file);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_sections),
		cmocka_unit_test(test_own_address),
		cmocka_unit_test(test_vdso),
		cmocka_unit_test(test_debug_frame),
		cmocka_unit_test(test_inflated_size),
		cmocka_unit_test(test_cut_files),
		cmocka_unit_test(test_other_classes),
	};

	elf_version(EV_CURRENT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
