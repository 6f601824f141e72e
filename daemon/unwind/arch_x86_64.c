// SPDX-License-Identifier: MIT
/*
 * Source: System V ABI, AMD64 supplement (DWARF register numbers, frames); binutils
 * bfd/elf64-x86-64.c (the CFI of PLTs).
 */
#include <dwarf.h>
#include <elf.h>
#include <string.h>

#include "unwind/arch.h"
#include "unwind/arch_x86_64.h"

/* ---- from a state to a rule --------------------------------------------------------------- */

static bool fits16(int64_t n)
{
	return n >= INT16_MIN && n <= INT16_MAX;
}

static bool fits32(int64_t n)
{
	return n >= INT32_MIN && n <= INT32_MAX;
}

/* What linkers write for a PLT whose entries of 16 bytes push something in the middle:
 * rsp + 8 + (((rip & 15) >= N) << 3). N has the place of the zero byte. */
static const uint8_t plt_formula[] = {DW_OP_breg0 + RSP, WORD, DW_OP_breg0 + RIP, 0, DW_OP_lit15,
	DW_OP_and, 0, DW_OP_ge, DW_OP_lit3, DW_OP_shl, DW_OP_plus};
#define PLT_N 6

static bool is_plt(const struct cfa_rule *cfa, struct unwind_rule *rule)
{
	const uint8_t *f = cfa->formula;

	if (cfa->size != sizeof(plt_formula) || memcmp(f, plt_formula, PLT_N) != 0 ||
		memcmp(f + PLT_N + 1, plt_formula + PLT_N + 1, sizeof(plt_formula) - PLT_N - 1) !=
			0 ||
		f[PLT_N] < DW_OP_lit0 || f[PLT_N] > DW_OP_lit15)
		return false;
	rule->flags |= UNWIND_RULE_PLT;
	rule->base = RSP;
	rule->cfa_offset = WORD;
	rule->cfa_add = (int16_t)(f[PLT_N] - DW_OP_lit0);
	return true;
}

static bool describe_cfa(const struct cfa_rule *cfa, struct unwind_rule *rule)
{
	struct cfa_formula f;

	if (cfa->how == CFA_EQUALS)
		f = (struct cfa_formula){.base = cfa->base, .offset = cfa->number};
	else if (cfa->how != CFA_EQUALS_FORMULA)
		return false;
	else if (is_plt(cfa, rule))
		return true;
	else if (!cfa_formula(cfa, &f))
		return false;
	if (f.base >= RIP || f.index >= RIP || (f.indexed && !f.deref) || !fits32(f.offset) ||
		!fits16(f.add))
		return false;
	rule->base = f.base;
	rule->cfa_offset = (int32_t)f.offset;
	rule->cfa_add = (int16_t)f.add;
	if (f.indexed) {
		rule->flags |= UNWIND_RULE_INDEXED;
		rule->ra_offset = f.index;
	} else if (f.deref) {
		rule->flags |= UNWIND_RULE_DEREF;
	}
	return true;
}

/* Where a register was saved: an offset from the CFA, or (*base >= 0) from a register. */
static bool saved_at(const struct cfa_rule *saved, int16_t *offset, int *base)
{
	struct cfa_formula f = {.offset = saved->number};

	*base = -1;
	if (saved->how == CFA_SAVED_AT_FORMULA && cfa_formula(saved, &f) && !f.deref && !f.indexed)
		*base = f.base;
	else if (saved->how != CFA_SAVED_AT)
		return false;
	*offset = (int16_t)f.offset;
	return fits16(f.offset);
}

static bool is_indexed(const struct unwind_rule *rule)
{
	return (rule->flags & UNWIND_RULE_INDEXED) == UNWIND_RULE_INDEXED;
}

static bool describe_ra(const struct cfa_rule *ra, struct unwind_rule *rule)
{
	int base;

	if (is_indexed(rule))
		return ra->how == CFA_SAVED_AT && ra->number == -WORD;
	if (ra->how == CFA_IN_REGISTER && ra->number < RIP && !rule->flags) {
		rule->flags = UNWIND_RULE_RA_REGISTER;
		rule->ra_offset = (int16_t)ra->number;
		return true;
	}
	if (!saved_at(ra, &rule->ra_offset, &base) || (base >= 0 && base != rule->base))
		return false;
	rule->flags |= base >= 0 ? UNWIND_RULE_RA_BASE : 0;
	return true;
}

