// SPDX-License-Identifier: MIT
#include "symbolizer/names_copy.h"

#include <errno.h>
#include <stdlib.h>

int names_copy_begin(struct names_copy *c, struct names *to, const struct symbol_answer *from)
{
	*c = (struct names_copy){
		to, from, calloc(from->head->n_functions + (size_t)1, sizeof(*c->ids))};
	return c->ids ? 0 : -ENOMEM;
}

void names_copy_end(struct names_copy *c)
{
	free(c->ids);
}

static uint32_t copy_function(struct names_copy *c, uint32_t index)
{
	const struct symbolizer_function *f = &c->from->functions[index];
	const char *strings = c->from->strings;

	if (!c->ids[index]) {
		struct symbolizer_function function = {
			.name = names_string(c->to, strings + f->name),
			.system_name = names_string(c->to, strings + f->system_name),
			.file = names_string(c->to, strings + f->file),
			.start_line = f->start_line,
		};
		uint32_t id = names_function(c->to, &function);

		c->ids[index] = id == NAMES_NONE ? 0 : id + 1;
	}
	return c->ids[index] - 1; /* NAMES_NONE if it is 0 */
}

void names_copy_address(struct names_copy *c, size_t at, size_t address)
{
	const struct symbolizer_address *from = &c->from->addresses[address];
	struct names_frame frames[SYMBOLIZER_MAX_INLINES];

	for (uint32_t i = 0; i < from->count; i++) {
		const struct symbolizer_line *line = &c->from->lines[from->first + i];

		frames[i] = (struct names_frame){copy_function(c, line->function), line->line};
	}
	c->to->addresses[at].vaddr = from->vaddr;
	names_set(c->to, at, frames, from->count);
}
