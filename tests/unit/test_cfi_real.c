// SPDX-License-Identifier: MIT
/*
 * Compiled rows of real files against libdw, which reads the same CFI in its own way. Both are
 * asked at each border of a row, and just before it, of either; their rules are applied to one
 * made-up frame (registers and memory are functions of a number or an address), and must lead to
 * the same caller.
 *
 * PROFD_CFI_PAGES says how many pages of each file are compared, PROFD_CFI_FILES (separated by
 * colons) which files, instead of those that are usual.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "symbolizer/elf_file.h"
#include "unwind/cfi_source.h"
#include "unwind/compile.h"
#include "unwind/page.h"
#include "util/cleanup.h"

#define RBP 6
#define RSP 7
#define RIP 16

#define PAGES	     6
#define MAX_FORMULA  16
#define LONGEST_GAP  64
#define START_FILE   256 /* bytes */
#define MAX_MISTAKES 10

/* ---- a made-up frame ---------------------------------------------------------------------- */

static uint64_t mix(uint64_t n)
{
	n = (n ^ n >> 31) * 0x9e3779b97f4a7c15ULL;
	return n ^ n >> 29;
}

static uint64_t register_value(uint64_t number, uint64_t pc)
{
	return number == RIP ? pc : mix(number + 1) & ~7ULL;
}

static uint64_t memory(uint64_t address)
{
	return mix(address * 3);
}

enum outcome { CALLER, NO_CFI, OUTERMOST, CANNOT };

struct caller {
	enum outcome outcome;
	bool signal, fp_lost;
	bool fp_from_rbp; /* libdw's: where rbp points */
	Dwarf_Word base;  /* libdw's: the register that the CFA counts from, and what is added */
	Dwarf_Word add;
	bool at_call; /* ours: the rule is one of a call's return address */
	int64_t slot; /* and reads that register there, from the stack pointer */
	uint64_t cfa, pc, fp;
};

/* ---- by libdw ----------------------------------------------------------------------------- */

static bool evaluate(const Dwarf_Op *ops, size_t n, uint64_t pc, uint64_t cfa, uint64_t *result)
{
	uint64_t stack[MAX_FORMULA + 2] = {0};
	size_t top = 1; /* stack[0] is never read by a good formula */

	if (n > MAX_FORMULA)
		return false;
	for (size_t i = 0; i < n; i++) {
		const Dwarf_Op *op = &ops[i];
		uint64_t *x = &stack[top - 1], *y = &stack[top];

		if (top < 2 && (op->atom == DW_OP_deref || op->atom == DW_OP_plus_uconst))
			return false;
		if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31)
			stack[++top - 1] = register_value(op->atom - DW_OP_breg0, pc) + op->number;
		else if (op->atom == DW_OP_bregx)
			stack[++top - 1] = register_value(op->number, pc) + op->number2;
		else if (op->atom == DW_OP_call_frame_cfa)
			stack[++top - 1] = cfa;
		else if (op->atom >= DW_OP_lit0 && op->atom <= DW_OP_lit31)
			stack[++top - 1] = op->atom - DW_OP_lit0;
		else if (op->atom == DW_OP_plus_uconst)
			*x += op->number;
		else if (op->atom == DW_OP_deref)
			*x = memory(*x);
		else if (top < 3)
			return false;
		else if (x = &stack[top - 2], y = &stack[top - 1], top--, op->atom == DW_OP_plus)
			*x += *y;
		else if (op->atom == DW_OP_and)
			*x &= *y;
		else if (op->atom == DW_OP_ge)
			*x = (int64_t)*x >= (int64_t)*y;
		else if (op->atom == DW_OP_shl)
			*x <<= *y & 63;
		else if (op->atom == DW_OP_mul)
			*x *= *y;
		else
			return false;
	}
	*result = stack[top - 1];
	return top >= 2;
}

