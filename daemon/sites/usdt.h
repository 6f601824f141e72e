/* SPDX-License-Identifier: MIT */
/* usdt.h - the USDT probes of heap profilers in an ELF file. */
#ifndef PROFD_SITES_USDT_H
#define PROFD_SITES_USDT_H

#include "sites/image.h"
#include "sites/sites.h"

/* Sets the probes, and `incomplete` if there are too many. */
void usdt_find(const struct image *image, struct sites_found *out);

#endif
