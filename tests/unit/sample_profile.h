/* SPDX-License-Identifier: MIT */
/* sample_profile.h - builds profiles for tests in few words. */
#ifndef PROFD_TESTS_SAMPLE_PROFILE_H
#define PROFD_TESTS_SAMPLE_PROFILE_H

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profile/pprof.h"
#include "profile/profile.h"

static inline uint32_t sp_string(struct profile *p, const char *text)
{
	int64_t id = profile_string(p, text);
	assert(id >= 0);
	return (uint32_t)id;
}

/* Writes it to a file, and frees it. */
static inline void sp_write(struct profile *p, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert(fd >= 0);
	int r = pprof_write(p, fd);
	assert(r == 0);
	close(fd);
	profile_free(p);
}

/* A CPU profile of 1 ms a sample, without samples. */
static inline struct profile *sp_new(void)
{
	struct profile *p = profile_new();
	assert(p);
	int r = profile_add_sample_type(p, "samples", "count");
	assert(r == 0);
	r = profile_add_sample_type(p, "cpu", "nanoseconds");
	assert(r == 0);
	p->period_type = (struct value_type){sp_string(p, "cpu"), sp_string(p, "nanoseconds")};
	p->period = 1000000;
	return p;
}

static inline uint32_t sp_mapping(struct profile *p, const char *file, uint64_t start)
{
	int64_t id = profile_add_mapping(p, &(struct mapping){.start = start,
						    .limit = start + 0x1000,
						    .file = sp_string(p, file),
						    .has_functions = true});
	assert(id > 0);
	return (uint32_t)id;
}

/* A location whose lines are the functions of "inner<outer<outermost"; "" for one without lines. */
static inline uint32_t sp_location(
	struct profile *p, uint32_t mapping, uint64_t address, const char *functions)
{
	struct line lines[8] = {0};
	size_t n = 0;
	while (*functions) {
		size_t length = strcspn(functions, "<");
		int64_t name = profile_string_n(p, functions, length);
		assert(name >= 0 && n < 8);
		int64_t id = profile_add_function(p, &(struct function){.name = (uint32_t)name});
		assert(id > 0);
		lines[n++] = (struct line){.function = (uint32_t)id, .line = 10};
		functions += length + (functions[length] == '<');
	}
	int64_t id = profile_add_location(
		p, &(struct location){.mapping = mapping, .address = address}, lines, n);
	assert(id > 0);
	return (uint32_t)id;
}

/* `count` samples of a stack, leaf first, with pid and comm (none for NULL). */
static inline void sp_sample(struct profile *p, const uint32_t *stack, size_t n, int64_t count,
	int64_t pid, const char *comm)
{
	struct label labels[2];
	size_t n_labels = 0;
	int64_t values[] = {count, count * p->period};
	if (pid)
		labels[n_labels++] = (struct label){.key = sp_string(p, "pid"), .num = pid};
	if (comm)
		labels[n_labels++] = (struct label){
			.key = sp_string(p, "comm"), .str = sp_string(p, comm)};
	int r = profile_add_sample(p, stack, n, labels, n_labels, values);
	assert(r == 0);
}

/* Stacks of all kinds of frames, leaf first: deep is a kernel, a JIT, an inlined and two plain
 * functions, the outermost of which is deep[3], "main"; unnamed ends in an address. */
static inline void sp_kinds(struct profile *p, uint32_t deep[4], uint32_t unnamed[2])
{
	uint32_t prog = sp_mapping(p, "/bin/prog", 0x1000);
	uint32_t kernel = sp_mapping(p, "[kernel.kallsyms]_text", 0xffffffff81000000ULL);
	uint32_t jit = sp_mapping(p, "//anon", 0x70000);

	deep[0] = sp_location(p, kernel, 0xffffffff81000010ULL, "do_read");
	deep[1] = sp_location(p, jit, 0x70010, "js:run");
	deep[2] = sp_location(p, prog, 0x1200, "inner<middle<outer");
	deep[3] = unnamed[1] = sp_location(p, prog, 0x1100, "main");
	unnamed[0] = sp_location(p, prog, 0x1abc, "");
}

/* What a report writes, as a string to free. */
#define sp_capture(call_with_out)                           \
	__extension__({                                     \
		char *text_ = NULL;                         \
		size_t size_ = 0;                           \
		FILE *out = open_memstream(&text_, &size_); \
		assert(out);                                \
		int r_ = (call_with_out);                   \
		assert(r_ == 0);                            \
		fclose(out);                                \
		text_;                                      \
	})

#endif
