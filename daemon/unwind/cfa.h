/* SPDX-License-Identifier: MIT */
/*
 * cfa.h - runs the program of an FDE: from instructions (DW_CFA_*) to one state of all registers
 * for each range of addresses. Which architecture it is does not matter here.
 *
 * Sources: DWARF 5 sections 6.4.2 and 6.4.3; Linux Standard Base Core 5.0 section 10.5.1 for
 * DW_CFA_GNU_*. DW_CFA_restore_state also restores the rule of the CFA, as compilers rely on.
 */
#ifndef PROFD_UNWIND_CFA_H
#define PROFD_UNWIND_CFA_H

#include "unwind/cfi_section.h"

/* All integer registers and the return address of x86-64 and arm64; rules of others are skipped. */
#define CFA_REGISTERS 32
/* Compilers nest remember_state once or twice. */
#define CFA_MAX_DEPTH 16

enum cfa_how {
	CFA_UNSPECIFIED,
	CFA_SAME,
	CFA_UNDEFINED,
	CFA_SAVED_AT,	      /* at CFA + number */
	CFA_EQUALS,	      /* CFA + number; of the CFA itself: register `base` + number */
	CFA_IN_REGISTER,      /* in register `number` */
	CFA_SAVED_AT_FORMULA, /* at the address that the DWARF expression yields */
	CFA_EQUALS_FORMULA,
};

struct cfa_rule {
	union {
		int64_t number;
		const uint8_t *formula; /* in the section */
	};
	uint32_t size; /* of the formula, bytes */
	uint8_t how;   /* enum cfa_how */
	uint8_t base;
};

struct cfa_state {
	struct cfa_rule cfa;
	struct cfa_rule registers[CFA_REGISTERS];
};

/* Between cfa_start and the end of that FDE, all fields but state are the machine's own. */
struct cfa_machine {
	struct cfa_state state;
	struct cfa_state initial; /* behind the CIE's program */
	struct cfa_state stack[CFA_MAX_DEPTH];
	unsigned depth;
	const struct cfi_section *section;
	const struct cfi_cie *cie;
	struct reader program;
	uint64_t location, end;
	uint64_t budget; /* instructions that may still be run; the caller renews it */
};

/* Runs the CIE's program, whose result holds until the next cfa_set_cie. Section and CIE must
 * live as long. 0, -EBADMSG; -E2BIG: the budget is used up. */
int cfa_set_cie(
	struct cfa_machine *m, const struct cfi_section *section, const struct cfi_cie *cie);
void cfa_start(struct cfa_machine *m, const struct cfi_fde *fde);
/* 1: m->state is in force in [*start, *end), which begins where the last one ended. 0: the FDE's
 * end was reached. -EBADMSG, -E2BIG: from m->location on, nothing is known. */
int cfa_next(struct cfa_machine *m, uint64_t *start, uint64_t *end);

/* The few formulas that are in use: register + offset, perhaps + an eight times larger register,
 * and what lies there plus something. */
struct cfa_formula {
	uint8_t base, index;
	bool indexed, deref;
	int64_t offset, add;
};
bool cfa_formula(const struct cfa_rule *rule, struct cfa_formula *formula);

#endif
