// SPDX-License-Identifier: MIT
#include "prompt.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "output.h"
#include "picture.h"
#include "report.h"
#include "report_job.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/parse.h"

#define ROWS 10 /* of top, unless more are asked for */

const struct prompt_command PROMPT_COMMANDS[] = {
	{"callgrind", REPORT_CALLGRIND, PROMPT_TEXT, NULL, "The call graph for KCachegrind"},
	{"comments", REPORT_COMMENTS, PROMPT_TEXT, NULL, "All comments of the profile"},
	{"disasm", REPORT_DISASM, PROMPT_TEXT, NULL, "Instructions of the functions that match"},
	{"dot", REPORT_DOT, PROMPT_TEXT, NULL, "The call graph for graphviz"},
	{"list", REPORT_LIST, PROMPT_TEXT, NULL, "Source of the functions that match"},
	{"pdf", REPORT_DOT, PROMPT_PICTURE, "pdf", "The call graph as PDF (>file)"},
	{"peek", REPORT_PEEK, PROMPT_TEXT, NULL, "Callers and callees of the functions that match"},
	{"png", REPORT_DOT, PROMPT_PICTURE, "png", "The call graph as PNG (>file)"},
	{"proto", REPORT_PROTO, PROMPT_BINARY, NULL,
		"What the filters leave, as a profile (>file)"},
	{"raw", REPORT_RAW, PROMPT_TEXT, NULL, "All of the profile as text"},
	{"svg", REPORT_DOT, PROMPT_PICTURE, "svg", "The call graph as SVG (>file)"},
	{"tags", REPORT_TAGS, PROMPT_TEXT, NULL, "All labels of the samples"},
	{"text", REPORT_TOP, PROMPT_TEXT, NULL, "The functions that cost most"},
	{"top", REPORT_TOP, PROMPT_TEXT, NULL, "The functions that cost most"},
	{"topproto", REPORT_TOPPROTO, PROMPT_BINARY, NULL,
		"The functions that cost most, as a profile (>file)"},
	{"traces", REPORT_TRACES, PROMPT_TEXT, NULL, "All stacks"},
	{"tree", REPORT_TREE, PROMPT_TEXT, NULL, "Functions with their callers and callees"},
	{"weblist", REPORT_WEBLIST, PROMPT_VIEWER, "html",
		"Source of the functions that match, in a browser"},
	{"web", REPORT_DOT, PROMPT_VIEWER, "svg", "Show the call graph in a browser"},
	{0},
};

/* ---- one report --------------------------------------------------------------------------- */

/* A line, taken apart. Texts live in its buffers. */
struct typed {
	const struct prompt_command *command;
	struct report_config config;
	const char *symbol, *output;
	char *focus, *ignore; /* owned */
};