/* 1: *value is the caller's; 0: undefined, or computed. */
static int caller_register(
	Dwarf_Frame *frame, int number, uint64_t pc, uint64_t cfa, uint64_t *value, bool *from_rbp)
{
	Dwarf_Op memory_for_ops[3], *ops;
	size_t n;
	bool is_value;

	assert_int_equal(dwarf_frame_register(frame, number, memory_for_ops, &ops, &n), 0);
	*value = register_value((uint64_t)number, pc);
	if (!n)
		return ops == NULL;		 /* the same, else undefined */
	if (n == 1 && ops->atom == DW_OP_regx) { /* in another one, as vfork's return address */
		*value = register_value(ops->number, pc);
		return 1;
	}
	is_value = ops[n - 1].atom == DW_OP_stack_value;
	/* The CFA lies on the stack when a register's formula begins. */
	*from_rbp = n == 2 && ops[1].atom == DW_OP_breg0 + RBP;
	if (is_value || !evaluate(ops, n, pc, cfa, value))
		return 0;
	*value = memory(*value);
	return 1;
}

static struct caller by_libdw(Dwarf_CFI *cfi, uint64_t pc, uint64_t *end)
{
	struct caller caller = {.outcome = NO_CFI};
	Dwarf_Op memory_for_ops[3], *ops;
	Dwarf_Frame *frame;
	uint64_t start;
	size_t n;
	bool unused;

	*end = 0;
	if (dwarf_cfi_addrframe(cfi, pc, &frame))
		return caller;
	assert_int_equal(dwarf_frame_info(frame, &start, end, &caller.signal), RIP);
	assert_int_equal(dwarf_frame_register(frame, RIP, memory_for_ops, &ops, &n), 0);
	caller.outcome = CANNOT;
	if (!n && ops)
		caller.outcome = OUTERMOST;
	else if (!dwarf_frame_cfa(frame, &ops, &n) && evaluate(ops, n, pc, 0, &caller.cfa) &&
		 caller_register(frame, RIP, pc, caller.cfa, &caller.pc, &unused))
		caller.outcome = CALLER;
	if (caller.outcome == CALLER && n == 1 && ops->atom == DW_OP_bregx) {
		caller.base = ops->number;
		caller.add = ops->number2;
	}
	caller.fp_lost = !caller_register(
		frame, RBP, pc, caller.cfa, &caller.fp, &caller.fp_from_rbp);
	free(frame);
	return caller;
}

/* ---- by our rows -------------------------------------------------------------------------- */

static struct caller by_long_rule(const struct unwind_rule *rule, uint64_t pc)
{
	const int pair = rule->flags & (UNWIND_RULE_PLT | UNWIND_RULE_DEREF | UNWIND_RULE_RA_BASE);
	uint64_t base = register_value(rule->base, pc);
	struct caller caller = {.outcome = CALLER, .fp = register_value(RBP, pc)};
	uint64_t fp_from;

	caller.cfa = base + (uint64_t)(int64_t)rule->cfa_offset;
	if (pair == UNWIND_RULE_PLT)
		caller.cfa += (pc & 15) >= (uint64_t)rule->cfa_add ? 8 : 0;
	if (pair == UNWIND_RULE_INDEXED)
		caller.cfa += 8 * register_value((uint64_t)rule->ra_offset, pc);
	if (pair & UNWIND_RULE_DEREF)
		caller.cfa = memory(caller.cfa) + (uint64_t)(int64_t)rule->cfa_add;
	if (pair == UNWIND_RULE_RA_REGISTER)
		caller.pc = register_value((uint64_t)rule->ra_offset, pc);
	else if (pair == UNWIND_RULE_INDEXED)
		caller.pc = memory(caller.cfa - 8);
	else
		caller.pc = memory((pair & UNWIND_RULE_RA_BASE ? base : caller.cfa) +
				   (uint64_t)(int64_t)rule->ra_offset);
	fp_from = rule->flags & UNWIND_RULE_FP_BASE  ? base
		  : rule->flags & UNWIND_RULE_FP_OWN ? caller.fp
						     : caller.cfa;
	if (rule->flags & UNWIND_RULE_FP_SAVED)
		caller.fp = memory(fp_from + (uint64_t)(int64_t)rule->fp_offset);
	caller.fp_lost = rule->flags & UNWIND_RULE_FP_LOST;
	caller.signal = rule->flags & UNWIND_RULE_SIGNAL;
	caller.at_call = rule->flags & UNWIND_RULE_DEREF && rule->base == RSP &&
			 rule->cfa_offset < 0;
	caller.slot = rule->cfa_offset;
	return caller;
}

