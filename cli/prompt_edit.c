// SPDX-License-Identifier: MIT
/* prompt_edit.c - the lines of the prompt: from a terminal with libedit, or from a pipe. */
#include <errno.h>
#include <histedit.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "prompt.h"
#include "util/cleanup.h"
#include "util/grow.h"

#define HISTORY_LINES 1000
#define SHOWN_MAX     60 /* names that completion lists */

static char *prompt_text(EditLine *el)
{
	return (char *)"(profctl) ";
}

/* ---- completion --------------------------------------------------------------------------- */

/* What a word may become. */
struct matches {
	struct texts names;
	bool by_part; /* functions match by any part of their name */
};

static bool is_function_word(const char *line, size_t before)
{
	size_t first = strspn(line, " ");

	/* the first word is a command; behind help comes one too */
	return before > first && strncmp(line + first, "help ", 5) != 0;
}

static int add_match(struct matches *m, const char *name, const char *word)
{
	bool fits = m->by_part ? strstr(name, word) != NULL : !strncmp(name, word, strlen(word));

	for (size_t i = 0; fits && i < m->names.n; i++)
		fits = strcmp(m->names.items[i], name) != 0;
	if (!fits || !*name)
		return 0;
	int err = grow(m->names.items, m->names.n, m->names.capacity, 1);
	if (!err)
		m->names.items[m->names.n++] = name;
	return err;
}

static int find_matches(const struct prompt *s, struct matches *m, const char *word)
{
	int err = 0;

	for (const struct prompt_command *c = PROMPT_COMMANDS; !m->by_part && !err && c->name; c++)
		err = add_match(m, c->name, word);
	for (const char *const *v = PROMPT_VARIABLES; !m->by_part && !err && *v; v++)
		err = add_match(m, *v, word);
	for (size_t i = 1; m->by_part && !err && i < s->p->n_functions; i++)
		err = add_match(m, profile_text(s->p, s->p->functions[i].name), word);
	return err;
}

/* How many bytes the names have in common at their start. */
static size_t common_length(const struct texts *names)
{
	size_t n = strlen(names->items[0]);

	for (size_t i = 1; i < names->n; i++) {
		size_t k = 0;
		while (k < n && names->items[0][k] == names->items[i][k])
			k++;
		n = k;
	}
	return n;
}

static unsigned char replace_word(EditLine *el, const char *word, const char *with, size_t length)
{
	_cleanup_free_ char *text = strndup(with, length);

	if (!text)
		return CC_ERROR;
	el_deletestr(el, (int)strlen(word));
	return el_insertstr(el, text) < 0 ? CC_ERROR : CC_REFRESH;
}

static unsigned char complete_word(
	EditLine *el, struct prompt *s, struct matches *m, const char *word)
{
	const struct texts *names = &m->names;
	FILE *out;

	if (find_matches(s, m, word) || !names->n)
		return CC_ERROR;
	if (names->n == 1)
		return replace_word(el, word, names->items[0], strlen(names->items[0]));
	size_t common = common_length(names);
	if (common > strlen(word))
		return replace_word(el, word, names->items[0], common);
	if (el_get(el, EL_GETFP, 1, &out) < 0)
		return CC_ERROR;
	for (size_t i = 0; i < names->n && i < SHOWN_MAX; i++)
		fprintf(out, "%s%s", i ? "  " : "\n", names->items[i]);
	fprintf(out, "%s\n", names->n > SHOWN_MAX ? "  ..." : "");
	return CC_REDISPLAY;
}

static unsigned char complete(EditLine *el, int key)
{
	struct prompt *s;
	const LineInfo *info = el_line(el);
	size_t length = (size_t)(info->cursor - info->buffer);
	_cleanup_free_ char *line = strndup(info->buffer, length);

	if (!line || el_get(el, EL_CLIENTDATA, &s) < 0)
		return CC_ERROR;
	size_t start = length;
	while (start > 0 && line[start - 1] != ' ')
		start--;
	struct matches m = {.by_part = is_function_word(line, start)};
	/* a regex to ignore has a dash */
	if (m.by_part && line[start] == '-')
		start++;
	unsigned char result = complete_word(el, s, &m, line + start);
	texts_free(&m.names);
	return result;
}

/* ---- reading ------------------------------------------------------------------------------ */

static char *history_path(void)
{
	const char *home = getenv("HOME");
	char *path;

	if (!home || asprintf(&path, "%s/.profctl_history", home) < 0)
		return NULL;
	return path;
}

struct editor {
	EditLine *el;
	History *history;
	FILE *out; /* not stdout, which may be a stream without a descriptor */
	char *path;
};

static int editor_begin(struct editor *e, struct prompt *s)
{
	HistEvent event;
	int fd = dup(STDOUT_FILENO);

	e->out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!e->out) {
		close_fd(fd);
		return -errno;
	}
	e->el = el_init("profctl", stdin, e->out, stderr);
	e->history = history_init();
	e->path = history_path();
	if (!e->el || !e->history)
		return -ENOMEM;
	history(e->history, &event, H_SETSIZE, HISTORY_LINES);
	history(e->history, &event, H_SETUNIQUE, 1);
	if (e->path)
		history(e->history, &event, H_LOAD, e->path);
	el_set(e->el, EL_CLIENTDATA, s);
	el_set(e->el, EL_PROMPT, prompt_text);
	el_set(e->el, EL_EDITOR, "emacs");
	el_set(e->el, EL_SIGNAL, 1);
	el_set(e->el, EL_HIST, history, e->history);
	el_set(e->el, EL_ADDFN, "complete", "complete a command, option or function", complete);
	el_set(e->el, EL_BIND, "^I", "complete", NULL);
	el_set(e->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
	el_source(e->el, NULL);
	return 0;
}

static void editor_end(struct editor *e)
{
	HistEvent event;

	/* That no history can be kept is no failure. */
	if (e->history && e->path)
		history(e->history, &event, H_SAVE, e->path);
	if (e->history)
		history_end(e->history);
	if (e->el)
		el_end(e->el);
	if (e->out)
		fclose(e->out);
	free(e->path);
}

static int read_terminal(struct prompt *s)
{
	struct editor e = {0};
	HistEvent event;
	const char *line;
	int n;

	int err = editor_begin(&e, s);
	while (!err && !s->ended && (line = el_gets(e.el, &n)) && n > 0) {
		if (line[strspn(line, " \t\n")])
			history(e.history, &event, H_ENTER, line);
		prompt_line(s, line);
	}
	editor_end(&e);
	return err;
}

static int read_pipe(struct prompt *s)
{
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	while (!s->ended && getline(&line, &size, stdin) >= 0)
		prompt_line(s, line);
	return ferror(stdin) ? -EIO : 0;
}

int prompt_read(struct prompt *s)
{
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) ? read_terminal(s) : read_pipe(s);
}
