/* SPDX-License-Identifier: MIT */
/*
 * protowire.h - protobuf's wire format, walked in place (protobuf.dev/programming-guides/encoding).
 * Nothing is copied and nothing outside the given bytes is read. Inline are the forms that nearly
 * all fields of a profile have: numbers below 128, and tags of one byte.
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

/* For proto_varint and proto_next only. */
bool proto_long_varint(struct proto_cursor *c, uint64_t *out);
int proto_any_field(struct proto_cursor *c, struct proto_field *field, const char **problem);

/* False if the varint is cut off or longer than ten bytes. */
static inline bool proto_varint(struct proto_cursor *c, uint64_t *out)
{
	if (c->at < c->end && *c->at < 0x80) {
		*out = *c->at++;
		return true;
	}
	if (c->end - c->at > 1 && c->at[1] < 0x80) {
		*out = (c->at[0] & 0x7fU) | (uint64_t)c->at[1] << 7;
		c->at += 2;
		return true;
	}
	return proto_long_varint(c, out);
}

/* The next field. 1, 0 at the end, or -EBADMSG; then *problem is a constant text and field->start
 * where it is. */
static inline int proto_next(
	struct proto_cursor *c, struct proto_field *field, const char **problem)
{
	if (c->end - c->at < 2 || c->at[0] >= 0x80)
		return proto_any_field(c, field, problem);
	struct proto_cursor next = {c->at + 1, c->end};
	uint64_t value;
	unsigned type = c->at[0] & 7;
	if ((type != PROTO_VARINT && type != PROTO_BYTES) || !proto_varint(&next, &value))
		return proto_any_field(c, field, problem);
	field->start = c->at;
	field->number = c->at[0] >> 3;
	field->type = (enum proto_type)type;
	field->value = value;
	if (type == PROTO_BYTES) {
		if (value > (uint64_t)(next.end - next.at))
			return proto_any_field(c, field, problem);
		field->bytes = (struct proto_cursor){next.at, next.at + value};
		next.at += value;
	}
	c->at = next.at;
	return 1;
}

#endif
