// SPDX-License-Identifier: MIT
#include "collector/troubles.h"

#include <stdlib.h>
#include <string.h>

#include "symbols/answer.h"

static const struct {
	const char *word, *text;
} WAYS[TROUBLE_COUNT] = {
	[TROUBLE_CRASH] = {"crash", "the symbolizer died of it"},
	[TROUBLE_TIME] = {"time", "the symbolizer took too long"},
	[TROUBLE_MEMORY] = {"memory",
		"the symbolizer needed more memory than [limits] symbolizer="},
	[TROUBLE_ROOM] = {"room",
		"its compressed debug information needs more room than half of what is free in "
		"[paths] cache=, or than 4 GiB"},
	[TROUBLE_ANSWER] = {"answer", "the symbolizer gave a broken answer"},
	[TROUBLE_SIZE] = {"size", "there is more to say of it than one answer holds"},
	[TROUBLE_INLINES] = {"inlines", "more calls are inlined at an address than are shown"},
	[TROUBLE_NAME_LENGTH] = {"name_length", "it has names that are too long to be shown whole"},
	[TROUBLE_DEBUG_INFO] = {"debug_info", "its debug information is broken"},
	[TROUBLE_DEBUGDATA] = {"debugdata",
		"its .gnu_debugdata is broken, or needs too much memory"},
	[TROUBLE_SPLIT] = {"split",
		"its .dwo or .dwp files are broken, cut off or of another build"},
};

const char *trouble_word(enum trouble trouble)
{
	return WAYS[trouble].word;
}

const char *trouble_text(enum trouble trouble)
{
	return WAYS[trouble].text;
}

const char *trouble_rest_text(enum trouble_rest rest)
{
	static const char *const texts[] = {
		[TROUBLE_REST_NONE] = "no names",
		[TROUBLE_REST_SYMBOLS] = "names of its symbol table only",
		[TROUBLE_REST_LINES] = "lines, but no inlined calls",
		[TROUBLE_REST_MOST] = "the rest is left out",
	};

	return texts[rest];
}

static void drop(struct troubles *t, size_t at)
{
	free(t->all[at].module);
	memmove(&t->all[at], &t->all[at + 1], (t->n - at - 1) * sizeof(t->all[0]));
	t->n--;
}

static void drop_same(struct troubles *t, const struct file_identity *file, enum trouble trouble)
{
	for (size_t i = t->n; i-- > 0;)
		if (t->all[i].trouble == trouble && file_identity_equal(&t->all[i].file, file))
			drop(t, i);
}

void troubles_add(
	struct troubles *t, const struct module *m, enum trouble trouble, enum trouble_rest rest)
{
	struct file_identity file = module_identity(m);
	char *module = strdup(m->kind == MODULE_KERNEL ? "[kernel]"
			      : m->path		       ? m->path
						       : "[unknown]");

	if (!module)
		return;
	symbol_text_show(module);
	drop_same(t, &file, trouble);
	if (t->n == TROUBLES_MAX)
		drop(t, 0);
	t->all[t->n++] = (struct trouble_entry){file, module, trouble, rest};
}

void troubles_free(struct troubles *t)
{
	while (t->n)
		drop(t, t->n - 1);
}
