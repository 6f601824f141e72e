/* SPDX-License-Identifier: MIT */
/*
 * catalog.h - what profiles there are for this user: the store's folder or, where he may not read
 * that, his own recordings as the daemon lists them.
 */
#ifndef PROFD_CLI_CATALOG_H
#define PROFD_CLI_CATALOG_H

#include <stdbool.h>
#include <stddef.h>

#include "place.h"
#include "store/store.h"

struct catalog {
	struct store_entry *entries; /* oldest first */
	size_t n;
	bool remote; /* read them with catalog_fetch: paths cannot be opened */
};

/* 0 or -errno, explained but for -ENOENT: for some there is something to read without a store. */
int catalog_read(struct catalog *c, const struct place *place);
/* Explains -ENOENT and returns it. */
int catalog_missing(const struct place *place);
void catalog_free(struct catalog *c);
/* A descriptor of a remote entry, or -errno, explained. */
int catalog_fetch(const struct place *place, const char *path);

#endif
