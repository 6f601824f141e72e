/* SPDX-License-Identifier: MIT */
/* jitdump_fixture.h - jitdumps as runtimes write them. */
#ifndef PROFD_TEST_JITDUMP_FIXTURE_H
#define PROFD_TEST_JITDUMP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct dump_record {
	uint32_t id, size;
	uint64_t time;
};

static inline void dump_bytes(int fd, const void *bytes, size_t size)
{
	assert_int_equal(write(fd, bytes, size), (ssize_t)size);
}

/* A file that begins as one. */
static inline int dump_new(uint64_t flags)
{
	struct {
		uint32_t magic, version, size, machine, pad, pid;
		uint64_t time, flags;
	} header = {0x4a695444, 1, sizeof(header), 62, 0, 1, 1, flags};
	int fd = memfd_create("jitdump", MFD_CLOEXEC);

	assert_true(fd >= 0);
	dump_bytes(fd, &header, sizeof(header));
	return fd;
}

static inline void dump_load(
	int fd, uint64_t time, uint64_t address, uint64_t size, uint64_t index, const char *name)
{
	uint64_t body[] = {1, address, address, size, index};
	struct dump_record r = {
		0, (uint32_t)(sizeof(r) + sizeof(body) + strlen(name) + 1 + 4), time};

	dump_bytes(fd, &r, sizeof(r));
	dump_bytes(fd, body, sizeof(body));
	dump_bytes(fd, name, strlen(name) + 1);
	dump_bytes(fd, "code", 4);
}

static inline void dump_move(
	int fd, uint64_t time, uint64_t from, uint64_t to, uint64_t size, uint64_t index)
{
	uint64_t body[] = {1, to, from, to, size, index};
	struct dump_record r = {1, sizeof(r) + sizeof(body), time};

	dump_bytes(fd, &r, sizeof(r));
	dump_bytes(fd, body, sizeof(body));
}

struct dump_line {
	uint64_t address;
	uint32_t line;
	const char *file; /* "\xff": that of the entry before */
};

/* Padded, as some do. */
static inline void dump_lines(
	int fd, uint64_t time, uint64_t code, const struct dump_line *lines, size_t n)
{
	uint64_t head[] = {code, n};
	struct dump_record r = {2, sizeof(r) + sizeof(head), time};

	for (size_t i = 0; i < n; i++)
		r.size += 16 + (uint32_t)strlen(lines[i].file) + 1;
	uint32_t padding = -r.size & 7;

	r.size += padding;
	dump_bytes(fd, &r, sizeof(r));
	dump_bytes(fd, head, sizeof(head));
	for (size_t i = 0; i < n; i++) {
		uint32_t place[] = {lines[i].line, 0};

		dump_bytes(fd, &lines[i].address, 8);
		dump_bytes(fd, place, sizeof(place));
		dump_bytes(fd, lines[i].file, strlen(lines[i].file) + 1);
	}
	dump_bytes(fd, "\0\0\0\0\0\0\0", padding);
}

/* Of a kind that says nothing about names. */
static inline void dump_other(int fd, uint32_t id, uint64_t time)
{
	struct dump_record r = {id, sizeof(r) + 8, time};

	dump_bytes(fd, &r, sizeof(r));
	dump_bytes(fd, "12345678", 8);
}

#endif
