// SPDX-License-Identifier: MIT
#include "unwind/compile.h"

#include <errno.h>
#include <stdlib.h>

#include "unwind/calls.h"
#include "unwind/page.h"

/* Longer gaps than an alignment makes are not looked at for padding. */
#define MAX_PADDING 64
/* Bytes at the entry point that are its function's, if nothing else says where that ends. */
#define MAX_ENTRY 64
/* Bytes of the longest call. */
#define MAX_CALL 8

struct unwind_module {
	struct cfi_source source;
	const struct unwind_arch *arch;
	struct cfi_index index[CFI_MAX_FRAMES]; /* of source.frames */
	uint64_t entry, entry_end; /* code there that is the outermost frame, if it has no CFI */
	struct fde_runner runner;
	struct fde_runner callee; /* of what the runner's function calls */
	struct unwind_own own;	  /* of the runner's function */
	uint64_t own_from;	  /* the address; UINT64_MAX: it says nothing of its own */
	bool fp_saved;		  /* in that function, up to here */
	struct page_builder page;
};

/* A piece of the page that is being compiled. */
struct range {
	uint64_t start, end;
	const struct cfi_code *code; /* that it lies in */
};

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t greatest(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* ---- code without CFI --------------------------------------------------------------------- */

static bool is_padding(
	const struct unwind_module *m, const struct cfi_code *code, uint64_t start, uint64_t end)
{
	return end - start <= MAX_PADDING &&
	       m->arch->is_padding(code->bytes + (start - code->start), end - start);
}

/* Code that is not known at all; at the entry point it is the outermost frame. */
static void add_unknown(
	struct unwind_module *m, const struct range *gap, uint64_t start, uint64_t end)
{
	uint64_t entry = greatest(start, m->entry), behind = least(end, m->entry_end);

	if (is_padding(m, gap->code, start, end))
		return;
	if (entry >= behind || entry > start)
		page_add_kind(&m->page, start, UNWIND_NONE);
	if (entry >= behind)
		return;
	page_add_kind(&m->page, entry, UNWIND_END);
	if (behind < end)
		page_add_kind(&m->page, behind, UNWIND_NONE);
}

/* Adds what lies in a range of a stub that begins at an address. */
static void add_stub(struct unwind_module *m, const struct range *range, uint64_t address,
	const struct unwind_stub *stub)
{
	if (!stub->n_rows)
		page_add_kind(&m->page, greatest(address, range->start), UNWIND_END);
	for (size_t i = 0; i < stub->n_rows; i++) {
		uint64_t start = address + stub->rows[i].at;
		uint64_t end = address + (i + 1 < stub->n_rows ? stub->rows[i + 1].at : stub->size);

		if (greatest(start, range->start) < least(end, range->end))
			page_add_rule(&m->page, greatest(start, range->start), &stub->rows[i].rule);
	}
}

/* Where to look for stubs of a range: at the page's borders one may be cut. */
static struct range with_cut_stubs(const struct unwind_module *m, const struct range *range)
{
	struct range wide = *range;

	if (wide.start == m->page.page)
		wide.start -= least(wide.start - wide.code->start, UNWIND_MAX_STUB);
	if (wide.end - m->page.page == UNWIND_PAGE_SIZE)
		wide.end += least(wide.code->end - wide.end, UNWIND_MAX_STUB);
	return wide;
}

static void add_gap(struct unwind_module *m, const struct range *gap)
{
	const struct range wide = with_cut_stubs(m, gap);
	const struct cfi_code *code = gap->code;
	struct unwind_stub stub = {0};
	uint64_t from = wide.start, done = gap->start;

	if (!code->bytes) {
		page_add_kind(&m->page, gap->start, UNWIND_NONE);
		return;
	}
	if (is_padding(m, code, gap->start, gap->end))
		return;
	while (m->arch->find_stub(
		code->bytes + (from - code->start), wide.end - from, from, &stub)) {
		uint64_t start = from + stub.offset, end = start + stub.size;

		if (start >= gap->end)
			break;
		stub.offset += stub.size;
		if (end <= done)
			continue;
		if (start > done)
			add_unknown(m, gap, done, start);
		add_stub(m, gap, start, &stub);
		done = least(end, gap->end);
	}
	if (done < gap->end)
		add_unknown(m, gap, done, gap->end);
}

/* ---- code with CFI ------------------------------------------------------------------------ */

static bool rule_at_call(struct unwind_module *m, const struct cfi_code *code, uint64_t target,
	const struct unwind_rule *rule, struct unwind_rule *at_call)
{
	int64_t slot;
	bool found;

	m->callee.machine.budget = m->runner.machine.budget;
	found = calls_find_slot(
		&m->callee, m->arch, m->index, m->source.n_frames, code, target, rule->base, &slot);
	m->runner.machine.budget = m->callee.machine.budget;
	*at_call = *rule;
	return found && m->arch->use_saved(at_call, slot);
}

/* The rules of calls in [start, end), where another one is in force. They are for the bytes behind
 * a call's first one: only a return address is looked up there. A call may begin before the range.
 */
static void add_calls(struct unwind_module *m, uint64_t start, uint64_t end,
	const struct range *range, const struct unwind_rule *rule)
{
	const struct cfi_code *code = range->code;
	struct unwind_call call = {0};
	struct unwind_rule at_call;

	start = greatest(start, code->start);
	if (start < range->start && range->start - start > MAX_CALL)
		start = range->start - MAX_CALL;
	end = least(end, least(range->end + MAX_CALL, code->end));
	for (; m->arch->find_call(code->bytes + (start - code->start), end - start, start, &call);
		call.offset++) {
		uint64_t first = greatest(start + call.offset + 1, range->start);
		uint64_t behind = least(start + call.offset + call.size, range->end);

		if (first >= behind || !rule_at_call(m, code, call.target, rule, &at_call))
			continue;
		page_add_rule(&m->page, first, &at_call);
		if (behind < range->end)
			page_add_rule(&m->page, behind, rule);
		call.offset += call.size - 1;
	}
}

/* Adds the machine's state, in force in [start, end), within a range. */
static void add_state(
	struct unwind_module *m, uint64_t start, uint64_t end, const struct range *range)
{
	uint64_t address = greatest(start, range->start);
	struct unwind_rule rule;
	enum unwind_kind kind = m->arch->describe(&m->runner.machine.state, &m->runner.cie, &rule);
	bool own;

	if (kind != UNWIND_KINDS) {
		page_add_kind(&m->page, address, kind);
		return;
	}
	own = m->own_from < least(end, range->end) && !rule.flags &&
	      rule.base == m->own.instead_of && rule.cfa_offset >= m->own.least;
	if (m->fp_saved)
		m->arch->add_saved_fp(&rule);
	page_add_rule(&m->page, address, &rule);
	if (range->code->bytes && m->arch->needs_saved(&rule))
		add_calls(m, start, end, range, &rule);
	if (own)
		page_add_rule(&m->page, greatest(address, m->own_from), &m->own.rule);
}

/* Go's CFI says nothing of the frame pointer, though its functions save it. */
static void look_for_saved_fp(
	struct unwind_module *m, const struct cfi_code *code, uint64_t address)
{
	struct unwind_rule rule;

	if (code->bytes && address > code->start && address < code->end && !m->fp_saved &&
		m->arch->describe(&m->runner.machine.state, &m->runner.cie, &rule) == UNWIND_KINDS)
		m->fp_saved = m->arch->saves_fp(
			code->bytes, code->end - code->start, address - code->start, &rule);
}

/* Says the function in [start, end) something of itself? */
static bool find_own(const struct unwind_module *m, const struct cfi_code *code, uint64_t start,
	uint64_t end, struct unwind_own *own)
{
	return code->bytes && start >= code->start && start < code->end &&
	       m->arch->find_own(
		       code->bytes + (start - code->start), least(end, code->end) - start, own);
}

/* A program may begin with a jump to what is a root, as Go's do. */
static bool jumps_to_root(
	const struct unwind_module *m, const struct cfi_fde *fde, const struct cfi_code *code)
{
	struct unwind_own own;
	uint64_t target;

	if (fde->start != m->source.entry || !code->bytes || fde->start < code->start ||
		fde->start >= code->end)
		return false;
	target = m->arch->jump_target(
		code->bytes + (fde->start - code->start), code->end - fde->start, fde->start);
	return find_own(m, code, target, target + MAX_ENTRY, &own) && own.outermost && !own.from;
}

/* Adds an FDE's rows within a range, as its program has them. */
static void add_program(
	struct unwind_module *m, const struct cfi_fde *fde, const struct range *range)
{
	uint64_t start = fde->start, end;
	int r = fde_runner_start(&m->runner, fde);

	m->fp_saved = false;
	while (r >= 0 && (r = cfa_next(&m->runner.machine, &start, &end)) > 0 &&
		start < range->end) {
		look_for_saved_fp(m, range->code, start);
		if (end > range->start)
			add_state(m, start, end, range);
	}
	if (r < 0 && start < range->end)
		page_add_kind(&m->page, greatest(start, range->start), UNWIND_UNKNOWN);
}

/* Adds an FDE's rows within a range. */
static void add_fde(struct unwind_module *m, const struct cfi_fde *fde, const struct range *range)
{
	struct range by_program = *range;

	m->own_from = UINT64_MAX;
	if (jumps_to_root(m, fde, range->code)) {
		by_program.end = range->start;
	} else if (find_own(m, range->code, fde->start, fde->end, &m->own)) {
		m->own_from = fde->start + m->own.from;
		if (m->own.outermost)
			by_program.end = least(range->end, greatest(m->own_from, range->start));
	}
	if (by_program.start < by_program.end)
		add_program(m, fde, &by_program);
	if (by_program.end < range->end)
		page_add_kind(&m->page, by_program.end, UNWIND_END);
}

/* Adds what the section `level` and those behind it know of a range. -EAGAIN: the linker's table
 * was found to be wrong, and replaced; the page must be started over. */
static int add_range(struct unwind_module *m, size_t level, const struct range *range)
{
	struct cfi_index *index = &m->index[level];
	struct range rest = *range;
	int r = 0;

	if (level == m->source.n_frames) {
		add_gap(m, range);
		return 0;
	}
	for (size_t i = cfi_index_seek(index, range->start);
		!r && cfi_index_start(index, i) < range->end; i++) {
		uint64_t next = cfi_index_start(index, i + 1);
		struct range gap = rest, covered = rest;
		struct cfi_fde fde;

		if (next <= rest.start)
			continue;
		if (fde_runner_read(&m->runner, index, i, &fde)) {
			if (index->scanned)
				continue;
			r = cfi_index_scan(index);
			return r ? r : -EAGAIN;
		}
		covered.start = greatest(fde.start, rest.start);
		covered.end = least(range->end, least(fde.end, next));
		if (covered.start >= covered.end)
			continue;
		gap.end = covered.start;
		if (gap.start < gap.end)
			r = add_range(m, level + 1, &gap);
		/* Setting the gap's CIE may have been the last thing that the machine did. */
		if (!r && !fde_runner_read(&m->runner, index, i, &fde))
			add_fde(m, &fde, &covered);
		rest.start = covered.end;
	}
	return r || rest.start == rest.end ? r : add_range(m, level + 1, &rest);
}

/* Adds a range of code: what is sure by its bytes, and what CFI says of the rest. */
static int add_code(struct unwind_module *m, const struct range *range)
{
	const struct range wide = with_cut_stubs(m, range);
	const uint8_t *bytes = range->code->bytes;
	struct range rest = *range;
	struct unwind_stub stub = {0};
	int r = 0;

	while (!r && bytes &&
		m->arch->find_sure(
			bytes + (wide.start - range->code->start), wide.end - wide.start, &stub)) {
		uint64_t start = wide.start + stub.offset, end = start + stub.size;
		struct range before = rest;

		if (start >= rest.end)
			break;
		stub.offset += stub.size;
		if (end <= rest.start)
			continue;
		before.end = start;
		if (before.start < before.end)
			r = add_range(m, 0, &before);
		add_stub(m, &rest, start, &stub);
		rest.start = least(end, rest.end);
	}
	return r || rest.start == rest.end ? r : add_range(m, 0, &rest);
}

static int add_page(struct unwind_module *m, uint64_t page)
{
	int r = 0;

	page_begin(&m->page, m->arch, page);
	m->runner.machine.budget = COMPILE_BUDGET;
	for (size_t i = 0; !r && i < m->source.n_code; i++) {
		const struct cfi_code *code = &m->source.code[i];
		struct range range = {page, page + UNWIND_PAGE_SIZE, code};

		if (code->end <= page ||
			(code->start > page && code->start - page >= UNWIND_PAGE_SIZE))
			continue;
		if (code->start > page)
			range.start = code->start;
		if (code->end - page < UNWIND_PAGE_SIZE)
			range.end = code->end;
		r = add_code(m, &range);
		if (range.end == code->end && code->end - page < UNWIND_PAGE_SIZE)
			page_add_kind(&m->page, range.end, UNWIND_NONE);
	}
	return r;
}

/* ------------------------------------------------------------------------------------------- */

static int open_indexes(struct unwind_module *m)
{
	uint64_t low = m->source.code[0].start;
	uint64_t high = m->source.code[m->source.n_code - 1].end;
	struct cfi_header header;
	bool has_header = m->source.header.size && !cfi_header_read(&m->source.header, &header);
	int r = 0;

	for (size_t i = 0; !r && i < m->source.n_frames; i++)
		r = cfi_index_open(&m->index[i], &m->source.frames[i],
			i == 0 && has_header ? &header : NULL, low, high);
	return r;
}

/* The entry point's function ends where another one begins. Where it has CFI it is none of a gap.
 */
static void find_entry(struct unwind_module *m, uint64_t entry)
{
	uint64_t end = entry + MAX_ENTRY;

	if (!entry || end < entry)
		return;
	for (size_t level = 0; level < m->source.n_frames; level++) {
		const struct cfi_index *index = &m->index[level];
		size_t i = cfi_index_seek(index, entry);
		struct cfi_fde fde;

		if (cfi_index_start(index, i) <= entry) {
			if (!fde_runner_read(&m->runner, index, i, &fde) && fde.end > entry)
				return;
			i++;
		}
		end = least(end, cfi_index_start(index, i));
	}
	m->entry = entry;
	m->entry_end = end;
}

int unwind_module_open(struct unwind_module **module, const struct cfi_source *source)
{
	const struct unwind_arch *arch = unwind_arch_of(source->machine);
	struct unwind_module *m;
	int r;

	*module = NULL;
	if (!arch)
		return -ENOTSUP;
	if (!source->n_code ||
		source->code[source->n_code - 1].end - source->code[0].start > UINT32_MAX)
		return -ENOEXEC;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->source = *source;
	m->arch = arch;
	r = open_indexes(m);
	if (r) {
		unwind_module_close(m);
		return r;
	}
	find_entry(m, source->entry);
	*module = m;
	return 0;
}

void unwind_module_close(struct unwind_module *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->source.n_frames; i++)
		cfi_index_close(&m->index[i]);
	free(m);
}

bool unwind_module_has_rules(const struct unwind_module *m)
{
	bool found = m->source.n_frames > 0;

	for (size_t i = 0; i < m->source.n_code && !found; i++) {
		const struct cfi_code *code = &m->source.code[i];
		struct unwind_stub stub = {0};

		found = code->bytes &&
			m->arch->find_sure(code->bytes, code->end - code->start, &stub);
	}
	return found;
}

uint64_t unwind_module_page(const struct unwind_module *m, uint64_t address)
{
	for (size_t i = 0; i < m->source.n_code; i++) {
		const struct cfi_code *code = &m->source.code[i];

		if (code->end > address)
			return (code->start > address ? code->start : address) &
			       ~(uint64_t)(UNWIND_PAGE_SIZE - 1);
	}
	return UINT64_MAX;
}

int unwind_module_compile(struct unwind_module *m, uint64_t page, uint32_t words[UNWIND_PAGE_WORDS])
{
	int r;

	do
		r = add_page(m, page);
	while (r == -EAGAIN); /* once at most: only the first section has a linker's table */
	return r ? r : (int)page_finish(&m->page, words);
}
