/* SPDX-License-Identifier: MIT */
/*
 * legacy.h - the formats that came before profile.proto and that people still have: gperftools' and
 * tcmalloc's heap (heap_v2, heapz, heapprofile), growth, CPU (binary, either byte order and word
 * size), contention and thread texts; those of Go's debug=1; Java's heap, CPU and contention. They
 * are read, unsampled and stripped of the profiler's own frames as google/pprof does
 * (profile/legacy_profile.go, profile/legacy_java_profile.go).
 */
#ifndef PROFD_PROFILE_LEGACY_H
#define PROFD_PROFILE_LEGACY_H

#include <stddef.h>

#include "profile/profile.h"

/* 0; -ENODATA if it is none of these formats (`why` is left alone); -EBADMSG with a line in `why`
 * if it begins as one of them and then breaks; -ENOMEM, -E2BIG. */
int legacy_parse(struct profile **out, const void *data, size_t size, char *why, size_t why_size);

#endif
