/* SPDX-License-Identifier: MIT */
/*
 * verdict.h - who is right where two unwinders differ about a stack.
 *
 * libdw is believed where it follows CFI, unless the instructions contradict it (code.h). Where
 * there is no CFI it guesses like everybody else, and the instructions alone decide.
 */
#ifndef TRUTH_VERDICT_H
#define TRUTH_VERDICT_H

#include "space.h"

enum verdict {
	EQUAL,
	EQUAL_IN_DUMP, /* as far as the dump of the stack goes */
	NO_CFI,	       /* they part where there is none; ours follows calls */
	EPILOGUE,      /* they part at the first or last instructions of a function */
	LIBDW_WRONG,   /* its caller is none, ours is one */
	OURS_SHORTER,  /* and says that it is unfinished */
	OURS_LONGER,   /* libdw gave up; what ours adds follows calls */
	OURS_WRONG,
	VERDICTS,
};

const char *verdict_name(enum verdict verdict);

struct judgement {
	enum verdict verdict;
	size_t equal; /* frames that both have in common, innermost first */
};

/* frames: ours. complete: ours claims to have reached the root. */
struct judgement judge(const struct space *space, const uint64_t *frames, size_t count,
	bool complete, const struct walk *libdw);

/* Whether frame i can be what it is said to be: interrupted there, or called from there. */
bool can_be_frame(const struct space *space, const uint64_t *frames, size_t i);

#endif
