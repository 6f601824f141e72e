/* SPDX-License-Identifier: MIT */
/*
 * json_writer.h - JSON as a stream: commas and quotes are put where they belong, nothing is kept in
 * memory (a document object for each value of a large profile would cost more than the profile).
 * Errors are those of the stream: look at ferror() once at the end.
 */
#ifndef PROFD_REPORT_JSON_WRITER_H
#define PROFD_REPORT_JSON_WRITER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json_writer {
	FILE *out;
	bool more; /* a comma is due before the next value */
};

/* key is NULL in arrays and for the outermost value; it is not escaped. */
void json_open(struct json_writer *j, const char *key, char bracket); /* '{' or '[' */
void json_close(struct json_writer *j, char bracket);		      /* '}' or ']' */
/* `text` is UTF-8. What it holds stays as it is for a reader of JSON; the writing never contains
 * '<', so that it may stand in a page's script. */
void json_text(struct json_writer *j, const char *key, const char *text);
void json_int(struct json_writer *j, const char *key, int64_t value);
/* With all digits that matter. */
void json_real(struct json_writer *j, const char *key, double value);
void json_bool(struct json_writer *j, const char *key, bool value);
/* A value as it is to be written, in an array. */
void json_literal(struct json_writer *j, const char *value);
void json_null(struct json_writer *j, const char *key);

#endif
