/* SPDX-License-Identifier: MIT */
/*
 * names_pack.h - an answer as bytes, compressed by zstd: long names of C++ say the same again and
 * again, and become a tenth.
 */
#ifndef PROFD_SYMBOLIZER_NAMES_PACK_H
#define PROFD_SYMBOLIZER_NAMES_PACK_H

#include "symbolizer/names.h"

/* As many bytes as the packed answer can have. */
size_t names_pack_bound(struct names *a);
/* *size: in: of the room; out: packed. 0, -EFBIG: there is not enough room, or -ENOMEM. */
int names_pack(struct names *a, void *to, size_t *size);
/* Makes it `size` bytes again: the caller's, or NULL. 0, -EBADMSG: it is something else, or
 * -ENOMEM. */
int names_unpack(void **out, size_t size, const void *packed, size_t packed_size);

#endif
