/* SPDX-License-Identifier: MIT */
/* preload_path.h - where libprofd-heap.so is, for profd, which attaches to it, and profctl, which
 * has it loaded. */
#ifndef PROFD_UTIL_PRELOAD_PATH_H
#define PROFD_UTIL_PRELOAD_PATH_H

#include <stdbool.h>

#define PRELOAD_NAME "libprofd-heap.so"

/* Beside the program that runs (in the folder that it was built in), else where it is installed.
 * To be freed; NULL: it is in neither place. */
char *preload_path(void);
/* Whether a file is that library, wherever it lies. */
bool is_preload_name(const char *path);

#endif
