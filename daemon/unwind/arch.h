/* SPDX-License-Identifier: MIT */
/*
 * arch.h - what the compiler of unwind tables must know about an architecture. Each has a file of
 * its own.
 */
#ifndef PROFD_UNWIND_ARCH_H
#define PROFD_UNWIND_ARCH_H

#include "profd/unwind_abi.h"
#include "unwind/cfa.h"

/* Code that is recognized by its bytes. */
#define UNWIND_STUB_ROWS 5
#define UNWIND_MAX_STUB	 512 /* bytes, and what it is known by; it may be on two pages */
struct unwind_stub_row {
	size_t at; /* from the stub's first byte */
	struct unwind_rule rule;
};
struct unwind_stub {
	size_t offset, size;
	struct unwind_stub_row rows[UNWIND_STUB_ROWS]; /* the first is at 0 */
	size_t n_rows;				       /* 0: it is the outermost frame */
};

/* What a function's code says of its frame, from an offset on. That, too, counts more than CFI. */
struct unwind_own {
	size_t from;
	bool outermost; /* it is the outermost frame; or else: */
	/* The rule that holds where CFI counts the CFA from this register, by at least so much. */
	struct unwind_rule rule;
	uint8_t instead_of;
	int32_t least;
};

/* A call whose target the instruction says. */
struct unwind_call {
	size_t offset, size; /* of the instruction */
	uint64_t target;     /* address */
};

struct unwind_arch {
	uint16_t machine; /* EM_* */
	/* Turns the state of all registers into a rule. UNWIND_KINDS: *rule is it; else the kind
	 * that the state is instead. */
	enum unwind_kind (*describe)(
		const struct cfa_state *state, const struct cfi_cie *cie, struct unwind_rule *rule);
	/* Packs a rule into 16 bits. False: it needs more. */
	bool (*pack)(const struct unwind_rule *rule, uint16_t *packed);
	/* Is it what linkers and assemblers put between functions, never to be run? */
	bool (*is_padding)(const uint8_t *code, size_t size);
	/* Finds the next stub at or behind stub->offset in code that has no CFI. */
	bool (*find_stub)(
		const uint8_t *code, size_t size, uint64_t address, struct unwind_stub *stub);
	/* Finds the next code at or behind stub->offset that is known so well that its bytes count
	 * more than its CFI. */
	bool (*find_sure)(const uint8_t *code, size_t size, struct unwind_stub *stub);
	/* Says the code of a whole function what its CFI has wrong? */
	bool (*find_own)(const uint8_t *code, size_t size, struct unwind_own *own);
	/* Does code save the frame pointer just before `offset`, to make one of its own there?
	 * rule: in force at the offset; it must say so too, by the CFA. */
	bool (*saves_fp)(
		const uint8_t *code, size_t size, size_t offset, const struct unwind_rule *rule);
	/* Says in a rule of such a function where it was saved, if the rule says nothing of it. */
	void (*add_saved_fp)(struct unwind_rule *rule);
	/* Where code that begins with a direct jump goes; 0: it does not. */
	uint64_t (*jump_target)(const uint8_t *code, size_t size, uint64_t address);
	/* Finds the next direct call at or behind call->offset. Any byte may begin one: who
	 * believes it asks whether a function is at its target. */
	bool (*find_call)(
		const uint8_t *code, size_t size, uint64_t address, struct unwind_call *call);
	/* Can there be a call of any kind? */
	bool (*may_call)(const uint8_t *code, size_t size);
	/* Does the rule count the CFA, and nothing else, from a register that functions preserve,
	 * but that is not followed from frame to frame? */
	bool (*needs_saved)(const struct unwind_rule *rule);
	/* Makes such a rule one for a return address, where that register was saved at an offset
	 * from the stack pointer. False: that cannot be said. */
	bool (*use_saved)(struct unwind_rule *rule, int64_t slot);
};

extern const struct unwind_arch unwind_arch_x86_64;

/* NULL: there is none for it yet. */
const struct unwind_arch *unwind_arch_of(uint16_t machine);

#endif
