/* SPDX-License-Identifier: MIT */
#include "collector/debug_request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "helper/protocol.h"
#include "symbols/debug_name.h"
#include "util/cleanup.h"

static const char *path_of(const struct module *m)
{
	return m->real_path ? m->real_path : m->path;
}

/* The folder of the file that asks; NULL if nobody knows. */
static char *folder_of(const struct module *m)
{
	const char *path = path_of(m);
	const char *slash = path && *path == '/' ? strrchr(path, '/') : NULL;

	return slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : NULL;
}

int debug_request(struct opener *opener, const struct module *of, const char *name, size_t size,
	opener_done done, void *userdata)
{
	_cleanup_free_ char *folder = folder_of(of);
	char wanted[HELPER_MAX_WANT + 1] = "", text[HELPER_MAX_WANT + 1];
	struct opener_request request = {
		.kind = OPENER_DEBUG,
		.pid = of->pid > 0 ? (uint32_t)of->pid : 0,
		.path = text,
		.near = folder,
		.owner = of->owner,
		.inode = of->inode,
	};

	if (size > HELPER_MAX_WANT)
		return -EBADMSG;
	memcpy(wanted, name, size);
	if (!debug_name_is_good(wanted) || strlen(wanted) != size)
		return -EBADMSG;
	if (!debug_name_resolve(text, sizeof(text), wanted, path_of(of)))
		return -ENOENT;
	return opener_submit(opener, &request, done, userdata);
}
