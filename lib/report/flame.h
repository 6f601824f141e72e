/* SPDX-License-Identifier: MIT */
/*
 * flame.h - the tree behind a flame graph: equal stacks are merged from the root on, and a node is
 * as wide as what was measured in it and below it. The pictures (flame_svg.c, flame_page.c) only
 * draw what is here.
 *
 * Frames are one node if their name and kind are the same below the same parent, so that two builds
 * of a program can be compared. Above them are the processes, where samples are labelled.
 *
 * A flame graph is differential if a base was added or if values are negative (a profile from which
 * another was subtracted): then a node is wide enough for the larger of its two sides, so that
 * what vanished is seen as well as what is new.
 */
#ifndef PROFD_REPORT_FLAME_H
#define PROFD_REPORT_FLAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/frames.h"
#include "profile/profile.h"
#include "util/intern.h"

struct string_table;

struct flame_node {
	uint32_t name, module; /* flame.texts */
	uint32_t parent;       /* of the root: itself */
	uint32_t depth;	       /* of the root: 0 */
	enum frame_kind kind;
	bool process;	     /* it stands for one, and is no frame */
	int64_t value, self; /* with and without what it calls */
	int64_t base;	     /* of the base, with what it calls; a magnitude */
	int64_t base_self;
	double width; /* at least the children's together; in the unit of the values */
	double x;     /* left end, from that of the root */
};

/* The outermost frame. */
enum flame_process {
	FLAME_PID,  /* "comm-pid" */
	FLAME_COMM, /* processes of one name together: pids of two times do not compare */
	FLAME_NONE,
};

struct flame {
	struct string_table *texts;
	enum flame_process process; /* set it before the first flame_add() */
	struct flame_node *nodes;   /* entry 0 is the root, "all"; parents precede children */
	size_t n, capacity;
	bool differential;
	size_t n_dropped; /* by flame_cut() */
	struct intern index;
};

/* 0 or -ENOMEM. flame_free() also after a failure. */
int flame_init(struct flame *f);
void flame_free(struct flame *f);
/* Adds the samples of a profile, their values multiplied by `scale`; `base`: to the other side.
 * Negative values go to the other side. 0, -EINVAL (no such sample type), -ENOMEM, -E2BIG. */
int flame_add(
	struct flame *f, const struct profile *p, size_t sample_type, double scale, bool base);
/* Once, when all is added: sums up, removes what is empty, and puts the nodes in the order of a
 * walk from left to right (a node, then its children by name), with their places. 0 or -ENOMEM. */
int flame_arrange(struct flame *f);
/* Drops nodes narrower than min_width and then the narrowest until the sum of bytes(node) is at
 * most max_bytes. The root stays. Those that stay move left, into what they leave. 0 or -ENOMEM. */
int flame_cut(struct flame *f, double min_width, size_t max_bytes,
	size_t (*bytes)(const void *userdata, const struct flame_node *node), const void *userdata);

const char *flame_text(const struct flame *f, uint32_t text);
/* Levels below the root. */
uint32_t flame_depth(const struct flame *f);

/* Which sample type a flame graph shows where none is asked for: the file's default; but numbers
 * of samples, where that is a time which says the same since each sample stands for the same
 * length. *each is that length (ns), or 0 where values are no numbers of such samples. */
void flame_sample_type(const struct profile *p, bool chosen, size_t *sample_type, int64_t *each);

#endif
