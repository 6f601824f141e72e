// SPDX-License-Identifier: MIT
#include "collector/bad_files.h"

static size_t find(const struct bad_files *b, const struct file_identity *file)
{
	size_t n = b->n < BAD_FILES_MAX ? b->n : BAD_FILES_MAX, i = 0;

	while (i < n && !file_identity_equal(&b->files[i].file, file))
		i++;
	return i < n ? i : BAD_FILES_MAX;
}

unsigned bad_files_grade(const struct bad_files *b, const struct file_identity *file)
{
	size_t i = find(b, file);

	return i < BAD_FILES_MAX ? b->files[i].grade : 0;
}

void bad_files_set(struct bad_files *b, const struct file_identity *file, unsigned grade)
{
	size_t i = find(b, file);

	if (i == BAD_FILES_MAX)
		i = b->n++ % BAD_FILES_MAX;
	b->files[i] = (struct bad_file){*file, grade};
}
