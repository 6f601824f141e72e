/* SPDX-License-Identifier: MIT */
/*
 * frames.h - the distinct frames of a profile, as folded stacks, pictures and exports show them: a
 * frame is a function in a module, however many lines and addresses of it were seen, and each
 * inlined call is a frame of its own. Stacks are lists of their ids, root first.
 */
#ifndef PROFD_PROFILE_FRAMES_H
#define PROFD_PROFILE_FRAMES_H

#include "profile/profile.h"
#include "util/intern.h"

enum frame_kind {
	FRAME_NATIVE,
	FRAME_KERNEL,  /* also of a guest */
	FRAME_INLINED, /* in its caller's code, whatever that is */
	FRAME_JIT,     /* from anonymous memory, a memfd or a perf-PID.map */
};

struct frame {
	uint32_t name;	   /* frame_table.texts: intact, or "[module+0x1a2b]" */
	uint32_t module;   /* frame_table.texts: last element of the path, "" if unknown */
	uint32_t function; /* of the profile; 0: none */
	uint32_t mapping;  /* of the profile; 0: none */
	enum frame_kind kind;
};

struct string_table; /* profile/strings.h */

struct frame_table {
	const struct profile *profile; /* borrowed */
	struct string_table *texts;    /* borrowed */
	struct frame *frames;	       /* ids are indices; entry 0 is unused */
	size_t n, capacity;
	uint32_t *of_line;     /* by index in profile.lines */
	uint32_t *of_location; /* by location, for those without lines */
	struct intern index;
	uint32_t *stack; /* what frame_table_stack() found last */
	size_t stack_n, stack_capacity;
};

/* Finds the frames of all locations; their texts go to `texts`, which may be shared by several
 * tables. 0, -ENOMEM, -E2BIG. frame_table_free() also after a failure. */
int frame_table_init(struct frame_table *t, const struct profile *p, struct string_table *texts);
void frame_table_free(struct frame_table *t);
/* Ids of a sample's frames, root first, in t->stack and t->stack_n until the next call. 0 or
 * -ENOMEM, -E2BIG. */
int frame_table_stack(struct frame_table *t, const struct sample *s);

/* By what the code was mapped from, but for what is inlined. */
enum frame_kind frame_kind_of_file(const char *file);

/* The label of that name, or NULL. */
const struct label *sample_label(const struct profile *p, const struct sample *s, const char *key);
/* The label's number, or `otherwise` if it has none. */
int64_t sample_number(
	const struct profile *p, const struct sample *s, const char *key, int64_t otherwise);
/* The label's text, or "". */
const char *sample_text(const struct profile *p, const struct sample *s, const char *key);
/* "comm-pid", or whichever of the two the sample is labelled with, else "". To free; NULL without
 * memory. ("comm pid" would read as a folded stack's number where such lines are parsed.) */
char *sample_process(const struct profile *p, const struct sample *s);

#endif
