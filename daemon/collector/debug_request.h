/* SPDX-License-Identifier: MIT */
/* debug_request.h - has a debug file opened that a helper asks for (HELPER_WANT). The name comes
 * from a file of a profiled process. */
#ifndef PROFD_COLLECTOR_DEBUG_REQUEST_H
#define PROFD_COLLECTOR_DEBUG_REQUEST_H

#include <stddef.h>

#include "collector/opener.h"

/* name: of `size` bytes, without NUL; as debug_name.h says. 0: done will be called.
 * -EBADMSG: it is no such name; another -errno: there is no such file. */
int debug_request(struct opener *opener, const struct module *of, const char *name, size_t size,
	opener_done done, void *userdata);

#endif
