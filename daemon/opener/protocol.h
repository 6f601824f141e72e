/* SPDX-License-Identifier: MIT */
/*
 * protocol.h - messages between the collector and the opener, over SOCK_SEQPACKET: requests are
 * answered one after the other, in order. Both ends are the same executable, so nothing is
 * versioned, but both check what they read: sizes must add up and strings must end where they say.
 */
#ifndef PROFD_OPENER_PROTOCOL_H
#define PROFD_OPENER_PROTOCOL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The fixed part, then path and near, each with its NUL (near_size is 0 where there is none). */
struct opener_question {
	uint64_t id;
	uint64_t start, end, inode;
	uint64_t place; /* of the process (places.h): where it is searched, unless it is said */
	uint32_t kind;	/* enum opener_kind */
	uint32_t pid;
	uint32_t major, minor;
	uint32_t owner;
	uint32_t path_size, near_size;
};

/* The fixed part, then the real path with its NUL (path_size is 0 where there is none). One
 * descriptor comes along exactly when error is 0. Ahead of it, with -EINPROGRESS and no path, comes
 * where the opener looks from then on, as often as that changes. */
struct opener_answer {
	uint64_t id;
	uint64_t place; /* places.h; -EINPROGRESS only */
	int32_t error;	/* 0 or -errno */
	uint32_t path_size;
};

#define OPENER_MAX_QUESTION (sizeof(struct opener_question) + 2 * PATH_MAX)
#define OPENER_MAX_ANSWER   (sizeof(struct opener_answer) + PATH_MAX)

/* text[0..size) is one string: not empty, at most PATH_MAX bytes, its only NUL at its end. */
bool opener_string_ok(const char *text, uint32_t size);

#endif
