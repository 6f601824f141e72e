/* SPDX-License-Identifier: MIT */
/*
 * publish_impl.h - a publication's own context, for the two files that together are it: publish.c
 * (modules, and the locations in them) and publish_samples.c (what the stacks of the window are).
 */
#ifndef PROFD_COLLECTOR_PUBLISH_IMPL_H
#define PROFD_COLLECTOR_PUBLISH_IMPL_H

#include "collector/heap_ages.h"
#include "collector/publish.h"

#define MAX_VALUES 4 /* of a sample */

/* Frames of one module: order[first .. first+n-1]. */
struct group {
	struct module *module;
	size_t first, n;
};

struct publication {
	struct symbolizer *symbolizer;
	struct window *window;
	struct profile *profile;
	publish_done done;
	void *userdata;

	size_t n_frames, n_stacks; /* of the window when it began: it may go on filling */
	uint32_t *order;	   /* frame ids by (module, offset) */
	uint32_t *location_of;	   /* by frame id */
	struct group *groups;
	size_t n_groups, next;
	uint32_t end_location[PROFD_END_COUNT];
	enum session_type type;
	uint64_t period;
	struct heap_moment *moment; /* or NULL */
	int64_t start;		    /* ns since 1970 */
	uint64_t until; /* CLOCK_MONOTONIC, ns: code that came later has taken no sample */

	bool busy;	/* a request is on its way */
	bool advancing; /* guards against recursion when answers come from the cache */
	int error;	/* the first one: nothing more is added then */
};

/* Keeps r if it is the first error. Returns what is kept. */
int publication_keep_error(struct publication *p, int64_t r);
/* The id of a string in the profile; 0 with an error. */
uint32_t publication_text(struct publication *p, const char *s);
/* A location that nobody could name: it still has one line, since viewers skip those without. 0
 * with an error. */
uint32_t publication_pseudo_location(
	struct publication *p, uint32_t mapping, uint64_t address, const char *name);

/* All of the window's, when all frames have their locations. Returns how many were counted. */
uint64_t publication_add_samples(struct publication *p);

#endif
