/* SPDX-License-Identifier: MIT */
#include "report/weblist.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/names.h"
#include "util/cleanup.h"

#define INDENT 36 /* columns of the numbers, before the text of a line */

/* Tabs and newlines stay. */
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

/* A line with instructions is a <details>: it opens without a script, and by keyboard. */
static const char HEAD[] =
	"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	"<meta name=\"viewport\" content=\"width=device-width\">\n"
	"<title>Source, with costs</title>\n<style>\n"
	":root { color-scheme: light dark; }\n"
	"body { font: 14px system-ui, sans-serif; margin: 1em; }\n"
	"pre, .code { font: 13px ui-monospace, monospace; overflow-x: auto; tab-size: 8; }\n"
	".line, .asm div { white-space: pre; min-width: max-content; }\n"
	".line::before { content: \"  \"; }\n"
	"summary.line::before { content: \"▸ \"; opacity: .6; }\n"
	"details[open] > summary.line::before { content: \"▾ \"; }\n"
	"summary.line { list-style: none; cursor: pointer; }\n"
	"summary.line::-webkit-details-marker { display: none; }\n"
	"summary.line:hover { outline: 1px solid rgba(128, 128, 128, .5); }\n"
	".cold { opacity: .65; }\n"
	".number, .from { opacity: .6; }\n"
	".asm { border-left: 3px solid rgba(60, 120, 220, .6); margin: 2px 0 6px 1ch; "
	"padding-left: calc(1ch - 3px); }\n"
	".inlined { font-style: italic; opacity: .75; }\n"
	"h2 { font-size: 1em; display: inline; margin: 0; }\n"
	"details.function > summary { cursor: pointer; overflow-wrap: anywhere; }\n"
	"details.function { margin: 1em 0; }\n"
	"</style>\n</head>\n<body>\n";

static const char TAIL[] =
	"<script>\n"
	"for (const button of document.querySelectorAll(\"button\"))\n"
	"\tbutton.onclick = () => {\n"
	"\t\tfor (const line of document.querySelectorAll(\"details.code-of-line\"))\n"
	"\t\t\tline.open = button.id === \"open\";\n"
	"\t};\n"
	"</script>\n</body>\n</html>\n";

void weblist_begin(const struct report *r, const char *total, bool limited)
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
	fputs("</pre>\n<p><button id=\"open\">Show all instructions</button> "
	      "<button id=\"close\">Hide them</button> &ensp;A click on a line with ▸ shows its "
	      "own",
		r->out);
	if (limited)
		fprintf(r->out, ": there are those of the %d functions with the largest flat",
			WEBLIST_CODE_MAX);
	fputs(".</p>\n", r->out);
}

void weblist_begin_function(FILE *out, const struct weblist_function *f)
{
	fputs("<details class=\"function\" open><summary><h2>", out);
	print_escaped(out, f->name);
	fputs("</h2></summary>\n<p>", out);
	print_escaped(out, f->file);
	fprintf(out, "<br>%s flat, %s cum, %s of the total</p>\n<div class=\"code\">", f->flat,
		f->cum, f->share);
	if (f->problem) {
		fputs("<div class=\"line\">Error: ", out);
		print_escaped(out, f->problem);
		fputs("</div>\n", out);
		return;
	}
	fprintf(out, "<div class=\"line\">%10s %10s</div>\n", "flat", "cum");
}

/* ---- instructions ------------------------------------------------------------------------- */

static void print_from(const struct code_place *place, FILE *out)
{
	size_t length;
	const char *base = place->file ? base_name(place->file, &length) : NULL;
	_cleanup_free_ char *name = base ? strndup(base, length) : NULL;

	if (!name)
		return;
	fputs(" <span class=\"from\">", out);
	print_escaped(out, name);
	fprintf(out, ":%" PRId64 "</span>", place->line);
}

/* The line of an inlined function, indented as deep as it was inlined. */
static int print_inlined(const struct report *r, const struct code_place *place, size_t depth,
	struct source_reader *s)
{
	_cleanup_free_ char *path = NULL;
	const char *text = "";

