// SPDX-License-Identifier: MIT
#include "symbolizer/names_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "symbolizer/names_copy.h"
#include "symbols/debug_name.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/whole.h"

#define ALIGN(size) (((size) + 7) & ~(size_t)7)

static const char magic[8] = "profdnm";

_Static_assert(sizeof(struct names_cache_header) % 8 == 0 &&
		       sizeof(struct names_cache_block_head) % 8 == 0 &&
		       sizeof(struct names_cache_source) % 8 == 0,
	"blocks and what is in them must be aligned");

static uint64_t header_checksum(const struct names_cache_header *h)
{
	return XXH3_64bits(h, offsetof(struct names_cache_header, checksum));
}

/* Blocks of other modules, and of other places, are wrong here. */
static uint64_t block_checksum(
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
	       h->end < NAMES_CACHE_MAX && h->end % 8 == 0 && h->checksum == header_checksum(h);
}

static bool sources_are_good(const struct names_cache_block *b)
{
	for (size_t i = 0; i < b->n_sources; i++) {
		uint32_t at = b->sources[i].name;

		if (at >= b->answer.head->n_strings || (at && b->answer.strings[at - 1]) ||
			!debug_name_is_good(b->answer.strings + at))
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
	size_t sources, offsets, size;

	if (left < sizeof(*head) || head->n_sources > SOURCES_MAX)
		return 0;
	sources = head->n_sources * sizeof(*b->sources);
	offsets = head->n_addresses * sizeof(*b->offsets);
	size = sizeof(*head) + sources + offsets + ALIGN((size_t)head->answer_size);
	if (size > left || head->checksum != block_checksum(c, start, size, at))
		return 0;
	p += sizeof(*head);
	b->sources = (const void *)p;
	b->n_sources = head->n_sources;
	p += sources;
	b->offsets = (const void *)p;
	p += offsets;
	if (symbol_answer_check(&b->answer, p, head->answer_size, head->n_addresses) ||
		b->answer.head->error || !offsets_rise(b->offsets, head->n_addresses) ||
		!sources_are_good(b))
		return 0;
	return size;
}

static const struct file_identity *find_source(const struct names_cache *c, const char *name)
{
	for (size_t i = 0; i < c->n_sources; i++)
		if (!strcmp(c->sources[i].name, name))
			return &c->sources[i].file;
	return NULL;
}

/* False: it is another file than a block before says, or there are too many. */
static bool add_sources(struct names_cache *c, const struct names_cache_block *b)
{
	for (size_t i = 0; i < b->n_sources; i++) {
		const struct names_cache_source *s = &b->sources[i];
		const char *name = b->answer.strings + s->name;
		const struct file_identity *known = find_source(c, name);

		if (known && file_identity_equal(known, &s->file))
			continue;
		if (known || c->n_sources == SOURCES_MAX ||
			grow(c->sources, c->n_sources, c->sources_capacity, 1))
			return false;
		c->sources[c->n_sources++] = (struct names_cache_known){name, s->file};
	}
	return true;
}

/* The file holds nothing from now on. */
static void forget(struct names_cache *c)
{
	c->n_blocks = c->n_sources = 0;
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
			forget(c);
			return false;
		}
	}
	return true;
}

static int compare_offsets(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void find_in_block(
	const struct names_cache_block *b, struct names *answer, const uint64_t *offsets)
{
	struct names_copy copy;

	if (names_copy_begin(&copy, answer, &b->answer))
		return;
	for (size_t i = 0; i < answer->n_addresses; i++) {
		const uint64_t *at = answer->known[i]
					     ? NULL
					     : bsearch(&offsets[i], b->offsets,
						       b->answer.head->n_addresses,
						       sizeof(*b->offsets), compare_offsets);

		if (!at)
			continue;
		names_copy_address(&copy, i, (size_t)(at - b->offsets));
		answer->known[i] = true;
		answer->n_known++;
	}
	names_copy_end(&copy);
}

void names_cache_find(const struct names_cache *c, struct names *answer, const uint64_t *offsets)
{
	for (size_t i = c->n_blocks; i-- > 0;)
		find_in_block(&c->blocks[i], answer, offsets);
}

void names_cache_describe(const struct names_cache *c, struct names *answer)
{
	const struct symbol_answer *last;

	if (!c->n_blocks)
		return;
	last = &c->blocks[c->n_blocks - 1].answer;
	memcpy(answer->head.build_id, last->head->build_id, sizeof(answer->head.build_id));
	answer->n_segments = last->head->n_segments;
	memcpy(answer->segments, last->segments, answer->n_segments * sizeof(*answer->segments));
	for (size_t i = 0; i < c->n_blocks; i++)
		answer->head.flags |= c->blocks[i].answer.head->flags;
}

/* ---- keeping ------------------------------------------------------------------------------ */

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
	size_t n_sources;
};

