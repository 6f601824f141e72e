/* SPDX-License-Identifier: MIT */
/* prune.h - drop_frames and keep_frames: frames that a file's producer asks not to show, such as
 * the insides of an allocator below malloc. */
#ifndef PROFD_PROFILE_PRUNE_H
#define PROFD_PROFILE_PRUNE_H

#include "profile/profile.h"
#include "util/pattern.h"

/* Cuts each stack below the outermost frame whose function matches drop_frames and not
 * keep_frames, that frame with it; not where everything outside of it matches too. As go tool
 * pprof does for every report (google/pprof profile/prune.go). A drop_frames or keep_frames that is
 * no regular expression drops nothing. 0 or -ENOMEM. */
int profile_prune(struct profile *p);

/* Cuts each stack below the innermost frame whose function matches, which stays (prune_from). 0 or
 * -ENOMEM. */
int profile_prune_from(struct profile *p, struct pattern *from);

#endif
