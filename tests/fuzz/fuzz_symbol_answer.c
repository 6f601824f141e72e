// SPDX-License-Identifier: MIT
/* What a symbolizer says that has fallen into the hands of a profiled process. */
#include <stdlib.h>
#include <string.h>

#include "collector/symbol_table.h"

#define ASKED 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Uses everything that the view promises. */
static size_t use(const struct symbols *s)
{
	size_t sum = strlen(s->build_id);

	for (size_t i = 0; i < s->n_addresses; i++)
		for (uint32_t k = 0; k < s->addresses[i].count; k++) {
			const struct symbol_line *line = &s->lines[s->addresses[i].first + k];
			const struct symbol_function *f = &s->functions[line->function];

			if (!*f->name)
				abort();
			sum += strlen(f->name) + strlen(f->system_name) + strlen(f->file);
		}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t offsets[ASKED] = {1, 2, 3, 4};
	struct symbol_address addresses[ASKED];
	struct symbol_table table = {0};
	struct symbol_answer answer;
	void *aligned = malloc(size + 1);

	if (!aligned)
		return 0;
	memcpy(aligned, data, size);
	if (!symbol_answer_check(&answer, aligned, size, ASKED)) {
		symbol_table_add(&table, &answer, offsets);
		struct symbols view = symbol_table_view(&table, offsets, ASKED, addresses);

		use(&view);
		symbol_table_forget(&table, 2, 4);
		view = symbol_table_view(&table, offsets, ASKED, addresses);
		use(&view);
	}
	symbol_table_clear(&table);
	free(aligned);
	return 0;
}
