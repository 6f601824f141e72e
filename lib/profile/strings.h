/* SPDX-License-Identifier: MIT */
/*
 * strings.h - a table of distinct strings with ids 0..n-1; 0 is "". Texts never move, so a pointer
 * is good as long as the table is. Texts are valid UTF-8 without NUL: each byte that breaks this
 * becomes U+FFFD (protobuf's `string` demands UTF-8, and consumers refuse the file otherwise).
 */
#ifndef PROFD_PROFILE_STRINGS_H
#define PROFD_PROFILE_STRINGS_H

#include <stddef.h>
#include <stdint.h>

struct string_table;

struct string_table *strings_new(void); /* NULL without memory */
void strings_free(struct string_table *t);

/* The same for a text of another table, which is clean. */
int64_t strings_add_clean(struct string_table *t, const char *text, size_t length);

/* A table over the bytes of a file, which it owns from strings_end_borrowed on. Texts are added by
 * strings_borrow only, as ids in order: none is compared with another, and none is copied unless it
 * is not clean. strings_end_borrowed then writes the NUL behind each text: nothing else of the
 * bytes is needed any more, and there is one byte more than the last text. Such a table serves for
 * copying into another one. */
struct string_table *strings_over(void);
int64_t strings_borrow(struct string_table *t, const uint8_t *text, size_t length);
void strings_end_borrowed(struct string_table *t, uint8_t *bytes);

size_t strings_count(const struct string_table *t);
/* The id of the text, added if it is new. -ENOMEM, -E2BIG (2^31 strings, or 4 GiB in one). */
int64_t strings_add(struct string_table *t, const char *text, size_t length);
/* The id of the text, or -ENOENT. The text must be clean already. */
int64_t strings_find(const struct string_table *t, const char *text, size_t length);
/* ids[i] = the id in `t` of each text of `texts`, or 0 if it has none. */
void strings_find_all(
	const struct string_table *t, const struct string_table *texts, uint32_t *ids);
/* "" for an id that does not exist. */
const char *strings_text(const struct string_table *t, uint32_t id);
size_t strings_length(const struct string_table *t, uint32_t id);

#endif
