/* SPDX-License-Identifier: MIT */
/*
 * protowire.h - protobuf's wire format, walked in place (protobuf.dev/programming-guides/encoding).
 * Nothing is copied and nothing outside the given bytes is read.
 */
#ifndef PROFD_PROFILE_PROTOWIRE_H
#define PROFD_PROFILE_PROTOWIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum proto_type { PROTO_VARINT = 0, PROTO_FIXED64 = 1, PROTO_BYTES = 2, PROTO_FIXED32 = 5 };

struct proto_cursor {
	const uint8_t *at, *end;
};

struct proto_field {
	const uint8_t *start; /* of its tag */
	uint64_t number;
	enum proto_type type;
	uint64_t value;		   /* VARINT */
	struct proto_cursor bytes; /* BYTES */
};

/* False if the varint is cut off or longer than ten bytes. */
bool proto_varint(struct proto_cursor *c, uint64_t *out);
/* The next field. 1, 0 at the end, or -EBADMSG; then *problem is a constant text and field->start
 * where it is. */
int proto_next(struct proto_cursor *c, struct proto_field *field, const char **problem);

#endif
