// SPDX-License-Identifier: MIT
#include "verdict.h"

const char *verdict_name(enum verdict verdict)
{
	static const char *const names[VERDICTS] = {
		[EQUAL] = "equal",
		[EQUAL_IN_DUMP] = "equal in the dump",
		[NO_CFI] = "no CFI",
		[EPILOGUE] = "epilogue",
		[LIBDW_WRONG] = "libdw wrong",
		[OURS_SHORTER] = "ours shorter",
		[OURS_LONGER] = "ours longer",
		[OURS_WRONG] = "ours wrong",
	};

	return names[verdict];
}

/* Frame i is what a signal handler returns to; the innermost one may be behind its system call. */
static bool is_restorer(const struct space *space, const uint64_t *frames, size_t i)
{
	const struct mapping *m = space_find(space, frames[i]);
	uint64_t address = m ? frames[i] - m->bias : 0;

	return space_cfi(space, frames[i] - (i > 0)) == CFI_SIGNAL ||
	       (m && m->file &&
		       (code_is_restorer(m->file, address) ||
			       (!i && (code_is_restorer(m->file, address - RESTORER) ||
					      code_is_restorer(
						      m->file, address - SHORT_RESTORER)))));
}

/* Frame i was interrupted there, not left by a call. */
static bool is_exact(const struct space *space, const uint64_t *frames, size_t i)
{
	return i == 0 || is_restorer(space, frames, i - 1);
}

/* The address that says how frame i's caller is found. */
static uint64_t looked_up(const struct space *space, const uint64_t *frames, size_t i)
{
	return frames[i] - !is_exact(space, frames, i);
}

static bool has_cfi(const struct space *space, const uint64_t *frames, size_t i)
{
	return space_cfi(space, looked_up(space, frames, i)) != CFI_NONE;
}

enum trust {
	NO_RETURN,  /* nothing was called from there */
	RETURN,	    /* it follows a call, or lies in code that cannot be looked at */
	FROM_CALLEE /* it follows a call of the function that frame i - 1 is in */
};

static enum trust trust(const struct space *space, const uint64_t *frames, size_t i)
{
	const struct mapping *m = space_find(space, frames[i] - (i > 0)), *callee;
	uint64_t target = 0, function;

	if (!m)
		return NO_RETURN;
	/* The kernel puts the address of the function that returns from a signal. */
	if (!m->file || is_exact(space, frames, i) || is_restorer(space, frames, i))
		return RETURN;
	switch (code_call_before(m->file, frames[i] - m->bias, &target)) {
	case CALL_NONE:
		return NO_RETURN;
	case CALL_INDIRECT:
		return RETURN;
	case CALL_DIRECT:
		break;
	}
	callee = space_find(space, looked_up(space, frames, i - 1));
	if (!callee || callee->file != m->file)
		return RETURN;
	function = code_function(m->file, looked_up(space, frames, i - 1) - m->bias);
	return function == target ? FROM_CALLEE : RETURN;
}

bool can_be_frame(const struct space *space, const uint64_t *frames, size_t i)
{
	return trust(space, frames, i) != NO_RETURN;
}

/* A frame to which no call leads, but from which the walk goes on: its return address was put there
 * by hand, as V8 does where it gives up optimized code, and as whatever starts threads and
 * coroutines does with the outermost one. */
static bool is_planted(
	const struct space *space, const uint64_t *frames, size_t count, bool complete, size_t i)
{
	return i + 1 < count ? can_be_frame(space, frames, i + 1) : complete;
}

/* All frames from i on can be what they are. */
static bool plausible(
	const struct space *space, const uint64_t *frames, size_t count, bool complete, size_t i)
{
	for (; i < count; i++)
		if (!can_be_frame(space, frames, i) &&
			!is_planted(space, frames, count, complete, i))
			return false;
	return true;
}

/* A frame that was guessed, since there is no CFI, and cannot be one. */
static bool wrong_guess(
	const struct space *space, const uint64_t *frames, size_t count, bool complete)
{
	for (size_t i = 1; i < count; i++)
		if (!can_be_frame(space, frames, i) && !has_cfi(space, frames, i - 1) &&
			!is_planted(space, frames, count, complete, i))
			return true;
	return false;
}

