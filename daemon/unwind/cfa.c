// SPDX-License-Identifier: MIT
#include "unwind/cfa.h"

#include <dwarf.h>
#include <errno.h>

/* ---- instructions ------------------------------------------------------------------------- */

/* The high two bits of an instruction can name one of three, with its operand in the others. */
#define PRIMARY_MASK 0xc0
#define OPERAND_MASK 0x3f

static void set_rule(struct cfa_machine *m, uint64_t number, struct cfa_rule rule)
{
	if (number < CFA_REGISTERS)
		m->state.registers[number] = rule;
}

static void set_number(struct cfa_machine *m, uint64_t number, enum cfa_how how, int64_t n)
{
	set_rule(m, number, (struct cfa_rule){.number = n, .how = (uint8_t)how});
}

static void set_formula(struct cfa_machine *m, struct cfa_rule *rule, enum cfa_how how)
{
	uint64_t size = read_uleb(&m->program);
	const uint8_t *bytes = read_bytes(&m->program, size);

	*rule = (struct cfa_rule){.formula = bytes, .size = (uint32_t)size, .how = (uint8_t)how};
	if (size > UINT32_MAX)
		m->program.failed = true;
}

static void set_register_formula(struct cfa_machine *m, enum cfa_how how)
{
	uint64_t number = read_uleb(&m->program);
	struct cfa_rule rule;

	set_formula(m, &rule, how);
	set_rule(m, number, rule);
}

static void restore(struct cfa_machine *m, uint64_t number)
{
	if (number < CFA_REGISTERS)
		m->state.registers[number] = m->initial.registers[number];
}

/* Offsets are multiplied as C does it with unsigned numbers: hostile ones wrap, harmlessly. */
static int64_t factored(const struct cfa_machine *m, uint64_t n)
{
	return (int64_t)(n * (uint64_t)m->cie->data_align);
}

static void define_cfa(struct cfa_machine *m, uint64_t number, int64_t offset)
{
	bool known = number < CFA_REGISTERS;

	m->state.cfa = (struct cfa_rule){
		.number = offset,
		.how = known ? CFA_EQUALS : CFA_UNDEFINED,
		.base = known ? (uint8_t)number : 0,
	};
}

/* Half of a rule can only be changed where there is a whole one. */
static int change_cfa(struct cfa_machine *m, const uint64_t *number, const int64_t *offset)
{
	struct cfa_rule *cfa = &m->state.cfa;

	if (cfa->how != CFA_EQUALS && cfa->how != CFA_UNDEFINED)
		return -EBADMSG;
	define_cfa(m,
		number			 ? *number
		: cfa->how == CFA_EQUALS ? cfa->base
					 : CFA_REGISTERS,
		offset ? *offset : cfa->number);
	return 0;
}

static int move_to(struct cfa_machine *m, uint64_t location)
{
	if (location < m->location)
		return -EBADMSG;
	m->location = location;
	return 0;
}

static int advance(struct cfa_machine *m, uint64_t delta)
{
	return move_to(m, m->location + delta * m->cie->code_align);
}

static int set_location(struct cfa_machine *m)
{
	uint64_t location;

	if (!cfi_pointer(m->section, &m->program, m->cie->encoding, 0, &location))
		return -EBADMSG;
	return move_to(m, location);
}

static int remember(struct cfa_machine *m)
{
	if (m->depth == CFA_MAX_DEPTH)
		return -EBADMSG;
	m->stack[m->depth++] = m->state;
	return 0;
}

static int recall(struct cfa_machine *m)
{
	if (!m->depth)
		return -EBADMSG;
	m->state = m->stack[--m->depth];
	return 0;
}

