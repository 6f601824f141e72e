// SPDX-License-Identifier: MIT
#include "symbolizer/names_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "symbolizer/names_cache_impl.h"
#include "symbolizer/names_copy.h"
#include "symbolizer/names_pack.h"
#include "symbols/debug_name.h"
#include "util/grow.h"
#include "util/whole.h"

static const char magic[8] = "profdnm";

_Static_assert(sizeof(struct names_cache_header) % 8 == 0 &&
		       sizeof(struct names_cache_block_head) % 8 == 0 &&
		       sizeof(struct names_cache_source) % 8 == 0,
	"blocks and what is in them must be aligned");

uint64_t names_cache_header_checksum(const struct names_cache_header *h)
{
	return XXH3_64bits(h, offsetof(struct names_cache_header, checksum));
}

/* Blocks of other modules, and of other places, are wrong here. */
uint64_t names_cache_block_checksum(
	const struct names_cache *c, const char *block, size_t size, uint64_t at)
{
	const size_t skip = sizeof(uint64_t); /* itself */
	uint64_t seed = XXH3_64bits_withSeed(&c->header.file, sizeof(c->header.file), at);

	return XXH3_64bits_withSeed(block + skip, size - skip, seed ^ c->header.kind);
}

/* ---- reading ------------------------------------------------------------------------------ */

static bool header_is_good(
	const struct names_cache_header *h, const struct file_identity *file, uint32_t kind)
{
	return !memcmp(h->magic, magic, sizeof(magic)) && h->version == NAMES_CACHE_VERSION &&
	       h->kind == kind && file_identity_equal(&h->file, file) && h->end >= sizeof(*h) &&
	       h->end < NAMES_CACHE_MAX && h->end % 8 == 0 &&
	       h->checksum == names_cache_header_checksum(h);
}

static bool sources_are_good(const struct names_cache_block *b)
{
	size_t size = b->head.names_size;

	if (size && b->names[size - 1])
		return false;
	for (size_t i = 0; i < b->head.n_sources; i++) {
		uint32_t at = b->sources[i].name;

		if (at >= size || !debug_name_is_good(b->names + at))
			return false;
	}
	return true;
}

static bool offsets_rise(const uint64_t *offsets, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (offsets[i] <= offsets[i - 1])
			return false;
	return true;
}

/* Bytes of the block at `at`; 0: there is none. */
static size_t read_block(
	const struct names_cache *c, size_t at, size_t left, struct names_cache_block *b)
{
	const char *start = c->bytes + at, *p = start;
	const struct names_cache_block_head *head = (const void *)p;
	size_t sources, offsets, names, size;

	if (left < sizeof(*head) || head->n_sources > SOURCES_MAX ||
		head->answer_size > NAMES_CACHE_CONTENT - c->content)
		return 0;
	sources = head->n_sources * sizeof(*b->sources);
	offsets = head->n_addresses * sizeof(*b->offsets);
	names = NAMES_CACHE_ALIGN((size_t)head->names_size);
	size = sizeof(*head) + sources + offsets + names +
	       NAMES_CACHE_ALIGN((size_t)head->packed_size);
	if (size > left || head->checksum != names_cache_block_checksum(c, start, size, at))
		return 0;
	*b = (struct names_cache_block){.head = *head};
	p += sizeof(*head);
	b->sources = (const void *)p;
	p += sources;
	b->offsets = (const void *)p;
	p += offsets;
	b->names = p;
	b->packed = p + names;
	return offsets_rise(b->offsets, head->n_addresses) && sources_are_good(b) ? size : 0;
}

const struct file_identity *names_cache_source(const struct names_cache *c, const char *name)
{
	for (size_t i = 0; i < c->n_sources; i++)
		if (!strcmp(c->sources[i].name, name))
			return &c->sources[i].file;
	return NULL;
}

/* False: it is another file than a block before says, or there are too many. */
static bool add_sources(struct names_cache *c, const struct names_cache_block *b)
{
	for (size_t i = 0; i < b->head.n_sources; i++) {
		const struct names_cache_source *s = &b->sources[i];
		const char *name = b->names + s->name;
		const struct file_identity *known = names_cache_source(c, name);

		if (known && file_identity_equal(known, &s->file))
			continue;
		if (known || c->n_sources == SOURCES_MAX ||
			grow(c->sources, c->n_sources, c->sources_capacity, 1))
			return false;
		c->sources[c->n_sources++] = (struct names_cache_known){name, s->file};
	}
	return true;
}

void names_cache_pack_up(struct names_cache *c)
{
	for (size_t i = 0; i < c->n_blocks; i++) {
		free(c->blocks[i].unpacked);
		c->blocks[i].unpacked = NULL;
		c->blocks[i].answer = (struct symbol_answer){0};
	}
}

