// SPDX-License-Identifier: MIT
#include "unwind/page.h"

#include <string.h>

#define HEAD_WORDS (sizeof(struct unwind_page) / UNWIND_WORD)
#define RULE_WORDS (sizeof(struct unwind_rule) / UNWIND_WORD)

void page_begin(struct page_builder *b, const struct unwind_arch *arch, uint64_t page)
{
	b->arch = arch;
	b->page = page;
	b->n_rows = b->n_rules = 0;
	b->full = false;
}

static bool fits(const struct page_builder *b, size_t rows, size_t rules)
{
	return HEAD_WORDS + b->n_rows + rows + RULE_WORDS * (b->n_rules + rules) <=
	       UNWIND_PAGE_WORDS;
}

/* Until the block is written, an escape to a long rule is UNWIND_KINDS + its index. */
static void add_row(struct page_builder *b, uint64_t address, uint16_t rule)
{
	uint16_t at = (uint16_t)(address - b->page);

	if (b->full)
		return;
	if (b->n_rows && b->rows[b->n_rows - 1].address == at)
		b->n_rows--;
	if (!b->n_rows && at)
		b->rows[b->n_rows++] = (struct unwind_row){0, UNWIND_ESCAPE | UNWIND_NONE};
	if (b->n_rows && b->rows[b->n_rows - 1].rule == rule)
		return;
	if (!fits(b, 2, 0)) { /* room is kept for this very row */
		b->full = true;
		rule = UNWIND_ESCAPE | UNWIND_UNKNOWN;
	}
	b->rows[b->n_rows++] = (struct unwind_row){at, rule};
}

void page_add_kind(struct page_builder *b, uint64_t address, enum unwind_kind kind)
{
	add_row(b, address, (uint16_t)(UNWIND_ESCAPE | kind));
}

/* Its index; UNWIND_PAGE_RULES if there is no room. */
static size_t intern_rule(struct page_builder *b, const struct unwind_rule *rule)
{
	for (size_t i = 0; i < b->n_rules; i++)
		if (!memcmp(&b->rules[i], rule, sizeof(*rule)))
			return i;
	if (b->n_rules == UNWIND_PAGE_RULES || !fits(b, 2, 1))
		return UNWIND_PAGE_RULES;
	b->rules[b->n_rules] = *rule;
	return b->n_rules++;
}

void page_add_rule(struct page_builder *b, uint64_t address, const struct unwind_rule *rule)
{
	uint16_t packed;
	size_t i;

	if (b->arch->pack(rule, &packed)) {
		add_row(b, address, packed);
		return;
	}
	i = intern_rule(b, rule);
	if (i == UNWIND_PAGE_RULES)
		page_add_kind(b, address, UNWIND_UNKNOWN);
	else
		add_row(b, address, (uint16_t)(UNWIND_ESCAPE | (UNWIND_KINDS + i)));
}

static void write_index(struct unwind_page *page, size_t n_rows)
{
	size_t row = 0;

	for (size_t cell = 0; cell < UNWIND_CELLS; cell++) {
		size_t start = cell << UNWIND_CELL_SHIFT;

		while (row + 1 < n_rows && page->rows[row + 1].address <= start)
			row++;
		page->first[cell] = (uint16_t)row;
	}
	page->first[UNWIND_CELLS] = (uint16_t)(n_rows - 1);
}

size_t page_finish(const struct page_builder *b, uint32_t words[UNWIND_PAGE_WORDS])
{
	static const struct unwind_row none = {0, UNWIND_ESCAPE | UNWIND_NONE};
	struct unwind_page *page = (struct unwind_page *)words;
	size_t n_rows = b->n_rows ? b->n_rows : 1;
	size_t rules = HEAD_WORDS + n_rows;

	memcpy(page->rows, b->n_rows ? b->rows : &none, n_rows * sizeof(*page->rows));
	for (size_t i = 0; i < n_rows; i++) {
		uint16_t rule = page->rows[i].rule;
		size_t number = rule & (UNWIND_ESCAPE - 1);

		if (rule & UNWIND_ESCAPE && number >= UNWIND_KINDS)
			page->rows[i].rule = (uint16_t)(UNWIND_ESCAPE |
							(rules + RULE_WORDS *
									 (number - UNWIND_KINDS)));
	}
	memcpy(words + rules, b->rules, b->n_rules * sizeof(*b->rules));
	page->n_rules = (uint16_t)b->n_rules;
	write_index(page, n_rows);
	return rules + RULE_WORDS * b->n_rules;
}

uint16_t page_find(const struct unwind_page *page, uint16_t address)
{
	size_t cell = address >> UNWIND_CELL_SHIFT;
	size_t low = page->first[cell], high = page->first[cell + 1];

	while (low < high) {
		size_t middle = low + (high - low + 1) / 2;

		if (page->rows[middle].address <= address)
			low = middle;
		else
			high = middle - 1;
	}
	return page->rows[low].rule;
}

const struct unwind_rule *page_rule(const struct unwind_page *page, uint16_t escape)
{
	const uint32_t *words = (const uint32_t *)page;

	return (const struct unwind_rule *)(words + (escape & (UNWIND_ESCAPE - 1)));
}
