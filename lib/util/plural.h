/* SPDX-License-Identifier: MIT */
/* plural.h - what stands behind a noun that is counted. */
#ifndef PROFD_UTIL_PLURAL_H
#define PROFD_UTIL_PLURAL_H

/* "" of one, as "%.0f" prints it, else "s". */
static inline const char *plural(double n)
{
	return n > 0.5 && n < 1.5 ? "" : "s";
}

#endif
