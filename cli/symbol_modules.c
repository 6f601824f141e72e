// SPDX-License-Identifier: MIT
#include "symbol_modules.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "binaries.h"
#include "symbol_sources.h"
#include "symbols/build_id.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/log.h"

static const char DELETED[] = " (deleted)";

/* ---- which modules -------------------------------------------------------------------------- */

static int add_module(struct symbol_modules *s, const char *path, const struct mapped_file *mapping)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->items[i].path, path) && s->items[i].mapping.pid == mapping->pid)
			return 0;
	_cleanup_free_ char *copy = strdup(path);
	if (!copy || grow(s->items, s->n, s->capacity, 1))
		return -ENOMEM;
	s->items[s->n++] = (struct symbol_module){.path = take_ptr(copy), .mapping = *mapping};
	return 0;
}

/* Mappings come process by process. */
static int add_jit(struct symbol_modules *s, uint32_t pid)
{
	if (s->n_jits && s->jits[s->n_jits - 1] == pid)
		return 0;
	int r = grow(s->jits, s->n_jits, s->jits_capacity, 1);
	if (!r)
		s->jits[s->n_jits++] = pid;
	return r;
}

static int add_mapping(struct symbol_modules *s, uint32_t pid, const char *line)
{
	struct mapped_file m = {.pid = pid};
	char flags[8];
	int at = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %*s %" SCNx32 ":%" SCNx32 " %" SCNu64 " %n",
		    &m.start, &m.end, flags, &m.major, &m.minor, &m.inode, &at) != 6 ||
		!strchr(flags, 'x'))
		return 0;
	const char *path = line + at;
	if (path[0] != '/')
		return !*path || !strncmp(path, "[anon", 5) ? add_jit(s, pid) : 0;
	return add_module(s, path, &m);
}

int symbol_modules_add_process(struct symbol_modules *s, uint32_t pid)
{
	_cleanup_free_ char *line = NULL;
	char path[64];
	size_t capacity = 0;
	bool empty = true;
	ssize_t n;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/maps", pid);
	_cleanup_fclose_ FILE *maps = fopen(path, "re");
	if (!maps) {
		r = -errno;
		log_error("process %" PRIu32 ": %s", pid,
			r == -ENOENT		      ? "there is none"
			: r == -EACCES || r == -EPERM ? "it is another user's: ask as root"
						      : strerror(-r));
		return r;
	}
	errno = 0;
	while (!r && (n = getline(&line, &capacity, maps)) > 0) {
		line[n - (line[n - 1] == '\n')] = '\0';
		r = add_mapping(s, pid, line);
		empty = false;
	}
	if (!r && ferror(maps)) {
		r = errno ? -errno : -EIO;
		log_error(
			"process %" PRIu32 ": its mappings cannot be read: %s", pid, strerror(-r));
	} else if (!r && empty) {
		r = -ENOEXEC;
		log_error("process %" PRIu32 " maps nothing: it is a thread of the kernel, or has "
			  "ended",
			pid);
	}
	return r;
}

int symbol_modules_add_file(struct symbol_modules *s, const char *path)
{
	return add_module(s, path, &(struct mapped_file){0});
}

/* ---- what they have ------------------------------------------------------------------------- */

/* Of the file that dwz made of parts of several. It is asked for until it is the right one. */
static void take_shared(struct symbol_module *m, const struct symbol_want *want)
{
	if (build_id_is_plain(want->name))
		snprintf(m->shared, sizeof(m->shared), "%.64s", want->name);
	m->lacks_shared = !want->path;
	if (*want->said)
		memcpy(m->alternate, want->said, sizeof(want->said));
}

static void take_own(struct symbol_module *m, struct symbol_want *want)
{
	bool is_its_id = !strcmp(want->name, m->build_id);

	if (*want->said)
		memcpy(m->servers, want->said, sizeof(want->said));
	if (!want->path)
		return;
	free(m->debug_file);
	m->debug_file = take_ptr(want->path);
	m->by_build_id = is_its_id;
	m->fetched = is_its_id && *want->said;
}

/* Split debug information, of which only the package is told. */
static bool take_split(struct symbol_module *m, struct symbol_want *want)
{
	size_t n = strlen(want->name);

	if (strcmp(want->name, HELPER_PACKAGE) != 0)
		return n > 4 && !strcmp(want->name + n - 4, ".dwo");
	free(m->package);
	m->package = take_ptr(want->path);
	return true;
}

/* Its own debug file is asked for first, the shared one by another build-id. */
static void take_debug_files(struct symbol_module *m, struct symbol_reply *reply)
{
	bool shared = false;

	for (size_t i = 0; i < reply->n_wants; i++) {
		struct symbol_want *want = &reply->wants[i];

		if (take_split(m, want))
			continue;
		if (build_id_is_plain(want->name))
			shared = strcmp(want->name, m->build_id) != 0;
		if (shared)
			take_shared(m, want);
		else
			take_own(m, want);
	}
}

