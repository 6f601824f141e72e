// SPDX-License-Identifier: MIT
#include "unwind/fde_runner.h"

#include <errno.h>

static int set_cie(struct fde_runner *r, const struct cfi_section *section, uint64_t offset)
{
	if (r->cie_section == section && r->cie_offset == offset && r->state_error != -E2BIG)
		return r->cie_error;
	r->cie_section = section;
	r->cie_offset = offset;
	r->cie_error = cfi_cie_at(section, offset, &r->cie);
	if (!r->cie_error)
		r->state_error = cfa_set_cie(&r->machine, section, &r->cie);
	return r->cie_error;
}

int fde_runner_read(
	struct fde_runner *r, const struct cfi_index *index, size_t i, struct cfi_fde *fde)
{
	struct cfi_entry entry;
	int error = cfi_entry_at(index->section, cfi_index_offset(index, i), &entry);

	if (error || entry.kind != CFI_FDE)
		return -EBADMSG;
	error = set_cie(r, index->section, entry.cie);
	if (!error)
		error = cfi_fde_read(index->section, &entry, &r->cie, fde);
	return error || fde->start != cfi_index_start(index, i) ? -EBADMSG : 0;
}

int fde_runner_start(struct fde_runner *r, const struct cfi_fde *fde)
{
	cfa_start(&r->machine, fde);
	return r->state_error;
}
