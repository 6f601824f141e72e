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

/* Whether names come with source lines and inlined calls. */
bool symbol_sources_have_lines(uint32_t flags);

#endif