static size_t length_without_deleted(const char *path)
{
	size_t n = strlen(path), d = strlen(DELETED);

	return n > d && !strcmp(path + n - d, DELETED) ? n - d : n;
}

/* As profd does. Who may not follow map_files takes the path: maps shows it as seen from our root,
 * if it leads there, and else from the process's. */
static int open_mapped(const struct symbol_module *m)
{
	_cleanup_close_ int theirs = symbol_root_open(m->mapping.pid);
	_cleanup_close_ int ours = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = mapped_file_open(&m->mapping);

	if (fd < 0 && theirs >= 0)
		fd = mapped_file_open_below(&m->mapping, theirs, m->path);
	if (fd < 0 && ours >= 0) {
		int found = mapped_file_open_below(&m->mapping, ours, m->path);

		if (found >= 0 || fd == -ENOENT)
			fd = found;
	}
	return fd;
}

static int open_module(struct symbol_module *m)
{
	if (!m->mapping.pid)
		return symbol_file_open(m->path, m->why, sizeof(m->why));
	int fd = open_mapped(m);
	bool deleted = m->path[length_without_deleted(m->path)];
	if (fd == -ESTALE || (fd == -ENOENT && deleted))
		snprintf(m->why, sizeof(m->why),
			"it was replaced or removed while the process runs: start that again");
	else if (fd < 0)
		symbol_file_explain(fd, m->why, sizeof(m->why));
	return fd;
}

/* Where the file lies as seen from its own root, or did before it was deleted. To free. */
static char *place_of(const struct symbol_module *m, int fd)
{
	struct stat st;

	if (!m->mapping.pid)
		return strdup(m->path);
	if (!fstat(fd, &st) && st.st_nlink)
		return symbol_file_path(fd);
	return strndup(m->path, length_without_deleted(m->path));
}

static bool is_at(int fd, const char *path)
{
	struct stat a, b;

	return !fstat(fd, &a) && !stat(path, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static void look(struct symbol_client *client, struct symbol_module *m)
{
	struct symbol_reply reply;
	_cleanup_close_ int fd = open_module(m);
	_cleanup_free_ char *place = fd >= 0 ? place_of(m, fd) : NULL;

	if (fd < 0)
		return;
	m->here = is_at(fd, m->path);
	struct symbol_question q = {
		.kind = SYMBOLIZER_ELF_CODE, .fd = fd, .path = place, .pid = m->mapping.pid};
	if (symbol_client_ask(client, &q, &reply, m->why, sizeof(m->why)))
		return;
	snprintf(m->build_id, sizeof(m->build_id), "%s", reply.answer.head->build_id);
	m->sources = reply.answer.head->flags;
	memcpy(m->failure, reply.failure, sizeof(m->failure));
	const char *trouble = symbol_sources_trouble(m->sources);
	if (trouble && !*m->failure)
		snprintf(m->failure, sizeof(m->failure), "it %s", trouble);
	take_debug_files(m, &reply);
	symbol_reply_free(&reply);
	/* Headers that lead nowhere are no harm where there are names in spite of them. */
	if (!m->sources)
		binaries_is_cut_off(fd, m->why, sizeof(m->why));
}

static void look_at_kernel(struct symbol_client *client, struct symbol_module *m)
{
	struct symbol_reply reply;
	_cleanup_close_ int fd = symbol_file_open("/proc/kallsyms", m->why, sizeof(m->why));

	if (fd < 0)
		return;
	struct symbol_question q = {.kind = SYMBOLIZER_KALLSYMS, .fd = fd};
	int r = symbol_client_ask(client, &q, &reply, m->why, sizeof(m->why));
	if (r == -EPERM)
		snprintf(m->why, sizeof(m->why), "its addresses are hidden from all but root");
	if (r)
		return;
	m->sources = reply.answer.head->flags;
	memcpy(m->failure, reply.failure, sizeof(m->failure));
	if (m->sources & SYMBOLIZER_LACKS_ROOM)
		symbol_lacks_room(m->failure, sizeof(m->failure));
	snprintf(m->build_id, sizeof(m->build_id), "%s", reply.answer.head->build_id);
	take_debug_files(m, &reply);
	symbol_reply_free(&reply);
}

size_t symbol_modules_look(struct symbol_modules *s, struct symbol_client *client)
{
	size_t unread = 0;

	for (size_t i = 0; i < s->n; i++) {
		look(client, &s->items[i]);
		unread += *s->items[i].why != '\0';
	}
	if (s->with_kernel)
		look_at_kernel(client, &s->kernel);
	return unread;
}

static void module_free(struct symbol_module *m)
{
	free(m->path);
	free(m->debug_file);
	free(m->package);
}

void symbol_modules_free(struct symbol_modules *s)
{
	for (size_t i = 0; i < s->n; i++)
		module_free(&s->items[i]);
	module_free(&s->kernel);
	free(s->items);
	free(s->jits);
}
