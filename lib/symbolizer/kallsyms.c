/* SPDX-License-Identifier: MIT */
#include "symbolizer/kallsyms.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "symbolizer/demangle.h"
#include "symbolizer/nearest.h"
#include "symbolizer/textfile.h"
#include "util/cleanup.h"

/* Nothing in the kernel is longer: an address further from the last symbol belongs to something
 * that has gone since, such as a BPF program. */
#define MAX_REACH (256u << 10)
#define MAX_NAME  1024

struct kernel_symbol {
	uint64_t address;
	enum symbol_binding binding;
	const char *name, *module; /* module: "" for the kernel proper */
};

/* Cuts the line apart. False for data symbols and what is not a symbol. */
static bool parse(char *line, struct kernel_symbol *out)
{
	const char *p = line;

	if (!textfile_hex(&p, &out->address) || p[0] != ' ' || !p[1] || p[2] != ' ' || !p[3])
		return false;
	switch (p[1]) {
	case 'T':
		out->binding = SYMBOL_GLOBAL;
		break;
	case 't':
		out->binding = SYMBOL_LOCAL;
		break;
	case 'w':
	case 'W':
		out->binding = SYMBOL_WEAK;
		break;
	default:
		return false;
	}
	char *name = line + (p - line) + 3;
	char *tab = strchr(name, '\t');

	out->name = name;
	out->module = "";
	if (tab) {
		*tab = '\0';
		if (tab[1] == '[') {
			tab[1 + strcspn(tab + 1, "]")] = '\0';
			out->module = tab + 2;
		}
	}
	return *name && *name != '$' && strlen(name) < MAX_NAME && strlen(out->module) < MAX_NAME;
}

static char *display_name(const struct kernel_symbol *s)
{
	struct demangled plain;
	char *text = NULL;
	bool other = demangle(&plain, s->name);
	const char *name = other ? plain.text : s->name;

	if (*s->module && strcmp(s->module, "bpf") != 0) {
		if (asprintf(&text, "%s [%s]", name, s->module) < 0)
			text = NULL;
	} else {
		text = strdup(name);
	}
	demangled_free(&plain);
	return text;
}

/* The text is gone when the search ends, so the name of the candidate of each address is kept. */
struct search {
	struct nearest nearest;
	char **names; /* by address index */
};

static int offer(struct search *s, const struct kernel_symbol *symbol)
{
	size_t i = nearest_index(&s->nearest, symbol->address);
	struct nearest_symbol candidate = {
		.start = symbol->address,
		.end = symbol->address,
		.limit = symbol->address + MAX_REACH,
		.rank = nearest_rank(symbol->binding, symbol->name),
	};

	if (i == s->nearest.n)
		return 0;
	const struct nearest_symbol *kept = &s->nearest.last[i], before = *kept;

	candidate.tag = &s->names[i];
	nearest_add(&s->nearest, &candidate);
	if (before.tag && before.start == kept->start && before.rank == kept->rank)
		return 0; /* the one before is nearer, or better */
	char *name = display_name(symbol);

	if (!name)
		return -ENOMEM;
	free(s->names[i]);
	s->names[i] = name;
	return 0;
}

static void note_bound(struct kallsyms_text *text, const struct kernel_symbol *symbol)
{
	if (*symbol->name != '_' || *symbol->module)
		return;
	if (!text->begin && !strcmp(symbol->name, "_stext"))
		text->begin = symbol->address;
	else if (!text->end && !strcmp(symbol->name, "_etext"))
		text->end = symbol->address;
}

static int read_all(struct search *s, int fd, struct kallsyms_text *text)
{
	_cleanup_free_ struct textfile *file = malloc(sizeof(*file));
	struct kernel_symbol symbol;
	bool visible = false;
	char *line;
	int r = 0;

	if (!file)
		return -ENOMEM;
	textfile_init(file, fd);
	while (!r && (line = textfile_next(file))) {
		if (!parse(line, &symbol))
			continue;
		visible |= symbol.address != 0;
		note_bound(text, &symbol);
		r = offer(s, &symbol);
	}
	if (r || file->error)
		return r ? r : file->error;
	return visible ? 0 : -EPERM;
}

static void name_all(struct names *answer, const struct nearest_symbol *found, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!found[i].tag)
			continue;
		const char *name = *(char *const *)found[i].tag;
		struct symbolizer_function function = {.name = names_string(answer, name)};
		struct names_frame frame = {names_function(answer, &function), 0};

		names_set(answer, i, &frame, 1);
	}
}

int kallsyms_resolve(struct names *answer, int fd, const uint64_t *addresses, size_t n,
	struct kallsyms_text *text)
{
	struct kallsyms_text bounds = {0};
	struct search s = {0};
	_cleanup_free_ struct nearest_symbol *found = calloc(n + 1, sizeof(*found));
	int r = nearest_init(&s.nearest, addresses, n);

	s.names = calloc(n + 1, sizeof(*s.names));
	if (!s.names || !found)
		r = -ENOMEM;
	if (!r)
		r = read_all(&s, fd, &bounds);
	if (!r) {
		nearest_finish(&s.nearest, found);
		name_all(answer, found, n);
	}
	for (size_t i = 0; s.names && i < n; i++)
		free(s.names[i]);
	free(s.names);
	nearest_free(&s.nearest);
	*text = !r && bounds.begin && bounds.begin < bounds.end ? bounds
								: (struct kallsyms_text){0};
	return r;
}
