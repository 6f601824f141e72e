// SPDX-License-Identifier: MIT
/* symbols.c - profctl symbols: where the names of a module's functions come from, and what would
 * make them better. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "binaries.h"
#include "commands.h"
#include "package.h"
#include "symbol_client.h"
#include "symbol_sources.h"
#include "symbolizer/jitdump.h"
#include "symbols/build_id.h"
#include "symbols/jit_file.h"
#include "symbols/mapped_file.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/log.h"

static const char DELETED[] = " (deleted)";
/* As profiles call it, and as no shell takes for a pattern. */
static const char KERNEL[] = "[kernel.kallsyms]", PLAIN_KERNEL[] = "kernel";

/* One file with code, and what was learned of it. */
struct module {
	char *path;		    /* as it is shown; owned */
	struct mapped_file mapping; /* pid 0: it was named, and is not a process's */
	bool here;		    /* its path leads to it from our root, too */
	char build_id[SYMBOLIZER_BUILD_ID];
	uint32_t sources; /* enum symbolizer_answer_flags */
	char *debug_file; /* owned; that was found, or passed over, as `sources` says */
	char *package;	  /* owned; of split debug information, that was looked at; or NULL */
	bool by_build_id; /* it was found by that */
	/* What debuginfod's servers said of it, and of the file that dwz made of parts of several;
	 * "" where they were not asked. */
	char servers[DEBUG_SERVERS_SAID], alternate[DEBUG_SERVERS_SAID];
	bool fetched;			  /* it is theirs */
	char shared[SYMBOLIZER_BUILD_ID]; /* build-id of that of dwz; "" without */
	bool lacks_shared;
	char why[512];	   /* it cannot be read */
	char failure[256]; /* its debug information, or its debug file, cannot be; or "" */
};

struct symbols {
	struct ids pids;
	const char *debug_dirs;
	struct symbol_client client;
	struct module *modules;
	size_t n, capacity;
	uint32_t *jits; /* processes with code of no file: made by a JIT */
	size_t n_jits, jits_capacity;
	struct module kernel;
	bool with_kernel;    /* that one is asked about, too */
	bool some_in_dbgsym; /* a package of that archive was named */
};

static const struct option OPTIONS[] = {
	{"pid", 0, "P", OPTION_IDS, offsetof(struct symbols, pids), 1, PID_MAX,
		"all modules that these processes have mapped (repeat, or separate by commas)"},
	{"debug_dirs", 0, "DIRS", OPTION_TEXT, offsetof(struct symbols, debug_dirs), 0, 0,
		"further folders with debug files, separated by colons (those of profd.conf)"},
	{0},
};

static const struct option_group GROUPS[] = {{"Options", OPTIONS, 0}, {0}};

/* ---- which modules -------------------------------------------------------------------------- */

static int add_module(struct symbols *s, const char *path, const struct mapped_file *mapping)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->modules[i].path, path) && s->modules[i].mapping.pid == mapping->pid)
			return 0;
	_cleanup_free_ char *copy = strdup(path);
	if (!copy || grow(s->modules, s->n, s->capacity, 1))
		return -ENOMEM;
	s->modules[s->n++] = (struct module){.path = take_ptr(copy), .mapping = *mapping};
	return 0;
}

/* Mappings come process by process. */
static int add_jit(struct symbols *s, uint32_t pid)
{
	if (s->n_jits && s->jits[s->n_jits - 1] == pid)
		return 0;
	int r = grow(s->jits, s->n_jits, s->jits_capacity, 1);
	if (!r)
		s->jits[s->n_jits++] = pid;
	return r;
}

static int add_mapping(struct symbols *s, uint32_t pid, const char *line)
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

static int add_process(struct symbols *s, uint32_t pid)
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
			r == -ENOENT ? "there is none" : strerror(-r));
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

static int add_all(struct symbols *s, const struct operands *files)
{
	int r = 0;

	for (size_t i = 0; i < s->pids.n && !r; i++)
		r = add_process(s, s->pids.items[i]);
	s->with_kernel = s->pids.n > 0;
	for (size_t i = 0; i < files->n && !r; i++) {
		if (!strcmp(files->items[i], KERNEL) || !strcmp(files->items[i], PLAIN_KERNEL))
			s->with_kernel = true;
		else
			r = add_module(s, files->items[i], &(struct mapped_file){0});
	}
	return r;
}

