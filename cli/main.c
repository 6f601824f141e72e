// SPDX-License-Identifier: MIT
/* main.c - profctl: finds the command that was typed. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "console.h"
#include "fetch.h"
#include "symbolizer/symbolizer.h"
#include "util/log.h"

static const struct command *const COMMANDS[] = {&COMMAND_RECORD, &COMMAND_TOP, &COMMAND_FLAME,
	&COMMAND_TREE, &COMMAND_PEEK, &COMMAND_LIST, &COMMAND_WEBLIST, &COMMAND_DISASM,
	&COMMAND_TRACES, &COMMAND_TAGS, &COMMAND_RAW, &COMMAND_COMMENTS, &COMMAND_GRAPH,
	&COMMAND_WEB, &COMMAND_PROMPT, &COMMAND_DIFF, &COMMAND_LEAKS, &COMMAND_SNAPSHOT,
	&COMMAND_EXPORT, &COMMAND_TOPPROTO, &COMMAND_MERGE, &COMMAND_SYMBOLIZE, &COMMAND_SYMBOLS,
	&COMMAND_LS, &COMMAND_STATUS, NULL};

static void help(FILE *out)
{
	fprintf(out, "usage: profctl COMMAND [OPTION...] [FILE...]\n"
		     "       profctl [OPTION...] FILE...\n\n"
		     "Records, reports and exports profiles of the whole host.\n\nCommands:\n");
	for (const struct command *const *c = COMMANDS; *c; c++)
		fprintf(out, "  %-10s %s\n", (*c)->name, (*c)->summary);
	fprintf(out, "\n"
		     "  profctl COMMAND --help   what it takes\n"
		     "  profctl --version        which one this is\n"
		     "\n"
		     "A first minute:\n"
		     "  profctl record --seconds 10\n"
		     "  profctl top\n");
}

static int unknown(const char *typed)
{
	const char *nearest = COMMANDS[0]->name;

	for (const struct command *const *c = COMMANDS; *c; c++)
		if (name_miss(typed, (*c)->name) < name_miss(typed, nearest))
			nearest = (*c)->name;
	log_error("there is no command '%s'; the nearest is %s (profctl --help lists them)", typed,
		nearest);
	return 2;
}

static const struct command *find(const char *name)
{
	for (const struct command *const *c = COMMANDS; *c; c++)
		if (!strcmp((*c)->name, name))
			return *c;
	return NULL;
}

/* Where a command's name stands behind options, or as one of them, in what would else open the
 * prompt: its index; 0: nowhere. */
static int misplaced(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		int size = argv[i][0] == '-' ? command_option_size(&COMMAND_PROMPT, argv[i]) : 0;

		if (size)
			i += size - 1;
		else if (find(argv[i] + strspn(argv[i], "-")))
			return access(argv[i], F_OK) ? i : 0;
	}
	return 0;
}

static int say_misplaced(int argc, char **argv, int at)
{
	char rest[256] = "";
	size_t n = 0;

	for (int i = 1; i < argc && n < sizeof(rest); i++)
		if (i != at)
			n += (size_t)snprintf(rest + n, sizeof(rest) - n, " %s", argv[i]);
	log_error("the command comes first: profctl %s%s", argv[at] + strspn(argv[at], "-"), rest);
	return 2;
}

/* profctl help [COMMAND] */
static int print_help(const char *name)
{
	const struct command *c = name ? find(name) : NULL;

	if (name && !c)
		return unknown(name);
	if (c)
		command_help(c, stdout);
	else
		help(stdout);
	return 0;
}

/* What this program starts itself as (helper/process.h), and no one else. */
static int run_helper(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[2], "symbolizer"))
		return symbolizer_main(argv[3]);
	log_error("there is no such helper");
	return 2;
}

static int run_command(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	if (!name) {
		help(stderr);
		return 2;
	}
	if (!strcmp(name, "help") || !strcmp(name, "--help") || !strcmp(name, "-help") ||
		!strcmp(name, "-h"))
		return print_help(argc > 2 ? argv[2] : NULL);
	if (!strcmp(name, "version") || !strcmp(name, "--version") || !strcmp(name, "-version")) {
		puts("profctl " PROFD_VERSION);
		return 0;
	}
	const struct command *c = find(name);
	int at = name[0] == '-' ? misplaced(argc, argv) : 0;
	if (at)
		return say_misplaced(argc, argv, at);
	/* A file or URL, or options with one behind them: what is known of it will be asked. */
	if (!c && (name[0] == '-' || fetch_is_url(name) || access(name, F_OK) == 0)) {
		argv[0] = (char *)COMMAND_PROMPT.name;
		return COMMAND_PROMPT.run(argc, argv);
	}
	return c ? c->run(argc - 1, argv + 1) : unknown(name);
}

int main(int argc, char **argv)
{
	log_setup("profctl", LOG_LEVEL_INFO);
	if (argc > 1 && !strcmp(argv[1], "--helper"))
		return run_helper(argc, argv);
	console_setup();
	/* Who started us may have ignored it, and then children could not be waited for. */
	signal(SIGCHLD, SIG_DFL);
	int code = run_command(argc, argv);
	/* Where a command has said so itself, its code is another one. */
	int err = fflush(stdout) ? errno : ferror(stdout) ? EIO : 0;
	if (err && !code) {
		log_error("cannot print to standard output: %s", strerror(err));
		code = 1;
	}
	return code;
}
