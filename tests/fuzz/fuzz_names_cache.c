// SPDX-License-Identifier: MIT
/* A cache file of names that somebody else wrote: nothing comes out that the collector would not
 * take, no file is asked for that it would not open, and what is kept afterwards is there.
 * Checksums are made right first, or nothing would get past them. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include "symbolizer/names_cache.h"
#include "symbols/debug_name.h"

#define OFFSETS 64

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

static void make_right(uint8_t *file, size_t size)
{
	struct names_cache_header h;

	if (size < sizeof(h))
		return;
	memcpy(&h, file, sizeof(h));
	memcpy(h.magic, "profdnm", sizeof(h.magic));
	h.version = NAMES_CACHE_VERSION;
	h.kind = SYMBOLIZER_ELF;
	h.end = size & ~(uint64_t)7;
	h.checksum = XXH3_64bits(&h, offsetof(struct names_cache_header, checksum));
	memcpy(file, &h, sizeof(h));
	for (size_t at = sizeof(h); h.end - at >= sizeof(struct names_cache_block_head);) {
		struct names_cache_block_head b;
		uint64_t seed;
		size_t bytes;

		memcpy(&b, file + at, sizeof(b));
		bytes = sizeof(b) + b.n_sources * sizeof(struct names_cache_source) +
			b.n_addresses * sizeof(uint64_t) + align(b.answer_size);
		if (bytes > h.end - at)
			return;
		seed = XXH3_64bits_withSeed(&h.file, sizeof(h.file), at - sizeof(h)) ^ h.kind;
		b.checksum = XXH3_64bits_withSeed(file + at + 8, bytes - 8, seed);
		memcpy(file + at, &b, sizeof(b));
		at += bytes;
	}
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
	struct file_identity file = {0};
	uint64_t offsets[OFFSETS];
	int fd = memfd_create("cache", MFD_CLOEXEC);
	uint8_t *copy = malloc(size + 1);

	if (fd < 0 || !copy)
		abort();
	memcpy(copy, data, size);
	make_right(copy, size);
	if (write(fd, copy, size) != (ssize_t)size)
		abort();
	if (size >= sizeof(struct names_cache_header))
		memcpy(&file, copy + offsetof(struct names_cache_header, file), sizeof(file));
	for (size_t i = 0; i < OFFSETS; i++)
		offsets[i] = i;
	use(fd, &file, offsets, false);
	use(fd, &file, offsets, true);
	free(copy);
	close(fd);
	return 0;
}
