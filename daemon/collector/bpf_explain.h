/* SPDX-License-Identifier: MIT */
/*
 * bpf_explain.h - what profd needs from the kernel, what this kernel offers, and what to do when
 * something is missing. Everything is found by trying, never by a version number.
 */
#ifndef PROFD_COLLECTOR_BPF_EXPLAIN_H
#define PROFD_COLLECTOR_BPF_EXPLAIN_H

#include <stddef.h>

struct bpf_features;

/* Sends libbpf's messages to log_debug and remembers its last warning. */
void bpf_explain_listen(void);

/* Rights, BTF, perf events. 0, or -errno with one line in `why`. */
int bpf_explain_requirements(char *why, size_t why_size);

/* Fills in all but nested_pidns. */
void bpf_explain_features(struct bpf_features *f);

/* "cannot STEP: …" with the reason and the way out, as far as they can be known. */
void bpf_explain_failure(const char *step, int error, char *why, size_t why_size);

#endif
