// SPDX-License-Identifier: MIT
#include "symbolizer/sources.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/cleanup.h"
#include "util/grow.h"

static struct file_identity identity_of(int fd)
{
	struct stat st;

	return fd >= 0 && !fstat(fd, &st) ? file_identity_of(&st) : (struct file_identity){0};
}

static struct source *find(const struct sources *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->all[i].name, name))
			return &s->all[i];
	return NULL;
}

static void remember(struct sources *s, const char *name, const struct file_identity *file)
{
	const struct source *known = find(s, name);
	char *copy;

	if (known) {
		s->incomplete |= !file_identity_equal(&known->file, file);
		return;
	}
	copy = s->n < SOURCES_MAX ? strdup(name) : NULL;
	if (!copy || grow(s->all, s->n, s->capacity, 1)) {
		free(copy);
		s->incomplete = true;
		return;
	}
	s->all[s->n++] = (struct source){copy, *file};
}

int sources_want(void *sources, const char *name)
{
	struct sources *s = sources;
	int fd = s->want(s->userdata, name);
	struct file_identity file = identity_of(fd);

	remember(s, name, &file);
	return fd;
}

struct file_identity source_look(debug_want want, void *userdata, const char *name)
{
	_cleanup_close_ int fd = want(userdata, name);

	return identity_of(fd);
}

void sources_clear(struct sources *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->all[i].name);
	free(s->all);
	*s = (struct sources){.want = s->want, .userdata = s->userdata};
}
