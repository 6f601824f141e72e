/* SPDX-License-Identifier: MIT */
/*
 * cache_file.h - blocks of one module's pages on disk, as the unwinder helper reads and writes them
 * through a descriptor. A file that is empty, torn, forged or of another module or version holds
 * nothing: no function here says so by an error, and the next addition begins it anew.
 *
 *     struct cache_header     what the module is and what its code is like
 *     struct cache_entry[]    one for each page: where its block is; zeros: not there yet
 *     blocks                  in the order in which they came
 *
 * A block is added behind the end of the file, then its entry is written: whatever is interrupted
 * in between, or done by two at once, leaves an entry that leads to the wrong bytes at worst, which
 * its checksum tells. Checksums find accidents. Who forges them can only lie about code: a block
 * that unwinder_block_is_good() refuses is not there either.
 */
#ifndef PROFD_UNWINDER_CACHE_FILE_H
#define PROFD_UNWINDER_CACHE_FILE_H

#include <stdbool.h>

#include "unwinder/protocol.h"

/* Of what the compiler makes of a file: raise it when that, or anything in profd/unwind_abi.h,
 * changes. Files of other versions have other names, and go when room is needed. */
#define CACHE_FILE_VERSION 4
/* Bytes; a file stays below. Larger programs than those with 300 MiB of code are compiled in
 * part each time. */
#define CACHE_FILE_MAX (32u << 20)

struct cache_header {
	char magic[8];
	uint32_t version;
	uint32_t pad;
	struct file_identity file;
	struct unwinder_layout layout;
	uint64_t checksum; /* XXH3 of what is above */
};

struct cache_entry {
	uint32_t start; /* in units of 4 bytes from the start of the file */
	uint32_t n_words;
	uint64_t checksum; /* XXH3 of the block; the seed is the header's checksum ^ the page */
};

_Static_assert(sizeof(struct cache_header) ==
		       24 + sizeof(struct file_identity) + sizeof(struct unwinder_layout),
	"the checksum must not cover padding");

struct cache_file {
	int fd; /* borrowed; -1: nothing is there, and nothing stays */
	bool good;
	struct cache_header header; /* if it is good */
};

/* Reads the header. */
void cache_file_load(struct cache_file *c, int fd, const struct file_identity *file);
/* Begins the file of a module anew, without any page. 0 or -errno. */
int cache_file_begin(struct cache_file *c, const struct file_identity *file,
	const struct unwinder_layout *layout);

/* How many words the block of a page has; 0: it is not there. */
size_t cache_file_read(
	const struct cache_file *c, uint32_t page, uint32_t words[UNWIND_PAGE_WORDS]);
/* Adds the block of a page to a file that is good. 0 or -errno. */
int cache_file_add(
	const struct cache_file *c, uint32_t page, const uint32_t *words, size_t n_words);

#endif
