// SPDX-License-Identifier: MIT
/* symbolize.c - profctl symbolize: gives a profile the names that it lacks, from the binaries and
 * debug files at hand, and says what could not be used. */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "binaries.h"
#include "commands.h"
#include "debug_servers.h"
#include "output.h"
#include "profile/pprof.h"
#include "query.h"
#include "symbol_sources.h"
#include "symbolizer/protocol.h"
#include "util/cleanup.h"
#include "util/log.h"

struct symbolize {
	struct query query;
	const char *output;
	size_t wanted, named, unused; /* addresses; mappings that could not be used */
	bool had_names;		      /* of other addresses, before */
};

static const struct option OPTIONS[] = {
	{"output", 'o', "FILE", OPTION_TEXT, offsetof(struct symbolize, output), 0, 0,
		"write FILE, whole or not at all (standard output)"},
	{"debug_dirs", 0, "DIRS", OPTION_TEXT, offsetof(struct symbolize, query.debug_dirs), 0, 0,
		"further folders with debug files, separated by colons (those of profd.conf)"},
	{"names", 0, "KIND", OPTION_TEXT, offsetof(struct symbolize, query.names), 0, 0,
		"all names, made anew: short, with templates, or full, with parameters too "
		"(those that are there as they are, new ones short)"},
	{0},
};

static const struct option_group GROUPS[] = {{"Output", OPTIONS, 0}, {0}};

/* What the file has to name with, and could not be used. */
static void tell_trouble(const char *path, const struct naming_report *r)
{
	const char *trouble = symbol_sources_trouble(r->sources);

	if (r->sources & SYMBOLIZER_LACKS_DEBUGDATA)
		log_warning("%s: its .gnu_debugdata is broken, or needs too much memory", path);
	if (r->failure)
		log_warning("%s: there are no lines and inlined calls: %s at its debug information",
			path, r->failure);
	else if (trouble)
		log_warning("%s: there are no lines and inlined calls: its debug %s %s", path,
			r->sources & SYMBOLIZER_SEES_DEBUG_FILE ? "file" : "information", trouble);
	else if (r->sources & SYMBOLIZER_LACKS_SPLIT)
		log_warning("%s: there are no inlined calls: its .dwo or .dwp files are %s", path,
			r->sources & SYMBOLIZER_BAD_SPLIT ? "broken, cut off or of another build"
							  : "not there");
}

static void tell(void *userdata, const struct naming_report *r)
{
	struct symbolize *s = userdata;
	const char *path = *r->path ? r->path : "a mapping";
	const char *unsure = r->checked ? "" : " (no build-id says whether it is the same file)";
	char sources[PATH_MAX + 64], outside[64] = "";

	s->wanted += r->wanted;
	s->named += r->named;
	s->unused += r->why != NULL;
	tell_trouble(path, r);
	symbol_sources_describe(r->sources, r->debug_file, sources, sizeof(sources));
	if (r->outside)
		snprintf(outside, sizeof(outside), "; at %zu it has no code", r->outside);
	if (r->why)
		log_warning(
			"%s: %zu of %zu addresses named: %s", path, r->named, r->wanted, r->why);
	else if (!r->named)
		log_warning("%s: 0 of %zu addresses named (names come from %s)%s%s", path,
			r->wanted, sources, outside, unsure);
	else
		log_info("%s: %zu of %zu addresses named, by %s%s%s", path, r->named, r->wanted,
			sources, outside, unsure);
	if (r->servers)
		log_info("%s: debuginfod: %s", path, r->servers);
}

/* The mappings keep the paths that the profile has: they are those of another time or host. */
static int name_all(struct symbolize *s, struct profile *p)
{
	struct naming naming = query_naming(&s->query);
	size_t n = p->n_mappings;
	_cleanup_free_ uint32_t *files = calloc(n + 1, sizeof(*files));

	if (!files)
		return -ENOMEM;
	for (size_t i = 1; i < n; i++)
		files[i] = p->mappings[i].file;
	/* What is wrong with the servers was logged; names come without them. */
	debug_servers_open(&naming.servers);
	naming.again = true;
	naming.told = tell;
	naming.userdata = s;
	int err = binaries_locate(p, s->query.program);
	if (!err)
		err = naming_run(p, &naming);
	if (!err)
		err = query_rename(&s->query, p);
	debug_servers_close(naming.servers);
	/* Index 0 is none. */
	s->had_names = s->wanted + 1 < p->n_locations;
	for (size_t i = 1; i < n; i++)
		if (files[i])
			p->mappings[i].file = files[i];
	return err;
}

static int write_profile(void *p, int fd)
{
	return pprof_write(p, fd);
}

static int refuse(const struct operands *files)
{
	const char *first = files->n ? files->items[0] : NULL;

	if (!first)
		command_usage(&COMMAND_SYMBOLIZE, "which file?");
	else if (access(first, R_OK) < 0)
		command_usage(&COMMAND_SYMBOLIZE, "%s: %s", first, strerror(errno));
	else
		command_usage(&COMMAND_SYMBOLIZE,
			"%s is no program, and profiles go one at a time (profctl merge makes one "
			"of several)",
			first);
	return -EINVAL;
}

static int symbolize(struct symbolize *s, struct operands *files, size_t *skipped)
{
	struct profile *p = NULL;

	query_take_program(&s->query, files);
	if (files->n != 1)
		return refuse(files);
	/* Naming can take minutes: what cannot be written is better known before. */
	int err = output_check(s->output, true);
	if (!err)
		err = query_load(&COMMAND_SYMBOLIZE, &s->query, files, &p, skipped);
	if (!err) {
		err = name_all(s, p);
		if (err)
			log_error("%s", strerror(-err));
	}
	if (!err)
		err = output_write(s->output, true, write_profile, p);
	if (!err && !s->wanted && !s->query.names)
		log_info("all addresses have names already: the profile is written as it was");
	profile_free(p);
	return err;
}

/* There was something to name, and nothing came of it. */
static bool is_nameless(const struct symbolize *s)
{
	return s->wanted && !s->named && (s->unused || !s->had_names);
}

static int run(int argc, char **argv)
{
	struct symbolize s = {.query.symbolize = "none"}; /* told here, mapping by mapping */
	struct operands files;
	size_t skipped = 0;

	enum options_result parsed = command_parse(&COMMAND_SYMBOLIZE, argc, argv, &s, &files);
	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_BAD ? 2 : 0;
	int code = query_exit(symbolize(&s, &files, &skipped), skipped);
	return !code && is_nameless(&s) ? 1 : code;
}

const struct command COMMAND_SYMBOLIZE = {
	.name = "symbolize",
	.synopsis = "[-o FILE] [OPTION...] [PROGRAM] FILE",
	.summary = "Give names to the addresses of a profile that has none",
	.details = "Functions, lines and inlined calls come from the files that the mappings "
		   "name,\n"
		   "if they are the same ones still, or from PROGRAM in place of the first, and\n"
		   "from their debug files, which the servers of DEBUGINFOD_URLS are asked for, "
		   "too.",
	.groups = GROUPS,
	.run = run,
};
