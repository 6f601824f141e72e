/* SPDX-License-Identifier: MIT */
/* picture.h - call graphs through graphviz, and files in front of the user's eyes. */
#ifndef PROFD_CLI_PICTURE_H
#define PROFD_CLI_PICTURE_H

/* Writes what `fill` writes. What the output's name ends in (.svg, .png, .pdf, .ps, .gif), or else
 * `suffix` if that is given, is what graphviz makes of it; it stays dot otherwise. A path of NULL
 * is standard output. 0 or -errno, explained, but for what `fill` explained itself. */
int picture_write(
	const char *path, const char *suffix, int (*fill)(void *what, int fd), void *what);
/* The same to a temporary file, which is opened in a browser. "html" is shown as it is. */
int picture_show(const char *suffix, int (*fill)(void *what, int fd), void *what);

#endif
