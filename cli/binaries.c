// SPDX-License-Identifier: MIT
#include "binaries.h"

#include <elf.h>
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "symbol_client.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/open_checked.h"

/* A mapping's file, looked for. */
struct search {
	struct symbol_client client;
	const char *file, *base; /* its path as the profile has it, and the end of that */
	const char *build_id;
	char *found; /* owned */
};

bool binaries_is_program(const char *path)
{
	char magic[4];
	_cleanup_close_ int fd = open_regular(path);

	return fd >= 0 && pread(fd, magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) &&
	       !memcmp(magic, "\177ELF", sizeof(magic));
}

/* Where the section headers end; 0 if there are none, or if it is no ELF file. */
static uint64_t end_of_headers(int fd)
{
	union {
		unsigned char ident[EI_NIDENT];
		Elf32_Ehdr small;
		Elf64_Ehdr large;
	} h = {0};
	ssize_t n = pread(fd, &h, sizeof(h), 0);

	if (n < (ssize_t)sizeof(h.small) || memcmp(h.ident, ELFMAG, SELFMAG) != 0)
		return 0;
	if (h.ident[EI_CLASS] == ELFCLASS32)
		return h.small.e_shoff + (uint64_t)h.small.e_shnum * h.small.e_shentsize;
	return h.large.e_shoff > INT64_MAX
		       ? 0
		       : h.large.e_shoff + (uint64_t)h.large.e_shnum * h.large.e_shentsize;
}

bool binaries_is_cut_off(int fd, char *why, size_t why_size)
{
	uint64_t end = end_of_headers(fd);
	struct stat st;

	if (fstat(fd, &st) || end <= (uint64_t)st.st_size)
		return false;
	snprintf(why, why_size,
		"it is cut off: by its headers it has at least %" PRIu64 " bytes, and %" PRIu64
		" are here: copy it again",
		end, (uint64_t)st.st_size);
	return true;
}

/* ---- candidates ----------------------------------------------------------------------------- */

/* Takes the file if it is the one; owns the path. */
static bool consider(struct search *s, char *path)
{
	_cleanup_free_ char *candidate = path;
	char why[256];
	struct symbol_reply reply;

	_cleanup_close_ int fd = candidate ? open_regular(candidate) : -1;
	if (fd < 0)
		return false;
	struct symbol_question question = {
		.kind = SYMBOLIZER_ELF_CODE, .fd = fd, .symbols_only = true};
	if (symbol_client_ask(&s->client, &question, &reply, why, sizeof(why)))
		return false;
	const char *is = reply.answer.head->build_id;
	if (*s->build_id && strcmp(s->build_id, is) != 0)
		log_warning("%s is passed over: its build-id is %s, the profile is of %s",
			candidate, *is ? is : "not known", s->build_id);
	else
		s->found = take_ptr(candidate);
	symbol_reply_free(&reply);
	return s->found;
}

__attribute__((format(printf, 1, 2))) static char *path_of(const char *format, ...)
{
	va_list arguments;
	char *path = NULL;

	va_start(arguments, format);
	if (vasprintf(&path, format, arguments) < 0)
		path = NULL;
	va_end(arguments);
	return path;
}

/* FOLDER/BUILD-ID/ with whatever is in it. */
static bool look_in_build_id(struct search *s, const char *folder)
{
	_cleanup_free_ char *pattern = path_of("%s/%s/*", folder, s->build_id);
	glob_t matches = {0};

	if (pattern && !glob(pattern, 0, NULL, &matches))
		for (size_t i = 0; i < matches.gl_pathc && !s->found; i++)
			consider(s, strdup(matches.gl_pathv[i]));
	globfree(&matches);
	return s->found;
}

static bool look_by_build_id(struct search *s, const char *folder)
{
	const char *id = s->build_id;

	if (strspn(id, "0123456789abcdef") != strlen(id) || strlen(id) < 3)
		return false;
	return (*s->base && consider(s, path_of("%s/%s/%s", folder, id, s->base))) ||
	       look_in_build_id(s, folder) ||
	       consider(s, path_of("%s/%s/%s", folder, s->file, id)) || /* perf's buildid cache */
	       consider(s, path_of("%s/%.2s/%s.debug", folder, id, id + 2));
}

/* GDB's places among them. */
static bool look_by_name(struct search *s, const char *folder)
{
	int directory = (int)(s->base - s->file);

	if (!*s->base || !strcmp(s->base, "..") || strstr(s->file, "/../"))
		return false;
	return consider(s, path_of("%s/%s", folder, s->base)) ||
	       consider(s, path_of("%s/%s", folder, s->file)) ||
	       consider(s, path_of("%s/%s.debug", folder, s->file)) ||
	       consider(s,
		       path_of("%s/%.*s/.debug/%s.debug", folder, directory, s->file, s->base)) ||
	       consider(s, path_of("%s/usr/lib/debug/%.*s/%s.debug", folder, directory, s->file,
				   s->base));
}

static void look_below(struct search *s, const char *folders)
{
	while (*folders && !s->found) {
		size_t n = strcspn(folders, ":");
		_cleanup_free_ char *folder = n ? strndup(folders, n) : NULL;

		if (folder && access(folder, X_OK) == 0 && !look_by_build_id(s, folder))
			look_by_name(s, folder);
		folders += n + (folders[n] == ':');
	}
}

/* ---- mappings ------------------------------------------------------------------------------- */

static char *search_path(void)
{
	const char *given = getenv("PPROF_BINARY_PATH"), *home = getenv("HOME");

	return given && *given ? strdup(given) : path_of("%s/pprof/binaries", home ? home : "");
}

static int set_file(struct profile *p, size_t mapping, const char *path)
{
	int64_t id = profile_string(p, path);

	if (id >= 0)
		p->mappings[mapping].file = (uint32_t)id;
	return id < 0 ? (int)id : 0;
}

static int look_for_all(struct profile *p, const char *folders)
{
	struct search s = {0};
	int r = symbol_client_init(&s.client, "");

	for (size_t i = 1; i < p->n_mappings && !r; i++) {
		_cleanup_free_ char *file = strdup(profile_text(p, p->mappings[i].file));
		_cleanup_free_ char *id = strdup(profile_text(p, p->mappings[i].build_id));

		if (!file || !id) {
			r = -ENOMEM;
			break;
		}
		const char *slash = strrchr(file, '/');
		s.file = file;
		s.base = slash ? slash + 1 : file;
		s.build_id = id;
		look_below(&s, folders);
		if (s.found)
			r = set_file(p, i, s.found);
		free(take_ptr(s.found));
	}
	symbol_client_close(&s.client);
	return r;
}

/* A profile without mappings is of a program at the place that it was linked for. */
static int add_mapping(struct profile *p)
{
	int64_t id = profile_add_mapping(p, &(struct mapping){0});

	for (size_t i = 1; i < p->n_locations && id > 0; i++)
		p->locations[i].mapping = (uint32_t)id;
	return id < 0 ? (int)id : 0;
}

int binaries_locate(struct profile *p, const char *program)
{
	_cleanup_free_ char *folders = search_path();
	int r = folders ? look_for_all(p, folders) : -ENOMEM;

	if (!r && program && p->n_mappings < 2)
		r = add_mapping(p);
	if (!r && program)
		r = set_file(p, 1, program);
	return r;
}
