/* SPDX-License-Identifier: MIT */
/*
 * package.h - which package of Debian's a file came with, and which one has its debug symbols: by
 * dpkg's lists of files, and the rule that these are in PACKAGE-dbgsym (debhelper, dh_strip(1)).
 */
#ifndef PROFD_CLI_PACKAGE_H
#define PROFD_CLI_PACKAGE_H

#include <stdbool.h>
#include <stddef.h>

#define PACKAGE_LISTS "/var/lib/dpkg/info"

struct packaged_file {
	const char *path; /* as its links lead there; borrowed */
	char *package;	  /* owned; NULL: it came with none */
	char *debug;	  /* owned; the package with its debug symbols */
	bool installed;	  /* that one is installed already */
};

/* Fills in what dpkg knows of n files, in one pass over its lists. 0 (also where there is no dpkg)
 * or -ENOMEM; packaged_files_free() in any case. */
int packaged_files_find(const char *lists, struct packaged_file *files, size_t n);
void packaged_files_free(struct packaged_file *files, size_t n);

#endif
