/* SPDX-License-Identifier: MIT */
/* configured.h - what profd's configuration (profd.conf(5)) says that profctl wants to know, too.
 */
#ifndef PROFD_CLI_CONFIGURED_H
#define PROFD_CLI_CONFIGURED_H

#define CONFIGURED_FILE "/etc/profd/profd.conf"

/* Folders with debug files, separated by colons; "" where the file says nothing of them, is not
 * there, or is not for this user to read. To free; NULL without memory. */
char *configured_debug_dirs(const char *path);

#endif
