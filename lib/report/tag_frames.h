/* SPDX-License-Identifier: MIT */
/*
 * tag_frames.h - tagroot and tagleaf: frames that stand for the values of a sample's labels, at
 * the root of its stack or at its leaf (google/pprof internal/driver/tagroot.go).
 */
#ifndef PROFD_REPORT_TAG_FRAMES_H
#define PROFD_REPORT_TAG_FRAMES_H

#include "profile/profile.h"

/* Keys are separated by commas; the first root key is the outermost, the last leaf key the
 * innermost. `unit` is what numbers are shown in. A list that no label matched is logged. 0,
 * -ENOMEM, -E2BIG. */
int tag_frames_add(struct profile *p, const char *root, const char *leaf, const char *unit);

#endif