void names_cache_forget(struct names_cache *c)
{
	names_cache_pack_up(c);
	c->n_blocks = c->n_sources = c->content = 0;
	c->header.end = sizeof(c->header);
}

/* The end becomes that of the last good block. */
static void read_blocks(struct names_cache *c)
{
	size_t size = c->header.end - sizeof(c->header), at = 0;

	c->bytes = malloc(size + 1);
	if (!c->bytes || read_whole(c->fd, c->bytes, size, sizeof(c->header)))
		size = 0;
	while (c->n_blocks < NAMES_CACHE_BLOCKS) {
		struct names_cache_block *b = &c->blocks[c->n_blocks];
		size_t more = read_block(c, at, size - at, b);

		if (!more || !add_sources(c, b))
			break;
		c->n_blocks++;
		c->content += b->head.answer_size;
		at += more;
	}
	c->header.end = sizeof(c->header) + at;
}

void names_cache_load(
	struct names_cache *c, int fd, const struct file_identity *file, uint32_t kind)
{
	struct names_cache_header *h = &c->header;

	*c = (struct names_cache){.fd = fd};
	if (fd >= 0 && !read_whole(fd, h, sizeof(*h), 0) && header_is_good(h, file, kind)) {
		read_blocks(c);
		return;
	}
	*h = (struct names_cache_header){
		.version = NAMES_CACHE_VERSION, .kind = kind, .file = *file, .end = sizeof(*h)};
	memcpy(h->magic, magic, sizeof(magic));
}

void names_cache_close(struct names_cache *c)
{
	names_cache_pack_up(c);
	free(c->bytes);
	free(c->sources);
	*c = (struct names_cache){.fd = -1};
}

/* ---- what is known ------------------------------------------------------------------------ */

bool names_cache_holds(struct names_cache *c, debug_want want, void *userdata)
{
	for (size_t i = 0; i < c->n_sources; i++) {
		struct file_identity now = source_look(want, userdata, c->sources[i].name);

		if (!file_identity_equal(&now, &c->sources[i].file)) {
			names_cache_forget(c);
			return false;
		}
	}
	return true;
}

bool names_cache_unpack(struct names_cache *c, struct names_cache_block *b)
{
	const struct names_cache_block_head *head = &b->head;
	int r = b->unpacked ? 0
			    : names_unpack(&b->unpacked, head->answer_size, b->packed,
				      head->packed_size);

	if (!r && b->answer.head)
		return true;
	if (!r &&
		!symbol_answer_check(
			&b->answer, b->unpacked, head->answer_size, head->n_addresses) &&
		!b->answer.head->error)
		return true;
	names_cache_forget(c);
	if (r == -ENOMEM)
		c->fd = -1;
	return false;
}

/* Both lists of offsets are sorted. */
static void find_in_block(struct names_cache *c, struct names_cache_block *b, struct names *answer,
	const uint64_t *offsets)
{
	struct names_copy copy = {0};

	for (size_t i = 0, k = 0; i < answer->n_addresses; i++) {
		while (k < b->head.n_addresses && b->offsets[k] < offsets[i])
			k++;
		if (answer->known[i] || k == b->head.n_addresses || b->offsets[k] != offsets[i])
			continue;
		if (!copy.to &&
			(!names_cache_unpack(c, b) || names_copy_begin(&copy, answer, &b->answer)))
			break;
		names_copy_address(&copy, i, k);
		answer->known[i] = true;
		answer->n_known++;
	}
	names_copy_end(&copy);
}

void names_cache_find(struct names_cache *c, struct names *answer, const uint64_t *offsets)
{
	uint32_t flags = 0;

	for (size_t i = c->n_blocks; i-- > 0;)
		flags |= c->blocks[i].head.flags;
	for (size_t i = c->n_blocks; i-- > 0 && c->n_blocks;)
		find_in_block(c, &c->blocks[i], answer, offsets);
	/* Otherwise one of them was a lie. */
	if (c->n_blocks)
		answer->head.flags |= flags;
}

bool names_cache_describe(struct names_cache *c, struct names *answer)
{
	struct names_cache_block *last = c->blocks + c->n_blocks - 1;
	const struct symbol_answer *is = &last->answer;

	if (!c->n_blocks || !names_cache_unpack(c, last))
		return false;
	memcpy(answer->head.build_id, is->head->build_id, sizeof(answer->head.build_id));
	answer->n_segments = is->head->n_segments;
	memcpy(answer->segments, is->segments, answer->n_segments * sizeof(*answer->segments));
	return true;
}