/* Instructions that change the rule of the CFA. */
static int execute_cfa(struct cfa_machine *m, uint8_t op)
{
	struct reader *r = &m->program;
	uint64_t number;
	int64_t offset;

	switch (op) {
	case DW_CFA_def_cfa:
		number = read_uleb(r);
		define_cfa(m, number, (int64_t)read_uleb(r));
		return 0;
	case DW_CFA_def_cfa_sf:
		number = read_uleb(r);
		define_cfa(m, number, factored(m, (uint64_t)read_sleb(r)));
		return 0;
	case DW_CFA_def_cfa_register:
		number = read_uleb(r);
		return change_cfa(m, &number, NULL);
	case DW_CFA_def_cfa_offset:
		offset = (int64_t)read_uleb(r);
		return change_cfa(m, NULL, &offset);
	case DW_CFA_def_cfa_offset_sf:
		offset = factored(m, (uint64_t)read_sleb(r));
		return change_cfa(m, NULL, &offset);
	case DW_CFA_def_cfa_expression:
		set_formula(m, &m->state.cfa, CFA_EQUALS_FORMULA);
		return 0;
	default:
		return -EBADMSG;
	}
}

/* Instructions that change the rule of a register; all others are left to execute_cfa. */
static int execute_register(struct cfa_machine *m, uint8_t op)
{
	struct reader *r = &m->program;
	uint64_t number;

	switch (op) {
	case DW_CFA_offset_extended:
		number = read_uleb(r);
		set_number(m, number, CFA_SAVED_AT, factored(m, read_uleb(r)));
		return 0;
	case DW_CFA_offset_extended_sf:
		number = read_uleb(r);
		set_number(m, number, CFA_SAVED_AT, factored(m, (uint64_t)read_sleb(r)));
		return 0;
	case DW_CFA_GNU_negative_offset_extended:
		number = read_uleb(r);
		set_number(m, number, CFA_SAVED_AT, factored(m, -read_uleb(r)));
		return 0;
	case DW_CFA_val_offset:
		number = read_uleb(r);
		set_number(m, number, CFA_EQUALS, factored(m, read_uleb(r)));
		return 0;
	case DW_CFA_val_offset_sf:
		number = read_uleb(r);
		set_number(m, number, CFA_EQUALS, factored(m, (uint64_t)read_sleb(r)));
		return 0;
	case DW_CFA_register:
		number = read_uleb(r);
		set_number(m, number, CFA_IN_REGISTER, (int64_t)read_uleb(r));
		return 0;
	case DW_CFA_undefined:
		set_number(m, read_uleb(r), CFA_UNDEFINED, 0);
		return 0;
	case DW_CFA_same_value:
		set_number(m, read_uleb(r), CFA_SAME, 0);
		return 0;
	case DW_CFA_restore_extended:
		restore(m, read_uleb(r));
		return 0;
	case DW_CFA_expression:
		set_register_formula(m, CFA_SAVED_AT_FORMULA);
		return 0;
	case DW_CFA_val_expression:
		set_register_formula(m, CFA_EQUALS_FORMULA);
		return 0;
	default:
		return execute_cfa(m, op);
	}
}

static int execute(struct cfa_machine *m)
{
	struct reader *r = &m->program;
	uint8_t op = read_byte(r), operand = op & OPERAND_MASK;

	switch (op & PRIMARY_MASK) {
	case DW_CFA_advance_loc:
		return advance(m, operand);
	case DW_CFA_offset:
		set_number(m, operand, CFA_SAVED_AT, factored(m, read_uleb(r)));
		return 0;
	case DW_CFA_restore:
		restore(m, operand);
		return 0;
	}
	switch (op) {
	case DW_CFA_nop:
	/* arm64: return addresses are signed from here on. Who reads one drops the signature. */
	case DW_CFA_AARCH64_negate_ra_state:
		return 0;
	case DW_CFA_set_loc:
		return set_location(m);
	case DW_CFA_advance_loc1:
		return advance(m, read_number(r, 1));
	case DW_CFA_advance_loc2:
		return advance(m, read_number(r, 2));
	case DW_CFA_advance_loc4:
		return advance(m, read_number(r, 4));
	case DW_CFA_MIPS_advance_loc8:
		return advance(m, read_number(r, 8));
	case DW_CFA_remember_state:
		return remember(m);
	case DW_CFA_restore_state:
		return recall(m);
	case DW_CFA_GNU_args_size: /* what a call pushed; the CFA's rule allows for it */
		read_uleb(r);
		return 0;
	default:
		return execute_register(m, op);
	}
}

