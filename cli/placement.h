/* SPDX-License-Identifier: MIT */
/*
 * placement.h - where an address of a profile lies in the file of its mapping: as an ELF virtual
 * address, whatever way the producer of the profile has written its mappings.
 */
#ifndef PROFD_CLI_PLACEMENT_H
#define PROFD_CLI_PLACEMENT_H

#include <stdbool.h>

#include "profile/profile.h"
#include "symbolizer/protocol.h"

/* segments: the executable ones of the file. False where the file has no code at that place. */
bool placement_find(const struct mapping *m, const struct symbolizer_segment *segments, size_t n,
	uint64_t address, uint64_t *vaddr);

#endif
