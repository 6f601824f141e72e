/* SPDX-License-Identifier: MIT */
#include "report/weblist.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "util/cleanup.h"

static void print_escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			fputc(*text, out);
		}
	}
}

static const char HEAD[] =
	"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	"<meta name=\"viewport\" content=\"width=device-width\">\n"
	"<title>Source, with costs</title>\n<style>\n"
	":root { color-scheme: light dark; }\n"
	"body { font: 14px system-ui, sans-serif; margin: 1em; }\n"
	"pre { font: 13px ui-monospace, monospace; overflow-x: auto; tab-size: 8; }\n"
	".line { display: block; white-space: pre; }\n"
	".cold { opacity: .65; }\n"
	".number { opacity: .6; }\n"
	"summary { cursor: pointer; font-weight: bold; overflow-wrap: anywhere; }\n"
	"details { margin: 1em 0; }\n"
	"</style>\n</head>\n<body>\n";

void weblist_begin(const struct report *r, const char *total)
{
	_cleanup_free_ char *labels = NULL;
	size_t size;
	FILE *text = open_memstream(&labels, &size);

	fputs(HEAD, r->out);
	if (!text)
		return;
	report_print_profile(r, text);
	fprintf(text, "Total: %s\n", total);
	if (fclose(text))
		return;
	fputs("<pre>", r->out);
	print_escaped(r->out, labels);
	fputs("</pre>\n", r->out);
}

void weblist_begin_function(FILE *out, const struct weblist_function *f)
{
	fputs("<details open><summary>", out);
	print_escaped(out, f->name);
	fputs("</summary>\n<p>", out);
	print_escaped(out, f->file);
	fprintf(out, "<br>%s flat, %s cum, %s of the total</p>\n<pre>", f->flat, f->cum, f->share);
	if (f->problem) {
		fputs("Error: ", out);
		print_escaped(out, f->problem);
		fputc('\n', out);
		return;
	}
	fprintf(out, "%10s %10s\n", "flat", "cum");
}

void weblist_line(FILE *out, const struct weblist_line *line)
{
	bool cold = *line->flat == '.' && *line->cum == '.';

	fprintf(out, "<span class=\"line%s\"", cold ? " cold" : "");
	/* A colour that is seen on white and on black. */
	if (line->heat > 0)
		fprintf(out, " style=\"background: rgba(220, 60, 30, %.2f)\"",
			0.08 + 0.4 * (line->heat < 1 ? line->heat : 1));
	fprintf(out, ">%10s %10s <span class=\"number\">%6" PRId64 "</span>  ", line->flat,
		line->cum, line->number);
	print_escaped(out, line->text);
	fputs("</span>", out);
}

void weblist_end_function(FILE *out)
{
	fputs("</pre></details>\n", out);
}

void weblist_end(FILE *out)
{
	fputs("</body>\n</html>\n", out);
}
