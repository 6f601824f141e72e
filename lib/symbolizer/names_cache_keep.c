// SPDX-License-Identifier: MIT
/* names_cache_keep.c - how a cache file of names grows: see names_cache.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "symbolizer/names_cache_impl.h"
#include "symbolizer/names_copy.h"
#include "symbolizer/names_pack.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/whole.h"

/* An address for the new block: of the answer at hand, or of a block that there is. */
struct pick {
	uint64_t offset;
	uint32_t from;	/* index of the block; n_blocks: the answer */
	uint32_t index; /* in that */
};

struct picks {
	struct pick *all;
	size_t n;
};

static int compare_picks(const void *a, const void *b)
{
	const struct pick *x = a, *y = b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return (x->from > y->from) - (x->from < y->from);
}

enum which {
	WHICH_NEW,   /* what is not known yet */
	WHICH_ALL,   /* also all that is known */
	WHICH_ASKED, /* what was asked for, known or not */
};

static int choose(const struct names_cache *c, const struct names *answer, const uint64_t *offsets,
	enum which which, struct picks *p)
{
	size_t room = answer->n_addresses + 1;

	for (size_t k = 0; which == WHICH_ALL && k < c->n_blocks; k++)
		room += c->blocks[k].answer.head->n_addresses;
	*p = (struct picks){.all = calloc(room, sizeof(*p->all))};
	if (!p->all)
		return -ENOMEM;
	for (size_t k = 0; which == WHICH_ALL && k < c->n_blocks; k++)
		for (uint32_t i = 0; i < c->blocks[k].answer.head->n_addresses; i++)
			p->all[p->n++] = (struct pick){c->blocks[k].offsets[i], (uint32_t)k, i};
	for (size_t i = 0; i < answer->n_addresses; i++)
		if (which == WHICH_ASKED || !answer->known[i])
			p->all[p->n++] = (struct pick){
				offsets[i], (uint32_t)c->n_blocks, (uint32_t)i};
	qsort(p->all, p->n, sizeof(*p->all), compare_picks);

	/* Two helpers can have named the same. */
	size_t kept = 0;
	for (size_t i = 0; i < p->n; i++)
		if (!kept || p->all[i].offset != p->all[kept - 1].offset)
			p->all[kept++] = p->all[i];
	p->n = kept;
	return 0;
}

static int copy_picks(
	const struct names_cache *c, struct names *answer, const struct picks *p, struct names *to)
{
	struct symbol_answer view;
	int r = 0;

	names_view(answer, &view);
	for (size_t k = 0; !r && k <= c->n_blocks; k++) {
		struct names_copy copy;

		if (k < c->n_blocks && !c->blocks[k].unpacked)
			continue; /* nothing was picked from it */
		r = names_copy_begin(&copy, to, k < c->n_blocks ? &c->blocks[k].answer : &view);
		for (size_t i = 0; !r && i < p->n; i++)
			if (p->all[i].from == k)
				names_copy_address(&copy, i, p->all[i].index);
		names_copy_end(&copy);
	}
	return r ? r : to->failed;
}

/* What a block is made of. */
struct draft {
	struct names names;
	uint64_t *offsets;
	struct names_cache_source *sources;
	char *source_names;
	size_t n_sources, source_names_size, source_names_capacity;
};

static void draft_free(struct draft *d)
{
	names_free(&d->names);
	free(d->offsets);
	free(d->sources);
	free(d->source_names);
}

static int add_source(struct draft *d, const char *name, const struct file_identity *file)
{
	size_t size = strlen(name) + 1;
	int r = grow(d->source_names, d->source_names_size, d->source_names_capacity, size);

	if (r)
		return r;
	memcpy(d->source_names + d->source_names_size, name, size);
	d->sources[d->n_sources++] = (struct names_cache_source){
		.file = *file, .name = (uint32_t)d->source_names_size};
	d->source_names_size += size;
	return 0;
}

/* Those of the module that no block has, or all that any has, where it takes their place. */
static int draft_sources(
	const struct names_cache *c, struct draft *d, const struct sources *sources, bool anew)
{
	int r = 0;

	d->sources = calloc(c->n_sources + sources->n + 1, sizeof(*d->sources));
	if (!d->sources)
		return -ENOMEM;
	for (size_t i = 0; !r && anew && i < c->n_sources; i++)
		r = add_source(d, c->sources[i].name, &c->sources[i].file);
	for (size_t i = 0; !r && i < sources->n; i++)
		if (!names_cache_source(c, sources->all[i].name))
			r = add_source(d, sources->all[i].name, &sources->all[i].file);
	return r;
}

static int draft_make(struct names_cache *c, struct draft *d, struct names *answer,
	const uint64_t *offsets, const struct sources *sources, enum which which)
{
	struct picks picks;
	int r = choose(c, answer, offsets, which, &picks);

	*d = (struct draft){0};
	if (!r)
		d->offsets = calloc(picks.n + 1, sizeof(*d->offsets));
	if (!d->offsets) {
		free(picks.all);
		return -ENOMEM;
	}
	for (size_t i = 0; i < picks.n; i++)
		d->offsets[i] = picks.all[i].offset;
	r = names_init(&d->names, d->offsets, picks.n);
	if (!r)
		r = copy_picks(c, answer, &picks, &d->names);
	free(picks.all);
	names_cache_pack_up(c);
	if (!r)
		r = draft_sources(c, d, sources, which != WHICH_NEW);
	memcpy(d->names.head.build_id, answer->head.build_id, sizeof(answer->head.build_id));
	d->names.head.flags = answer->head.flags & ~(uint32_t)SYMBOLIZER_HAS_CHANGED;
	d->names.n_segments = answer->n_segments;
	memcpy(d->names.segments, answer->segments, sizeof(answer->segments));
	return r;
}

