/* SPDX-License-Identifier: MIT */
/* x86_64.h - what the files for x86-64 share. */
#ifndef PROFD_SITES_X86_64_H
#define PROFD_SITES_X86_64_H

#include "sites/arch.h"

/* See struct sites_arch. */
bool x86_64_find_probe(const uint8_t *code, size_t size, struct heap_site *site);
bool x86_64_is_emulated(const uint8_t *code, size_t size);
bool x86_64_forwards(const uint8_t *code, size_t size, uint64_t address, struct site_jump *to);
bool x86_64_find_jump(
	const uint8_t *code, size_t size, uint64_t address, size_t *offset, struct site_jump *to);
bool x86_64_step(const uint8_t *code, size_t size, uint64_t address, struct site_step *out);
bool x86_64_parse_operand(const char *text, size_t size, struct heap_argument *argument,
	const char **symbol, size_t *length);

#endif
