// SPDX-License-Identifier: MIT
#include "collector/unwinder_answer.h"

#include <errno.h>
#include <string.h>

#include "collector/sites_answer.h"
#include "unwind/cfa.h"

#define HEAD_WORDS (sizeof(struct unwind_page) / UNWIND_WORD)
#define RULE_WORDS (sizeof(struct unwind_rule) / UNWIND_WORD)
#define PAGE_MASK  ((uint64_t)UNWIND_PAGE_SIZE - 1)

/* ---- a block ------------------------------------------------------------------------------ */

/* An escape names a kind, or the first word of a long rule. */
static bool escape_is_good(uint16_t rule, size_t n_rows, size_t n_words)
{
	size_t number = rule & (UNWIND_ESCAPE - 1), rules = HEAD_WORDS + n_rows;

	if (!(rule & UNWIND_ESCAPE) || number < UNWIND_KINDS)
		return true;
	return number >= rules && number < n_words && (number - rules) % RULE_WORDS == 0;
}

static bool rows_are_good(const struct unwind_page *page, size_t n_rows, size_t n_words)
{
	if (page->rows[0].address)
		return false;
	for (size_t i = 0; i < n_rows; i++)
		if ((i && page->rows[i].address <= page->rows[i - 1].address) ||
			!escape_is_good(page->rows[i].rule, n_rows, n_words))
			return false;
	return true;
}

/* Each cell's entry is the last row at or below its first byte. */
static bool index_is_good(const struct unwind_page *page, size_t n_rows)
{
	size_t row = 0;

	for (size_t cell = 0; cell < UNWIND_CELLS; cell++) {
		while (row + 1 < n_rows && page->rows[row + 1].address <= cell << UNWIND_CELL_SHIFT)
			row++;
		if (page->first[cell] != row)
			return false;
	}
	return page->first[UNWIND_CELLS] == n_rows - 1;
}

static bool is_register(int number)
{
	return number >= 0 && number < CFA_REGISTERS;
}

/* Its registers exist, and of the flags that contradict each other there is at most a pair. */
static bool rule_is_good(const struct unwind_rule *rule)
{
	const int pair = UNWIND_RULE_PLT | UNWIND_RULE_DEREF | UNWIND_RULE_RA_BASE;

	if (!is_register(rule->base))
		return false;
	switch (rule->flags & pair) {
	case pair:
		return false;
	case UNWIND_RULE_RA_REGISTER:
	case UNWIND_RULE_INDEXED:
		return is_register(rule->ra_offset);
	default:
		return true;
	}
}

static bool rules_are_good(const struct unwind_rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!rule_is_good(&rules[i]))
			return false;
	return true;
}

bool unwinder_block_is_good(const uint32_t *words, size_t n_words)
{
	const struct unwind_page *page = (const struct unwind_page *)words;
	size_t n_rules, n_rows;

	if (n_words <= HEAD_WORDS || n_words > UNWIND_PAGE_WORDS)
		return false;
	n_rules = page->n_rules;
	if (n_rules > UNWIND_PAGE_RULES || HEAD_WORDS + RULE_WORDS * n_rules >= n_words)
		return false;
	n_rows = n_words - HEAD_WORDS - RULE_WORDS * n_rules;
	return rows_are_good(page, n_rows, n_words) && index_is_good(page, n_rows) &&
	       rules_are_good((const struct unwind_rule *)(words + HEAD_WORDS + n_rows), n_rules);
}

/* ---- a layout ----------------------------------------------------------------------------- */

bool unwinder_layout_is_good(const struct unwinder_layout *layout)
{
	uint64_t end = layout->low, pages = layout->n_pages;

	if (!pages || pages > UNWINDER_MAX_PAGES || layout->low & PAGE_MASK ||
		layout->low > UINT64_MAX - pages * UNWIND_PAGE_SIZE || layout->has_rules > 1 ||
		!layout->n_segments || layout->n_segments > UNWINDER_MAX_SEGMENTS)
		return false;
	for (uint32_t i = 0; i < layout->n_segments; i++) {
		const struct unwinder_segment *s = &layout->segments[i];

		if (!s->size || s->vaddr < end || s->size > UINT64_MAX - s->vaddr ||
			s->size > UINT64_MAX - s->offset)
			return false;
		end = s->vaddr + s->size;
	}
	return layout->segments[0].vaddr - layout->low < UNWIND_PAGE_SIZE &&
	       (end - layout->low + PAGE_MASK) >> UNWIND_PAGE_SHIFT == pages;
}

/* ------------------------------------------------------------------------------------------- */

static int take_layout(struct unwinder_reply *out, const void *data, size_t size)
{
	struct unwinder_layout layout;

	if (size != sizeof(layout))
		return -EBADMSG;
	memcpy(&layout, data, sizeof(layout));
	if (!unwinder_layout_is_good(&layout))
		return -EBADMSG;
	out->code = (struct unwinder_code){
		.low = layout.low,
		.n_pages = layout.n_pages,
		.has_rules = layout.has_rules,
		.n_segments = layout.n_segments,
	};
	memcpy(out->code.segments, layout.segments, layout.n_segments * sizeof(*layout.segments));
	return 0;
}

static int take_block(struct unwinder_reply *out, const void *data, size_t size)
{
	out->words = data;
	out->n_words = size / UNWIND_WORD;
	return size % UNWIND_WORD || !unwinder_block_is_good(out->words, out->n_words) ? -EBADMSG
										       : 0;
}

static bool is_errno(int32_t error)
{
	return error <= 0 && error > -4096;
}

int unwinder_answer_check(
	struct unwinder_reply *out, enum unwinder_question question, const void *data, size_t size)
{
	struct unwinder_answer head;
	const char *body = (const char *)data + sizeof(head);

	if (size < sizeof(head))
		return -EBADMSG;
	memcpy(&head, data, sizeof(head));
	if (!is_errno(head.error) || !is_errno(head.cache_error) || head.cached > 1)
		return -EBADMSG;
	*out = (struct unwinder_reply){
		.error = head.error,
		.cache_error = head.cache_error,
		.cached = head.cached,
	};
	size -= sizeof(head);
	if (head.error)
		return size ? -EBADMSG : 0;
	switch (question) {
	case UNWINDER_LAYOUT:
		return take_layout(out, body, size);
	case UNWINDER_PAGE:
		return take_block(out, body, size);
	default:
		return sites_answer_check(&out->sites, body, size);
	}
}