static char *append(char *to, const void *from, size_t size)
{
	if (size)
		memcpy(to, from, size);
	return to + size;
}

/* The block as it is on disk, at `at` behind the header. 0; -EFBIG: with it the file would be too
 * large; -ENOMEM. */
static int lay_out(
	const struct names_cache *c, struct draft *d, size_t at, char **out, size_t *out_size)
{
	struct iovec parts[NAMES_PARTS];
	struct names_cache_block_head head = {
		.n_sources = (uint32_t)d->n_sources,
		.n_addresses = (uint32_t)d->names.n_addresses,
		.names_size = (uint32_t)d->source_names_size,
		.answer_size = (uint32_t)names_parts(&d->names, parts),
		.flags = d->names.head.flags,
	};
	size_t sources = d->n_sources * sizeof(*d->sources);
	size_t offsets = d->names.n_addresses * sizeof(*d->offsets);
	size_t before = sizeof(head) + sources + offsets + NAMES_CACHE_ALIGN(d->source_names_size);
	size_t used = sizeof(c->header) + at + before + 8, room = names_pack_bound(&d->names);
	char *block;
	int r;

	if (used >= NAMES_CACHE_MAX)
		return -EFBIG;
	if (room > NAMES_CACHE_MAX - used)
		room = NAMES_CACHE_MAX - used;
	block = *out = calloc(1, before + room + 8);
	if (!block)
		return -ENOMEM;
	r = names_pack(&d->names, block + before, &room);
	if (r)
		return r;
	head.packed_size = (uint32_t)room;
	*out_size = before + NAMES_CACHE_ALIGN(room);
	memset(block + before + room, 0, *out_size - before - room);
	block = append(block, &head, sizeof(head));
	block = append(block, d->sources, sources);
	block = append(block, d->offsets, offsets);
	append(block, d->source_names, d->source_names_size);
	head.checksum = names_cache_block_checksum(c, *out, *out_size, at);
	memcpy(*out, &head.checksum, sizeof(head.checksum));
	return 0;
}

/* The header comes last: until it is there, so is the block. 0, -EFBIG if it does not fit, or
 * another -errno. */
static int write_block(struct names_cache *c, struct draft *d, size_t at)
{
	struct names_cache_header *h = &c->header;
	_cleanup_free_ char *block = NULL;
	size_t size;
	int r = lay_out(c, d, at, &block, &size);

	if (!r)
		r = write_whole(c->fd, block, size, sizeof(*h) + at);
	if (r)
		return r;
	h->end = sizeof(*h) + at + size;
	h->checksum = names_cache_header_checksum(h);
	return write_whole(c->fd, h, sizeof(*h), 0);
}

/* Whether the answers will be few enough bytes. */
static bool has_room(const struct names_cache *c, struct draft *d, enum which which)
{
	struct iovec parts[NAMES_PARTS];
	size_t before = which == WHICH_NEW ? c->content : 0;

	return names_parts(&d->names, parts) <= NAMES_CACHE_CONTENT - before;
}

static int keep(struct names_cache *c, struct names *answer, const uint64_t *offsets,
	const struct sources *sources, enum which which)
{
	size_t at = which == WHICH_NEW ? c->header.end - sizeof(c->header) : 0;
	struct draft d;
	int r = draft_make(c, &d, answer, offsets, sources, which);

	if (!r)
		r = has_room(c, &d, which) ? write_block(c, &d, at) : -EFBIG;
	draft_free(&d);
	return r == -E2BIG ? -EFBIG : r;
}

static bool have_changed(const struct names_cache *c, const struct sources *sources)
{
	for (size_t i = 0; i < sources->n; i++) {
		const struct file_identity *known = names_cache_source(c, sources->all[i].name);

		if (known && !file_identity_equal(known, &sources->all[i].file))
			return true;
	}
	return sources->incomplete;
}

static bool unpack_all(struct names_cache *c)
{
	for (size_t i = 0; i < c->n_blocks; i++)
		if (!names_cache_unpack(c, &c->blocks[i]))
			return false;
	return true;
}

/* All that is known, as one block. Without memory for that, what is there stays out of it. */
static int keep_all(struct names_cache *c, struct names *answer, const uint64_t *offsets,
	const struct sources *sources)
{
	int r = unpack_all(c) ? keep(c, answer, offsets, sources, WHICH_ALL) : -EFBIG;

	return r == -ENOMEM ? -EFBIG : r;
}

int names_cache_keep(struct names_cache *c, struct names *answer, const uint64_t *offsets,
	const struct sources *sources)
{
	bool full = c->n_blocks == NAMES_CACHE_BLOCKS, is_first = !c->n_blocks;
	int r;

	if (c->fd < 0 || have_changed(c, sources) ||
		(c->n_blocks && answer->n_known == answer->n_addresses))
		return 0;
	/* Where nothing is there any more, neither is what came from it. */
	r = full ? -EFBIG
		 : keep(c, answer, offsets, sources, c->n_blocks ? WHICH_NEW : WHICH_ASKED);
	if (r == -EFBIG && !is_first)
		r = keep_all(c, answer, offsets, sources);
	/* What was asked for now is likely to be asked for again. */
	if (r == -EFBIG && !is_first && c->fd >= 0)
		r = keep(c, answer, offsets, sources, WHICH_ASKED);
	return r == -EFBIG ? 0 : r;
}
