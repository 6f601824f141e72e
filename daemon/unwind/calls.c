// SPDX-License-Identifier: MIT
#include "unwind/calls.h"

static bool find_fde(struct fde_runner *r, const struct cfi_index *indexes, size_t n_indexes,
	uint64_t start, struct cfi_fde *fde)
{
	for (size_t level = 0; level < n_indexes; level++) {
		size_t i = cfi_index_seek(&indexes[level], start);

		if (cfi_index_start(&indexes[level], i) == start &&
			!fde_runner_read(r, &indexes[level], i, fde))
			return true;
	}
	return false;
}

/* The longest piece of a function that is searched for calls. A prologue has some 30 bytes. */
#define MAX_SEARCHED 256

static bool calls_nothing(
	const struct unwind_arch *arch, const struct cfi_code *code, uint64_t start, uint64_t end)
{
	return start >= code->start && end <= code->end && end - start <= MAX_SEARCHED &&
	       !arch->may_call(code->bytes + (start - code->start), end - start);
}

bool calls_find_slot(struct fde_runner *r, const struct unwind_arch *arch,
	const struct cfi_index *indexes, size_t n_indexes, const struct cfi_code *code,
	uint64_t function, uint8_t number, int64_t *slot)
{
	struct cfi_fde fde;
	uint64_t start, end;
	bool found = false;
	int error;

	if (!find_fde(r, indexes, n_indexes, function, &fde) || fde_runner_start(r, &fde))
		return false;
	while ((error = cfa_next(&r->machine, &start, &end)) > 0) {
		const struct cfa_rule *saved = &r->machine.state.registers[number];

		if (saved->how == CFA_UNSPECIFIED || saved->how == CFA_SAME) {
			if (!calls_nothing(arch, code, start, end))
				return false;
		} else if (saved->how != CFA_SAVED_AT || (found && saved->number != *slot)) {
			return false;
		} else {
			found = true;
			*slot = saved->number;
		}
	}
	return found && !error;
}