static const struct prompt_command *find_command(const char *name)
{
	for (const struct prompt_command *c = PROMPT_COMMANDS; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

/* A|B */
static int join(char **patterns, const char *more)
{
	char *joined = NULL;

	if (!*patterns)
		joined = strdup(more);
	else if (asprintf(&joined, "%s|%s", *patterns, more) < 0)
		joined = NULL;
	if (!joined)
		return -ENOMEM;
	free(*patterns);
	*patterns = joined;
	return 0;
}

static int take_word(struct typed *l, const char *word)
{
	uint32_t n;

	if (!parse_u32(word, 0, INT32_MAX, &n)) {
		l->config.node_count = n;
		return 0;
	}
	if (!strcmp(word, "-cum") || !strcmp(word, "--cum")) {
		l->config.cum = true;
		l->config.flat = false;
		return 0;
	}
	return word[0] == '-' ? join(&l->ignore, word + 1) : join(&l->focus, word);
}

/* top10 is top 10. */
static const struct prompt_command *split_number(char *word, struct typed *l)
{
	size_t n = strlen(word);
	const struct prompt_command *c = find_command(word);

	while (n > 0 && isdigit((unsigned char)word[n - 1]))
		n--;
	if (c || !n || !word[n] || parse_u32(word + n, 0, INT32_MAX, &l->config.node_count))
		return c;
	word[n] = '\0';
	return find_command(word);
}

static int take_words(struct typed *l, char **save)
{
	for (char *word; (word = strtok_r(NULL, " \t", save));) {
		int err = 0;
		if (word[0] == '>') {
			l->output = word[1] ? word + 1 : strtok_r(NULL, " \t", save);
			if (!l->output) {
				log_error("unexpected end of line after >");
				return -EINVAL;
			}
		} else if (report_needs_symbol(l->command->kind) && !l->symbol) {
			l->symbol = word;
		} else {
			err = take_word(l, word);
		}
		if (err)
			return err;
	}
	if (report_needs_symbol(l->command->kind) && !l->symbol) {
		log_error("command %s requires an argument", l->command->name);
		return -EINVAL;
	}
	return 0;
}

static void settle(struct typed *l)
{
	bool tags = l->command->kind == REPORT_TAGS;

	if (l->focus)
		*(tags ? &l->config.tag_focus : &l->config.focus) = l->focus;
	if (l->ignore)
		*(tags ? &l->config.tag_ignore : &l->config.ignore) = l->ignore;
	if (l->command->kind == REPORT_TOP && l->config.node_count == REPORT_NODE_COUNT_DEFAULT)
		l->config.node_count = ROWS;
}

static int deliver(const struct typed *l, struct report_job *j)
{
	if (l->command->way == PROMPT_VIEWER && !l->output)
		return picture_show(l->command->suffix, report_job_fill, j);
	if (l->command->way != PROMPT_TEXT && !l->output && isatty(STDOUT_FILENO)) {
		log_error("%s >FILE: this is not to be read on a terminal", l->command->name);
		return -EINVAL;
	}
	if (l->command->way == PROMPT_BINARY)
		return output_write(l->output, true, report_job_fill, j);
	if (l->command->way != PROMPT_TEXT)
		return picture_write(l->output, l->command->suffix, report_job_fill, j);
	if (l->output)
		return output_write(l->output, false, report_job_fill, j);
	int err = report_job_show(j);
	fflush(stdout);
	return err;
}

static int report(struct prompt *s, char *text)
{
	struct typed l = {.config = s->request.config, .output = s->output};
	struct report_job j = {.config = &l.config};
	char *save;

	char *name = strtok_r(text, " \t", &save);
	l.command = split_number(name, &l);
	if (!l.command) {
		log_error("unrecognized command: \"%s\" (help lists them)", name);
		return -EINVAL;
	}
	int err = take_words(&l, &save);
	if (!err)
		err = query_sample_index(&COMMAND_PROMPT, &s->query, s->p, &j.index);
	if (!err) {
		settle(&l);
		j.kind = l.command->kind;
		j.symbol = l.symbol;
		j.p = profile_clone(s->p);
		err = j.p ? deliver(&l, &j) : -ENOMEM;
	}
	if (err == -ENOMEM)
		log_error("out of memory");
	profile_free(j.p);
	free(l.focus);
	free(l.ignore);
	return err;
}

/* ---- lines -------------------------------------------------------------------------------- */

static char *trim(char *text)
{
	while (isspace((unsigned char)*text))
		text++;
	size_t n = strlen(text);
	while (n > 0 && isspace((unsigned char)text[n - 1]))
		text[--n] = '\0';
	return text;
}

/* "name = value //: comment". -ENOENT if it is no assignment. */
static int assignment(struct prompt *s, const char *line)
{
	_cleanup_free_ char *copy = strdup(line);
	if (!copy)
		return -ENOMEM;
	char *equals = strchr(copy, '='), *value = NULL;
	if (equals) {
		*equals = '\0';
		value = equals + 1;
		char *comment = strstr(value, "//:");
		if (comment)
			*comment = '\0';
		value = trim(value);
	}
	return prompt_assign(s, trim(copy), value);
}

/* The name of a sample type, also with total_ or mean_ before it, selects it. */
static bool choose_type(struct prompt *s, const char *word)
{
	bool mean = !strncmp(word, "mean_", 5), total = !strncmp(word, "total_", 6);
	const char *name = word + (mean ? 5 : total ? 6 : 0);

	for (size_t i = 0; i < s->p->n_sample_types; i++) {
		if (strcmp(profile_text(s->p, s->p->sample_types[i].type), name) != 0)
			continue;
		if (mean || total)
			prompt_assign(s, "mean", mean ? "1" : "0");
		prompt_assign(s, "sample_index", name);
		return true;
	}
	return false;
}

static void clear_filters(struct prompt *s)
{
	static const char *const cleared[] = {"focus", "ignore", "hide", "tagfocus", "tagignore"};

	for (size_t i = 0; i < sizeof(cleared) / sizeof(cleared[0]); i++)
		prompt_assign(s, cleared[i], "");
}

static bool is_word(const char *line, const char *one, const char *other, const char *third)
{
	return !strcmp(line, one) || !strcmp(line, other) || !strcmp(line, third);
}

void prompt_line(struct prompt *s, const char *line)
{
	_cleanup_free_ char *copy = strdup(line);
	char *text = copy ? trim(copy) : NULL;
	int err = 0;

	if (!text || !*text)
		return;
	if (is_word(text, "q", "quit", "exit"))
		s->ended = true;
	else if (is_word(text, "o", "options", "options"))
		prompt_print_options(s, stdout);
	else if (!strcmp(text, "help"))
		prompt_print_help(NULL, stdout);
	else if (!strncmp(text, "help ", 5))
		prompt_print_help(trim(text + 5), stdout);
	else if (!strcmp(text, ":"))
		clear_filters(s);
	else if (!choose_type(s, text)) {
		err = assignment(s, text);
		if (err == -ENOENT)
			err = report(s, text);
	}
	s->failed |= err != 0;
	fflush(stdout);
}

/* ---- from greeting to quit ---------------------------------------------------------------- */

static const struct option_group GROUPS[] = {
	{"Report", REPORT_OPTIONS, offsetof(struct prompt, request)},
	{"Filters", REPORT_FILTER_OPTIONS, offsetof(struct prompt, request)},
	{"Which samples", QUERY_SAMPLE_OPTIONS, offsetof(struct prompt, query)},
	{"Names", QUERY_NAME_OPTIONS, offsetof(struct prompt, query)},
	{"Which profiles of the store", QUERY_STORE_OPTIONS, offsetof(struct prompt, query)},
	{"Places", PLACE_OPTIONS, offsetof(struct prompt, query.place)},
	{0},
};

/* Not among the reports where they are piped. */
static int greet(struct prompt *s)
{
	FILE *out = isatty(STDOUT_FILENO) ? stdout : stderr;
	size_t index;

	int err = query_sample_index(&COMMAND_PROMPT, &s->query, s->p, &index);
	if (err)
		return err;
	err = report_write_labels(s->p, &s->request.config, index, out);
	fputs("Entering interactive mode (type \"help\" for commands, \"o\" for options)\n", out);
	fflush(out);
	return err;
}

static int start(struct prompt *s, const struct operands *files, size_t *skipped)
{
	int err = report_request_settle(&COMMAND_PROMPT, &s->request, &s->query);
	if (!err)
		err = report_load(&COMMAND_PROMPT, &s->request, &s->query, files, &s->p, skipped);
	if (!err)
		err = greet(s);
	s->request.config.compact_labels = true;
	return err ? err : prompt_read(s);
}

static int run(int argc, char **argv)
{
	struct prompt s = {
		.query.place = place_default(),
		.request = report_request_default(),
	};
	struct operands files;
	size_t skipped = 0;
	int code = 0;

	enum options_result parsed = command_parse(&COMMAND_PROMPT, argc, argv, &s, &files);
	if (parsed == OPTIONS_OK) {
		int err;

		query_take_program(&s.query, &files);
		err = start(&s, &files, &skipped);
		code = query_exit(err, skipped);
		/* A script wants to know; a person has seen it. */
		if (!code && s.failed && !isatty(STDIN_FILENO))
			code = 1;
	}
	profile_free(s.p);
	query_free(&s.query);
	report_request_free(&s.request);
	for (size_t i = 0; i < s.owned.n; i++)
		free((char *)s.owned.items[i]);
	texts_free(&s.owned);
	return parsed == OPTIONS_BAD ? 2 : code;
}

const struct command COMMAND_PROMPT = {
	.name = "prompt",
	.synopsis = "[OPTION...] [[PROGRAM] FILE...]",
	.summary = "Ask about a profile, command by command; so does profctl FILE",
	.details = REPORT_DETAILS,
	.groups = GROUPS,
	.run = run,
};