static struct caller by_rule(const struct unwind_page *page, uint64_t pc)
{
	static const enum outcome outcomes[UNWIND_KINDS] = {NO_CFI, OUTERMOST, CANNOT};
	uint16_t rule = page_find(page, (uint16_t)pc);
	uint16_t number = rule & (UNWIND_ESCAPE - 1);
	uint16_t slot = rule >> UNWIND_FP_SHIFT & UNWIND_FP_MASK;
	struct caller caller = {.outcome = CALLER, .fp = register_value(RBP, pc)};

	if (rule & UNWIND_ESCAPE && number < UNWIND_KINDS)
		return (struct caller){.outcome = outcomes[number]};
	if (rule & UNWIND_ESCAPE)
		return by_long_rule(page_rule(page, rule), pc);
	caller.cfa = register_value(rule & UNWIND_BASE_FP ? RBP : RSP, pc) +
		     8U * (rule & UNWIND_CFA_MASK);
	caller.pc = memory(caller.cfa - 8);
	if (slot)
		caller.fp = memory(caller.cfa - 8U * (slot + 1U));
	return caller;
}

/* ---- comparison --------------------------------------------------------------------------- */

struct tally {
	const char *name;
	Dwarf_CFI *cfi;
	uint64_t covered; /* the end of the last range that libdw knew */
	size_t pages, rows, words, compared, mistakes;
	size_t unknown, fp_lost, fp_popped, padding, known, calls;
	Elf *elf;
	const struct cfi_code *code; /* that is being compared */
	uint64_t entry;
};

/* Linkers other than GNU's write no CFI for a PLT, and the start files have none, but their code is
 * known. */
static bool in_known_section(Elf *elf, uint64_t pc)
{
	Elf_Scn *section = NULL;
	size_t strings;
	GElf_Shdr sh;

	assert_int_equal(elf_getshdrstrndx(elf, &strings), 0);
	while ((section = elf_nextscn(elf, section))) {
		const char *name = gelf_getshdr(section, &sh) ? elf_strptr(elf, strings, sh.sh_name)
							      : NULL;

		if (name && pc - sh.sh_addr < sh.sh_size &&
			(!strncmp(name, ".plt", 4) || !strcmp(name, ".init") ||
				!strcmp(name, ".fini")))
			return true;
	}
	return false;
}

/* Near register_tm_clones, which alone says sar %rsi; je. */
static bool in_start_file(const struct cfi_code *code, uint64_t pc)
{
	uint64_t first = pc - code->start > START_FILE ? pc - START_FILE : code->start;
	uint64_t end = code->end - pc > START_FILE ? pc + START_FILE : code->end;

	return memmem(code->bytes + (first - code->start), end - first, "\x48\xd1\xfe\x74", 4);
}

static bool is_known_code(const struct tally *t, uint64_t pc, const struct caller *ours)
{
	if (ours->outcome == OUTERMOST)
		return pc - t->entry < LONGEST_GAP;
	return in_known_section(t->elf, pc) || in_start_file(t->code, pc);
}

static bool same_frame_pointer(
	struct tally *t, const struct caller *ours, const struct caller *theirs)
{
	if (ours->fp_lost) {
		t->fp_lost++;
		return true;
	}
	if (!theirs->fp_lost && ours->fp == theirs->fp)
		return true;
	/* rbp is popped already, though its rule is the old one: see describe_fp. */
	if (theirs->fp_from_rbp && ours->fp == register_value(RBP, 0)) {
		t->fp_popped++;
		return true;
	}
	return false;
}

