/* SPDX-License-Identifier: MIT */
/*
 * calls.h - rules for the return addresses of direct calls, where a function's own rule counts its
 * CFA from a register that nobody follows from frame to frame, as glibc's lazy resolver does from
 * rbx: the callee's CFI says where it saved that register.
 *
 * Seen from the return address the stack pointer is the callee's CFA, so a register that the callee
 * saved at CFA - 40 lies at sp - 40.
 *
 * That is wrong where the callee was interrupted before it saved the register (its first
 * instructions) or after it restored it, and where it ended in a jump to another function, which
 * saves registers elsewhere. Then the slot holds whatever was there last, and the CFA is what a
 * walk believes least: it must rise, and a return address in code must lie below it. Without this
 * rule all these stacks, and all others through such a call, would end here.
 */
#ifndef PROFD_UNWIND_CALLS_H
#define PROFD_UNWIND_CALLS_H

#include "unwind/arch.h"
#include "unwind/cfi_source.h"
#include "unwind/fde_runner.h"

/* Where the function that starts at an address saves a register, as an offset from its CFA. False:
 * no FDE starts there, or it saves it nowhere, or in several places, or may call something while
 * it has not saved it. Runs the runner's machine, on its budget. code: what holds the call; what
 * the function does elsewhere counts as a call. */
bool calls_find_slot(struct fde_runner *r, const struct unwind_arch *arch,
	const struct cfi_index *indexes, size_t n_indexes, const struct cfi_code *code,
	uint64_t function, uint8_t number, int64_t *slot);

#endif