/* ---- what they have ------------------------------------------------------------------------- */

/* Of the file that dwz made of parts of several. It is asked for until it is the right one. */
static void take_shared(struct module *m, const struct symbol_want *want)
{
	if (build_id_is_plain(want->name))
		snprintf(m->shared, sizeof(m->shared), "%.64s", want->name);
	m->lacks_shared = !want->path;
	if (*want->said)
		memcpy(m->alternate, want->said, sizeof(want->said));
}

static void take_own(struct module *m, struct symbol_want *want)
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
static bool take_split(struct module *m, struct symbol_want *want)
{
	size_t n = strlen(want->name);

	if (strcmp(want->name, HELPER_PACKAGE) != 0)
		return n > 4 && !strcmp(want->name + n - 4, ".dwo");
	free(m->package);
	m->package = take_ptr(want->path);
	return true;
}

/* Its own debug file is asked for first, the shared one by another build-id. */
static void take_debug_files(struct module *m, struct symbol_reply *reply)
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
static int open_mapped(const struct module *m)
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

static int open_module(struct module *m)
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
static char *place_of(const struct module *m, int fd)
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

static void look(struct symbols *s, struct module *m)
{
	struct symbol_reply reply;
	_cleanup_close_ int fd = open_module(m);
	_cleanup_free_ char *place = fd >= 0 ? place_of(m, fd) : NULL;

	if (fd < 0)
		return;
	m->here = is_at(fd, m->path);
	struct symbol_question q = {
		.kind = SYMBOLIZER_ELF_CODE, .fd = fd, .path = place, .pid = m->mapping.pid};
	if (symbol_client_ask(&s->client, &q, &reply, m->why, sizeof(m->why)))
		return;
	snprintf(m->build_id, sizeof(m->build_id), "%s", reply.answer.head->build_id);
	m->sources = reply.answer.head->flags;
	memcpy(m->failure, reply.failure, sizeof(m->failure));
	take_debug_files(m, &reply);
	symbol_reply_free(&reply);
	/* Headers that lead nowhere are no harm where there are names in spite of them. */
	if (!m->sources)
		binaries_is_cut_off(fd, m->why, sizeof(m->why));
}