static int step(struct cfa_machine *m)
{
	int r;

	if (!m->budget)
		return -E2BIG;
	m->budget--;
	r = execute(m);
	return m->program.failed ? -EBADMSG : r;
}

/* ---- programs ----------------------------------------------------------------------------- */

int cfa_set_cie(struct cfa_machine *m, const struct cfi_section *section, const struct cfi_cie *cie)
{
	int r = 0;

	m->section = section;
	m->cie = cie;
	m->state = m->initial = (struct cfa_state){0};
	m->program = cie->program;
	m->location = 0;
	m->depth = 0;
	while (!r && reader_left(&m->program))
		r = step(m);
	m->initial = m->state;
	if (!r && m->location) /* a CIE has no addresses to advance over */
		r = -EBADMSG;
	return r;
}

void cfa_start(struct cfa_machine *m, const struct cfi_fde *fde)
{
	m->state = m->initial;
	m->program = fde->program;
	m->location = fde->start;
	m->end = fde->end;
	m->depth = 0;
}

int cfa_next(struct cfa_machine *m, uint64_t *start, uint64_t *end)
{
	*start = m->location;
	if (m->location >= m->end)
		return 0;
	while (m->location == *start) {
		int r;

		if (!reader_left(&m->program)) {
			m->location = m->end;
			break;
		}
		r = step(m);
		if (r)
			return r;
	}
	*end = m->location < m->end ? m->location : m->end;
	return 1;
}

/* ---- formulas ----------------------------------------------------------------------------- */

/* The rest of DW_OP_breg*, which was read. */
static bool read_register(struct reader *r, uint8_t op, uint8_t *number, int64_t *offset)
{
	uint64_t n = op - DW_OP_breg0;

	if (op == DW_OP_bregx)
		n = read_uleb(r);
	else if (op < DW_OP_breg0 || op > DW_OP_breg31)
		return false;
	*number = (uint8_t)n;
	*offset = read_sleb(r);
	return n < CFA_REGISTERS;
}

/* + 8 * a register, whose DW_OP_breg* was read. */
static bool read_index(struct reader *r, uint8_t op, struct cfa_formula *f)
{
	static const uint8_t times_8[] = {DW_OP_lit8, DW_OP_mul, DW_OP_plus};
	const uint8_t *rest;
	int64_t offset;

	if (f->indexed || f->deref || !read_register(r, op, &f->index, &offset))
		return false;
	rest = read_bytes(r, sizeof(times_8));
	f->indexed = true;
	f->offset = (int64_t)((uint64_t)f->offset + 8 * (uint64_t)offset);
	return rest && !memcmp(rest, times_8, sizeof(times_8));
}

bool cfa_formula(const struct cfa_rule *rule, struct cfa_formula *formula)
{
	struct reader r = reader_of(rule->formula, rule->size);

	*formula = (struct cfa_formula){0};
	if (!read_register(&r, read_byte(&r), &formula->base, &formula->offset))
		return false;
	while (reader_left(&r)) {
		uint8_t op = read_byte(&r);

		if (op == DW_OP_deref && !formula->deref) {
			formula->deref = true;
		} else if (op == DW_OP_plus_uconst) {
			int64_t *sum = formula->deref ? &formula->add : &formula->offset;

			*sum = (int64_t)((uint64_t)*sum + read_uleb(&r));
		} else if (!read_index(&r, op, formula)) {
			return false;
		}
	}
	return !r.failed;
}
