/* SPDX-License-Identifier: MIT */
/*
 * preload_path.h - where the libraries are that announce allocations (preload/), for profd, which
 * attaches to them, and profctl, which has one loaded.
 */
#ifndef PROFD_UTIL_PRELOAD_PATH_H
#define PROFD_UTIL_PRELOAD_PATH_H

#include <stdbool.h>

enum preload {
	PRELOAD_PLAIN, /* for allocators whose C++ operators come to malloc */
	PRELOAD_CXX,   /* for those that have operators of their own */
	PRELOADS,
};

/* Beside the program that runs (in the folder that it was built in), else where it is installed.
 * To be freed; NULL: it is in neither place. */
char *preload_path(enum preload which);
/* Whether a file is such a library, wherever it lies. */
bool is_preload_name(const char *path);

#endif
