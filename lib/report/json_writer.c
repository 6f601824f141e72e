/* SPDX-License-Identifier: MIT */
#include "report/json_writer.h"

#include <inttypes.h>
#include <math.h>

static void begin(struct json_writer *j, const char *key)
{
	if (j->more)
		fputc(',', j->out);
	if (key)
		fprintf(j->out, "\"%s\":", key);
	j->more = true;
}

void json_open(struct json_writer *j, const char *key, char bracket)
{
	begin(j, key);
	fputc(bracket, j->out);
	j->more = false;
}

void json_close(struct json_writer *j, char bracket)
{
	fputc(bracket, j->out);
	j->more = true;
}

void json_text(struct json_writer *j, const char *key, const char *text)
{
	begin(j, key);
	fputc('"', j->out);
	for (const char *c = text; *c; c++) {
		unsigned char byte = (unsigned char)*c;
		if (byte == '"' || byte == '\\')
			fprintf(j->out, "\\%c", byte);
		else if (byte < 0x20 || byte == 0x7f || byte == '<')
			fprintf(j->out, "\\u%04x", byte);
		else
			fputc(byte, j->out);
	}
	fputc('"', j->out);
}

void json_int(struct json_writer *j, const char *key, int64_t value)
{
	begin(j, key);
	fprintf(j->out, "%" PRId64, value);
}

void json_real(struct json_writer *j, const char *key, double value)
{
	begin(j, key);
	fprintf(j->out, "%.17g", isfinite(value) ? value : 0.0);
}

void json_bool(struct json_writer *j, const char *key, bool value)
{
	begin(j, key);
	fputs(value ? "true" : "false", j->out);
}

void json_literal(struct json_writer *j, const char *value)
{
	begin(j, NULL);
	fputs(value, j->out);
}

void json_null(struct json_writer *j, const char *key)
{
	begin(j, key);
	fputs("null", j->out);
}
