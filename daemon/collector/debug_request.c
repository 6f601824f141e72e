/* SPDX-License-Identifier: MIT */
#include "collector/debug_request.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "helper/protocol.h"
#include "util/cleanup.h"

/* A base name as the opener takes it. */
static bool is_base_name(const char *name, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (name[i] == '/' || (unsigned char)name[i] < ' ' || name[i] == 127)
			return false;
	return size && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* The folder of the file that asks; NULL if nobody knows. */
static char *folder_of(const struct module *m)
{
	const char *path = m->real_path ? m->real_path : m->path;
	const char *slash = path && *path == '/' ? strrchr(path, '/') : NULL;

	return slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : NULL;
}

int debug_request(struct opener *opener, const struct module *of, const char *name, size_t size,
	opener_done done, void *userdata)
{
	_cleanup_free_ char *folder = folder_of(of);
	char text[HELPER_MAX_WANT + 1] = "";
	struct opener_request request = {
		.kind = OPENER_DEBUG,
		.pid = of->pid > 0 ? (uint32_t)of->pid : 0,
		.path = text,
		.near = folder,
	};

	if (size > HELPER_MAX_WANT)
		return -EBADMSG;
	memcpy(text, name, size);
	if (!is_base_name(text, size))
		return -EBADMSG;
	return opener_submit(opener, &request, done, userdata);
}
