/* SPDX-License-Identifier: MIT */
#ifndef PROFD_UTIL_FOLDER_H
#define PROFD_UTIL_FOLDER_H

#include <dirent.h>

/* To read what is in a folder, which may not be a link; closedir()ed by the caller. NULL, with
 * errno. */
DIR *folder_open(int parent, const char *name);

#endif