/* The caller's stack pointer is the CFA, said or not. In a signal frame it is said by a formula
 * that reads what the CFA's formula reads. */
static bool sp_is_cfa(const struct cfa_rule *sp, const struct unwind_rule *rule)
{
	struct cfa_formula f;

	if (sp->how == CFA_UNSPECIFIED)
		return true;
	if (sp->how == CFA_EQUALS)
		return sp->number == 0;
	return sp->how == CFA_SAVED_AT_FORMULA && cfa_formula(sp, &f) && !f.deref && !f.indexed &&
	       rule->flags & UNWIND_RULE_DEREF && !is_indexed(rule) && !rule->cfa_add &&
	       f.base == rule->base && f.offset == rule->cfa_offset;
}

/* Without a place for it the stack can still be followed as long as no caller's CFA needs it. */
static void describe_fp(const struct cfa_rule *fp, struct unwind_rule *rule)
{
	int16_t offset;
	int base;

	if (fp->how == CFA_UNSPECIFIED || fp->how == CFA_SAME)
		return;
	if (!saved_at(fp, &offset, &base)) {
		rule->flags |= UNWIND_RULE_FP_LOST;
	} else if (base < 0 || base == rule->base) {
		rule->flags |= UNWIND_RULE_FP_SAVED | (base < 0 ? 0 : UNWIND_RULE_FP_BASE);
		rule->fp_offset = offset;
	} else if (base == RBP && rule->base != RSP) {
		rule->flags |= UNWIND_RULE_FP_SAVED | UNWIND_RULE_FP_OWN;
		rule->fp_offset = offset;
	} else if (base != RBP) {
		rule->flags |= UNWIND_RULE_FP_LOST;
	}
	/* That is left: saved where rbp points, but the CFA already counts from rsp. GCC says so
	 * at the end of a function that realigned its stack, where rbp is popped and the
	 * caller's again. */
}

static enum unwind_kind describe(
	const struct cfa_state *state, const struct cfi_cie *cie, struct unwind_rule *rule)
{
	if (cie->return_register != RIP)
		return UNWIND_UNKNOWN;
	if (state->registers[RIP].how == CFA_UNDEFINED)
		return UNWIND_END;
	*rule = (struct unwind_rule){.flags = cie->signal ? UNWIND_RULE_SIGNAL : 0};
	if (!describe_cfa(&state->cfa, rule) || !describe_ra(&state->registers[RIP], rule) ||
		!sp_is_cfa(&state->registers[RSP], rule))
		return UNWIND_UNKNOWN;
	describe_fp(&state->registers[RBP], rule);
	return UNWIND_KINDS;
}

static bool pack(const struct unwind_rule *rule, uint16_t *packed)
{
	uint32_t cfa = (uint32_t)rule->cfa_offset / WORD, slot = 0;

	if (rule->flags & ~UNWIND_RULE_FP_SAVED || (rule->base != RSP && rule->base != RBP) ||
		rule->ra_offset != -WORD || rule->cfa_offset % WORD || rule->cfa_offset < 0 ||
		cfa > UNWIND_CFA_MASK)
		return false;
	if (rule->flags & UNWIND_RULE_FP_SAVED) {
		slot = (uint32_t)(-rule->fp_offset / WORD - 1);
		if (rule->fp_offset % WORD || rule->fp_offset > -2 * WORD || slot > UNWIND_FP_MASK)
			return false;
	}
	*packed = (uint16_t)((rule->base == RBP ? UNWIND_BASE_FP : 0) | slot << UNWIND_FP_SHIFT |
			     cfa);
	return true;
}

/* ---- calls --------------------------------------------------------------------------------- */

#define CALL	  0xe8
#define CALL_SIZE 5
#define INDIRECT  0xff

static bool find_call(const uint8_t *code, size_t size, uint64_t address, struct unwind_call *call)
{
	const uint8_t *at;
	int32_t distance;

	if (size < CALL_SIZE || call->offset > size - CALL_SIZE)
		return false;
	at = memchr(code + call->offset, CALL, size - CALL_SIZE + 1 - call->offset);
	if (!at)
		return false;
	memcpy(&distance, at + 1, sizeof(distance));
	call->offset = (size_t)(at - code);
	call->size = CALL_SIZE;
	call->target = address + call->offset + CALL_SIZE + (uint64_t)(int64_t)distance;
	return true;
}

