/* SPDX-License-Identifier: MIT */
#include "symbols/raw_symbol.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#define RUST_HASH 20 /* bytes of "17h", 16 digits and 'E' */

bool is_mangled_symbol(const char *raw)
{
	return !strncmp(raw, "_Z", 2) || !strncmp(raw, "_R", 2) ||
	       (!strncmp(raw, "_D", 2) && isdigit((unsigned char)raw[2]));
}

bool is_cpp_symbol(const char *raw)
{
	size_t n = strlen(raw);

	if (strncmp(raw, "_Z", 2) != 0)
		return false;
	const char *hash = n > RUST_HASH ? raw + n - RUST_HASH : "";
	return strncmp(hash, "17h", 3) != 0 || hash[RUST_HASH - 1] != 'E' ||
	       strspn(hash + 3, "0123456789abcdef") != 16;
}

/* Length of an operator's name with its sign, where one begins; 0: none does. */
static size_t operator_length(const char *name, size_t at)
{
	static const char word[] = "operator";
	static const char *const signs[] = {
		"<=>", "<<=", ">>=", "->*", "<<", ">>", "<=", ">=", "->", "<", ">"};
	size_t n = sizeof(word) - 1;

	if (strncmp(name + at, word, n) != 0 ||
		(at && (isalnum((unsigned char)name[at - 1]) || name[at - 1] == '_')))
		return 0;
	for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++)
		if (!strncmp(name + at + n, signs[i], strlen(signs[i])))
			return n + strlen(signs[i]);
	return 0;
}

/* Length of "<…>" that begins at `from`; 0 if it does not end. What is in parentheses, such as a
 * comparison, has angles of its own. */
static size_t arguments_length(const char *from)
{
	size_t angles = 0, parentheses = 0, skip;

	for (size_t i = 0; from[i]; i += skip) {
		skip = operator_length(from, i);
		if (!skip && from[i] == '-' && from[i + 1] == '>')
			skip = 2;
		if (skip)
			continue;
		skip = 1;
		if (from[i] == '(')
			parentheses++;
		else if (from[i] == ')' && parentheses)
			parentheses--;
		else if (from[i] == '<' && !parentheses)
			angles++;
		else if (from[i] == '>' && !parentheses && --angles == 0)
			return i + 1;
	}
	return 0;
}

/* Copies the name without arguments to `out`, or only measures it; false: it does not balance. */
static bool copy_without(const char *name, char *out)
{
	size_t n = 0;

	for (size_t i = 0; name[i];) {
		size_t take = operator_length(name, i);
		size_t drop = !take && name[i] == '<' ? arguments_length(name + i) : 0;

		if (!take && !drop && name[i] == '<')
			return false;
		if (drop && n && name[i - 1] == ' ')
			n--; /* as in "operator< <int>" */
		take = take ? take : !drop;
		if (out)
			memmove(out + n, name + i, take);
		n += take;
		i += take + drop;
	}
	if (out)
		out[n] = '\0';
	return n > 0;
}

void shorten_cpp_name(char *name)
{
	if (copy_without(name, NULL))
		copy_without(name, name);
}
