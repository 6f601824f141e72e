// SPDX-License-Identifier: MIT
/* symbols.c - profctl symbols: where the names of a module's functions come from, and what would
 * make them better. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "commands.h"
#include "package.h"
#include "symbol_modules.h"
#include "symbol_sources.h"
#include "symbolizer/jitdump.h"
#include "symbols/jit_file.h"
#include "util/cleanup.h"
#include "util/log.h"

/* As profiles call it, and as no shell takes for a pattern. */
static const char KERNEL[] = "[kernel.kallsyms]", PLAIN_KERNEL[] = "kernel";

struct symbols {
	struct ids pids;
	const char *debug_dirs;
	struct symbol_modules modules;
	bool asks_servers;
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

/* ---- what is said --------------------------------------------------------------------------- */

static void advise(struct symbols *s, const struct symbol_module *m, const struct packaged_file *f)
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
static void print_failure(const struct symbol_module *m)
{
	const char *file = m->package ? m->package : m->debug_file;

	printf("    passed over: %s: %s\n", file ? file : "its debug information", m->failure);
}

/* Its own DWARF has lines; functions and inlined calls are in files beside it. */
static void print_split(const struct symbol_module *m)
{
	if (m->sources & SYMBOLIZER_BAD_SPLIT)
		printf("    passed over: %s: broken, cut off or of another build; without it there "
		       "are no inlined calls\n",
			m->package ? m->package : "a .dwo file");
	else if (m->sources & SYMBOLIZER_LACKS_SPLIT)
		printf("    better: its .dwo files where the compiler wrote them, or its .dwp file "
		       "beside it: without them there are no inlined calls\n");
}

static void print_module(
	struct symbols *s, const struct symbol_module *m, const struct packaged_file *f)
{
	char sources[PATH_MAX + 64];

	printf("%s\n", m->path);
	if (*m->why) {
		printf("    no names: %s\n", m->why);
		return;
	}
	bool found = symbol_sources_are_in_debug_file(m->sources) &&
		     !symbol_sources_trouble(m->sources);
	bool fetched = found && m->fetched;
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
	if (m->sources & SYMBOLIZER_LACKS_DEBUGDATA)
		printf("    passed over: its .gnu_debugdata: it is broken, or needs too much "
		       "memory\n");
	print_split(m);
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
static void print_kernel(const struct symbol_module *m, const struct packaged_file *f)
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

	if (s->modules.with_kernel)
		print_kernel(&s->modules.kernel, kernel);
	for (size_t i = 0; i < s->modules.n_jits; i++)
		print_jit(s->modules.jits[i]);
	codename(name);
	if (s->some_in_dbgsym && !s->asks_servers)
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
	_cleanup_free_ struct packaged_file *files = calloc(s->modules.n + 1, sizeof(*files));
	_cleanup_free_ char *paths = calloc(s->modules.n + 1, PATH_MAX);
	struct utsname running;
	int r = files && paths ? 0 : -ENOMEM;

	for (size_t i = 0; i < s->modules.n && !r; i++) {
		char *real = paths + i * PATH_MAX;

		/* Packages say nothing of what has that path below another root. */
		if (!s->modules.items[i].here || !realpath(s->modules.items[i].path, real))
			*real = '\0';
		files[i].path = real;
	}
	if (!r) {
		char *image = paths + s->modules.n * PATH_MAX;

		snprintf(image, PATH_MAX, "/boot/vmlinuz-%s",
			uname(&running) ? "" : running.release);
		files[s->modules.n].path = image;
		r = packaged_files_find(PACKAGE_LISTS, files, s->modules.n + 1);
	}
	for (size_t i = 0; i < s->modules.n && !r; i++)
		print_module(s, &s->modules.items[i], &files[i]);
	if (!r)
		print_end(s, &files[s->modules.n]);
	if (files)
		packaged_files_free(files, s->modules.n + 1);
	return r;
}

/* ---- the command ---------------------------------------------------------------------------- */

static int add_all(struct symbols *s, const struct operands *files)
{
	struct symbol_modules *m = &s->modules;
	int r = 0;

	for (size_t i = 0; i < s->pids.n && !r; i++)
		r = symbol_modules_add_process(m, s->pids.items[i]);
	m->with_kernel = s->pids.n > 0;
	for (size_t i = 0; i < files->n && !r; i++) {
		if (!strcmp(files->items[i], KERNEL) || !strcmp(files->items[i], PLAIN_KERNEL))
			m->with_kernel = true;
		else
			r = symbol_modules_add_file(m, files->items[i]);
	}
	return r;
}

static int explain(struct symbols *s, const struct operands *files)
{
	struct symbol_client client;
	size_t unread = 0;

	int r = symbol_client_init(&client, s->debug_dirs);
	/* What is wrong with the servers was logged; the rest can be said without them. */
	debug_servers_open(&client.servers);
	s->asks_servers = client.servers != NULL;
	if (!r)
		r = add_all(s, files);
	if (!r)
		unread = symbol_modules_look(&s->modules, &client);
	/* Who asks of a process asks of the kernel by the way. */
	if (!r && *s->modules.kernel.why && !s->pids.n)
		unread++;
	symbol_client_close(&client);
	debug_servers_close(client.servers);
	if (!r)
		r = print_all(s);
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
	symbol_modules_free(&s.modules);
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
