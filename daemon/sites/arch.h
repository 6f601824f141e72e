/* SPDX-License-Identifier: MIT */
/* arch.h - what the finder of heap sites must know about an architecture. Each has files of its
 * own. */
#ifndef PROFD_SITES_ARCH_H
#define PROFD_SITES_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/heap_sites.h"

/* Where a function hands itself over to another: an address, or the address of a word of the GOT
 * that holds it. */
struct site_jump {
	uint64_t target;
	bool indirect;
};

enum site_flow {
	SITE_NEXT,
	SITE_BRANCH, /* to the next one, or to the target */
	SITE_JUMP,   /* to the target */
	SITE_CALL,   /* of the target; 0: nobody knows which one */
	SITE_RETURN,
	SITE_END, /* it is a trap */
};

struct site_step {
	size_t size;
	enum site_flow flow;
	struct site_jump to;
};

struct sites_arch {
	uint16_t machine; /* EM_* */
	/* Where in a function's code a probe costs least: sets site->probe, from the code's first
	 * byte, emulated and registers; site->function is set. False: it can be probed nowhere. */
	bool (*find_probe)(const uint8_t *code, size_t size, struct heap_site *site);
	/* Does the kernel emulate the first instruction there? */
	bool (*is_emulated)(const uint8_t *code, size_t size);
	/* Is the function no more than straight code that ends in this jump? */
	bool (*forwards)(const uint8_t *code, size_t size, uint64_t address, struct site_jump *to);
	/* The next direct or indirect call or jump at or behind *offset, which becomes that behind
	 * it. Any byte may begin one: who believes it asks whether a function is at its target. */
	bool (*find_jump)(const uint8_t *code, size_t size, uint64_t address, size_t *offset,
		struct site_jump *to);
	/* The instruction at an address. False: nobody knows where it leads, or it is a return on
	 * which no probe can be. */
	bool (*step)(const uint8_t *code, size_t size, uint64_t address, struct site_step *out);
	/* Parses an operand of an assembler as a USDT probe has it behind the size and '@', all of
	 * the text. Of "name+8(%rip)" only the offset is set, and *symbol (length bytes) is the
	 * name. False: it is something else. */
	bool (*parse_operand)(const char *text, size_t size, struct heap_argument *argument,
		const char **symbol, size_t *length);
};

extern const struct sites_arch sites_arch_x86_64;

/* NULL: there is none for it yet. */
const struct sites_arch *sites_arch_of(uint16_t machine);

#endif
