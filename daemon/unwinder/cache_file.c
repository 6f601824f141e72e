// SPDX-License-Identifier: MIT
#include "unwinder/cache_file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "collector/unwinder_answer.h"
#include "util/whole.h"

static const char magic[8] = "profduw";

/* ---- header ------------------------------------------------------------------------------- */

static uint64_t header_checksum(const struct cache_header *h)
{
	return XXH3_64bits(h, offsetof(struct cache_header, checksum));
}

void cache_file_load(struct cache_file *c, int fd, const struct file_identity *file)
{
	struct cache_header *h = &c->header;

	c->fd = fd;
	c->good = fd >= 0 && !read_whole(fd, h, sizeof(*h), 0) &&
		  !memcmp(h->magic, magic, sizeof(magic)) && h->version == CACHE_FILE_VERSION &&
		  h->checksum == header_checksum(h) && file_identity_equal(&h->file, file) &&
		  unwinder_layout_is_good(&h->layout);
}

static uint64_t entry_place(uint32_t page)
{
	return sizeof(struct cache_header) + (uint64_t)page * sizeof(struct cache_entry);
}

static int clear_entries(int fd, uint32_t n_pages)
{
	static const struct cache_entry zeros[256];
	int r = 0;

	for (uint32_t page = 0; !r && page < n_pages; page += 256) {
		uint32_t n = n_pages - page < 256 ? n_pages - page : 256;

		r = write_whole(fd, zeros, n * sizeof(*zeros), entry_place(page));
	}
	return r;
}

/* The header comes last: until it is there the file is not good. */
int cache_file_begin(struct cache_file *c, const struct file_identity *file,
	const struct unwinder_layout *layout)
{
	int r;

	c->header = (struct cache_header){
		.version = CACHE_FILE_VERSION, .file = *file, .layout = *layout};
	memcpy(c->header.magic, magic, sizeof(magic));
	c->header.checksum = header_checksum(&c->header);
	r = clear_entries(c->fd, layout->n_pages);
	if (!r)
		r = write_whole(c->fd, &c->header, sizeof(c->header), 0);
	c->good = !r;
	return r;
}

/* ---- blocks ------------------------------------------------------------------------------- */

static uint64_t block_checksum(
	const struct cache_file *c, uint32_t page, const uint32_t *words, size_t n_words)
{
	return XXH3_64bits_withSeed(words, n_words * UNWIND_WORD, c->header.checksum ^ page);
}

size_t cache_file_read(const struct cache_file *c, uint32_t page, uint32_t words[UNWIND_PAGE_WORDS])
{
	struct cache_entry entry;

	if (!c->good || page >= c->header.layout.n_pages ||
		read_whole(c->fd, &entry, sizeof(entry), entry_place(page)) || !entry.n_words ||
		entry.n_words > UNWIND_PAGE_WORDS ||
		read_whole(c->fd, words, entry.n_words * UNWIND_WORD,
			(uint64_t)entry.start * UNWIND_WORD) ||
		entry.checksum != block_checksum(c, page, words, entry.n_words) ||
		!unwinder_block_is_good(words, entry.n_words))
		return 0;
	return entry.n_words;
}

/* Where the next block goes, in words: behind all that is there, and behind the entries. */
static int find_end(const struct cache_file *c, size_t n_words, uint64_t *end)
{
	uint64_t entries = entry_place(c->header.layout.n_pages);
	struct stat st;

	if (fstat(c->fd, &st))
		return -errno;
	*end = (uint64_t)st.st_size > entries ? (uint64_t)st.st_size : entries;
	*end = (*end + UNWIND_WORD - 1) / UNWIND_WORD;
	return (*end + n_words) * UNWIND_WORD < CACHE_FILE_MAX ? 0 : -EFBIG;
}

int cache_file_add(const struct cache_file *c, uint32_t page, const uint32_t *words, size_t n_words)
{
	struct cache_entry entry = {.n_words = (uint32_t)n_words};
	uint64_t end = 0;
	int r = find_end(c, n_words, &end);

	if (r)
		return r;
	entry.start = (uint32_t)end;
	entry.checksum = block_checksum(c, page, words, n_words);
	r = write_whole(c->fd, words, n_words * UNWIND_WORD, end * UNWIND_WORD);
	return r ? r : write_whole(c->fd, &entry, sizeof(entry), entry_place(page));
}
