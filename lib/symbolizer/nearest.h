/* SPDX-License-Identifier: MIT */
/*
 * nearest.h - for sorted addresses and symbols in any order: which symbol is each address in?
 *
 * Symbol tables are large and the addresses are few, so symbols are offered one by one and only
 * those that matter are kept: memory goes by the addresses, not by the table.
 *
 * A sized symbol holds the addresses below its end; of several the innermost (highest start) wins.
 * A symbol without a size (assembly, kallsyms) reaches to the next symbol and counts only where no
 * sized one does, or one that is not said to be a function, such as a table of stubs. Among symbols
 * that begin together: global before local before weak, then the one with fewer leading
 * underscores, then the first.
 */
#ifndef PROFD_SYMBOLIZER_NEAREST_H
#define PROFD_SYMBOLIZER_NEAREST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum symbol_binding { SYMBOL_WEAK, SYMBOL_LOCAL, SYMBOL_GLOBAL };

struct nearest_symbol {
	uint64_t start, end; /* start == end: no size */
	uint64_t limit;	     /* of a symbol without size: reaches no further (its section's end) */
	uint32_t rank;
	const void *tag; /* the caller's: names it; NULL: nothing (in results), or a mere fence */
	bool is_area;	 /* sized, but perhaps no function */
};

struct nearest {
	const uint64_t *addresses; /* sorted, borrowed */
	size_t n;
	struct nearest_symbol *sized; /* those that hold an address */
	size_t n_sized, capacity;
	struct nearest_symbol *last; /* n: the unsized one nearest below each address */
	uint64_t *fence; /* n: the highest start or sized end at or below each address */
	/* n_steps + 1: the first address at or above each step of 2^shift bytes, from the lowest
	 * one on; NULL: it is searched for. */
	uint32_t *steps;
	size_t n_steps;
	unsigned shift;
};

/* 0 or -ENOMEM; nearest_free in any case. */
int nearest_init(struct nearest *s, const uint64_t *addresses, size_t n);
void nearest_free(struct nearest *s);

uint32_t nearest_rank(enum symbol_binding binding, const char *name);
/* The index of the first address at or above `start`; n if there is none. */
size_t nearest_index(const struct nearest *s, uint64_t start);
/* Offers a symbol; copied. 0 or -ENOMEM, -E2BIG. */
int nearest_add(struct nearest *s, const struct nearest_symbol *symbol);
/* out[i] is the symbol of addresses[i]; tag NULL where there is none. Ends the search: sorts what
 * was kept. */
void nearest_finish(struct nearest *s, struct nearest_symbol *out);

#endif
