/* SPDX-License-Identifier: MIT */
#include "symbolizer/kernel.h"

#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helper/protocol.h"
#include "symbolizer/kallsyms.h"
#include "symbolizer/names_copy.h"
#include "symbolizer/nearest.h"
#include "util/cleanup.h"
#include "util/reader.h"

#define MAX_NOTES  4096
#define TEXT_BEGIN "_stext"

/* ---- which kernel -----------------------------------------------------------------------------
 */

static uint64_t padded(uint64_t size)
{
	return (size + 3) & ~3ULL;
}

/* The build-id in hex; false: there is none, or it is longer than any. */
static bool read_build_id(int notes, char out[SYMBOLIZER_BUILD_ID])
{
	uint8_t bytes[MAX_NOTES];
	ssize_t n = pread(notes, bytes, sizeof(bytes), 0);
	struct reader r = reader_of(bytes, n > 0 ? (size_t)n : 0);

	while (reader_left(&r)) {
		uint64_t name_size = read_number(&r, 4), size = read_number(&r, 4);
		uint64_t type = read_number(&r, 4);
		const uint8_t *name = read_bytes(&r, padded(name_size));
		const uint8_t *id = read_bytes(&r, padded(size));

		if (r.failed)
			return false;
		if (type != NT_GNU_BUILD_ID || name_size != 4 || memcmp(name, "GNU", 4) != 0)
			continue;
		struct elf_file kernel = {.build_id_size = size};

		if (!size || size > sizeof(kernel.build_id))
			return false;
		memcpy(kernel.build_id, id, size);
		debug_file_build_id(&kernel, out);
		return true;
	}
	return false;
}

/* ---- its debug file ---------------------------------------------------------------------------
 */

struct kernel_file {
	int fd;
	uint64_t begin; /* of the code, as it was linked */
};

static bool find_symbol(const struct elf_file *f, const char *name, uint64_t *value)
{
	Elf_Scn *section = elf_file_section(f, ".symtab");
	Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;
	GElf_Shdr sh;
	GElf_Sym symbol;

	if (!data || !gelf_getshdr(section, &sh))
		return false;
	for (int i = 0; gelf_getsym(data, i, &symbol); i++) {
		const char *text = elf_strptr(f->elf, sh.sh_link, symbol.st_name);

		if (!text || strcmp(text, name) != 0)
			continue;
		*value = symbol.st_value;
		return true;
	}
	return false;
}

/* False: it is the file of another kernel, or does not say where code begins. */
static bool look_at(struct kernel_file *k, const char *build_id)
{
	char hex[SYMBOLIZER_BUILD_ID] = "";
	struct elf_file file;
	bool good = !elf_file_open(&file, k->fd);

	if (good)
		debug_file_build_id(&file, hex);
	good = good && !strcmp(hex, build_id) && find_symbol(&file, TEXT_BEGIN, &k->begin);
	elf_file_close(&file);
	return good;
}

/* ---- lines ------------------------------------------------------------------------------------
 */

static void copy(struct names *answer, struct names *lines, const uint64_t *addresses, size_t first)
{
	struct symbol_answer view;
	struct names_copy c;

	names_view(lines, &view);
	if (!names_copy_begin(&c, answer, &view)) {
		for (size_t i = 0; i < lines->n_addresses; i++) {
			if (!lines->addresses[i].count)
				continue;
			names_copy_address(&c, first + i, i);
			answer->addresses[first + i].vaddr = addresses[i];
		}
	}
	names_copy_end(&c);
}

static void add_flags(struct names *answer, uint32_t flags)
{
	answer->head.flags |= flags & (SYMBOLIZER_HAS_FILES | SYMBOLIZER_HAS_LINES |
					      SYMBOLIZER_HAS_INLINES | SYMBOLIZER_CUTS_INLINES |
					      SYMBOLIZER_CUTS_NAMES | SYMBOLIZER_LACKS_DWARF |
					      SYMBOLIZER_LACKS_SPLIT | SYMBOLIZER_BAD_SPLIT);
	answer->head.flags |= SYMBOLIZER_SEES_DEBUG_FILE | SYMBOLIZER_SEES_DEBUG_DWARF;
	answer->head.flags &= ~(uint32_t)SYMBOLIZER_LACKS_KERNEL;
}