/* The target of the call that covers an address, not with its first byte; 0: there is none. */
static uint64_t call_around(const struct tally *t, uint64_t pc)
{
	for (uint64_t at = pc - 4; at < pc; at++) {
		const uint8_t *call = t->code->bytes + (at - t->code->start);
		int32_t distance;

		if (at < t->code->start || *call != 0xe8)
			continue;
		memcpy(&distance, call + 1, sizeof(distance));
		return at + 5 + (uint64_t)(int64_t)distance;
	}
	return 0;
}

/* By libdw the function saves the register at a place once it has begun. */
static bool saves_at(const struct tally *t, uint64_t function, int number, int64_t slot)
{
	Dwarf_Op memory_for_ops[3], *ops;
	Dwarf_Frame *frame;
	uint64_t start, end = function;
	bool saved = false;
	size_t n;

	while (!saved && !dwarf_cfi_addrframe(t->cfi, end, &frame)) {
		dwarf_frame_info(frame, &start, &end, NULL);
		assert_int_equal(dwarf_frame_register(frame, number, memory_for_ops, &ops, &n), 0);
		saved = n == 2 && ops[0].atom == DW_OP_call_frame_cfa &&
			ops[1].atom == DW_OP_plus_uconst && (int64_t)ops[1].number == slot;
		free(frame);
	}
	return saved;
}

/* Where a call returns to, our rule finds in the callee's frame the register that libdw's counts
 * from, where libdw has its value from unwinding that frame. */
static bool same_by_call(
	struct tally *t, uint64_t pc, const struct caller *ours, const struct caller *theirs)
{
	uint64_t function = call_around(t, pc);

	t->calls++;
	return function && saves_at(t, function, (int)theirs->base, ours->slot) &&
	       ours->cfa == memory(register_value(RSP, pc) + (uint64_t)ours->slot) + theirs->add &&
	       ours->pc == memory(ours->cfa - 8);
}

static bool same(
	struct tally *t, uint64_t pc, const struct caller *ours, const struct caller *theirs)
{
	if (theirs->outcome == NO_CFI && ours->outcome != NO_CFI) {
		bool near = pc - t->covered < LONGEST_GAP;
		bool known = !near && is_known_code(t, pc, ours);

		t->padding += near;
		t->known += known;
		if (known)
			t->covered = pc + 1;
		return near || known;
	}
	if (ours->outcome == CANNOT) {
		t->unknown++;
		return true;
	}
	if (ours->outcome != theirs->outcome || ours->outcome != CALLER)
		return ours->outcome == theirs->outcome;
	if (ours->at_call && ours->cfa != theirs->cfa)
		return same_by_call(t, pc, ours, theirs);
	return ours->cfa == theirs->cfa && ours->pc == theirs->pc &&
	       ours->signal == theirs->signal && same_frame_pointer(t, ours, theirs);
}

/* Returns the end of libdw's row, 0 if it has none. */
static uint64_t compare(struct tally *t, const struct unwind_page *page, uint64_t pc)
{
	uint64_t end;
	struct caller theirs = by_libdw(t->cfi, pc, &end), ours = by_rule(page, pc);

	if (end > t->covered)
		t->covered = end;
	t->compared++;
	if (!same(t, pc, &ours, &theirs) && t->mistakes++ < MAX_MISTAKES)
		print_error(
			"%s %#lx: outcome %d cfa %lx pc %lx fp %lx signal %d, by libdw %d %lx %lx "
			"%lx %d\n",
			t->name, pc, ours.outcome, ours.cfa, ours.pc, ours.fp, ours.signal,
			theirs.outcome, theirs.cfa, theirs.pc, theirs.fp, theirs.signal);
	return end;
}

