// SPDX-License-Identifier: MIT
/*
 * CFI of a profiled process. A first byte chooses: a whole ELF file, or the bytes of .eh_frame,
 * .eh_frame_hdr, .debug_frame and code, each of a size that is said in front. Every block that
 * comes out must be whole: any address finds a row, and a row nothing outside of the block.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "symbolizer/elf_file.h"
#include "unwind/cfi_source.h"
#include "unwind/compile.h"
#include "unwind/page.h"

#define CODE	  0xff00ULL /* so that it lies on two pages */
#define HEADER	  0x20000ULL
#define FRAMES	  0x20400ULL
#define MAX_PAGES 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

static void check_row(const struct unwind_page *page, size_t n_words, const struct unwind_row *row)
{
	size_t number = row->rule & (UNWIND_ESCAPE - 1);
	size_t rules = n_words - page->n_rules * sizeof(struct unwind_rule) / UNWIND_WORD;

	if (row->rule & UNWIND_ESCAPE && number >= UNWIND_KINDS)
		require(number >= rules && (number - rules) % 3 == 0 && number + 3 <= n_words);
}

static void check_block(const uint32_t *words, size_t n_words)
{
	const struct unwind_page *page = (const struct unwind_page *)words;
	size_t last = page->first[UNWIND_CELLS];

	require(n_words <= UNWIND_PAGE_WORDS);
	require(sizeof(*page) / UNWIND_WORD + last + 1 + page->n_rules * 3U == n_words);
	for (size_t i = 0; i <= last; i++) {
		require(i ? page->rows[i].address > page->rows[i - 1].address
			  : !page->rows[i].address);
		require(!i || page->rows[i].rule != page->rows[i - 1].rule);
		check_row(page, n_words, &page->rows[i]);
		require(page_find(page, page->rows[i].address) == page->rows[i].rule);
	}
	page_find(page, UINT16_MAX);
}

static void compile(const struct cfi_source *source)
{
	static uint32_t words[UNWIND_PAGE_WORDS];
	struct unwind_module *m;
	uint64_t page = 0;

	if (unwind_module_open(&m, source))
		return;
	require(unwind_module_has_rules(m) || !source->n_frames);
	for (int i = 0; i < MAX_PAGES; i++) {
		page = unwind_module_page(m, page);
		if (page == UINT64_MAX)
			break;
		int n = unwind_module_compile(m, page, words);
		if (n >= 0)
			check_block(words, (size_t)n);
		if (page + UNWIND_PAGE_SIZE < page)
			break;
		page += UNWIND_PAGE_SIZE;
	}
	unwind_module_close(m);
}

static void compile_file(const uint8_t *data, size_t size)
{
	struct cfi_source source;
	struct elf_file file;
	int fd = memfd_create("elf", MFD_CLOEXEC);

	require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	if (!elf_file_open(&file, fd) && !cfi_source_read(&source, &file)) {
		cfi_source_add_debug(&source, &file);
		compile(&source);
	}
	elf_file_close(&file);
	close(fd);
}

/* The next part: a size of two bytes, and as much as there is of it, in memory of its own, so that
 * a read beyond its end is seen. */
static uint8_t *take(struct reader *r, size_t *size)
{
	*size = (size_t)read_number(r, 2);
	if (*size > reader_left(r))
		*size = reader_left(r);
	uint8_t *copy = malloc(*size + 1);
	require(copy);
	memcpy(copy, read_bytes(r, *size), *size);
	return realloc(copy, *size ? *size : 1);
}

static void compile_sections(const uint8_t *data, size_t size)
{
	struct reader r = reader_of(data, size);
	uint8_t *part[4];
	size_t n[4];

	for (int i = 0; i < 4; i++)
		part[i] = take(&r, &n[i]);
	struct cfi_source source = {
		.machine = EM_X86_64,
		.entry = CODE + n[3] / 2,
		.code = {{CODE, CODE + n[3], part[3]}},
		.n_code = n[3] ? 1 : 0,
		.frames = {{part[0], n[0], FRAMES, true}, {part[2], n[2], 0, false}},
		.n_frames = 2,
		.header = {part[1], n[1], HEADER, true},
	};
	compile(&source);
	for (int i = 0; i < 4; i++)
		free(part[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	if (*data == 'E')
		compile_file(data + 1, size - 1);
	else
		compile_sections(data + 1, size - 1);
	return 0;
}
