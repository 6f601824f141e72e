/* SPDX-License-Identifier: MIT */
/* symbol_sources.h - where names come from, in words. */
#ifndef PROFD_CLI_SYMBOL_SOURCES_H
#define PROFD_CLI_SYMBOL_SOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The best that a file has to name with: "DWARF in it", ".dynsym", … flags: enum
 * symbolizer_answer_flags; debug_file may be NULL. */
void symbol_sources_describe(uint32_t flags, const char *debug_file, char *out, size_t size);

/* Whether that is the debug file: there is one that belongs to it, with names. */
bool symbol_sources_are_in_debug_file(uint32_t flags);
/* What is wrong with its debug information ("is broken …"), for which it was passed over; or NULL.
 * That of -gsplit-dwarf is looked at apart: SYMBOLIZER_LACKS_SPLIT, SYMBOLIZER_BAD_SPLIT. */
const char *symbol_sources_trouble(uint32_t flags);

/* Whether names come with source lines and inlined calls. */
bool symbol_sources_have_lines(uint32_t flags);

#endif