	if (place->file && *place->file != '/' && place->directory) {
		if (asprintf(&path, "%s/%s", place->directory, place->file) < 0)
			path = NULL;
	} else if (place->file) {
		path = strdup(place->file);
	}
	const struct source_file *file = path ? source_file(s, path) : NULL;
	if (place->file && !file)
		return -ENOMEM;
	if (file && source_line(file, place->line))
		text = source_line(file, place->line);
	fprintf(r->out, "<div class=\"inlined\">%*s", INDENT + 4 * (int)depth, "");
	print_escaped(r->out, text + strspn(text, " \t"));
	print_from(place, r->out);
	fputs("</div>\n", r->out);
	return 0;
}

static bool same_place(const struct code_place *a, const struct code_place *b)
{
	return a->line == b->line &&
	       (a->file == b->file || (a->file && b->file && !strcmp(a->file, b->file)));
}

/* Those of the inlined lines that the instruction before was not in as well. */
static int print_new_inlined(const struct report *r, const struct code_instruction *i,
	const struct code_instruction *before, struct source_reader *s)
{
	size_t same = 0;
	int n = 0;

	while (before && same < i->n_inlined && same < before->n_inlined &&
		same_place(&i->inlined[same], &before->inlined[same]))
		same++;
	for (; n == 0 && same < i->n_inlined; same++)
		n = print_inlined(r, &i->inlined[same], same + 1, s);
	return n;
}

static void print_instruction(const struct report *r, const struct code_instruction *i)
{
	char flat[FORMAT_VALUE_SIZE], cum[FORMAT_VALUE_SIZE];
	bool cold = !i->flat && !i->cum;

	report_format_or_dot(r, i->flat, flat);
	report_format_or_dot(r, i->cum, cum);
	fprintf(r->out, "<div%s>%10s %10s %10" PRIx64 ":  %*s", cold ? " class=\"cold\"" : "", flat,
		cum, i->address, 4 * (int)i->n_inlined, "");
	print_escaped(r->out, i->text);
	if (i->n_inlined)
		print_from(&i->inlined[i->n_inlined - 1], r->out);
	fputs("</div>\n", r->out);
}

static int print_code(
	const struct report *r, const struct weblist_line *line, struct source_reader *s)
{
	const struct code_instruction *before = NULL;
	int n = 0;

	fputs("<div class=\"asm\">\n", r->out);
	for (size_t i = 0; n == 0 && i < line->n_code; i++) {
		const struct code_instruction *in = &line->code[i];
		/* Something else lies between. */
		if (before && before->address + before->length != in->address)
			fprintf(r->out, "<div class=\"number\">%*s⋮</div>\n", INDENT, "");
		n = print_new_inlined(r, in, before, s);
		if (n == 0)
			print_instruction(r, in);
		before = in;
	}
	fputs("</div></details>\n", r->out);
	return n;
}

int weblist_line(const struct report *r, const struct weblist_line *line, struct source_reader *s)
{
	bool cold = *line->flat == '.' && *line->cum == '.';
	const char *tag = line->n_code ? "summary" : "div";

	fprintf(r->out, "%s<%s class=\"line%s\"",
		line->n_code ? "<details class=\"code-of-line\">" : "", tag, cold ? " cold" : "");
	/* A colour that is seen on white and on black. */
	if (line->heat > 0)
		fprintf(r->out, " style=\"background: rgba(220, 60, 30, %.2f)\"",
			0.08 + 0.4 * (line->heat < 1 ? line->heat : 1));
	fprintf(r->out, ">%10s %10s <span class=\"number\">%6" PRId64 "</span>  ", line->flat,
		line->cum, line->number);
	print_escaped(r->out, line->text);
	fprintf(r->out, "</%s>\n", tag);
	return line->n_code ? print_code(r, line, s) : 0;
}

void weblist_end_function(FILE *out)
{
	fputs("</div></details>\n", out);
}

void weblist_end(FILE *out)
{
	fputs(TAIL, out);
}
