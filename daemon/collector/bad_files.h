/* SPDX-License-Identifier: MIT */
/* bad_files.h - the files that a helper failed at: known again when they are opened anew. */
#ifndef PROFD_COLLECTOR_BAD_FILES_H
#define PROFD_COLLECTOR_BAD_FILES_H

#include <stddef.h>

#include "util/file_identity.h"

#define BAD_FILES_MAX 64 /* remembered at once */

struct bad_file {
	struct file_identity file;
	unsigned grade; /* how bad: the owner's */
};

/* Zero-initialised is empty. */
struct bad_files {
	struct bad_file files[BAD_FILES_MAX];
	size_t n; /* all there ever were: the next goes to n % BAD_FILES_MAX */
};

/* 0 if it is not known. */
unsigned bad_files_grade(const struct bad_files *b, const struct file_identity *file);
void bad_files_set(struct bad_files *b, const struct file_identity *file, unsigned grade);

#endif