static bool at_prologue_or_epilogue(const struct space *space, uint64_t address)
{
	const struct mapping *m = space_find(space, address);

	return m && m->file && code_is_prologue_or_epilogue(m->file, address - m->bias);
}

/* Both have a frame at `at`, another one each. Where nothing speaks against libdw's, ours is wrong.
 */
static enum verdict judge_difference(const struct space *space, const uint64_t *frames,
	size_t count, bool complete, const struct walk *libdw, size_t at)
{
	bool guessed = at && !has_cfi(space, frames, at - 1), edge, theirs_fails;
	enum trust ours, theirs;

	if (!at || !can_be_frame(space, frames, at) ||
		!plausible(space, frames, count, complete, at))
		return OURS_WRONG;
	theirs_fails = !plausible(
		space, libdw->frames, libdw->count, libdw->end != WALK_FAILED, at);
	if (guessed) /* in the innermost frame libdw skips a caller, if it has no frame pointer */
		return at == 1 || theirs_fails ? NO_CFI : OURS_WRONG;
	ours = trust(space, frames, at);
	theirs = trust(space, libdw->frames, at);
	if (ours < theirs || (ours == theirs && !theirs_fails))
		return OURS_WRONG;
	edge = is_exact(space, frames, at - 1) && at_prologue_or_epilogue(space, frames[at - 1]);
	return edge ? EPILOGUE : LIBDW_WRONG;
}

/* Frame i has its caller on another stack. */
static bool changes_stack(const struct space *space, const uint64_t *frames, size_t i)
{
	const struct mapping *m = i ? space_find(space, frames[i] - 1) : NULL;

	return m && m->file && code_changes_stack(m->file, frames[i] - m->bias);
}

/* Ours goes on where libdw ended. */
static enum verdict judge_longer(const struct space *space, const uint64_t *frames, size_t count,
	bool complete, const struct walk *libdw)
{
	if (libdw->end == WALK_DUMP || libdw->end == WALK_LIMIT)
		return EQUAL_IN_DUMP;
	if (!libdw->count)
		return OURS_LONGER;
	if (!plausible(space, frames, count, complete, libdw->count))
		return OURS_WRONG;
	if (libdw->end != WALK_ROOT || !has_cfi(space, frames, libdw->count - 1))
		return OURS_LONGER;
	/* A zero where no return address is; not, where CFI says that there is none. */
	return changes_stack(space, frames, libdw->count - 1) &&
			       space_cfi(space, looked_up(space, frames, libdw->count - 1)) ==
				       CFI_NORMAL
		       ? LIBDW_WRONG
		       : OURS_WRONG;
}

/* libdw goes on where ours ended. */
static enum verdict judge_shorter(const struct space *space, const uint64_t *frames, size_t count,
	bool complete, const struct walk *libdw)
{
	if (!complete)
		return OURS_SHORTER;
	/* Not the root, then: unless the first that libdw adds cannot be a frame. */
	if (count && !can_be_frame(space, libdw->frames, count) &&
		!is_planted(space, libdw->frames, libdw->count, libdw->end == WALK_ROOT, count))
		return has_cfi(space, frames, count - 1) ? LIBDW_WRONG : EQUAL;
	return OURS_WRONG;
}

static enum verdict judge_equal(bool complete, const struct walk *libdw)
{
	if (libdw->end == WALK_DUMP)
		return EQUAL_IN_DUMP;
	return libdw->end == WALK_ROOT && !complete ? OURS_SHORTER : EQUAL;
}

struct judgement judge(const struct space *space, const uint64_t *frames, size_t count,
	bool complete, const struct walk *libdw)
{
	struct judgement j = {0};

	while (j.equal < count && j.equal < libdw->count &&
		frames[j.equal] == libdw->frames[j.equal])
		j.equal++;
	if (wrong_guess(space, frames, count, complete))
		j.verdict = OURS_WRONG;
	else if (j.equal < count && j.equal < libdw->count)
		j.verdict = judge_difference(space, frames, count, complete, libdw, j.equal);
	else if (j.equal < count)
		j.verdict = judge_longer(space, frames, count, complete, libdw);
	else if (j.equal < libdw->count)
		j.verdict = judge_shorter(space, frames, count, complete, libdw);
	else
		j.verdict = judge_equal(complete, libdw);
	return j;
}
