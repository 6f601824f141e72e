/* SPDX-License-Identifier: MIT */
/* build_id.h - the number that a linker gives to a file, and that its debug file shares. */
#ifndef PROFD_SYMBOLS_BUILD_ID_H
#define PROFD_SYMBOLS_BUILD_ID_H

#include <stdbool.h>

#define BUILD_ID_MAX_HEX 128 /* characters */

/* Lowercase hex of a length that files and folders can be named by. */
bool build_id_is_plain(const char *text);

/* Whether a file, which anybody may have made, is ELF and has that build-id (lowercase hex) in one
 * of its note sections: debug files keep those, while their program headers lead nowhere. 0;
 * -ENOEXEC: it is no ELF file; -ENODATA: it has no build-id that can be read; -ESTALE: it has
 * another one; or the -errno of reading. */
int build_id_check(int fd, const char *hex);

#endif
