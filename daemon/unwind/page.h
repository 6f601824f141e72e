/* SPDX-License-Identifier: MIT */
/*
 * page.h - builds the block of one page (profd/unwind_abi.h), from its lowest address upwards, and
 * looks rules up in a finished one.
 */
#ifndef PROFD_UNWIND_PAGE_H
#define PROFD_UNWIND_PAGE_H

#include "unwind/arch.h"

#define PAGE_MAX_ROWS (UNWIND_PAGE_WORDS - sizeof(struct unwind_page) / UNWIND_WORD)

struct page_builder {
	const struct unwind_arch *arch;
	uint64_t page; /* its first address */
	size_t n_rows, n_rules;
	bool full;
	struct unwind_row rows[PAGE_MAX_ROWS];
	struct unwind_rule rules[UNWIND_PAGE_RULES];
};

void page_begin(struct page_builder *b, const struct unwind_arch *arch, uint64_t page);
/* What holds from an address on, up to the next addition. Addresses lie in the page and do not
 * fall; of two at one address the later counts. What was not said is UNWIND_NONE. */
void page_add_kind(struct page_builder *b, uint64_t address, enum unwind_kind kind);
void page_add_rule(struct page_builder *b, uint64_t address, const struct unwind_rule *rule);
/* Writes the block; returns how many words it has. */
size_t page_finish(const struct page_builder *b, uint32_t words[UNWIND_PAGE_WORDS]);

/* The 16-bit rule for an address, which counts from the page. */
uint16_t page_find(const struct unwind_page *page, uint16_t address);
/* The long rule that an escape beyond UNWIND_KINDS leads to. */
const struct unwind_rule *page_rule(const struct unwind_page *page, uint16_t escape);

#endif
