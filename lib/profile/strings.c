/* SPDX-License-Identifier: MIT */
#include "profile/strings.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/grow.h"
#include "util/hash.h"
#include "util/intern.h"

#define FIRST_CHUNK   2048
#define LARGEST_CHUNK (256 * 1024)

struct entry {
	const char *text;
	uint32_t length;
};

/* Texts live in chunks that are chained for freeing only. */
struct chunk {
	struct chunk *next;
	char text[];
};

struct string_table {
	struct entry *entries;
	size_t count, capacity;
	struct intern index; /* by id + 1 */
	struct chunk *chunks;
	char *free_text;
	size_t free_bytes, chunk_size;
	uint8_t *bytes; /* of a file, that texts lie in */
};

/* ---- UTF-8 -------------------------------------------------------------------------------- */

/* Length of the sequence at s if it is well-formed (Unicode 15, table 3-7) and not NUL, else 0. */
static size_t sequence_length(const unsigned char *s, size_t left)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t n;
	if (s[0] < 0x80)
		return s[0] != 0;
	if (s[0] >= 0xc2 && s[0] <= 0xdf) {
		n = 2;
	} else if (s[0] >= 0xe0 && s[0] <= 0xef) {
		n = 3;
		if (s[0] == 0xe0)
			low = 0xa0; /* shorter forms exist below */
		if (s[0] == 0xed)
			high = 0x9f; /* surrogates above */
	} else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		n = 4;
		if (s[0] == 0xf0)
			low = 0x90;
		if (s[0] == 0xf4)
			high = 0x8f; /* U+10FFFF is the last */
	} else {
		return 0;
	}
	if (left < n || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

/* Whether eight bytes are all ASCII and none is NUL: with the upper bits clear, taking one from
 * each byte borrows into an upper bit only where the byte was 0. */
static bool plain_eight(const char *text)
{
	uint64_t word;
	memcpy(&word, text, sizeof(word));
	return !((word | (word - 0x0101010101010101ULL)) & 0x8080808080808080ULL);
}

/* How many bytes from the start are fine. */
static size_t clean_prefix(const char *text, size_t length)
{
	size_t i = 0;
	while (i < length) {
		if (length - i >= 8 && plain_eight(text + i)) {
			i += 8;
			continue;
		}
		/* The last few bytes together with some that are known to be plain. */
		if (i >= 8 && length - i < 8 && plain_eight(text + length - 8))
			return length;
		size_t n = sequence_length((const unsigned char *)text + i, length - i);
		if (!n)
			break;
		i += n;
	}
	return i;
}

/* A clean copy, up to three times as long. */
static char *clean_copy(const char *text, size_t length, size_t *clean_length)
{
	static const char replacement[] = "\xef\xbf\xbd";
	char *copy = reallocarray(NULL, length, sizeof(replacement) - 1);
	size_t out = 0;
	if (!copy)
		return NULL;
	for (size_t i = 0; i < length;) {
		size_t good = clean_prefix(text + i, length - i);
		memcpy(copy + out, text + i, good);
		i += good;
		out += good;
		if (i < length) {
			memcpy(copy + out, replacement, sizeof(replacement) - 1);
			i++;
			out += sizeof(replacement) - 1;
		}
	}
	*clean_length = out;
	return copy;
}

/* ---- the table ---------------------------------------------------------------------------- */

struct wanted {
	const struct string_table *table;
	const char *text;
	size_t length;
};

static bool equal_text(const void *userdata, uint32_t id)
{
	const struct wanted *w = userdata;
	const struct entry *e = &w->table->entries[id - 1];
	return e->length == w->length && !memcmp(e->text, w->text, w->length);
}

static const char *store_text(struct string_table *t, const char *text, size_t length)
{
	if (length + 1 > t->free_bytes) {
		/* A long text gets a chunk of its own size, and what is left of this one stays. */
		bool own = length + 1 > t->chunk_size;
		size_t size = own ? length + 1 : t->chunk_size;
		struct chunk *c = malloc(sizeof(*c) + size);
		if (!c)
			return NULL;
		c->next = t->chunks;
		t->chunks = c;
		if (own) {
			memcpy(c->text, text, length);
			c->text[length] = '\0';
			return c->text;
		}
		t->free_text = c->text;
		t->free_bytes = size;
		if (t->chunk_size < LARGEST_CHUNK)
			t->chunk_size *= 2;
	}
	char *at = t->free_text;
	memcpy(at, text, length);
	at[length] = '\0';
	t->free_text += length + 1;
	t->free_bytes -= length + 1;
	return at;
}

int64_t strings_add_clean(struct string_table *t, const char *text, size_t length)
{
	struct wanted wanted = {t, text, length};
	uint64_t hash = hash_bytes(text, length);
	uint32_t found = intern_find(&t->index, hash, equal_text, &wanted);
	if (found)
		return found - 1;
	if (length > UINT32_MAX)
		return -E2BIG;
	int r = grow(t->entries, t->count, t->capacity, 1);
	if (r < 0)
		return r;
	const char *stored = store_text(t, text, length);
	if (!stored)
		return -ENOMEM;
	r = intern_add(&t->index, hash, (uint32_t)t->count + 1);
	if (r < 0)
		return r;
	t->entries[t->count] = (struct entry){stored, (uint32_t)length};
	return (int64_t)t->count++;
}

int64_t strings_add(struct string_table *t, const char *text, size_t length)
{
	if (clean_prefix(text, length) == length)
		return strings_add_clean(t, text, length);
	size_t clean_length;
	_cleanup_free_ char *copy = clean_copy(text, length, &clean_length);
	if (!copy)
		return -ENOMEM;
	return strings_add_clean(t, copy, clean_length);
}

int64_t strings_find(const struct string_table *t, const char *text, size_t length)
{
	struct wanted wanted = {t, text, length};
	uint32_t found = intern_find(&t->index, hash_bytes(text, length), equal_text, &wanted);
	return found ? (int64_t)found - 1 : -ENOENT;
}

static void find_batch(
	const struct string_table *t, const struct entry *texts, size_t n, uint32_t *ids)
{
	uint64_t hashes[INTERN_BATCH];
	for (size_t i = 0; i < n; i++) {
		hashes[i] = hash_bytes(texts[i].text, texts[i].length);
		intern_prefetch(&t->index, hashes[i]);
	}
	for (size_t i = 0; i < n; i++) {
		ids[i] = intern_peek(&t->index, hashes[i]);
		if (ids[i])
			__builtin_prefetch(&t->entries[ids[i] - 1]);
	}
	for (size_t i = 0; i < n; i++) {
		if (ids[i])
			__builtin_prefetch(t->entries[ids[i] - 1].text);
	}
	for (size_t i = 0; i < n; i++) {
		struct wanted wanted = {t, texts[i].text, texts[i].length};
		uint32_t found = intern_find(&t->index, hashes[i], equal_text, &wanted);
		ids[i] = found ? found - 1 : 0;
	}
}

void strings_find_all(const struct string_table *t, const struct string_table *texts, uint32_t *ids)
{
	for (size_t i = 0; i < texts->count; i += INTERN_BATCH) {
		size_t n = texts->count - i < INTERN_BATCH ? texts->count - i : INTERN_BATCH;
		find_batch(t, texts->entries + i, n, ids + i);
	}
}

struct string_table *strings_new(void)
{
	struct string_table *t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->chunk_size = FIRST_CHUNK;
	if (strings_add_clean(t, "", 0) != 0) {
		strings_free(t);
		return NULL;
	}
	return t;
}

struct string_table *strings_over(void)
{
	struct string_table *t = calloc(1, sizeof(*t));
	if (t)
		t->chunk_size = FIRST_CHUNK;
	return t;
}

int64_t strings_borrow(struct string_table *t, const uint8_t *text, size_t length)
{
	const char *as_it_is = (const char *)text, *kept = as_it_is;
	int r = length > UINT32_MAX / 3 ? -E2BIG : grow(t->entries, t->count, t->capacity, 1);
	if (r < 0)
		return r;
	if (clean_prefix(as_it_is, length) != length) {
		_cleanup_free_ char *copy = clean_copy(as_it_is, length, &length);
		kept = copy ? store_text(t, copy, length) : NULL;
		if (!kept)
			return -ENOMEM;
	}
	t->entries[t->count] = (struct entry){kept, (uint32_t)length};
	return (int64_t)t->count++;
}

void strings_end_borrowed(struct string_table *t, uint8_t *bytes)
{
	t->bytes = bytes;
	for (size_t i = 0; i < t->count; i++)
		((char *)t->entries[i].text)[t->entries[i].length] = '\0';
}

void strings_free(struct string_table *t)
{
	if (!t)
		return;
	while (t->chunks) {
		struct chunk *next = t->chunks->next;
		free(t->chunks);
		t->chunks = next;
	}
	free(t->bytes);
	free(t->entries);
	intern_free(&t->index);
	free(t);
}

size_t strings_count(const struct string_table *t)
{
	return t->count;
}

const char *strings_text(const struct string_table *t, uint32_t id)
{
	return id < t->count ? t->entries[id].text : "";
}

size_t strings_length(const struct string_table *t, uint32_t id)
{
	return id < t->count ? t->entries[id].length : 0;
}