static void look_at_kernel(struct symbols *s, struct module *m)
{
	struct symbol_reply reply;
	_cleanup_close_ int fd = symbol_file_open("/proc/kallsyms", m->why, sizeof(m->why));

	if (fd < 0)
		return;
	struct symbol_question q = {.kind = SYMBOLIZER_KALLSYMS, .fd = fd};
	int r = symbol_client_ask(&s->client, &q, &reply, m->why, sizeof(m->why));
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

/* ---- what is said --------------------------------------------------------------------------- */

static void advise(struct symbols *s, const struct module *m, const struct packaged_file *f)
{
	if (f->installed) {
		printf("    better: %s is installed, but of another version than %s: upgrade "
		       "both\n",
			f->debug, f->package);
	} else if (f->debug) {
		printf("    better: apt-get install %s\n", f->debug);
		s->some_in_dbgsym |= strstr(f->debug, "-dbgsym") != NULL;
	} else if (*m->build_id) {
		printf("    better: its debug file as .build-id/%.2s/%s.debug below /usr/lib/debug "
		       "or a folder of debug_dirs, or a build with -g\n",
			m->build_id, m->build_id + 2);
	} else {
		printf("    better: a build with -g (it has no build-id to find a debug file "
		       "by)\n");
	}
}

/* Names come from symbol tables in spite of better ones. */
static void print_failure(const struct module *m)
{
	const char *file = m->package ? m->package : m->debug_file;

	printf("    passed over: %s: %s\n", file ? file : "its debug information", m->failure);
}

static void print_module(struct symbols *s, const struct module *m, const struct packaged_file *f)
{
	char sources[PATH_MAX + 64];

	printf("%s\n", m->path);
	if (*m->why) {
		printf("    no names: %s\n", m->why);
		return;
	}
	bool found = m->sources & SYMBOLIZER_SEES_DEBUG_FILE, fetched = found && m->fetched;
	symbol_sources_describe(m->sources, found ? m->debug_file : NULL, sources, sizeof(sources));
	printf("    names: %s%s\n", sources,
		!found		 ? ""
		: fetched	 ? ", from debuginfod"
		: m->by_build_id ? ", found by build-id"
				 : ", found by .gnu_debuglink");
	if (*m->failure)
		print_failure(m);
	else if (m->debug_file && !found)
		printf("    passed over: %s, which is of another build\n", m->debug_file);
	if (*m->servers)
		printf("    debuginfod: %s\n", m->servers);
	if (*m->alternate)
		printf("    debuginfod, of the file that it shares with others: %s\n",
			m->alternate);
	if (m->lacks_shared)
		printf("    better: the file that it shares with others, made by dwz, as "
		       ".build-id/%.2s/%s.debug below /usr/lib/debug or a folder of debug_dirs\n",
			m->shared, m->shared + 2);
	if (!symbol_sources_have_lines(m->sources) && !*m->failure)
		advise(s, m, f);
}

/* Debian's codename, for the line in sources.list; "" elsewhere. */
static void codename(char out[32])
{
	char line[256], id[32] = "", name[32] = "";
	_cleanup_fclose_ FILE *in = fopen("/etc/os-release", "re");

	while (in && fgets(line, sizeof(line), in)) {
		sscanf(line, "ID=%31s", id);
		sscanf(line, "VERSION_CODENAME=%31s", name);
	}
	snprintf(out, 32, "%s", strcmp(id, "debian") ? "" : name);
}

/* What a process has made itself. */
static void print_jit(uint32_t pid)
{
	_cleanup_close_ int root = symbol_root_open(pid);
	_cleanup_close_ int fd = root < 0 ? root : jit_file_open(root, pid);
	_cleanup_free_ char *found = fd >= 0 ? symbol_file_path(fd) : NULL;

	printf("code of no file in process %" PRIu32 ", such as a JIT's\n", pid);
	if (fd >= 0)
		printf("    names: the %s %s\n", jitdump_is(fd) ? "jitdump" : "perf map",
			found ? found : "?");
	else if (fd == -ENOENT)
		printf("    names: nothing: its runtime writes neither a jitdump nor a perf map\n"
		       "    better: node --perf-basic-prof, java with perf's agent "
		       "(-agentpath:libperf-jvmti.so), or what else makes it write one\n");
	else
		printf("    names: nothing: the file that its runtime writes cannot be used: %s\n",
			fd == -EPERM ? "it must be the process's user's, or root's, and have one "
				       "name"
				     : strerror(-fd));
}

/* It has all names by itself, and lines by its debug file. */
static void print_kernel(const struct module *m, const struct packaged_file *f)
{
	bool has_lines = m->sources & SYMBOLIZER_SEES_DEBUG_DWARF;

	printf("%s\n", KERNEL);
	if (*m->why) {
		printf("    no names: %s\n", m->why);
		return;
	}
	if (has_lines)
		printf("    names: /proc/kallsyms, and DWARF in %s, %s\n", m->debug_file,
			m->fetched	 ? "from debuginfod"
			: m->by_build_id ? "found by build-id"
					 : "found by its release");
	else
		printf("    names: /proc/kallsyms; no lines and no inlined calls\n");
	if (*m->failure)
		print_failure(m);
	else if (m->debug_file && !has_lines)
		printf("    passed over: %s, which is of another build, or has no DWARF\n",
			m->debug_file);
	if (*m->servers)
		printf("    debuginfod: %s\n", m->servers);
	if (has_lines || *m->failure)
		return;
	if (f->debug && !f->installed)
		printf("    better: apt-get install %s\n", f->debug);
	else if (*m->build_id)
		printf("    better: its debug file, vmlinux, as .build-id/%.2s/%s.debug below "
		       "/usr/lib/debug or a folder of debug_dirs\n",
			m->build_id, m->build_id + 2);
}

static void print_end(const struct symbols *s, const struct packaged_file *kernel)
{
	char name[32];

	if (s->with_kernel)
		print_kernel(&s->kernel, kernel);
	for (size_t i = 0; i < s->n_jits; i++)
		print_jit(s->jits[i]);
	codename(name);
	if (s->some_in_dbgsym && !s->client.servers)
		printf("\nWithout packages: DEBUGINFOD_URLS set to a server of debuginfod, such as "
		       "the distribution's,\nhas debug files fetched as they are needed.\n");
	if (s->some_in_dbgsym && *name)
		printf("\nPackages -dbgsym are in an archive of their own, debian-debug: on most "
		       "mirrors beside\nthe one that this machine's sources of apt name, as suite "
		       "%s-debug.\n",
			name);
}

static int print_all(struct symbols *s)
{
	_cleanup_free_ struct packaged_file *files = calloc(s->n + 1, sizeof(*files));
	_cleanup_free_ char *paths = calloc(s->n + 1, PATH_MAX);
	struct utsname running;
	int r = files && paths ? 0 : -ENOMEM;

	for (size_t i = 0; i < s->n && !r; i++) {
		char *real = paths + i * PATH_MAX;

		/* Packages say nothing of what has that path below another root. */
		if (!s->modules[i].here || !realpath(s->modules[i].path, real))
			*real = '\0';
		files[i].path = real;
	}
	if (!r) {
		char *image = paths + s->n * PATH_MAX;

		snprintf(image, PATH_MAX, "/boot/vmlinuz-%s",
			uname(&running) ? "" : running.release);
		files[s->n].path = image;
		r = packaged_files_find(PACKAGE_LISTS, files, s->n + 1);
	}
	for (size_t i = 0; i < s->n && !r; i++)
		print_module(s, &s->modules[i], &files[i]);
	if (!r)
		print_end(s, &files[s->n]);
	if (files)
		packaged_files_free(files, s->n + 1);
	return r;
}

/* ---- the command ---------------------------------------------------------------------------- */

static int explain(struct symbols *s, const struct operands *files)
{
	size_t unread = 0;

	int r = symbol_client_init(&s->client, s->debug_dirs);
	/* What is wrong with the servers was logged; the rest can be said without them. */
	debug_servers_open(&s->client.servers);
	if (!r)
		r = add_all(s, files);
	for (size_t i = 0; i < s->n && !r; i++) {
		look(s, &s->modules[i]);
		unread += *s->modules[i].why != '\0';
	}
	if (s->with_kernel && !r) {
		look_at_kernel(s, &s->kernel);
		unread += *s->kernel.why && !s->pids.n;
	}
	symbol_client_close(&s->client);
	if (!r)
		r = print_all(s);
	debug_servers_close(s->client.servers);
	if (r == -ENOMEM)
		log_error("out of memory");
	return r || unread ? 1 : 0;
}

static int run(int argc, char **argv)
{
	struct symbols s = {0};
	struct operands files;
	int code = 2;

	switch (command_parse(&COMMAND_SYMBOLS, argc, argv, &s, &files)) {
	case OPTIONS_HELP:
		code = 0;
		break;
	case OPTIONS_BAD:
		break;
	case OPTIONS_OK:
		code = files.n || s.pids.n ? explain(&s, &files)
					   : command_usage(&COMMAND_SYMBOLS,
						     "of which file, or --pid of which process?");
	}
	for (size_t i = 0; i < s.n; i++) {
		free(s.modules[i].path);
		free(s.modules[i].debug_file);
		free(s.modules[i].package);
	}
	free(s.modules);
	free(s.kernel.debug_file);
	free(s.kernel.package);
	free(s.jits);
	ids_free(&s.pids);
	return code;
}

const struct command COMMAND_SYMBOLS = {
	.name = "symbols",
	.synopsis = "[OPTION...] MODULE... | --pid P",
	.summary = "Say where names come from, and what would improve them",
	.details =
		"For each program and library: its debug information, a debug file, Go's own\n"
		"table, symbol tables, or nothing; for code of a JIT the file that names it; and\n"
		"which package or file would give better names. The servers of DEBUGINFOD_URLS\n"
		"are asked for debug files. The kernel, as MODULE, is kernel, or\n"
		"'[kernel.kallsyms]' as profiles have it; ./kernel is a file.",
	.groups = GROUPS,
	.run = run,
};
