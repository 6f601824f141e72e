// SPDX-License-Identifier: MIT
#include "collector/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>
/* Without memory an entry is not added: its hh.tbl stays NULL. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "collector/mappings.h"
#include "collector/modules.h"
#include "profd/capture.h"
#include "util/cleanup.h"
#include "util/log.h"

/* The mappings that were last written of a process. */
struct written {
	uint32_t pid;
	struct mappings *mappings; /* a reference */
	UT_hash_handle hh;
};

struct capture {
	FILE *file;
	struct written *written; /* hash by pid */
};

int capture_open(struct capture **out, const char *path)
{
	struct capture *c = calloc(1, sizeof(*c));
	int fd;

	if (!c)
		return -ENOMEM;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	c->file = fd < 0 ? NULL : fdopen(fd, "w");
	if (!c->file) {
		int error = -errno;

		close_fd(fd);
		free(c);
		return error;
	}
	*out = c;
	return 0;
}

void capture_close(struct capture *c)
{
	struct written *w, *next;
	bool failed;

	if (!c)
		return;
	failed = ferror(c->file);
	if (fclose(c->file) || failed)
		log_error("the capture is not whole: %s", strerror(errno));
	HASH_ITER (hh, c->written, w, next) {
		HASH_DEL(c->written, w);
		mappings_unref(w->mappings);
		free(w);
	}
	free(c);
}

static void write_record(struct capture *c, uint32_t kind, size_t size)
{
	struct capture_head head = {.kind = kind, .size = (uint32_t)size};

	fwrite(&head, sizeof(head), 1, c->file);
}

static void print_maps(FILE *out, const struct mappings *mappings)
{
	for (uint32_t i = 0; i < mappings->count; i++) {
		const struct memory_map *map = &mappings->maps[i];
		const struct module *m = map->module->same ? map->module->same : map->module;

		fprintf(out,
			"%" PRIx64 "-%" PRIx64 " r-xp %08" PRIx64 " %02x:%02x %" PRIu64 " %s\n",
			map->start, map->start + ((uint64_t)map->pages << MAPPINGS_PAGE_SHIFT),
			(uint64_t)map->file_page << MAPPINGS_PAGE_SHIFT, major(m->device),
			minor(m->device), (uint64_t)m->inode,
			m->real_path ? m->real_path : m->path);
	}
}

static void write_maps(struct capture *c, uint32_t pid, const struct mappings *mappings)
{
	struct capture_maps maps = {.pid = pid};
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return;
	print_maps(out, mappings);
	if (fclose(out))
		return;
	write_record(c, CAPTURE_MAPS, sizeof(maps) + size);
	fwrite(&maps, sizeof(maps), 1, c->file);
	fwrite(text, 1, size, c->file);
}

/* Whether the file has the process's present mappings now. */
static bool tell_maps(struct capture *c, struct process *process)
{
	struct mappings *mappings = process_mappings(process);
	uint32_t pid = process_pid(process);
	struct written *w;

	if (!mappings)
		return false;
	HASH_FIND(hh, c->written, &pid, sizeof(pid), w);
	if (w && w->mappings == mappings)
		return true;
	if (!w) {
		w = calloc(1, sizeof(*w));
		if (!w)
			return false;
		w->pid = pid;
		HASH_ADD(hh, c->written, pid, sizeof(pid), w);
		if (!w->hh.tbl) {
			free(w);
			return false;
		}
	}
	mappings_unref(w->mappings);
	w->mappings = mappings_ref(mappings);
	write_maps(c, pid, mappings);
	return true;
}

/* Bytes of the stack from sp on without a hole. */
static uint32_t whole_bytes(const struct profd_miss *miss)
{
	uint32_t page = 1u << PROFD_MISS_PAGE_SHIFT;
	uint32_t bytes = page - (uint32_t)((miss->sp - PROFD_RED_ZONE) & (page - 1));

	if (!(miss->present & 1))
		return 0;
	for (uint32_t i = 1; i < PROFD_MISS_WINDOW && miss->present >> i & 1; i++)
		bytes += page;
	if (bytes > miss->stack_size)
		bytes = miss->stack_size;
	return bytes > PROFD_RED_ZONE ? bytes - PROFD_RED_ZONE : 0;
}

void capture_write(struct capture *c, const struct profd_sample *s, const struct profd_miss *miss,
	struct process *process)
{
	struct capture_sample out = {
		.time = s->head.time,
		.pid = s->process.pid,
		.tid = s->tid,
		.n_user = s->n_user,
		.end = s->user_end,
		.way = s->way,
		.stack_size = whole_bytes(miss),
	};

	if (!tell_maps(c, process))
		return;
	snprintf(out.comm, sizeof(out.comm), "%s", process_comm(process, s->tid));
	memcpy(out.registers, miss->registers, sizeof(miss->registers));
	out.registers[PROFD_REGISTERS] = miss->ip;
	write_record(
		c, CAPTURE_SAMPLE, sizeof(out) + s->n_user * sizeof(uint64_t) + out.stack_size);
	fwrite(&out, sizeof(out), 1, c->file);
	for (size_t i = 0; i < s->n_user; i++) {
		uint64_t frame = s->frames[s->n_kernel + i] & ~PROFD_FRAME_EXACT;

		fwrite(&frame, sizeof(frame), 1, c->file);
	}
	fwrite((const char *)(miss + 1) + PROFD_RED_ZONE, 1, out.stack_size, c->file);
}