/* Of n addresses from answer's `first` on, which lie `slide` behind where they were linked. */
static int ask(struct elf_modules *modules, struct names *answer, const struct kernel_file *k,
	const uint64_t *addresses, size_t first, size_t n, uint64_t slide,
	const struct elf_module_options *options)
{
	_cleanup_free_ uint64_t *linked = malloc(n * sizeof(*linked) + 1);
	struct elf_module_options with = *options;
	struct names lines;
	struct stat st;
	int r = linked && !fstat(k->fd, &st) ? 0 : -ENOMEM;

	if (r)
		return r;
	for (size_t i = 0; i < n; i++)
		linked[i] = addresses[i] - slide;
	with.virtual = true;
	with.identity = file_identity_of(&st);
	r = names_init(&lines, linked, n);
	if (!r)
		r = elf_modules_resolve(modules, &lines, k->fd, linked, n, &with);
	if (!r && lines.head.flags & SYMBOLIZER_SEES_DWARF) {
		copy(answer, &lines, addresses, first);
		add_flags(answer, lines.head.flags);
	}
	if (r)
		answer->head.flags |= lines.head.flags & SYMBOLIZER_LACKS_ROOM;
	names_free(&lines);
	return r;
}

/* Servers are asked for what no folder has, or has of another kernel only. Close k->fd in any case.
 */
static bool find_file(
	struct kernel_file *k, const char *build_id, const struct elf_module_options *options)
{
	char lacked[1 + SYMBOLIZER_BUILD_ID] = {HELPER_LACKED};
	const char *const names[] = {build_id, HELPER_KERNEL, lacked};
	bool found = false;

	memcpy(lacked + 1, build_id, SYMBOLIZER_BUILD_ID);
	for (size_t i = 0; !found && i < sizeof(names) / sizeof(*names); i++) {
		close_fd(k->fd);
		k->fd = options->want(options->userdata, names[i]);
		found = k->fd >= 0 && look_at(k, build_id);
	}
	return found;
}

static int add_lines(struct elf_modules *modules, struct names *answer,
	const struct kallsyms_text *text, const uint64_t *addresses, size_t n,
	const struct elf_module_options *options)
{
	struct nearest asked = {.addresses = addresses, .n = n};
	struct kernel_file k = {.fd = -1};
	int r = 0;

	if (!*answer->head.build_id || !text->end)
		return 0;
	size_t first = nearest_index(&asked, text->begin), end = nearest_index(&asked, text->end);
	if (n && first == end) /* none is its own: whether there are lines need not be known */
		answer->head.flags &= ~(uint32_t)SYMBOLIZER_LACKS_KERNEL;
	else if (find_file(&k, answer->head.build_id, options))
		r = ask(modules, answer, &k, addresses + first, first, end - first,
			text->begin - k.begin, options);
	close_fd(k.fd);
	return r;
}

int kernel_resolve(struct elf_modules *modules, struct names *answer, int kallsyms, int notes,
	const uint64_t *addresses, size_t n, const struct elf_module_options *options)
{
	struct kallsyms_text text;
	int r = kallsyms_resolve(answer, kallsyms, addresses, n, &text);

	if (r || notes < 0)
		return r ? r : answer->failed;
	if (!read_build_id(notes, answer->head.build_id))
		answer->head.build_id[0] = '\0';
	if (options->symbols_only)
		return answer->failed;
	answer->head.flags |= SYMBOLIZER_LACKS_KERNEL; /* unless they are found */
	if (add_lines(modules, answer, &text, addresses, n, options))
		answer->head.flags |= SYMBOLIZER_LACKS_DWARF;
	return answer->failed;
}
