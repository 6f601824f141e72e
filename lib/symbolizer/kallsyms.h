/* SPDX-License-Identifier: MIT */
/*
 * kallsyms.h - names of kernel addresses from the text of /proc/kallsyms (kernel/kallsyms.c,
 * s_show: "ADDRESS TYPE NAME[\t[MODULE]]"). It is neither sorted nor does it tell sizes: a
 * function reaches to the next one. Names of a module's functions get " [MODULE]"; those of BPF
 * programs do not, since their own say what they are (bpf_prog_TAG_NAME).
 */
#ifndef PROFD_SYMBOLIZER_KALLSYMS_H
#define PROFD_SYMBOLIZER_KALLSYMS_H

#include "symbolizer/names.h"

/* Bounds of the kernel's own code, without what only starts it; both 0 where they are not told. */
struct kallsyms_text {
	uint64_t begin, end;
};

/* Addresses are sorted. 0, -EPERM when addresses are hidden (kptr_restrict, no CAP_SYSLOG),
 * -ENOMEM, or -errno. */
int kallsyms_resolve(struct names *answer, int fd, const uint64_t *addresses, size_t n,
	struct kallsyms_text *text);

#endif
