// SPDX-License-Identifier: MIT
/* What an unwinder helper says that has fallen into the hands of a profiled process: whatever
 * passes is then used as the BPF programs use it. The first byte says what was asked. */
#include <stdlib.h>
#include <string.h>

#include "collector/unwinder_answer.h"
#include "unwind/cfa.h"
#include "unwind/page.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Looks up all addresses; the search must find what a walk over all rows finds. */
static void use_block(const uint32_t *words, size_t n_words)
{
	const struct unwind_page *page = (const struct unwind_page *)words;
	size_t row = 0;

	for (uint32_t address = 0; address < UNWIND_PAGE_SIZE; address++) {
		uint16_t rule = page_find(page, (uint16_t)address), number = rule & 0x7fff;

		while (row < page->first[UNWIND_CELLS] && page->rows[row + 1].address <= address)
			row++;
		if (rule != page->rows[row].rule)
			abort();
		if (rule & UNWIND_ESCAPE && number >= UNWIND_KINDS &&
			((const uint32_t *)(page_rule(page, rule) + 1) > words + n_words ||
				page_rule(page, rule)->base >= CFA_REGISTERS))
			abort();
	}
}

/* Every register is one, and every offset is in some segment: the check has no other to compare. */
static void use_sites(const struct heap_sites *sites)
{
	for (size_t i = 0; i < sites->n_sites; i++) {
		const struct heap_site *s = &sites->sites[i];
		unsigned needed = heap_function_arguments(s->function);

		for (int k = 0; k < HEAP_ARGUMENTS; k++)
			if ((needed >> k & 1) != (s->registers[k] < 16))
				abort();
		if (!memchr(s->name, 0, sizeof(s->name)) || s->probe < s->entry)
			abort();
	}
	for (size_t i = 0; i < sites->n_probes; i++) {
		const struct heap_probe *p = &sites->probes[i];

		if (p->n_arguments > HEAP_ARGUMENTS || !heap_probe_explain(p->flaw))
			abort();
	}
	for (size_t i = 1; i < sites->n_rets; i++)
		if (sites->rets[i] <= sites->rets[i - 1])
			abort();
	if (!heap_allocator_name(sites->allocator))
		abort();
}

static void use_code(const struct unwinder_code *code)
{
	for (uint32_t i = 0; i < code->n_segments; i++) {
		const struct unwinder_segment *s = &code->segments[i];
		uint64_t last = (s->vaddr + s->size - 1 - code->low) / UNWIND_PAGE_SIZE;

		if (s->vaddr < code->low || last >= code->n_pages)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct unwinder_reply reply;
	enum unwinder_question question = UNWINDER_PAGE;
	void *aligned = malloc(size + 1);

	if (!aligned)
		return 0;
	if (size) {
		question = *data & 2 ? UNWINDER_SITES : *data & 1;
		memcpy(aligned, data + 1, --size);
	}
	if (!unwinder_answer_check(&reply, question, aligned, size) && !reply.error) {
		if (question == UNWINDER_PAGE)
			use_block(reply.words, reply.n_words);
		else if (question == UNWINDER_LAYOUT)
			use_code(&reply.code);
		else
			use_sites(&reply.sites);
	}
	free(aligned);
	return 0;
}
