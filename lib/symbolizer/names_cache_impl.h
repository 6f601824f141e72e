/* SPDX-License-Identifier: MIT */
/* names_cache_impl.h - what reading and writing of a cache file share. */
#ifndef PROFD_SYMBOLIZER_NAMES_CACHE_IMPL_H
#define PROFD_SYMBOLIZER_NAMES_CACHE_IMPL_H

#include "symbolizer/names_cache.h"

#define NAMES_CACHE_ALIGN(size) (((size) + 7) & ~(size_t)7)

uint64_t names_cache_header_checksum(const struct names_cache_header *h);
/* Of a block of `size` bytes at `at` behind the header. */
uint64_t names_cache_block_checksum(
	const struct names_cache *c, const char *block, size_t size, uint64_t at);
/* The source of that name, or NULL. */
const struct file_identity *names_cache_source(const struct names_cache *c, const char *name);
/* Makes sure that the block's answer is there. False: it is a lie, so that nothing is there any
 * more; or there is no memory, so that what is there shall stay as it is. */
bool names_cache_unpack(struct names_cache *c, struct names_cache_block *b);
/* Gives back what was unpacked. */
void names_cache_pack_up(struct names_cache *c);
/* The file holds nothing from now on. */
void names_cache_forget(struct names_cache *c);

#endif
