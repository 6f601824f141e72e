// SPDX-License-Identifier: MIT
#include "symbolizer/names_pack.h"

#include <errno.h>
#include <stdlib.h>
#include <zstd.h>

#define LEVEL 1 /* higher ones gain little here, and take several times as long */

size_t names_pack_bound(struct names *a)
{
	struct iovec parts[NAMES_PARTS];

	return ZSTD_compressBound(names_parts(a, parts));
}

/* Without the whole size of the answer beforehand, its memory would be that of the largest. */
static int pack_parts(ZSTD_CCtx *zstd, const struct iovec *parts, size_t total, ZSTD_outBuffer *out)
{
	if (ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, LEVEL)) ||
		ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(zstd, total)))
		return -ENOMEM;
	for (size_t i = 0; i < NAMES_PARTS; i++) {
		ZSTD_inBuffer in = {parts[i].iov_base, parts[i].iov_len, 0};
		ZSTD_EndDirective how = i + 1 < NAMES_PARTS ? ZSTD_e_continue : ZSTD_e_end;
		size_t left;

		do {
			left = ZSTD_compressStream2(zstd, out, &in, how);
			if (ZSTD_isError(left))
				return -ENOMEM;
			if (out->pos == out->size && (left || in.pos < in.size))
				return -EFBIG;
		} while (in.pos < in.size || (how == ZSTD_e_end && left));
	}
	return 0;
}

int names_pack(struct names *a, void *to, size_t *size)
{
	ZSTD_CCtx *zstd = ZSTD_createCCtx();
	struct iovec parts[NAMES_PARTS];
	ZSTD_outBuffer out = {to, *size, 0};
	size_t total = names_parts(a, parts);
	int r = zstd ? pack_parts(zstd, parts, total, &out) : -ENOMEM;

	ZSTD_freeCCtx(zstd);
	*size = out.pos;
	return r;
}

int names_unpack(void **out, size_t size, const void *packed, size_t packed_size)
{
	ZSTD_DCtx *zstd = ZSTD_createDCtx();
	void *bytes = malloc(size + 1);
	int r = zstd && bytes ? 0 : -ENOMEM;

	*out = NULL;
	if (!r && ZSTD_decompressDCtx(zstd, bytes, size, packed, packed_size) != size)
		r = -EBADMSG;
	ZSTD_freeDCtx(zstd);
	if (r)
		free(bytes);
	else
		*out = bytes;
	return r;
}
