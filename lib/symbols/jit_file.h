/* SPDX-License-Identifier: MIT */
/*
 * jit_file.h - the file in which a runtime names the code that it makes: a jitdump, or a perf map
 * (linux tools/perf/Documentation, jitdump-specification.txt and jit-interface.txt).
 *
 * It lies where everybody may put files, so it is used only if it is the user's whose process it
 * is, or root's and for all to read, and has one name.
 */
#ifndef PROFD_SYMBOLS_JIT_FILE_H
#define PROFD_SYMBOLS_JIT_FILE_H

#include <stdint.h>

/* Opens the first of these: the jitdump that the process has mapped, which says that it writes it
 * now; /tmp/perf-N.map; /tmp/jit-N.dump. N is the number that the process knows itself by. root:
 * its root folder. A descriptor for reading, the caller's, or -errno: -ENOENT, -EPERM for a file
 * that is not to be trusted, -ESTALE for one that was mapped and is another now. */
int jit_file_open(int root, uint32_t pid);

#endif
