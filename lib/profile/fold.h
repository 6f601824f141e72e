/* SPDX-License-Identifier: MIT */
/*
 * fold.h - folded stacks, one line each: "root;…;leaf N", what flamegraph.pl and its kin read.
 *
 * The first element is "comm-pid" where samples have those labels (a root of "comm pid" would end
 * in space and digits, which readers take for a second column). Frames end in _[k] (kernel), _[i]
 * (inlined) or _[j] (JIT), as flamegraph.pl's palettes know them; ';' becomes ':' and control
 * characters spaces. A frame without a name is "[module+0x1a2b]".
 */
#ifndef PROFD_PROFILE_FOLD_H
#define PROFD_PROFILE_FOLD_H

#include <stdio.h>

#include "profile/profile.h"

struct fold_options {
	size_t sample_type; /* index: which value is N */
	bool no_process;    /* leave out the first element */
};

/* Equal stacks are one line; lines are sorted by bytes; sums of 0 are left out. 0, -EINVAL (no such
 * sample type), -ENOMEM, or -errno of a failed write. */
int fold_write(const struct profile *p, const struct fold_options *options, FILE *out);

#endif