static void draft_free(struct draft *d)
{
	names_free(&d->names);
	free(d->offsets);
	free(d->sources);
}

static void add_source(struct draft *d, const char *name, const struct file_identity *file)
{
	d->sources[d->n_sources++] = (struct names_cache_source){
		.file = *file, .name = names_string(&d->names, name)};
}

/* Those of the module that no block has, or all that any has, where it takes their place. */
static int draft_sources(
	const struct names_cache *c, struct draft *d, const struct sources *sources, bool anew)
{
	d->sources = calloc(c->n_sources + sources->n + 1, sizeof(*d->sources));
	if (!d->sources)
		return -ENOMEM;
	for (size_t i = 0; anew && i < c->n_sources; i++)
		add_source(d, c->sources[i].name, &c->sources[i].file);
	for (size_t i = 0; i < sources->n; i++)
		if (!find_source(c, sources->all[i].name))
			add_source(d, sources->all[i].name, &sources->all[i].file);
	return d->names.failed;
}

static int draft_make(const struct names_cache *c, struct draft *d, struct names *answer,
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

/* The block as it is on disk, at `at` behind the header; NULL without memory. */
static char *lay_out(const struct names_cache *c, struct draft *d, size_t at, size_t *size)
{
	struct iovec parts[NAMES_PARTS];
	struct names_cache_block_head head = {
		.n_sources = (uint32_t)d->n_sources,
		.n_addresses = (uint32_t)d->names.n_addresses,
		.answer_size = (uint32_t)names_parts(&d->names, parts),
	};
	size_t sources = d->n_sources * sizeof(*d->sources);
	size_t offsets = d->names.n_addresses * sizeof(*d->offsets);
	char *block, *p;

	*size = sizeof(head) + sources + offsets + ALIGN((size_t)head.answer_size);
	block = p = calloc(1, *size);
	if (!block)
		return NULL;
	p = append(p, &head, sizeof(head));
	p = append(p, d->sources, sources);
	p = append(p, d->offsets, offsets);
	for (size_t i = 0; i < NAMES_PARTS; i++)
		p = append(p, parts[i].iov_base, parts[i].iov_len);
	head.checksum = block_checksum(c, block, *size, at);
	memcpy(block, &head.checksum, sizeof(head.checksum));
	return block;
}

/* The header comes last: until it is there, so is the block. 0, -EFBIG if it does not fit, or
 * another -errno. */
static int write_block(struct names_cache *c, struct draft *d, size_t at)
{
	struct names_cache_header *h = &c->header;
	size_t size;
	_cleanup_free_ char *block = lay_out(c, d, at, &size);
	int r;

	if (!block)
		return -ENOMEM;
	if (sizeof(*h) + at + size >= NAMES_CACHE_MAX)
		return -EFBIG;
	r = write_whole(c->fd, block, size, sizeof(*h) + at);
	if (r)
		return r;
	h->end = sizeof(*h) + at + size;
	h->checksum = header_checksum(h);
	return write_whole(c->fd, h, sizeof(*h), 0);
}

static int keep(struct names_cache *c, struct names *answer, const uint64_t *offsets,
	const struct sources *sources, enum which which)
{
	size_t at = which == WHICH_NEW ? c->header.end - sizeof(c->header) : 0;
	struct draft d;
	int r = draft_make(c, &d, answer, offsets, sources, which);

	if (!r)
		r = write_block(c, &d, at);
	draft_free(&d);
	return r == -E2BIG ? -EFBIG : r;
}

static bool have_changed(const struct names_cache *c, const struct sources *sources)
{
	for (size_t i = 0; i < sources->n; i++) {
		const struct file_identity *known = find_source(c, sources->all[i].name);

		if (known && !file_identity_equal(known, &sources->all[i].file))
			return true;
	}
	return sources->incomplete;
}

int names_cache_keep(struct names_cache *c, struct names *answer, const uint64_t *offsets,
	const struct sources *sources)
{
	bool full = c->n_blocks == NAMES_CACHE_BLOCKS;
	int r;

	if (c->fd < 0 || have_changed(c, sources) ||
		(c->n_blocks && answer->n_known == answer->n_addresses))
		return 0;
	r = full ? -EFBIG : keep(c, answer, offsets, sources, WHICH_NEW);
	if (r == -EFBIG && c->n_blocks)
		r = keep(c, answer, offsets, sources, WHICH_ALL);
	/* What was asked for now is likely to be asked for again. */
	if (r == -EFBIG && c->n_blocks)
		r = keep(c, answer, offsets, sources, WHICH_ASKED);
	return r == -EFBIG ? 0 : r;
}
