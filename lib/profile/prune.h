/* SPDX-License-Identifier: MIT */
/* prune.h - drop_frames and keep_frames: frames that a file's producer asks not to show, such as
 * the insides of an allocator below malloc. */
#ifndef PROFD_PROFILE_PRUNE_H
#define PROFD_PROFILE_PRUNE_H

#include "profile/profile.h"

/* Cuts each stack below the outermost frame whose function matches drop_frames and not
 * keep_frames, that frame with it; not where everything outside of it matches too. As go tool
 * pprof does for every report (google/pprof profile/prune.go), here with POSIX's extended regular
 * expressions; one that does not compile, or that could take for ever (repetition counts, back
 * references), drops nothing. 0 or -ENOMEM. */
int profile_prune(struct profile *p);

#endif
