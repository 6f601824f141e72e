/* SPDX-License-Identifier: MIT */
/* short_name.h - function names without their packages and namespaces, for the boxes of a picture
 * (google/pprof internal/graph/graph.go, ShortenFunctionName). */
#ifndef PROFD_REPORT_SHORT_NAME_H
#define PROFD_REPORT_SHORT_NAME_H

/* The caller's to free; NULL without memory. */
char *short_name(const char *name);

#endif
