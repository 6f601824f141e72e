/* SPDX-License-Identifier: MIT */
/* place.h - where profiles and the daemon are: --store and --socket, PROFD_STORE and
 * PROFD_SOCKET, or the places of the installed service. */
#ifndef PROFD_CLI_PLACE_H
#define PROFD_CLI_PLACE_H

#include <stdbool.h>

#include "options.h"

#define PLACE_STORE "/var/lib/profd"

struct place {
	const char *store, *socket; /* borrowed */
};

extern const struct option PLACE_OPTIONS[];

struct place place_default(void);
/* False where only the store was moved, by an option or by the environment: the daemon that listens
 * at the usual socket, or at that of the environment, has another one, and its open window does not
 * belong to these files. */
bool place_has_daemon(const struct place *p);

#endif
