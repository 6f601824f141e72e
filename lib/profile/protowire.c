/* SPDX-License-Identifier: MIT */
#include "profile/protowire.h"

#include <errno.h>

bool proto_long_varint(struct proto_cursor *c, uint64_t *out)
{
	uint64_t value = 0;
	const uint8_t *at = c->at;
	for (unsigned shift = 0; shift < 70 && at < c->end; shift += 7) {
		uint8_t byte = *at++;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			c->at = at;
			*out = value;
			return true;
		}
	}
	return false;
}

static bool skip(struct proto_cursor *c, uint64_t n)
{
	if (n > (uint64_t)(c->end - c->at))
		return false;
	c->at += n;
	return true;
}

static const char *take_content(struct proto_cursor *c, struct proto_field *field, unsigned type)
{
	uint64_t length;
	switch (type) {
	case PROTO_VARINT:
		return proto_varint(c, &field->value) ? NULL : "a number is cut off or too long";
	case PROTO_FIXED64:
		return skip(c, 8) ? NULL : "a number is cut off";
	case PROTO_FIXED32:
		return skip(c, 4) ? NULL : "a number is cut off";
	case PROTO_BYTES:
		if (!proto_varint(c, &length))
			return "a length is cut off or too long";
		field->bytes.at = c->at;
		if (!skip(c, length))
			return "a field is longer than what follows";
		field->bytes.end = c->at;
		return NULL;
	default:
		return "this wire type does not exist";
	}
}

int proto_any_field(struct proto_cursor *c, struct proto_field *field, const char **problem)
{
	uint64_t tag;
	if (c->at == c->end)
		return 0;
	*field = (struct proto_field){.start = c->at};
	if (proto_varint(c, &tag)) {
		field->number = tag >> 3;
		field->type = (enum proto_type)(tag & 7);
		*problem = take_content(c, field, tag & 7);
	} else {
		*problem = "a tag is cut off or too long";
	}
	return *problem ? -EBADMSG : 1;
}
