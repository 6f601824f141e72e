/* SPDX-License-Identifier: MIT */
/* fde_runner.h - from an entry of an index to its FDE's running program. FDEs in a row share their
 * CIE, whose program is run once for all of them. */
#ifndef PROFD_UNWIND_FDE_RUNNER_H
#define PROFD_UNWIND_FDE_RUNNER_H

#include "unwind/cfa.h"
#include "unwind/cfi_index.h"

/* Zeros are one that has read nothing yet. */
struct fde_runner {
	struct cfa_machine machine; /* the budget is the caller's to set */
	struct cfi_cie cie;	    /* that the machine is set to */
	const struct cfi_section *cie_section;
	uint64_t cie_offset;
	int cie_error;	 /* of reading it */
	int state_error; /* of running its program */
};

/* Reads the FDE that entry i of an index leads to, and its CIE. 0, or -EBADMSG: there is none, or
 * it starts elsewhere than the index says. */
int fde_runner_read(
	struct fde_runner *r, const struct cfi_index *index, size_t i, struct cfi_fde *fde);
/* Starts the FDE that was read last; cfa_next is to follow. 0, or why the CIE's program failed. */
int fde_runner_start(struct fde_runner *r, const struct cfi_fde *fde);

#endif