static void compare_page(struct tally *t, const struct unwind_page *page, uint64_t base,
	uint64_t start, uint64_t end)
{
	size_t last = page->first[UNWIND_CELLS], row = 0;

	t->pages++;
	t->rows += last + 1U;
	t->covered = start;
	for (uint64_t pc = start; pc < end;) {
		uint64_t next = compare(t, page, pc), rows_end;

		/* Our rows that begin before libdw's next; always upwards, for t->covered. */
		if (!next)
			next = pc + (pc - t->covered < LONGEST_GAP ? 1 : 16);
		if (next > end)
			next = end;
		while (row <= last && (rows_end = base + page->rows[row].address) <= next) {
			if (rows_end > pc + 1)
				compare(t, page, rows_end - 1);
			if (rows_end > pc && rows_end < next)
				compare(t, page, rows_end);
			row++;
		}
		compare(t, page, next - 1);
		pc = next;
	}
}

static void compare_code(struct tally *t, struct unwind_module *m, const struct cfi_code *code)
{
	static uint32_t words[UNWIND_PAGE_WORDS];
	uint64_t first = unwind_module_page(m, code->start), pages, step;
	const char *wanted = getenv("PROFD_CFI_PAGES");

	t->code = code;
	pages = (code->end - first + UNWIND_PAGE_SIZE - 1) / UNWIND_PAGE_SIZE;
	step = pages / (wanted ? strtoul(wanted, NULL, 10) + 1 : PAGES) + 1;
	for (uint64_t i = 0; i < pages; i += step) {
		uint64_t page = first + i * UNWIND_PAGE_SIZE, end = page + UNWIND_PAGE_SIZE;
		int n = unwind_module_compile(m, page, words);

		assert_in_range(n, 1, UNWIND_PAGE_WORDS);
		t->words += (size_t)n;
		compare_page(t, (struct unwind_page *)words, page,
			page < code->start ? code->start : page, end < code->end ? end : code->end);
	}
}

static void compare_file(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct tally t = {.name = path};
	struct cfi_source source;
	struct unwind_module *m;
	struct elf_file file;

	if (fd < 0)
		return;
	assert_int_equal(elf_file_open(&file, fd), 0);
	assert_int_equal(cfi_source_read(&source, &file), 0);
	assert_int_equal(unwind_module_open(&m, &source), 0);
	t.elf = file.elf;
	t.entry = source.entry;
	t.cfi = dwarf_getcfi_elf(file.elf);
	assert_non_null(t.cfi);
	for (size_t i = 0; i < source.n_code; i++)
		compare_code(&t, m, &source.code[i]);
	print_message("%s: %zu pages, %zu rows, %zu words; %zu addresses, %zu wrong, %zu unknown, "
		      "%zu frame pointers lost, %zu popped, %zu in padding, %zu in known code, %zu "
		      "by calls\n",
		path, t.pages, t.rows, t.words, t.compared, t.mistakes, t.unknown, t.fp_lost,
		t.fp_popped, t.padding, t.known, t.calls);
	dwarf_cfi_end(t.cfi);
	unwind_module_close(m);
	elf_file_close(&file);
	assert_int_equal(t.mistakes, 0);
	assert_true(t.unknown <= 8 + t.compared / 1000);
	assert_true(t.fp_lost <= 8 + t.compared / 1000);
}

static void test_files(void **state)
{
	static const char usual[] =
		"/proc/self/exe:/lib64/ld-linux-x86-64.so.2:/lib/x86_64-linux-gnu/libc.so.6:"
		"/lib/x86_64-linux-gnu/libcrypto.so.3:/lib/x86_64-linux-gnu/libstdc++.so.6:"
		"/usr/bin/python3:/usr/bin/perl:/usr/bin/git:/bin/bash:"
		"/usr/lib/gcc/x86_64-linux-gnu/12/cc1:/usr/bin/node";
	const char *wanted = getenv("PROFD_CFI_FILES");
	_cleanup_free_ char *files = strdup(wanted ? wanted : usual);
	char *rest = files;

	elf_version(EV_CURRENT);
	for (const char *path; (path = strsep(&rest, ":"));)
		compare_file(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
