// SPDX-License-Identifier: MIT
/* A cache file of names that somebody else wrote: nothing comes out that the collector would not
 * take, no file is asked for that it would not open, and what is kept afterwards is there.
 *
 * The input is such a file with answers that are not packed: they are packed, and checksums made
 * right, or nothing would get past them. Blocks whose flag IS_PACKED is set stay as they are. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#include "symbolizer/names_cache.h"
#include "symbols/debug_name.h"

#define OFFSETS	     64
#define IS_PACKED    1
#define MAX_UNPACKED (256u << 10) /* bytes: all that 16 blocks know is to fit into one */
#define MAX_FILE     (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int want(void *userdata, const char *name)
{
	if (!debug_name_is_good(name))
		abort();
	return -1;
}

static size_t align(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

/* A file as it grows. */
struct made {
	uint8_t bytes[MAX_FILE];
	size_t size;
};

static void add(struct made *m, const void *from, size_t size)
{
	if (size > sizeof(m->bytes) - m->size)
		abort();
	if (size)
		memcpy(m->bytes + m->size, from, size);
	m->size += size;
}

/* The answer, and zeros behind it. Returns how many bytes it has then. */
static size_t add_answer(struct made *m, const uint8_t *from, size_t size, bool is_packed)
{
	static ZSTD_CCtx *zstd;
	size_t before = m->size;

	if (!zstd)
		zstd = ZSTD_createCCtx();
	if (is_packed) {
		add(m, from, size);
	} else {
		size = ZSTD_compressCCtx(
			zstd, m->bytes + before, sizeof(m->bytes) - before, from, size, 1);
		if (ZSTD_isError(size))
			abort();
		m->size += size;
	}
	memset(m->bytes + m->size, 0, align(size) - size);
	m->size = before + align(size);
	return size;
}

/* Bytes of the block that were read; 0: there is none. */
static size_t add_block(
	struct made *m, const struct names_cache_header *h, const uint8_t *from, size_t left)
{
	struct names_cache_block_head b;
	size_t start = m->size, before, packed;
	bool is_packed;
	uint64_t seed;

	if (left < sizeof(b))
		return 0;
	memcpy(&b, from, sizeof(b));
	before = sizeof(b) + b.n_sources * sizeof(struct names_cache_source) +
		 b.n_addresses * sizeof(uint64_t) + align(b.names_size);
	packed = b.packed_size;
	if (before > left || packed > left - before)
		return 0;
	is_packed = b.flags & IS_PACKED;
	add(m, from, before);
	b.packed_size = (uint32_t)add_answer(m, from + before, packed, is_packed);
	if (!is_packed)
		b.answer_size = (uint32_t)packed;
	if (b.answer_size > MAX_UNPACKED)
		b.answer_size = MAX_UNPACKED;
	memcpy(m->bytes + start, &b, sizeof(b));
	seed = XXH3_64bits_withSeed(&h->file, sizeof(h->file), start - sizeof(*h)) ^ h->kind;
	b.checksum = XXH3_64bits_withSeed(m->bytes + start + 8, m->size - start - 8, seed);
	memcpy(m->bytes + start, &b, sizeof(b.checksum));
	return before + align(packed);
}

static void make(struct made *m, const uint8_t *data, size_t size)
{
	struct names_cache_header h = {0};
	size_t at = sizeof(h), more;

	m->size = 0;
	memcpy(&h, data, size < sizeof(h) ? size : sizeof(h));
	memcpy(h.magic, "profdnm", sizeof(h.magic));
	h.version = NAMES_CACHE_VERSION;
	h.kind = SYMBOLIZER_ELF;
	add(m, &h, sizeof(h));
	for (; at < size; at += more) {
		more = add_block(m, &h, data + at, size - at);
		if (!more)
			break;
	}
	h.end = m->size;
	h.checksum = XXH3_64bits(&h, offsetof(struct names_cache_header, checksum));
	memcpy(m->bytes, &h, sizeof(h));
}

/* As the helper answers, and keeps what it had to find out. */
static void use(int fd, const struct file_identity *file, const uint64_t *offsets, bool again)
{
	struct sources sources = {.want = want};
	struct iovec parts[NAMES_PARTS];
	struct symbol_answer checked;
	struct names_cache c;
	struct names answer;
	size_t size, at = 0;
	char *flat;

	names_cache_load(&c, fd, file, SYMBOLIZER_ELF);
	if (!again)
		names_cache_holds(&c, want, NULL);
	if (names_init(&answer, offsets, OFFSETS))
		abort();
	names_cache_find(&c, &answer, offsets);
	names_cache_describe(&c, &answer);
	if (again && !answer.failed && answer.n_known != OFFSETS)
		abort();
	size = names_parts(&answer, parts);
	flat = malloc(size);
	for (size_t i = 0; flat && i < NAMES_PARTS; at += parts[i++].iov_len)
		if (parts[i].iov_len)
			memcpy(flat + at, parts[i].iov_base, parts[i].iov_len);
	if (!flat || at != size || symbol_answer_check(&checked, flat, size, OFFSETS))
		abort();
	free(flat);
	if (names_cache_keep(&c, &answer, offsets, &sources))
		abort();
	names_free(&answer);
	names_cache_close(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct made m;
	struct file_identity file;
	uint64_t offsets[OFFSETS];
	int fd = memfd_create("cache", MFD_CLOEXEC);

	if (size > 64u << 10)
		size = 64u << 10;
	make(&m, data, size);
	if (fd < 0 || write(fd, m.bytes, m.size) != (ssize_t)m.size)
		abort();
	memcpy(&file, m.bytes + offsetof(struct names_cache_header, file), sizeof(file));
	for (size_t i = 0; i < OFFSETS; i++)
		offsets[i] = i;
	use(fd, &file, offsets, false);
	use(fd, &file, offsets, true);
	close(fd);
	return 0;
}
