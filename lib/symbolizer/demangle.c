/* SPDX-License-Identifier: MIT */
#include "symbolizer/demangle.h"

#include <ctype.h>
#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "symbolizer/protocol.h"
#include "util/cleanup.h"
#include "util/grow.h"

/* False: no more is wanted, since it is as long as a name can be, or memory ran out. */
static bool add(struct demangled *out, const char *piece, size_t n)
{
	size_t room = SYMBOLIZER_MAX_NAME - 1 - out->length;
	bool fits = n <= room;

	if (!fits)
		n = room;
	if (out->failed || grow(out->text, out->length, out->capacity, n + 1)) {
		out->failed = true;
		return false;
	}
	memcpy(out->text + out->length, piece, n);
	out->length += n;
	out->text[out->length] = '\0';
	return fits;
}

static bool is_ascii(const char *piece, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isascii((unsigned char)piece[i]))
			return false;
	return true;
}

/* Where the pieces go that libiberty hands over. */
struct sink {
	struct demangled *out;
	jmp_buf full;
};

/* The substitutions of a hostile name of a hundred bytes describe gigabytes, and nothing but a jump
 * makes libiberty stop. It has on the heap only what is not ASCII: identifiers of Rust's that were
 * in Punycode. */
static void append(const char *piece, size_t n, void *userdata)
{
	struct sink *sink = userdata;

	if (!add(sink->out, piece, n) && is_ascii(piece, n))
		longjmp(sink->full, 1);
}

static size_t skip_while(const char *text, int (*is)(int))
{
	size_t n = 0;

	while (is((unsigned char)text[n]))
		n++;
	return n;
}

static bool has_prefix(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

/* Length of a clone suffix that begins at `dot`, with the numbers that belong to it; 0: none. */
static size_t suffix_length(const char *dot)
{
	static const char *const known[] = {".constprop", ".isra", ".part", ".cold", ".llvm",
		".lto_priv", ".localalias", ".clone", ".warm", ".hot", ".unlikely", ".__uniq"};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		size_t n = strlen(known[i]);

		if (!has_prefix(dot, known[i]) || (dot[n] && dot[n] != '.'))
			continue;
		while (dot[n] == '.' && isdigit((unsigned char)dot[n + 1]))
			n += 1 + skip_while(dot + n + 1, isdigit);
		return n;
	}
	return 0;
}

/* Where the clone suffixes at the end of a name begin: its length if there are none. */
static size_t stem_length(const char *raw)
{
	size_t length = strlen(raw);

	for (const char *dot = strchr(raw, '.'); dot && dot > raw;) {
		const char *p = dot;
		size_t n;

		while (*p && (n = suffix_length(p)))
			p += n;
		if (!*p)
			return (size_t)(dot - raw);
		/* From within, it would end at the same place. */
		dot = strchr(p > dot ? p : dot + 1, '.');
	}
	return length;
}

static bool is_rust_legacy(const char *stem, size_t length)
{
	const char *end = stem + length;

	return length > 23 && has_prefix(stem, "_ZN") && has_prefix(end - 20, "17h") &&
	       end[-1] == 'E' && skip_while(end - 17, isxdigit) >= 16;
}

/* D's names begin with the length of a module's name. */
static bool is_d(const char *stem)
{
	return has_prefix(stem, "_D") && isdigit((unsigned char)stem[2]);
}

/* Length of a D name without its parameters, which come last; those of templates stay. */
static size_t without_parameters(const char *text)
{
	size_t length = strlen(text), at = length, depth = 0;

	if (!length || text[length - 1] != ')')
		return length;
	do {
		at--;
		depth += text[at] == ')';
		depth -= text[at] == '(';
	} while (at && depth);
	return !at || depth || text[at - 1] == '!' ? length : at;
}

static bool demangle_d(struct demangled *out, const char *stem, bool whole)
{
	_cleanup_free_ char *text = dlang_demangle(stem, DMGL_NO_OPTS);

	if (text)
		add(out, text, whole ? strlen(text) : without_parameters(text));
	return text != NULL;
}

static bool demangle_by(struct sink *to, const char *stem, bool whole)
{
	int options = DMGL_ANSI | (whole ? DMGL_PARAMS : 0);

	if (has_prefix(stem, "_R") || is_rust_legacy(stem, strlen(stem)))
		return rust_demangle_callback(stem, DMGL_AUTO, append, to);
	if (is_d(stem))
		return demangle_d(to->out, stem, whole);
	return has_prefix(stem, "_Z") && cplus_demangle_v3_callback(stem, options, append, to);
}

static bool demangle_stem(struct demangled *out, const char *stem, bool whole)
{
	struct sink sink = {.out = out};

	if ((setjmp(sink.full) || demangle_by(&sink, stem, whole)) && !out->failed && out->length)
		return true;
	demangled_free(out);
	return false;
}

bool demangle_whole(struct demangled *out, const char *raw)
{
	*out = (struct demangled){0};
	if (strnlen(raw, SYMBOLIZER_MAX_NAME) >= SYMBOLIZER_MAX_NAME)
		return false;
	/* libiberty knows clones of C++ only. */
	return demangle_stem(out, raw, true) || demangle(out, raw);
}

bool demangle(struct demangled *out, const char *raw)
{
	size_t length = strnlen(raw, SYMBOLIZER_MAX_NAME);
	_cleanup_free_ char *stem = NULL;
	size_t n;

	*out = (struct demangled){0};
	if (length >= SYMBOLIZER_MAX_NAME || (!has_prefix(raw, "_Z") && !has_prefix(raw, "_R") &&
						     !is_d(raw) && !strchr(raw, '.')))
		return false;
	n = stem_length(raw);
	stem = strndup(raw, n);
	if (!stem)
		return false;
	if (demangle_stem(out, stem, false))
		return true;
	if (n == length)
		return false;
	*out = (struct demangled){.text = take_ptr(stem), .length = n};
	return true;
}

void demangled_free(struct demangled *name)
{
	free(name->text);
	*name = (struct demangled){0};
}
