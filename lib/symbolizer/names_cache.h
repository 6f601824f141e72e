/* SPDX-License-Identifier: MIT */
/*
 * names_cache.h - what was found out about one module's addresses, on disk, as the symbolizer reads
 * and writes it through a descriptor. A file that is empty, torn, forged or of another module or
 * version holds nothing: no function here says so by an error, and what is kept next begins it
 * anew. Names hold as long as the further files that they came from (sources.h) are the same, or
 * are missing still.
 *
 *     struct names_cache_header  which module it is, and where the blocks end
 *     blocks                     one for each answer that brought something new:
 *         struct names_cache_block_head
 *         struct names_cache_source[]    that no block before it has
 *         uint64_t[]                     the offsets as they are asked for, sorted
 *         char[]                         the sources' names; zeros up to 8 bytes
 *         bytes                          the answer about them (symbolizer_answer, and what it
 *                                        counts), packed (names_pack.h); zeros up to 8 bytes
 *
 * Only those blocks are unpacked that know something of what is asked.
 *
 * A block is added behind the end, then the header is written: whatever is interrupted in between,
 * or done by two at once, leaves a block whose checksum is wrong at worst; it and what follows is
 * not there. When there are too many blocks, they become one. Checksums find accidents. Who forges
 * them can only lie about names: every size, index and text is checked as an answer's.
 */
#ifndef PROFD_SYMBOLIZER_NAMES_CACHE_H
#define PROFD_SYMBOLIZER_NAMES_CACHE_H

#include <stdbool.h>

#include "symbolizer/names.h"
#include "symbolizer/sources.h"
#include "symbols/answer.h"

/* Of what the symbolizer makes of a file: raise it when that, or symbolizer/protocol.h, changes.
 * Files of other versions have other names, and go when room is needed. */
#define NAMES_CACHE_VERSION 5
#define NAMES_CACHE_MAX	    (8u << 20)	/* bytes; a file stays below */
#define NAMES_CACHE_CONTENT (16u << 20) /* bytes of all its answers, unpacked, at most */
#define NAMES_CACHE_BLOCKS  16
/* For who keeps a folder of them. */
#define NAMES_CACHE_FOLDER	 "names"
#define NAMES_CACHE_FOLDER_BYTES (64u << 20)

struct names_cache_header {
	char magic[8];
	uint32_t version;
	uint32_t kind; /* enum symbolizer_kind, of the offsets */
	struct file_identity file;
	uint64_t end;	   /* of the blocks, in bytes from the start of the file */
	uint64_t checksum; /* XXH3 of what is above */
};

struct names_cache_source {
	struct file_identity file; /* all zeros: there was none */
	uint32_t name;		   /* in the names */
	uint32_t pad;
};

struct names_cache_block_head {
	uint64_t checksum; /* XXH3 of what follows, with a seed of the module and the place */
	uint32_t n_sources, n_addresses;
	uint32_t names_size, packed_size; /* without the zeros */
	uint32_t answer_size;		  /* unpacked */
	uint32_t flags;			  /* of the answer, once more */
};

struct names_cache_block {
	struct names_cache_block_head head;
	const struct names_cache_source *sources;
	const uint64_t *offsets;
	const char *names;
	const void *packed;
	void *unpacked;		     /* owned; NULL: nobody has needed it yet */
	struct symbol_answer answer; /* then: has as many addresses */
};

/* Points into the block's names. */
struct names_cache_known {
	const char *name;
	struct file_identity file;
};

struct names_cache {
	int fd; /* borrowed; -1: nothing is there, and nothing stays */
	struct names_cache_header header;
	char *bytes;	/* of the blocks */
	size_t content; /* bytes of their answers */
	struct names_cache_block blocks[NAMES_CACHE_BLOCKS];
	size_t n_blocks;		   /* 0: nothing is there */
	struct names_cache_known *sources; /* of all blocks, each once */
	size_t n_sources, sources_capacity;
};

/* Reads it. names_cache_close in any case. */
void names_cache_load(
	struct names_cache *c, int fd, const struct file_identity *file, uint32_t kind);
void names_cache_close(struct names_cache *c);

/* Whether all further files are those that they were; if not, nothing is there any more. */
bool names_cache_holds(struct names_cache *c, debug_want want, void *userdata);

/* Names the addresses that it knows, and marks them as known; adds its flags. Offsets are sorted.
 */
void names_cache_find(struct names_cache *c, struct names *answer, const uint64_t *offsets);
/* Says about the module what it knows, build-id and segments. False if nothing is there. */
bool names_cache_describe(struct names_cache *c, struct names *answer);

/* Keeps what the answer says about the offsets that are not known yet. `sources`: of the module.
 * 0, also where it cannot stay for its size or for files that changed meanwhile, or -errno of
 * writing. */
int names_cache_keep(struct names_cache *c, struct names *answer, const uint64_t *offsets,
	const struct sources *sources);

#endif
