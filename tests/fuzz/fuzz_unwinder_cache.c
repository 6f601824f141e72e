// SPDX-License-Identifier: MIT
/* A cache file that somebody else wrote: no block comes out that the collector would not take, and
 * what is added to it afterwards is there. Checksums are made right first, or nothing would get
 * past them. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include "collector/unwinder_answer.h"
#include "unwinder/cache_file.h"

#define HEAD_WORDS (sizeof(struct unwind_page) / UNWIND_WORD)
#define MAX_PAGES  64 /* that are looked at */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make_right(uint8_t *file, size_t size)
{
	struct cache_header header;
	size_t at = sizeof(header);

	if (size < sizeof(header))
		return;
	memcpy(&header, file, sizeof(header));
	header.checksum = XXH3_64bits(&header, offsetof(struct cache_header, checksum));
	memcpy(file, &header, sizeof(header));
	for (uint32_t page = 0; page < header.layout.n_pages && page < MAX_PAGES; page++) {
		struct cache_entry entry;
		size_t start, bytes;

		if (size - at < sizeof(entry))
			return;
		memcpy(&entry, file + at, sizeof(entry));
		start = entry.start * UNWIND_WORD;
		bytes = entry.n_words * UNWIND_WORD;
		if (start <= size && bytes <= size - start)
			entry.checksum = XXH3_64bits_withSeed(
				file + start, bytes, header.checksum ^ page);
		memcpy(file + at, &entry, sizeof(entry));
		at += sizeof(entry);
	}
}

static void add(struct cache_file *c, uint32_t page)
{
	static uint32_t words[UNWIND_PAGE_WORDS], read[UNWIND_PAGE_WORDS];
	const size_t n = HEAD_WORDS + 1;

	words[HEAD_WORDS] = (uint32_t)(UNWIND_ESCAPE | UNWIND_END) << 16;
	if (!cache_file_add(c, page, words, n) &&
		(cache_file_read(c, page, read) != n || memcmp(words, read, n * UNWIND_WORD) != 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint32_t words[UNWIND_PAGE_WORDS];
	static const struct file_identity none;
	struct file_identity file = none;
	struct unwinder_layout layout = {
		.n_pages = 1, .n_segments = 1, .segments = {{0x1000, 0, 0x1000}}};
	struct cache_file c;
	int fd = memfd_create("cache", MFD_CLOEXEC);
	uint8_t *copy = malloc(size + 1);

	if (fd < 0 || !copy)
		abort();
	memcpy(copy, data, size);
	make_right(copy, size);
	if (write(fd, copy, size) != (ssize_t)size)
		abort();
	if (size >= sizeof(struct cache_header))
		memcpy(&file, copy + offsetof(struct cache_header, file), sizeof(file));
	cache_file_load(&c, fd, &file);
	for (uint32_t page = 0; page < MAX_PAGES; page++) {
		size_t n = cache_file_read(&c, page, words);

		if (n && (!c.good || !unwinder_block_is_good(words, n)))
			abort();
	}
	if (!c.good && cache_file_begin(&c, &file, &layout))
		abort();
	add(&c, 0);
	add(&c, c.header.layout.n_pages - 1);
	free(copy);
	close(fd);
	return 0;
}
