/* SPDX-License-Identifier: MIT */
/* preload_choice.h - which library announces what a command allocates. */
#ifndef PROFD_CLI_PRELOAD_CHOICE_H
#define PROFD_CLI_PRELOAD_CHOICE_H

#include "util/preload_path.h"

/* PRELOAD_CXX where the program is linked with an allocator that has C++ operators of its own, or
 * `others` (LD_PRELOAD so far, or NULL) has one. PRELOADS: none is, since the program is static, or
 * of another C library, with which it would not start. A script is not looked into. */
enum preload preload_choose(const char *program, const char *others);

#endif