/* call *x is ff /2. */
static bool may_call(const uint8_t *code, size_t size)
{
	if (memchr(code, CALL, size))
		return true;
	for (size_t i = 0; i < size; i++)
		if (code[i] == INDIRECT && (i + 1 == size || (code[i + 1] >> 3 & 7) == 2))
			return true;
	return false;
}

static bool needs_saved(const struct unwind_rule *rule)
{
	return (rule->base == RBX || (rule->base >= R12 && rule->base <= R15)) &&
	       !(rule->flags & ~(UNWIND_RULE_FP_SAVED | UNWIND_RULE_FP_OWN | UNWIND_RULE_FP_LOST));
}

static bool use_saved(struct unwind_rule *rule, int64_t slot)
{
	if (!fits16(rule->cfa_offset) || !fits32(slot))
		return false;
	rule->flags |= UNWIND_RULE_DEREF;
	rule->base = RSP;
	rule->cfa_add = (int16_t)rule->cfa_offset;
	rule->cfa_offset = (int32_t)slot;
	return true;
}

/* ---- padding ------------------------------------------------------------------------------ */

#define OPERAND_SIZE 0x66
#define CS_SEGMENT   0x2e
#define NOP	     0x90
#define INT3	     0xcc

/* Bytes of ModRM, SIB and displacement of an operand, 0 if it is cut off. */
static size_t operand_size(const uint8_t *code, size_t size)
{
	static const uint8_t displacement[] = {0, 1, 4};
	size_t n = size ? 1 : 0;
	unsigned mode = size ? code[0] >> 6 : 3;

	if (mode == 3)
		return n;
	if ((code[0] & 7) == 4)
		n++;
	n += displacement[mode];
	return n <= size ? n : 0;
}

/* One instruction that does nothing, or a trap: its size, or 0. */
static size_t padding_size(const uint8_t *code, size_t size)
{
	size_t n = 0, operand;

	while (n < size && (code[n] == OPERAND_SIZE || code[n] == CS_SEGMENT))
		n++;
	if (n < size && (code[n] == NOP || code[n] == INT3))
		return n + 1;
	if (size - n < 3 || code[n] != 0x0f || code[n + 1] != 0x1f)
		return 0;
	operand = operand_size(code + n + 2, size - n - 2);
	return operand ? n + 2 + operand : 0;
}

static bool is_padding(const uint8_t *code, size_t size)
{
	size_t at = 0, zeros = 0, n;

	while (at < size && (n = padding_size(code + at, size - at)))
		at += n;
	while (at + zeros < size && !code[at + zeros])
		zeros++;
	return at + zeros == size;
}

/* ---- frame pointers ------------------------------------------------------------------------ */

/* It counts from the stack pointer, and says nothing of the frame pointer. */
static bool is_plain(const struct unwind_rule *rule)
{
	return !rule->flags && rule->base == RSP && rule->ra_offset == -WORD;
}

/* push %rbp; and then mov %rsp, %rbp */
static bool saves_fp(
	const uint8_t *code, size_t size, size_t offset, const struct unwind_rule *rule)
{
	static const int16_t both[] = {0x55, 0x48, 0x89, 0xe5};

	return is_plain(rule) && rule->cfa_offset == 2 * WORD && offset && offset < size &&
	       x86_64_matches(
		       both, sizeof(both) / sizeof(*both), code + offset - 1, size - offset + 1);
}

static void add_saved_fp(struct unwind_rule *rule)
{
	if (!is_plain(rule) || rule->cfa_offset < 2 * WORD)
		return;
	rule->flags = UNWIND_RULE_FP_SAVED;
	rule->fp_offset = -2 * WORD;
}

const struct unwind_arch unwind_arch_x86_64 = {
	.machine = EM_X86_64,
	.describe = describe,
	.pack = pack,
	.is_padding = is_padding,
	.find_stub = x86_64_find_stub,
	.find_sure = x86_64_find_sure,
	.find_own = x86_64_find_own,
	.saves_fp = saves_fp,
	.add_saved_fp = add_saved_fp,
	.jump_target = x86_64_jump_target,
	.find_call = find_call,
	.may_call = may_call,
	.needs_saved = needs_saved,
	.use_saved = use_saved,
};
